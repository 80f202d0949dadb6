"""A year in figures: availability, cost and quality of one policy, episodes and quiet together."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.failover.simulation import Result, Simulation
from llmops_cli.failover.tally import Tally
from llmops_cli.failover.years import LEVEL, Estimate, Years
from llmops_cli.stats.intervals import wilson

__all__ = ["Figures", "bad_year", "figures", "lost_in_a_year"]


Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one policy comes to.

    Attributes:
        availability: share of requests that are answered.
        lost_per_year: requests that are not; None without outages.
        cost_ratio: of an answered request, over the same answered by whom it prefers; None
            without prices.
        usd_each: of an answered request; None without prices.
        quality_change: mean of answered requests against the same; None without quality.
        attempts: per request while something is wrong.
        added_s: median and 99th percentile of how much later than usual an answer comes while
            something is wrong; None where nothing is answered.
        refused_minutes: a year, in which a rate limit refused somebody.
        perhaps_ratio: what attempts without an answer may have cost beyond, over the cost.
    """

    availability: Estimate
    lost_per_year: Estimate | None
    cost_ratio: Estimate | None
    usd_each: float | None
    quality_change: Estimate | None
    attempts: float
    added_s: tuple[float, float] | None
    refused_minutes: float
    perhaps_ratio: float | None


def figures(found: Simulation, result: Result) -> Figures:
    """Add the quiet and the episodes of a year up."""
    years = result.years
    if years is None:
        return _of_the_log(found, result)
    per_year, quiet = found.per_year, result.quiet
    lost = lost_in_a_year(per_year, quiet, years)
    answered = per_year - lost.value
    inside = max(years.total({"requests": 1.0}).value, 1e-300)
    ratio = _ratio(found, result, answered) if found.worth.warm_usd is not None else None
    return Figures(
        availability=Estimate(*(1 - x / per_year for x in (lost.value, lost.high, lost.low))),
        lost_per_year=lost,
        cost_ratio=ratio,
        usd_each=None if ratio is None else ratio.value * quiet["plain_usd"] / quiet["requests"],
        quality_change=_quality(result, answered) if found.worth.quality is not None else None,
        attempts=years.total({"attempts": 1.0}).value / inside,
        added_s=_tails(years.added_s, years.added_weight),
        refused_minutes=years.total({"refused_minutes": 1.0}).value,
        perhaps_ratio=_perhaps(found, years.total({"perhaps_usd": 1.0}).value, quiet),
    )


def lost_in_a_year(per_year: float, quiet: Tally, years: Years) -> Estimate:
    """A year is its episodes and, for the rest of its requests, the quiet log.

    Args:
        per_year: requests.
        quiet: played with nothing wrong.
        years: the episodes.

    Returns:
        Requests lost; the interval holds the doubt of both.
    """
    usual = quiet["lost"] / quiet["requests"]
    lost = _plus(years.total({"lost": 1.0, "requests": -usual}), per_year * usual)
    rest = per_year - years.total({"requests": 1.0}).value
    return _widened(lost, rest * (usual * (1 - usual) / quiet["requests"]) ** 0.5)


def bad_year(found: Simulation, result: Result, share: float, seed: int) -> float | None:
    """Requests lost in one year of so many; None without outages."""
    if result.years is None:
        return None
    usual = result.quiet["lost"] / result.quiet["requests"]
    generator = np.random.default_rng(seed)
    return found.per_year * usual + result.years.bad_year("lost", share, generator)


def _ratio(found: Simulation, result: Result, answered: float) -> Estimate | None:
    quiet, years = result.quiet, result.years
    plain = quiet["plain_usd"] / quiet["requests"]
    if years is None or not plain or answered <= 0:
        return None
    mean = quiet["usd"] / quiet["requests"]
    spent = _plus(years.total({"usd": 1.0, "requests": -mean}), found.per_year * mean)
    scale = answered * plain
    return Estimate(spent.value / scale, spent.low / scale, spent.high / scale)


def _quality(result: Result, answered: float) -> Estimate | None:
    quiet, years = result.quiet, result.years
    if years is None or answered <= 0 or quiet["requests"] == quiet["lost"]:
        return None
    plain = quiet["plain_quality"] / quiet["requests"]
    own = quiet["quality"] / (quiet["requests"] - quiet["lost"])
    # Against the quiet's mean, answered by answered: what is lost has no quality at all.
    moved = years.total({"quality": 1.0, "requests": -own, "lost": own})
    value, low, high = (own - plain + x / answered for x in (moved.value, moved.low, moved.high))
    return Estimate(value, low, high)


def _of_the_log(found: Simulation, result: Result) -> Figures:
    seen = result.incidents or result.quiet
    n, lost = seen["requests"], seen["lost"]
    answered = n - lost
    # What stands for many requests is no more evidence than one.
    evidence = round(seen.played)
    ends = wilson(round(evidence * answered / n), evidence, LEVEL)
    cost = each = quality = None
    if found.worth.warm_usd is not None and answered and seen["plain_usd"]:
        each = seen["usd"] / answered
        value = seen["usd"] / answered / (seen["plain_usd"] / n)
        cost = Estimate(value, value, value)
    if found.worth.quality is not None and answered:
        value = seen["quality"] / answered - seen["plain_quality"] / n
        quality = Estimate(value, value, value)
    return Figures(
        availability=Estimate(answered / n, ends.low, ends.high),
        lost_per_year=None,
        cost_ratio=cost,
        usd_each=each,
        quality_change=quality,
        attempts=seen["attempts"] / n,
        added_s=_tails(seen.added_s, seen.added_weight),
        refused_minutes=seen["refused_minutes"],
        perhaps_ratio=_perhaps(found, seen["perhaps_usd"], seen),
    )


def _perhaps(found: Simulation, usd: float, seen: Tally) -> float | None:
    if found.worth.warm_usd is None or not seen["plain_usd"]:
        return None
    whole = seen["plain_usd"] / seen["requests"]
    over = found.per_year if found.results[0].years is not None else seen["requests"]
    return usd / (whole * over)


def _plus(estimate: Estimate, value: float) -> Estimate:
    return Estimate(estimate.value + value, estimate.low + value, estimate.high + value)


def _widened(estimate: Estimate, deviation: float) -> Estimate:
    # Two independent sources of doubt: their squares add up.
    extra = NormalDist().inv_cdf((1 + LEVEL) / 2) * deviation
    down, up = estimate.value - estimate.low, estimate.high - estimate.value
    return Estimate(
        estimate.value,
        estimate.value - math.hypot(down, extra),
        estimate.value + math.hypot(up, extra),
    )


def _tails(added_s: Floats, weight: Floats) -> tuple[float, float] | None:
    if not len(added_s):
        return None
    ends = [0.5, 0.99]
    if (weight == weight[0]).all():
        found = np.quantile(added_s, ends)
    else:
        found = np.quantile(added_s, ends, weights=weight, method="inverted_cdf")
    median, tail = found.tolist()
    return max(median, 0.0), max(tail, 0.0)
