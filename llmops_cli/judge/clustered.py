"""Intervals of means and ratios over rows, or over whole clusters where rows belong together."""

import math

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.beta import student_quantile
from llmops_cli.stats.intervals import Interval, wilson

__all__ = ["difference_interval", "ratio_interval"]

Floats = npt.NDArray[np.float64]

_FEW = 2


def ratio_interval(sums: Floats, level: float) -> Interval | None:
    """Interval of ``sum(first) / sum(second)`` over independent rows or clusters.

    Args:
        sums: ``(G, 2)`` numerator and denominator of each row or cluster.
        level: two-sided confidence.

    Returns:
        The interval; None with fewer than two of them or a denominator of 0.

    Source:
        Linearised ratio with Student's quantile: Cochran (1977), Sampling Techniques, section
        6.4. With a second column of ones it is the interval of a mean.
    """
    groups, total = len(sums), float(sums[:, 1].sum())
    if groups < _FEW or total == 0:
        return None
    value = float(sums[:, 0].sum()) / total
    residuals = sums[:, 0] - value * sums[:, 1]
    error = math.sqrt(groups / (groups - 1) * float((residuals**2).sum())) / abs(total)
    reach = student_quantile(groups - 1, 0.5 + level / 2) * error
    return Interval(value - reach, value + reach)


def difference_interval(
    first: tuple[float, float], second: tuple[float, float], level: float
) -> Interval:
    """Interval of one share minus another, from independent samples.

    Args:
        first: successes and cases.
        second: successes and cases, to be taken off.
        level: two-sided confidence.

    Source:
        Newcombe (1998), Statistics in Medicine 17:873-890, method 10.
    """
    (hits, n), (others, m) = first, second
    one, other = hits / n, others / m
    a, b = (wilson(round(x), round(k), level) for x, k in (first, second))
    down = math.hypot(one - a.low, b.high - other)
    up = math.hypot(a.high - one, other - b.low)
    return Interval(one - other - down, one - other + up)
