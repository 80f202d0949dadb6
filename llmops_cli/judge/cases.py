"""The decisions as every figure sees them: verdict and truth as codes, and what belongs together.

Scores become verdicts by a cut, two verdicts on a swapped pair become one, and the weak model's
outcome is the truth where nothing else says it.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.stats.bootstrap import cluster_sums, renumbered
from llmops_cli.stats.table_bootstrap import drawn_cluster_tables, drawn_tables

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cases", "best_tier", "cases", "numbered"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_A, _B, _TIE, _NEITHER = range(4)


@dataclass(frozen=True, eq=False)
class Cases:
    """All decisions.

    Attributes:
        columns: the decisions by column, ``judge`` and ``gold`` among them where they are known.
        names: the classes by code.
        judge: ``(n,)`` codes of the verdicts; ``len(names)`` where there is none.
        gold: ``(n,)`` codes of the truths, likewise.
        clusters: ``(n,)`` codes of what a row belongs to; None where rows are independent.
        from_outcome: whether the truth comes from the models' outcomes.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    names: tuple[str, ...]
    judge: Ints
    gold: Ints
    clusters: Ints | None
    from_outcome: bool = False

    @property
    def missing(self) -> int:
        """The code of no label."""
        return len(self.names)

    def floats(self, name: str) -> Floats:
        """``(n,)`` numbers of a column; NaN for none."""
        return np.asarray(self.columns[name], dtype=np.float64)

    def codes(self, name: str) -> Ints:
        """``(n,)`` codes of a column of labels."""
        return np.asarray(self.columns[name], dtype=np.int64)

    def texts(self, name: str) -> npt.NDArray[np.object_]:
        """``(n,)`` words of a column; empty for none."""
        return np.asarray(self.columns[name], dtype=object)

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
        return self.clusters_of(self.labelled)

    def clusters_of(self, rows: npt.NDArray[np.bool_]) -> Ints | None:
        """Cluster of each of some rows, numbered without gaps; None without clusters."""
        return None if self.clusters is None else renumbered(self.clusters[rows])

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

    @cached_property
    def weights(self) -> Floats | None:
        """``(n,)`` 1 over the chance that a row's truth came to be known; None where not logged."""
        if "propensity" not in self.columns:
            return None
        chance = self.floats("propensity")
        with np.errstate(divide="ignore"):
            return 1 / chance

    @cached_property
    def pairs(self) -> Floats:
        """``(k, k)`` counts of verdict by truth, weighted where propensities are logged.

        Weighted ones add up to the number of rows.
        """
        k, rows = len(self.names), self.answered
        weights = None if self.weights is None else self.weights[rows]
        codes = self.judge[rows] * k + self.gold[rows]
        counts = np.bincount(codes, weights, minlength=k * k).reshape(k, k).astype(np.float64)
        return counts if weights is None else counts * (len(codes) / max(counts.sum(), 1e-300))

    def resampled(self, resamples: int, seed: int) -> Floats:
        """``(R, k, k)`` tables of verdict by truth over resampled rows or clusters, drawn once."""
        asked = resamples, seed
        if asked not in self._drawn:
            self._drawn[asked] = (
                drawn_tables(self.table[:-1], resamples=resamples, seed=seed)
                if self.cluster_tables is None
                else drawn_cluster_tables(self.cluster_tables, resamples=resamples, seed=seed)
            )
        return self._drawn[asked]

    @cached_property
    def _drawn(self) -> dict[tuple[int, int], Floats]:
        return {}

    def counts(self, hits: npt.NDArray[np.bool_], rows: npt.NDArray[np.bool_]) -> Floats:
        """``(G, 2)`` hits and number of some rows by cluster; every row its own without.

        Args:
            hits: ``(n,)`` which of all rows are.
            rows: ``(n,)`` which rows are chosen.
        """
        if self.clusters is None:
            return np.column_stack([hits[rows], np.ones(int(rows.sum()))]).astype(np.float64)
        sizes = np.bincount(self.clusters[rows])
        found = np.bincount(self.clusters[rows & hits], minlength=len(sizes))
        present = sizes > 0
        return np.column_stack([found[present], sizes[present]]).astype(np.float64)

    def sums(self, values: Floats, rows: npt.NDArray[np.bool_] | None = None) -> Floats:
        """``(G, 2)`` sum and number of some rows' values by cluster; every row its own without.

        Args:
            values: one per chosen row.
            rows: ``(n,)`` which rows are chosen; the labelled ones where left out.
        """
        chosen = self.labelled if rows is None else rows
        return self._by_cluster(np.column_stack([values, np.ones(len(values))]), chosen)

    def weighable(self, rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Of some rows those that a propensity speaks of: the labelled ones, where it is logged."""
        return rows if self.weights is None else rows & self.labelled

    def weighted_sums(self, values: Floats, rows: npt.NDArray[np.bool_]) -> Floats:
        """As :meth:`sums`, both columns weighted where propensities are logged."""
        weights = np.ones(len(values)) if self.weights is None else self.weights[rows]
        return self._by_cluster(np.column_stack([weights * values, weights]), rows)

    def _by_cluster(self, pairs: Floats, rows: npt.NDArray[np.bool_]) -> Floats:
        if self.clusters is None:
            return pairs
        return cluster_sums(pairs, renumbered(self.clusters[rows]))

    def mean(self, values: Floats, rows: npt.NDArray[np.bool_]) -> float:
        """Mean of some rows' values, weighted where propensities are logged."""
        total, n = self.weighted_sums(values, rows).sum(axis=0)
        return float(total / n)


def numbered(names: npt.NDArray[np.object_]) -> tuple[list[Any], Ints]:
    """Distinct names in the order of their first row, and the number of each row's name."""
    known: defaultdict[Any, int] = defaultdict(count().__next__)
    codes = np.fromiter(map(known.__getitem__, names.tolist()), np.int64, len(names))
    return list(known), codes


def cases(
    decisions: "pd.DataFrame | Mapping[str, npt.NDArray[Any]]", given: JudgeParameters
) -> Cases:
    """The decisions with verdict and truth in place.

    Raises:
        LlmopsError: ``judge-no-cut`` for scores outside [0, 1] without a cut, and
            ``judge-nothing-to-cut`` for a cut without scores to make verdicts of.
    """
    columns = {str(name): np.asarray(values) for name, values in decisions.items()}
    if given.cut is not None and not ("score" in columns and "judge" not in columns):
        raise _nothing_to_cut(given.cut, "judge" in columns)
    if "judge" not in columns and "score" in columns:
        columns["judge"] = _cut(columns["score"].astype(np.float64), given.cut)
    if given.kind == "pairwise" and "judge_swapped" in columns:
        columns["judge_first"] = columns["judge"]
        both = (columns[name].astype(np.int64) for name in ("judge", "judge_swapped"))
        columns["judge"] = combined(*both)
    derived = "gold" not in columns and "weak_correct" in columns and given.kind == "binary"
    if derived:
        columns["gold"] = columns["weak_correct"]
    outcomes = [f"tier_{code}_correct" for code in range(len(given.tiers))]
    if "gold" not in columns and outcomes and set(outcomes) <= columns.keys():
        columns["gold"] = _cheapest_that_will_do(columns, outcomes)
        derived = True
    rows = max(map(len, columns.values()), default=0)
    judge, gold = (_codes(columns.get(name), rows, len(given.names)) for name in ("judge", "gold"))
    return Cases(columns, given.names, judge, gold, _clusters(columns), from_outcome=derived)


def best_tier(quality: Floats) -> Ints:
    """``(n,)`` the cheapest tier with the best outcome; the cheapest where none does better.

    Args:
        quality: ``(n, k)`` outcomes by tier, cheapest first.
    """
    return quality.argmax(axis=1).astype(np.int64)


def _cheapest_that_will_do(columns: Mapping[str, npt.NDArray[Any]], names: list[str]) -> Ints:
    quality = np.column_stack([columns[name].astype(np.float64) for name in names])
    known = np.isfinite(quality).all(axis=1)
    return np.where(known, best_tier(np.nan_to_num(quality)), len(names))


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


def _nothing_to_cut(cut: float, judged: bool) -> LlmopsError:  # noqa: FBT001 - one of two sentences
    return LlmopsError(
        "judge-nothing-to-cut",
        f"--cut {cut:g} cuts a score into verdicts, and this log "
        + ("has verdicts already" if judged else "has no score"),
        hint="leave --cut out, or the column of verdicts" if judged else "name it with --score",
        field="score",
        exit_code=ExitCode.USAGE,
    )


def _codes(column: npt.NDArray[Any] | None, rows: int, missing: int) -> Ints:
    return np.full(rows, missing, np.int64) if column is None else column.astype(np.int64)


def _clusters(columns: Mapping[str, npt.NDArray[Any]]) -> Ints | None:
    if "cluster" not in columns:
        return None
    names, codes = numbered(columns["cluster"].astype(object, copy=False))
    # A row without a cluster is one of its own.
    nameless = [at for at, name in enumerate(names) if name is None or name != name or name == ""]  # noqa: PLR0124 - NaN
    if not nameless:
        return codes
    alone = np.isin(codes, nameless)
    codes[alone] = len(names) + np.arange(int(alone.sum()))
    return renumbered(codes)
