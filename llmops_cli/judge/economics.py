"""What following the judge does to quality, cost and time, and where it breaks even."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.clustered import ratio_interval
from llmops_cli.judge.kernel import Tally
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import Accuracy, estimate
from llmops_cli.judge.spending import costs, outcomes, times
from llmops_cli.judge.weighted import weighted_interval
from llmops_cli.report import Measure
from llmops_cli.stats.bootstrap import percentiles, pooled_totals, ratios
from llmops_cli.stats.clustering import clustered_share_interval, clustering
from llmops_cli.stats.deferral import Deferral
from llmops_cli.stats.intervals import Interval, clopper_pearson
from llmops_cli.stats.paired import paired_difference

__all__ = ["BreakEven", "break_even", "deferral", "following", "margin"]

Floats = npt.NDArray[np.float64]

_FEW = 2


@dataclass(frozen=True, slots=True)
class BreakEven:
    """r* = n01 / (n01 + n10), the strong model's share of the discordant pairs.

    A judge that is right with probability r*, whatever the truth, leaves quality exactly
    where the strong model alone would have it; below r* following the judge loses quality.

    Attributes:
        strict: the interval whose ends are one-sided 97.5 % bounds.
    """

    only_strong: int
    only_weak: int
    measure: Measure
    strict: Interval | None

    @property
    def known(self) -> bool:
        """Whether any pair is discordant."""
        return self.only_strong + self.only_weak > 0


def break_even(counts: Tally, given: Cases, level: float, seed: int = 0) -> BreakEven | None:
    """r* with its exact interval; None without paired outcomes.

    Source:
        Quality of the cascade equals that of the strong model when p r (1 - a) equals
        (1 - p)(1 - r) b, which gives r = n01 / (n01 + n10); as a share of discordant pairs
        (McNemar 1947) it has a Clopper-Pearson interval. Where rows belong together the widest
        of that, the same at the effective sample size, and the cluster bootstrap.
    """
    if counts.paired == 0:
        return None
    strong, weak = counts.only_strong, counts.only_weak
    n = strong + weak if _won(given)[1].any() else 0
    around = _around(given, strong, n, seed) if n else None
    shown, strict = (around(level), around(0.95)) if around else (None, None)
    if given.weights is not None:
        method = "discordant pairs, weighted by 1 / propensity"
    else:
        clustered = " and clusters" if given.clusters is not None else ""
        method = f"Clopper-Pearson over discordant pairs{clustered}"
    value = given.mean(*_won(given)) if n else None
    measure = estimate(
        "break_even_reliability", "break-even reliability r*", value, shown,
        level=level, n=n, method=method if n else "no discordant pair",
    )  # fmt: skip
    return BreakEven(strong, weak, measure, strict)


def _won(given: Cases) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Of the rows on which the models differ: 1 where the strong one is right; and those rows."""
    weak_right, strong_right = outcomes(given)
    differ = (weak_right != strong_right) & (weak_right < _FEW) & (strong_right < _FEW)
    differ = given.weighable(differ)
    return strong_right[differ].astype(np.float64), differ


def _around(given: Cases, strong: int, n: int, seed: int) -> Callable[[float], Interval]:
    """The interval of r* at a two-sided level."""
    won, differ = _won(given)
    if given.weights is not None:
        return partial(weighted_interval, given, won, differ)
    if given.clusters is None:
        return partial(clopper_pearson, strong, n)
    sums = given.sums(won, differ)
    if len(sums) < _FEW:
        return lambda _: Interval(0.0, 1.0)
    worth, drawn = clustering(sums), ratios(pooled_totals(sums, seed=seed))

    def widest(level: float) -> Interval:
        found = (
            clopper_pearson(strong, n, level),
            clustered_share_interval(strong, worth, level),
            percentiles(drawn, level),
        )
        return Interval(min(i.low for i in found), max(i.high for i in found))

    return widest


def margin(found: Accuracy, bounds: Interval, even: BreakEven, around: Interval | None) -> Measure:
    """Accuracy minus r*, with ends that are one-sided 95 % bounds whatever their dependence.

    Both come from the same rows, so their errors are dependent; each enters with a one-sided
    97.5 % bound, and by Bonferroni the difference holds with 95 %.

    Args:
        found: the accuracy.
        bounds: its one-sided 97.5 % bounds.
        even: r*.
        around: its one-sided 97.5 % bounds.
    """
    value = even.measure.value
    name, label = "accuracy_minus_break_even", "accuracy above break-even"
    if value is None or around is None:
        return Measure(name=name, label=label, value=None, unit="points", method="no such pair")
    return Measure(
        name=name,
        label=label,
        value=100 * (found.value - value),
        unit="points",
        low=100 * (bounds.low - around.high),
        high=100 * (bounds.high - around.low),
        level=0.90,
        n=found.labelled,
        method="Bonferroni over two one-sided 97.5 % bounds",
    )


