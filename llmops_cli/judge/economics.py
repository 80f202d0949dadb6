"""What following the judge does to quality and cost, and where its reliability breaks even."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd

from llmops_cli.judge.kernel import MISSING, Tally, labels
from llmops_cli.judge.reliability import Accuracy
from llmops_cli.report import Measure
from llmops_cli.stats.intervals import clopper_pearson

__all__ = ["BreakEven", "break_even", "following", "margin"]

_COSTS = ("weak_cost_usd", "strong_cost_usd")


@dataclass(frozen=True, slots=True)
class BreakEven:
    """r* = n01 / (n01 + n10), the strong model's share of the discordant pairs.

    A judge that is right with probability r*, whatever the truth, leaves quality exactly
    where the strong model alone would have it; below r* following the judge loses quality.
    """

    only_strong: int
    only_weak: int
    measure: Measure

    @property
    def known(self) -> bool:
        """Whether any pair is discordant."""
        return self.only_strong + self.only_weak > 0


def break_even(counts: Tally, level: float) -> BreakEven | None:
    """r* with its exact interval; None without paired outcomes.

    Source:
        Quality of the cascade equals that of the strong model when p r (1 - a) equals
        (1 - p)(1 - r) b, which gives r = n01 / (n01 + n10); as a share of discordant pairs
        (McNemar 1947) it has a Clopper-Pearson interval.
    """
    if counts.paired == 0:
        return None
    strong, weak = counts.only_strong, counts.only_weak
    n = strong + weak
    interval = clopper_pearson(strong, n, level) if n else None
    measure = Measure(
        name="break_even_reliability",
        label="break-even reliability r*",
        value=strong / n if n else None,
        unit="share",
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        level=level if interval else None,
        n=n,
        method="Clopper-Pearson over discordant pairs" if n else "no discordant pair",
    )
    return BreakEven(strong, weak, measure)


def margin(found: Accuracy, exact: BreakEven) -> Measure:
    """Accuracy minus r*, with ends that are one-sided 95 % bounds whatever their dependence.

    Both come from the same rows, so their errors are dependent; each enters with a one-sided
    97.5 % bound, and by Bonferroni the difference holds with 95 %.

    Args:
        found: the accuracy.
        exact: r* with a two-sided 95 % interval.
    """
    value, low, high = exact.measure.value, exact.measure.low, exact.measure.high
    name, label = "accuracy_minus_break_even", "accuracy above break-even"
    if value is None or low is None or high is None:
        return Measure(name=name, label=label, value=None, unit="points", method="no such pair")
    return Measure(
        name=name,
        label=label,
        value=100 * (found.value - value),
        unit="points",
        low=100 * (found.strict.low - high),
        high=100 * (found.strict.high - low),
        level=0.90,
        n=found.labelled,
        method="Bonferroni over two exact one-sided 97.5 % bounds",
    )


def following(decisions: pd.DataFrame, counts: Tally, level: float) -> tuple[Measure, ...]:
    """Escalation, quality and cost of following the logged verdicts; nothing without outcomes.

    Quality is compared with the strong model alone on the same rows (paired), so only
    accepted rows differ.
    """
    routed = counts.routed
    n = int(routed.sum())
    if n == 0:
        return ()
    escalated = int(routed[0].sum())
    gained, lost = int(routed[1, 1, 0]), int(routed[1, 0, 1])
    mean = (gained - lost) / n
    spread = math.sqrt(max((gained + lost) / n - mean * mean, 0.0) / n)
    reach = NormalDist().inv_cdf(0.5 + level / 2) * spread
    quality = (routed[1, 1].sum() + routed[0, :, 1].sum()) / n
    strong = routed[:, :, 1].sum() / n
    return (
        Measure(
            name="quality_difference",
            label="quality gained by following",
            value=100 * mean,
            unit="points",
            low=100 * (mean - reach),
            high=100 * (mean + reach),
            level=level,
            n=n,
            method="paired difference with the strong model alone, normal",
        ),
        *_costs(decisions),
        _share("escalation", "escalated to the strong model", escalated / n, n),
        _share("quality_following", "quality, following the judge", float(quality), n),
        _share("quality_strong", "quality, strong model alone", float(strong), n),
    )


def _share(name: str, label: str, value: float, n: int) -> Measure:
    return Measure(name=name, label=label, value=value, unit="share", n=n, method="logged rows")


def _costs(decisions: pd.DataFrame) -> tuple[Measure, ...]:
    if not set(_COSTS) <= set(decisions.columns):
        return ()
    verdict = labels(decisions, "judge")
    weak, strong = (decisions[name].to_numpy(dtype=np.float64) for name in _COSTS)
    judge = (
        decisions["judge_cost_usd"].to_numpy(dtype=np.float64)
        if "judge_cost_usd" in decisions
        else np.zeros(len(decisions))
    )
    known = (verdict != MISSING) & np.isfinite(weak) & np.isfinite(strong) & np.isfinite(judge)
    if not known.any():
        return ()
    spent = float((weak + judge + (verdict == 0) * strong)[known].sum())
    alone = float(strong[known].sum())
    return (
        Measure(
            name="cost_ratio",
            label="cost, of the strong model alone",
            value=spent / alone if alone > 0 else None,
            unit="share",
            n=int(known.sum()),
            method="logged USD: weak + judge + strong where escalated",
        ),
    )
