"""How often the judge is right: rates with intervals, clusters taken into account."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.model import GATE_LEVEL, JudgeParameters
from llmops_cli.judge.weighted import effective_rows, weighted_interval
from llmops_cli.report import Measure
from llmops_cli.stats.bootstrap import percentiles, pooled_totals, ratios
from llmops_cli.stats.clustering import Clustering, clustered_share_interval, clustering
from llmops_cli.stats.intervals import Interval, clopper_pearson, wilson

__all__ = ["Accuracy", "accuracy", "coverage", "estimate", "rate", "rates", "share"]

_FEW = 2
_WHOLE = Interval(0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """The judge's accuracy and what its gate stands on.

    Attributes:
        correct: decisions that agree with the truth.
        labelled: decisions with a truth; abstentions are among them, as wrong.
        shown: for display.
        around: the interval that gates stand on, at a two-sided level.
        clustering: how rows of a cluster resemble each other; None without clusters, or with
            one alone.
        clusters: how many there are; 0 without a cluster column.
        weighted: the share with rows weighted by inverse propensity; None without propensities.
        effective: evenly drawn rows that would say as much; None likewise.
    """

    correct: int
    labelled: int
    shown: Interval
    around: Callable[[float], Interval]
    clustering: Clustering | None
    clusters: int
    weighted: float | None = None
    effective: float | None = None

    @cached_property
    def gate(self) -> Interval:
        """The interval whose ends are one-sided 95 % bounds."""
        return self.around(GATE_LEVEL)

    @cached_property
    def strict(self) -> Interval:
        """The interval whose ends are one-sided 97.5 % bounds, for two bounds at once."""
        return self.around(0.95)

    @property
    def value(self) -> float:
        """The share of correct decisions."""
        return self.correct / self.labelled if self.weighted is None else self.weighted

    @property
    def design_effect(self) -> float:
        """How many times the variance of independent rows; 1 without clusters."""
        if self.effective is not None:
            return self.labelled / self.effective
        if self.clustering is not None:
            return self.clustering.design_effect
        # One cluster is one observation, however many rows it has.
        return float(self.labelled) if self.clusters else 1.0

    @property
    def method(self) -> str:
        """How the gate's interval was made."""
        if self.effective is not None:
            return (
                "weighted by 1 / propensity; the wider of Clopper-Pearson at the effective sample "
                "size and Student; each end a one-sided 95 % bound"
            )
        if not self.clusters:
            return "Clopper-Pearson, each end a one-sided 95 % bound"
        return (
            "the widest of Clopper-Pearson, the same at the effective sample size, and cluster "
            "bootstrap; each end a one-sided 95 % bound"
        )


def accuracy(given: Cases, parameters: JudgeParameters) -> Accuracy:
    """Accuracy over labelled decisions, with an interval that respects clusters.

    With one cluster nothing can be said about another one: the interval is all of [0, 1].
    """
    if given.weights is not None:
        return _weighted(given, parameters)
    correct, labelled = int(given.right.sum()), len(given.right)
    shown = wilson(correct, labelled, parameters.level)
    exact = partial(clopper_pearson, correct, labelled)
    if given.clusters is None:
        return Accuracy(correct, labelled, shown, exact, None, 0)
    sums = given.counts(given.judge == given.gold, given.labelled)
    if len(sums) < _FEW:
        return Accuracy(correct, labelled, _WHOLE, lambda _: _WHOLE, None, len(sums))
    found, drawn = clustering(sums), ratios(pooled_totals(sums, seed=parameters.seed))

    def around(level: float) -> Interval:
        effective = clustered_share_interval(correct, found, level)
        return _widest(exact(level), effective, percentiles(drawn, level))

    shown = _widest(shown, percentiles(drawn, parameters.level))
    return Accuracy(correct, labelled, shown, around, found, len(sums))


def _weighted(given: Cases, parameters: JudgeParameters) -> Accuracy:
    right, rows = given.right, given.labelled
    around = partial(weighted_interval, given, right, rows)
    return Accuracy(
        int(right.sum()), len(right), around(parameters.level), around, None,
        0 if given.clusters is None else len(given.sums(right)),
        given.mean(right, rows), effective_rows(given, right, rows),
    )  # fmt: skip


