"""Confidence intervals of a share observed as ``successes`` out of ``n``."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from llmops_cli.stats.beta import beta_quantile

__all__ = ["Interval", "clopper_pearson", "wilson"]


@dataclass(frozen=True, slots=True)
class Interval:
    """The two ends of a confidence interval, ``low <= high``."""

    low: float
    high: float


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """The score interval of a share: short, centred, good for display.

    Args:
        successes: how many of the ``n`` trials succeeded.
        n: number of trials, at least 1.
        level: two-sided confidence, between 0 and 1.

    Raises:
        ValueError: counts that are not ``0 <= successes <= n``, an empty sample, or a level
            outside (0, 1).

    Source:
        Wilson (1927), JASA 22:209-212; Brown, Cai and DasGupta (2001), Statistical Science
        16:101-133.
    """
    _check(successes, n, level)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(
        0.0 if successes == 0 else max(0.0, (centre - reach) / scale),
        1.0 if successes == n else min(1.0, (centre + reach) / scale),
    )


def clopper_pearson(successes: int, n: int, level: float = 0.95) -> Interval:
    """The exact interval of a share: covers at least ``level`` whatever the truth.

    Either end alone is a one-sided bound of confidence ``(1 + level) / 2``; the gates use
    ``level=0.90``, which makes each end a one-sided 95 % bound.

    Args:
        successes: how many of the ``n`` trials succeeded.
        n: number of trials, at least 1.
        level: two-sided confidence, between 0 and 1.

    Raises:
        ValueError: as :func:`wilson`.

    Source:
        Clopper and Pearson (1934), Biometrika 26:404-413, as quantiles of the beta
        distribution.
    """
    _check(successes, n, level)
    tail = (1 - level) / 2
    low = beta_quantile(successes, n - successes + 1, tail) if successes else 0.0
    high = beta_quantile(successes + 1, n - successes, 1 - tail) if successes < n else 1.0
    return Interval(low, high)


def _check(successes: int, n: int, level: float) -> None:
    if not (n >= 1 and 0 <= successes <= n):
        raise ValueError(f"{successes} successes out of {n} is not a share")
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")
