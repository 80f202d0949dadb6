"""How often the judge is right: rates with intervals, clusters taken into account."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.judge.kernel import MISSING, Tally, labels
from llmops_cli.judge.model import GATE_LEVEL, JudgeParameters
from llmops_cli.report import Measure
from llmops_cli.stats.agreement import cohen_kappa, kappa_interval
from llmops_cli.stats.bootstrap import bootstrap_ratio, cluster_sums
from llmops_cli.stats.intervals import Interval, clopper_pearson, wilson
from llmops_cli.stats.power import design_effect

__all__ = ["Accuracy", "accuracy", "kappa", "rate", "rates"]

_FEW = 2


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The judge's accuracy and what its gate stands on.

    Attributes:
        correct: decisions that agree with the truth.
        labelled: decisions with a truth; abstentions are among them, as wrong.
        shown: for display.
        gate: the interval whose ends are one-sided 95 % bounds.
        strict: the interval whose ends are one-sided 97.5 % bounds, for two bounds at once.
        clusters: clusters that were resampled; 0 without a cluster column.
        design_effect: how many times the variance of independent rows; 1 without clusters.
    """

    correct: int
    labelled: int
    shown: Interval
    gate: Interval
    strict: Interval
    clusters: int
    design_effect: float

    @property
    def value(self) -> float:
        """The share of correct decisions."""
        return self.correct / self.labelled

    @property
    def method(self) -> str:
        """How the gate's interval was made."""
        if not self.clusters:
            return "Clopper-Pearson, each end a one-sided 95 % bound"
        return "the wider of Clopper-Pearson and cluster bootstrap, each end a one-sided 95 % bound"


def accuracy(decisions: pd.DataFrame, counts: Tally, given: JudgeParameters) -> Accuracy:
    """Accuracy over labelled decisions, with an interval that respects clusters.

    With one cluster nothing can be said about another one: the interval is all of [0, 1].
    """
    correct, labelled = counts.confusion.correct, counts.labelled
    shown = wilson(correct, labelled, given.level)
    gate, strict = (clopper_pearson(correct, labelled, level) for level in (GATE_LEVEL, 0.95))
    if "cluster" not in decisions:
        return Accuracy(correct, labelled, shown, gate, strict, 0, 1.0)
    sums = _per_cluster(decisions)

    def wider(interval: Interval, level: float) -> Interval:
        if len(sums) < _FEW:
            return Interval(0.0, 1.0)
        drawn = bootstrap_ratio(sums, level=level, seed=given.seed)
        return Interval(min(interval.low, drawn.low), max(interval.high, drawn.high))

    return Accuracy(
        correct,
        labelled,
        wider(shown, given.level),
        wider(gate, GATE_LEVEL),
        wider(strict, 0.95),
        len(sums),
        _clustering(sums, correct / labelled),
    )


def _per_cluster(decisions: pd.DataFrame) -> npt.NDArray[np.float64]:
    truth = labels(decisions, "gold" if "gold" in decisions else "weak_correct")
    known = truth != MISSING
    right = labels(decisions, "judge")[known] == truth[known]
    codes, _ = pd.factorize(decisions["cluster"].to_numpy(dtype=object)[known])
    values = np.column_stack([right, np.ones(len(right))]).astype(np.float64)
    return cluster_sums(values, codes.astype(np.int64))


def _clustering(sums: npt.NDArray[np.float64], share: float) -> float:
    # One cluster is one observation, however many rows it has.
    if len(sums) < _FEW:
        return float(sums[:, 1].sum())
    return design_effect(sums, share * (1 - share))


def rate(name: str, label: str, successes: int, n: int, level: float) -> Measure:
    """A share with its Wilson interval; unknown, and saying so, where there is nothing to share."""
    if n == 0:
        return Measure(name=name, label=label, value=None, unit="share", n=0, method="no such rows")
    interval = wilson(successes, n, level)
    return Measure(
        name=name,
        label=label,
        value=successes / n,
        unit="share",
        low=interval.low,
        high=interval.high,
        level=level,
        n=n,
        method="Wilson",
    )


def rates(counts: Tally, level: float) -> tuple[Measure, ...]:
    """Sensitivity, specificity, the two predictive values, and the majority baseline."""
    table = counts.confusion
    larger = max(counts.positives, counts.negatives)
    return (
        rate("sensitivity", "sensitivity (TPR)", table.tp, counts.positives, level),
        rate("specificity", "specificity (TNR)", table.tn, counts.negatives, level),
        rate("precision", "accepted and right (precision)", table.tp, table.said_yes, level),
        rate(
            "negative_predictive_value", "escalated and rightly so", table.tn, table.said_no, level
        ),
        rate("majority_baseline", "always the commoner answer", larger, counts.labelled, level),
    )


def kappa(counts: Tally, level: float) -> Measure:
    """Cohen's kappa of verdict and truth, where both are known."""
    table = counts.confusion
    value = cohen_kappa(table.table()) if table.n else None
    known = value is not None and np.isfinite(value)
    interval = kappa_interval(table.table(), level) if known else None
    return Measure(
        name="cohens_kappa",
        label="Cohen's kappa",
        value=value if known else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        level=level if interval else None,
        n=table.n,
        method="Fleiss-Cohen-Everitt" if known else "undefined: one answer throughout",
    )