def deferral(counts: Tally) -> Deferral | None:
    """The four kinds of request, by which model is right; None without paired outcomes."""
    if counts.paired == 0:
        return None
    pair = counts.cells.sum(axis=(0, 1))
    return Deferral(int(pair[1, 1]), int(pair[1, 0]), int(pair[0, 1]), int(pair[0, 0]))


def following(given: Cases, counts: Tally, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Escalation, quality, cost and time of following the logged verdicts; none without outcomes.

    Quality is compared with the strong model alone on the same rows (paired), so only
    accepted rows differ.
    """
    routed = counts.routed
    n = int(routed.sum())
    if n == 0:
        return ()
    gained, lost = int(routed[1, 1, 0]), int(routed[1, 0, 1])
    weak, strong = outcomes(given)
    rows = given.weighable((given.judge < _FEW) & (weak < _FEW) & (strong < _FEW))
    n = int(rows.sum())
    if n == 0:
        return ()
    followed = np.where(given.judge == 1, weak, strong)
    means = (
        ("escalation", "escalated to the strong model", given.judge == 0),
        ("quality_following", "quality, following the judge", followed),
        ("quality_strong", "quality, strong model alone", strong),
    )
    return (
        _difference(given, gained, lost, n, parameters),
        *costs(given, parameters),
        *(_independent(counts, 100 * (gained - lost) / n, n) if given.weights is None else ()),
        *(
            _sum(name, label, given.mean(values[rows].astype(np.float64), rows), n)
            for name, label, values in means
        ),
        *times(given, parameters),
    )


def _sum(name: str, label: str, value: float, n: int) -> Measure:
    return Measure(name=name, label=label, value=value, unit="share", n=n, method="logged rows")


def _difference(
    given: Cases, gained: int, lost: int, n: int, parameters: JudgeParameters
) -> Measure:
    level = parameters.level
    around: Interval | None = paired_difference(gained, lost, n, level)
    method = "paired difference with the strong model alone, Bonett-Price"
    value = (gained - lost) / n
    if given.clusters is not None or given.weights is not None:
        weak, strong = outcomes(given)
        rows = given.weighable((given.judge < _FEW) & (weak < _FEW) & (strong < _FEW))
        gain = np.where(given.judge == 1, weak - strong, 0)[rows].astype(np.float64)
        value = given.mean(gain, rows)
        around = ratio_interval(given.weighted_sums(gain, rows), level)
        over = "over clusters" if given.weights is None else "weighted by 1 / propensity"
        method = f"paired difference with the strong model alone, {over}"
    scaled = None if around is None else Interval(100 * around.low, 100 * around.high)
    return estimate(
        "quality_difference", "quality gained by following", 100 * value, scaled,
        level=level, n=n, unit="points", method=method,
    )  # fmt: skip


def _independent(counts: Tally, logged: float, n: int) -> tuple[Measure, ...]:
    """The same by the formula that knows only the judge's rates, and what it misses."""
    pair = counts.cells[:_FEW, :, :_FEW, :_FEW].sum(axis=(1, 3))
    right, wrong = int(pair[:, 1].sum()), int(pair[:, 0].sum())
    # The four kinds of request among the judged, so that both figures speak of the same rows.
    cells = counts.routed.sum(axis=0)
    if not (right and wrong):
        return ()
    model = Deferral(int(cells[1, 1]), int(cells[1, 0]), int(cells[0, 1]), int(cells[0, 0]))
    rates = int(pair[1, 1]) / right, int(pair[0, 0]) / wrong
    value = 100 * (float(model.quality(*rates)) - model.dear)
    return (
        Measure(name="quality_difference_independent", label="the same, if errors were independent",
                value=value, unit="points", n=n,
                method="from sensitivity, specificity and the four kinds of request"),
        Measure(name="correlation_of_errors", label="what that formula misses",
                value=logged - value, unit="points", n=n, method="logged less formula"),
    )  # fmt: skip
