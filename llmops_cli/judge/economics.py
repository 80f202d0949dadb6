"""What following the judge does to quality, cost and time, and where it breaks even."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.clustered import ratio_interval
from llmops_cli.judge.kernel import Tally
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import Accuracy, estimate
from llmops_cli.report import Measure
from llmops_cli.stats.bootstrap import bootstrap_ratio
from llmops_cli.stats.clustering import clustered_share_interval, clustering
from llmops_cli.stats.deferral import Deferral
from llmops_cli.stats.intervals import Interval, clopper_pearson
from llmops_cli.stats.paired import paired_difference

__all__ = ["BreakEven", "Prices", "break_even", "deferral", "following", "margin", "prices"]

Floats = npt.NDArray[np.float64]

_FEW = 2
_COSTS = ("weak_cost_usd", "strong_cost_usd")


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
    n = strong + weak
    intervals = [_share(given, strong, n, at, seed) if n else None for at in (level, 0.95)]
    clustered = " and clusters" if given.clusters is not None else ""
    measure = estimate(
        "break_even_reliability", "break-even reliability r*", strong / n if n else None,
        intervals[0], level=level, n=n,
        method=f"Clopper-Pearson over discordant pairs{clustered}" if n else "no discordant pair",
    )  # fmt: skip
    return BreakEven(strong, weak, measure, intervals[1])


def _share(given: Cases, strong: int, n: int, level: float, seed: int) -> Interval:
    exact = clopper_pearson(strong, n, level)
    if given.clusters is None:
        return exact
    weak_right, strong_right = _outcomes(given)
    differ = (weak_right != strong_right) & (weak_right < _FEW) & (strong_right < _FEW)
    sums = given.sums(strong_right[differ].astype(np.float64), differ)
    if len(sums) < _FEW:
        return Interval(0.0, 1.0)
    found = (
        exact,
        clustered_share_interval(strong, clustering(sums), level),
        bootstrap_ratio(sums, level=level, seed=seed),
    )
    return Interval(min(i.low for i in found), max(i.high for i in found))


def _outcomes(given: Cases) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    weak, strong = (
        given.frame[name].to_numpy(dtype=np.int64) for name in ("weak_correct", "strong_correct")
    )
    return weak, strong


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
    escalated = int(routed[0].sum())
    quality = float(routed[1, 1].sum() + routed[0, :, 1].sum()) / n
    strong = float(routed[:, :, 1].sum()) / n
    return (
        _difference(given, gained, lost, n, parameters),
        *costs(given, parameters),
        *_independent(counts, 100 * (gained - lost) / n, n),
        _sum("escalation", "escalated to the strong model", escalated / n, n),
        _sum("quality_following", "quality, following the judge", quality, n),
        _sum("quality_strong", "quality, strong model alone", strong, n),
        *_times(given, parameters),
    )


def _sum(name: str, label: str, value: float, n: int) -> Measure:
    return Measure(name=name, label=label, value=value, unit="share", n=n, method="logged rows")


def _difference(
    given: Cases, gained: int, lost: int, n: int, parameters: JudgeParameters
) -> Measure:
    level = parameters.level
    around: Interval | None = paired_difference(gained, lost, n, level)
    method = "paired difference with the strong model alone, Bonett-Price"
    if given.clusters is not None:
        weak, strong = _outcomes(given)
        rows = (given.judge < _FEW) & (weak < _FEW) & (strong < _FEW)
        gain = np.where(given.judge == 1, weak - strong, 0)[rows].astype(np.float64)
        around = ratio_interval(given.sums(gain, rows), level)
        method = "paired difference with the strong model alone, over clusters"
    scaled = None if around is None else Interval(100 * around.low, 100 * around.high)
    return estimate(
        "quality_difference", "quality gained by following", 100 * (gained - lost) / n, scaled,
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


@dataclass(frozen=True, slots=True)
class Prices:
    """Mean cost of a request, in USD.

    Attributes:
        kept: the weak model and the judge, which every request pays.
        strong: the strong model.
    """

    kept: float
    strong: float


def prices(given: Cases) -> Prices | None:
    """Mean logged costs; None without them."""
    found = _paid(given)
    if found is None or not found[1].mean() > 0:
        return None
    kept, strong, _ = found
    return Prices(float(kept.mean()), float(strong.mean()))


def _paid(given: Cases) -> tuple[Floats, Floats, npt.NDArray[np.bool_]] | None:
    return _spent(given, _COSTS, "judge_cost_usd")


def _spent(
    given: Cases, names: tuple[str, str], judge: str
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]] | None:
    if not set(names) <= set(given.frame.columns):
        return None
    weak, strong = (given.frame[name].to_numpy(dtype=np.float64) for name in names)
    own = (
        given.frame[judge].to_numpy(dtype=np.float64)
        if judge in given.frame
        else np.zeros(len(given.frame))
    )
    known = (given.judge < _FEW) & np.isfinite(weak) & np.isfinite(strong) & np.isfinite(own)
    return ((weak + own)[known], strong[known], known) if known.any() else None


def costs(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Cost of following the judge over that of the strong model alone."""
    found = _paid(given)
    if found is None:
        return ()
    kept, strong, rows = found
    spent = kept + (given.judge[rows] == 0) * strong
    sums = np.column_stack([given.sums(spent, rows)[:, 0], given.sums(strong, rows)[:, 0]])
    alone = float(strong.sum())
    return (
        estimate(
            "cost_ratio", "cost, of the strong model alone",
            float(spent.sum()) / alone if alone > 0 else None,
            ratio_interval(sums, parameters.level),
            level=parameters.level, n=len(strong),
            method="logged USD: weak + judge + strong where escalated",
        ),
    )  # fmt: skip


def _times(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """Mean time to the answer, one model after the other, and that of the strong model alone."""
    found = _spent(given, ("weak_latency_s", "strong_latency_s"), "judge_latency_s")
    if found is None:
        return ()
    kept, strong, rows = found
    taken = kept + (given.judge[rows] == 0) * strong
    return tuple(
        estimate(
            name, label, float(values.mean()), ratio_interval(given.sums(values, rows), level),
            level=level, n=len(values), unit="s", method="logged, weak then judge then strong",
        )
        for level in (parameters.level,)
        for name, label, values in (
            ("latency_following", "mean time, following the judge", taken),
            ("latency_strong", "mean time, strong model alone", strong),
        )
    )  # fmt: skip
