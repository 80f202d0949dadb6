"""Where to cut a score: chosen on one half, reported on the other, so that luck is not counted."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import estimate
from llmops_cli.report import Measure
from llmops_cli.stats.clustering import clustered_share_interval, clustering
from llmops_cli.stats.intervals import Interval, wilson

__all__ = ["Cut", "best_cut", "cut_measures", "cut_scores", "nested_cut"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_LEAST = 20


@dataclass(frozen=True, slots=True)
class Cut:
    """A cut and what it promises.

    Attributes:
        cut: accept where the score is at least this; chosen on all rows.
        apparent: accuracy on the rows it was chosen on, each as often wrong as it costs.
        held_out: accuracy of cuts chosen the same way, on rows that did not choose them.
        interval: of ``held_out``.
        n: rows.
    """

    cut: float
    apparent: float
    held_out: float
    interval: Interval
    n: int

    @property
    def optimism(self) -> float:
        """How much better a cut looks on the rows that chose it."""
        return self.apparent - self.held_out


def best_cut(scores: Floats, gold: Ints, weights: tuple[float, float] = (1.0, 1.0)) -> float:
    """The cut with the least cost of errors; the middle of the gap that it lies in.

    Args:
        scores: ``(n,)`` finite, higher is better.
        gold: ``(n,)`` 1 the weak answer will do, 0 it will not.
        weights: cost of a false accept and of a false escalation.
    """
    order = np.argsort(scores, kind="stable")
    ordered, truth = scores[order], gold[order]
    under, over = weights
    # With the cut before row i: all before it are escalated, all from it on accepted.
    wrongly_kept = np.concatenate([[0], np.cumsum(truth == 1)]) * over
    bad = np.concatenate([[0], np.cumsum(truth == 0)])
    cost = wrongly_kept + (bad[-1] - bad) * under
    # Rows with the same score cannot be cut apart.
    cut_here = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    cost = np.where(cut_here, cost, np.inf)
    at = int(np.argmin(cost))
    if at == 0:
        return float(ordered[0])
    if at == len(ordered):
        return float(np.nextafter(ordered[-1], np.inf))
    return float((ordered[at - 1] + ordered[at]) / 2)


def nested_cut(given: Cases, parameters: JudgeParameters) -> Cut | None:
    """Choose a cut for the logged scores; None without scores, or with too few labels."""
    scores = cut_scores(given)
    # A cut for the labelled rows as they are would be none for the traffic.
    if scores is None or given.weights is not None:
        return None
    rows = given.labelled & np.isfinite(scores)
    gold, values = given.gold[rows], scores[rows]
    if len(gold) < _LEAST or len(np.unique(gold)) < 2:  # noqa: PLR2004 - both kinds
        return None
    weights = (parameters.under_cost, parameters.over_cost)
    cut = best_cut(values, gold, weights)
    half = _halves(given, rows, parameters.seed)
    if half.all() or not half.any():  # one cluster is no two halves
        return None
    right = np.zeros(len(gold))
    for mine in (half, ~half):
        chosen = best_cut(values[~mine], gold[~mine], weights)
        right[mine] = (values[mine] >= chosen) == gold[mine]
    apparent = float(((values >= cut) == gold).mean())
    return Cut(
        cut, apparent, float(right.mean()), _interval(given, right, rows, parameters), len(gold)
    )


def cut_scores(given: Cases) -> Floats | None:
    """How sure the judge is that the weak answer will do: its score, or its confidence."""
    if len(given.names) != 2:  # noqa: PLR2004 - a cut is between yes and no
        return None
    if "score" in given.columns:
        return given.floats("score")
    if "confidence" not in given.columns:
        return None
    values = given.floats("confidence")
    known = np.where(given.judge == 1, values, 1 - values)
    return np.where(given.judge == given.missing, np.nan, known)


def _halves(given: Cases, rows: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.bool_]:
    draw = np.random.default_rng(seed)
    own = np.arange(int(rows.sum())) if given.clusters is None else given.clusters[rows]
    groups = np.unique(own)
    first = draw.permutation(groups)[: len(groups) // 2]
    return np.isin(own, first)


def _interval(
    given: Cases, right: Floats, rows: npt.NDArray[np.bool_], parameters: JudgeParameters
) -> Interval:
    hits = int(right.sum())
    if given.clusters is None:
        return wilson(hits, len(right), parameters.level)
    sums = given.sums(right, rows)
    if len(sums) < 2:  # noqa: PLR2004 - one cluster says nothing about another
        return Interval(0.0, 1.0)
    return clustered_share_interval(hits, clustering(sums), parameters.level)


def cut_measures(found: Cut, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """The cut, what it really promises, and how much luck the plain figure holds."""
    return (
        Measure(name="best_cut", label="best cut of the score", value=found.cut, n=found.n,
                method="least cost of errors, on all labels"),
        estimate("held_out_accuracy", "accuracy of such a cut on new rows", found.held_out,
                 found.interval, level=parameters.level, n=found.n,
                 method="chosen on one half, counted on the other, both ways"),
        Measure(name="optimism", label="flattery of choosing it here", unit="points",
                value=100 * found.optimism, n=found.n,
                method="accuracy on the rows that chose the cut, less the above"),
    )  # fmt: skip
