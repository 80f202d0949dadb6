"""The decisions as every figure sees them: verdict and truth as codes, and what belongs together.

Scores become verdicts by a cut, two verdicts on a swapped pair become one, and the weak model's
outcome is the truth where nothing else says it.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.errors import LlmopsError
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.stats.bootstrap import cluster_sums

__all__ = ["Cases", "cases"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_A, _B, _TIE, _NEITHER = range(4)


@dataclass(frozen=True, eq=False)
class Cases:
    """All decisions.

    Attributes:
        frame: the decisions, ``judge`` and ``gold`` among the columns.
        names: the classes by code.
        judge: ``(n,)`` codes of the verdicts; ``len(names)`` where there is none.
        gold: ``(n,)`` codes of the truths, likewise.
        clusters: ``(n,)`` codes of what a row belongs to; None where rows are independent.
        from_outcome: whether the truth is the weak model's outcome.
    """

    frame: pd.DataFrame
    names: tuple[str, ...]
    judge: Ints
    gold: Ints
    clusters: Ints | None
    from_outcome: bool = False

    @property
    def missing(self) -> int:
        """The code of no label."""
        return len(self.names)

    @cached_property
    def labelled(self) -> npt.NDArray[np.bool_]:
        """``(n,)`` whether the truth is known."""
        return self.gold != self.missing

    @cached_property
    def answered(self) -> npt.NDArray[np.bool_]:
        """``(n,)`` whether verdict and truth are both known."""
        return self.labelled & (self.judge != self.missing)

    @cached_property
    def right(self) -> Floats:
        """Of each labelled decision: 1 where the verdict is the truth; an abstention is wrong."""
        return (self.judge == self.gold)[self.labelled].astype(np.float64)

    @cached_property
    def table(self) -> Ints:
        """``(k + 1, k)`` counts of verdict (the last row is none) by truth."""
        k = len(self.names)
        codes = self.judge[self.labelled] * k + self.gold[self.labelled]
        return np.bincount(codes, minlength=(k + 1) * k).reshape(k + 1, k)

    @cached_property
    def labelled_clusters(self) -> Ints | None:
        """Cluster of each labelled decision, numbered without gaps; None without clusters."""
        return None if self.clusters is None else renumbered(self.clusters[self.labelled])

    @cached_property
    def cluster_tables(self) -> Ints | None:
        """``(G, k, k)`` counts of verdict by truth of each cluster; None without clusters."""
        if self.clusters is None:
            return None
        k = len(self.names)
        own = renumbered(self.clusters[self.answered])
        codes = (own * k + self.judge[self.answered]) * k + self.gold[self.answered]
        groups = int(own.max()) + 1 if len(own) else 0
        return np.bincount(codes, minlength=groups * k * k).reshape(groups, k, k)

    def sums(self, values: Floats, rows: npt.NDArray[np.bool_] | None = None) -> Floats:
        """``(G, 2)`` sum and number of some rows' values by cluster; every row its own without.

        Args:
            values: one per chosen row.
            rows: ``(n,)`` which rows are chosen; the labelled ones where left out.
        """
        chosen = self.labelled if rows is None else rows
        pairs = np.column_stack([values, np.ones(len(values))])
        if self.clusters is None:
            return pairs
        return cluster_sums(pairs, renumbered(self.clusters[chosen]))


def renumbered(codes: Ints) -> Ints:
    """The same groups, numbered 0, 1, … in the order of their first row."""
    return pd.factorize(codes)[0].astype(np.int64)


def cases(decisions: pd.DataFrame, given: JudgeParameters) -> Cases:
    """The decisions with verdict and truth in place.

    Raises:
        LlmopsError: ``judge-no-cut`` for scores outside [0, 1] without a cut.
    """
    frame = decisions.copy(deep=False)
    if "judge" not in frame and "score" in frame:
        frame["judge"] = _cut(frame["score"].to_numpy(dtype=np.float64), given.cut)
    if given.kind == "pairwise" and "judge_swapped" in frame:
        frame["judge_first"] = frame["judge"]
        both = (frame[name].to_numpy(dtype=np.int64) for name in ("judge", "judge_swapped"))
        frame["judge"] = combined(*both)
    derived = "gold" not in frame and "weak_correct" in frame and given.kind == "binary"
    if derived:
        frame["gold"] = frame["weak_correct"]
    judge, gold = (_codes(frame, name, len(given.names)) for name in ("judge", "gold"))
    return Cases(frame, given.names, judge, gold, _clusters(frame), from_outcome=derived)


def combined(first: Ints, second: Ints) -> Ints:
    """One verdict of two on the same pair in both orders: the answer that wins more often.

    One vote for each order; an order without a verdict has none.
    """
    votes = np.zeros(len(first), np.int64)
    for verdict in (first, second):
        votes += (verdict == _A).astype(np.int64) - (verdict == _B).astype(np.int64)
    winner = np.where(votes > 0, _A, np.where(votes < 0, _B, _TIE))
    return np.where((first == _NEITHER) & (second == _NEITHER), _NEITHER, winner)


def _cut(scores: Floats, cut: float | None) -> Ints:
    known = np.isfinite(scores)
    if cut is None:
        if known.any() and not (scores[known].min() >= 0 and scores[known].max() <= 1):
            raise LlmopsError(
                "judge-no-cut",
                "the scores are no probabilities, and nothing says from which one on the weak "
                "answer will do",
                hint="--cut SCORE",
                field="score",
            )
        cut = 0.5
    return np.where(known, (scores >= cut).astype(np.int64), 2)


def _codes(frame: pd.DataFrame, name: str, missing: int) -> Ints:
    if name not in frame:
        return np.full(len(frame), missing, np.int64)
    return frame[name].to_numpy(dtype=np.int64)


def _clusters(frame: pd.DataFrame) -> Ints | None:
    if "cluster" not in frame:
        return None
    names = frame["cluster"].to_numpy(dtype=object)
    codes = pd.factorize(names)[0].astype(np.int64)
    # A row without a cluster is one of its own.
    alone = np.array([name in {"", None} for name in names])
    codes[alone] = len(names) + np.arange(int(alone.sum()))
    return renumbered(codes)
