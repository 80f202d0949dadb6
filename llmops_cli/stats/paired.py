"""Two answers to the same cases: which is right more often, from the cases that tell them apart."""

import math
from statistics import NormalDist

from llmops_cli.stats.intervals import Interval

__all__ = ["mcnemar", "paired_difference"]


def mcnemar(only_first: int, only_second: int, *, mid_p: bool = False) -> float:
    """Two-sided p-value of "both are right equally often".

    Args:
        only_first: cases that only the first got right.
        only_second: cases that only the second got right.
        mid_p: count half of the observed outcome: closer to the level, not guaranteed.

    Returns:
        The p-value; 1 without a discordant case.

    Raises:
        ValueError: negative counts.

    Source:
        McNemar (1947), Psychometrika 12:153-157, exact binomial form; mid-p: Fagerland,
        Lydersen and Laake (2013), BMC Medical Research Methodology 13:91.
    """
    from scipy.special import bdtr, gammaln  # noqa: PLC0415 - scipy is slow to load

    fewer, n = min(only_first, only_second), only_first + only_second
    if fewer < 0:
        raise ValueError("counts are not negative")
    if n == 0:
        return 1.0
    tail = float(bdtr(fewer, n, 0.5))
    if mid_p:
        here = gammaln(n + 1) - gammaln(fewer + 1) - gammaln(n - fewer + 1) - n * math.log(2)
        # At equal counts both tails hold the same outcome: half of it is left out once.
        tail -= math.exp(float(here)) / 2
    return min(1.0, 2 * tail)


def paired_difference(only_first: int, only_second: int, n: int, level: float = 0.95) -> Interval:
    """Interval of the share of the first minus that of the second, on the same cases.

    Args:
        only_first: cases that only the first got right.
        only_second: cases that only the second got right.
        n: all cases.
        level: two-sided confidence.

    Raises:
        ValueError: counts that are not parts of ``n``, or a level outside (0, 1).

    Source:
        Bonett and Price (2012), Journal of Educational and Behavioral Statistics 37:479-488:
        the adjusted Wald interval, one case added to either discordant cell.
    """
    if min(only_first, only_second) < 0 or only_first + only_second > n or n < 1:
        raise ValueError(f"{only_first} and {only_second} are not parts of {n} cases")
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")
    first, second = (only_first + 1) / (n + 2), (only_second + 1) / (n + 2)
    mean = first - second
    reach = NormalDist().inv_cdf(0.5 + level / 2)
    reach *= math.sqrt(max(first + second - mean * mean, 0.0) / (n + 2))
    return Interval(max(-1.0, mean - reach), min(1.0, mean + reach))