def _widest(*intervals: Interval) -> Interval:
    return Interval(min(i.low for i in intervals), max(i.high for i in intervals))


def estimate(  # noqa: PLR0913 - the parts of a measure
    name: str,
    label: str,
    value: float | None,
    interval: Interval | None,
    *,
    level: float,
    n: int,
    method: str,
    unit: str = "share",
) -> Measure:
    """A number with its interval; unknown where it is None or NaN."""
    known = value is not None and np.isfinite(value)
    inside = known and interval is not None and np.isfinite([interval.low, interval.high]).all()
    return Measure(
        name=name,
        label=label,
        value=float(value) if known and value is not None else None,
        unit=unit,  # type: ignore[arg-type]
        low=interval.low if inside and interval else None,
        high=interval.high if inside and interval else None,
        level=level if inside else None,
        n=n,
        method=method,
    )


def rate(name: str, label: str, successes: int, n: int, level: float) -> Measure:
    """A share with its Wilson interval; unknown, and saying so, where there is nothing to share."""
    if n == 0:
        return Measure(name=name, label=label, value=None, unit="share", n=0, method="no such rows")
    interval = wilson(successes, n, level)
    return estimate(name, label, successes / n, interval, level=level, n=n, method="Wilson")


def rates(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Sensitivity, specificity, the two predictive values: with clusters, over whole ones."""
    judge, gold = given.judge, given.gold
    return (
        share(
            ("sensitivity", "sensitivity (TPR)"), given, (gold == 1, judge == 1), parameters
        ),
        share(
            ("specificity", "specificity (TNR)"), given, (gold == 0, judge == 0), parameters
        ),
        share(
            ("precision", "accepted and right (precision)"), given,
            (given.labelled & (judge == 1), gold == 1), parameters,
        ),
        share(
            ("negative_predictive_value", "escalated and rightly so"), given,
            (given.labelled & (judge == 0), gold == 0), parameters,
        ),
    )  # fmt: skip


def coverage(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Coverage and selective accuracy where the judge abstains; the gate counts those as wrong."""
    labelled, answered = int(given.table.sum()), int(given.table[:-1].sum())
    if labelled == answered:
        return ()
    known, right = given.labelled, given.judge == given.gold
    return (
        share(("coverage", "verdict given"), given, (known, given.answered), parameters),
        share(
            ("selective_accuracy", "accuracy where a verdict is given"), given,
            (given.answered, right), parameters,
        ),
    )  # fmt: skip


def share(
    names: tuple[str, str],
    given: Cases,
    part: tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]],
    parameters: JudgeParameters,
    *,
    weighted: bool = True,
) -> Measure:
    """Of some rows the share that has something, with an interval that respects clusters.

    Args:
        names: of the measure, and for the reader.
        given: the decisions.
        part: ``(n,)`` which rows, and which of all rows have it.
        parameters: level and seed.
        weighted: whether the rows are labelled ones, which propensities speak of.
    """
    (name, label), (rows, hits) = names, part
    plain = rate(name, label, int((rows & hits).sum()), int(rows.sum()), parameters.level)
    if weighted and given.weights is not None and plain.n:
        found = hits[rows].astype(np.float64)
        return estimate(
            name, label, given.mean(found, rows),
            weighted_interval(given, found, rows, parameters.level),
            level=parameters.level, n=plain.n, method="weighted by 1 / propensity",
        )  # fmt: skip
    if given.clusters is None or not plain.n or plain.value is None:
        return plain
    sums, successes = given.counts(hits, rows), int((rows & hits).sum())
    worth = clustering(sums) if len(sums) >= _FEW else None
    interval = (
        _WHOLE
        if worth is None
        else _widest(
            wilson(successes, plain.n, parameters.level),
            clustered_share_interval(successes, worth, parameters.level),
        )
    )
    return estimate(
        name, label, plain.value, interval, level=parameters.level, n=plain.n,
        method="wider of Wilson and exact at the effective sample size",
    )  # fmt: skip
