"""Sample sizes of a fixed-horizon comparison of two arms that are not of the same size."""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = ["design_effect", "harm_bounds", "non_inferiority_sample"]


def non_inferiority_sample(
    variance: float,
    margin: float,
    *,
    ratio: float = 1.0,
    alpha: float = 0.025,
    power: float = 0.9,
) -> float:
    """Treated observations that show a harm to be smaller than ``margin``.

    The test rejects "harm of at least the margin" when the one-sided ``1 - alpha`` upper
    bound of the difference of means lies below the margin; the power holds when the true
    difference is zero.

    Args:
        variance: of one observation, the same in both arms; p (1 - p) for a share p.
        margin: the smallest harm that matters, in the unit of the observation; positive.
        ratio: control observations per treated one; infinity for a known control.
        alpha: one-sided error.
        power: chance of showing it.

    Returns:
        The treated arm's sample size, not rounded; the control's is ``ratio`` times that.

    Raises:
        ValueError: a margin that is not positive, a negative variance, or probabilities
            outside (0, 1).

    Source:
        n = (z_alpha + z_beta)^2 variance (1 + 1/ratio) / margin^2: Chow, Shao, Wang and
        Lokhnygina (2017), Sample Size Calculations in Clinical Research, chapters 3 and 4.
    """
    if not (margin > 0 and variance >= 0 and ratio > 0):
        raise ValueError("a sample size needs a positive margin and ratio and a variance >= 0")
    if not (0 < alpha < 1 and 0 < power < 1):
        raise ValueError("alpha and power lie between 0 and 1")
    normal = NormalDist()
    reach = normal.inv_cdf(1 - alpha) + normal.inv_cdf(power)
    return max(reach, 0.0) ** 2 * variance * (1 + 1 / ratio) / margin**2


def harm_bounds(
    variance: float, margin: float, treated: float, *, ratio: float = 1.0, alpha: float = 0.025
) -> tuple[float, float]:
    """Observed harms at which a comparison of this size decides.

    Args:
        variance: of one observation, design effect included.
        margin: the smallest harm that matters.
        treated: observations in the treated arm.
        ratio: control observations per treated one.
        alpha: one-sided error of either decision.

    Returns:
        The harm below which the upper bound stays under the margin (promote), and the harm
        above which the lower bound exceeds zero (roll back).
    """
    error = math.sqrt(variance * (1 + 1 / ratio) / treated) if treated else math.inf
    reach = NormalDist().inv_cdf(1 - alpha) * error
    return margin - reach, reach


def design_effect(sums: npt.NDArray[np.float64], variance: float) -> float:
    """How many times more a mean over clustered rows varies than over independent ones.

    Args:
        sums: ``(G, 2)`` sum of the values and number of rows of each cluster.
        variance: of one row.

    Returns:
        At least 1; 1 without variance or with fewer than two clusters.

    Source:
        Linearised variance of a ratio over clusters: Cochran (1977), Sampling Techniques,
        section 9A.2; design effect: Kish (1965).
    """
    groups, rows = len(sums), float(sums[:, 1].sum())
    if groups < 2 or variance <= 0:  # noqa: PLR2004 - one cluster has no spread
        return 1.0
    mean = sums[:, 0].sum() / rows
    residuals = sums[:, 0] - mean * sums[:, 1]
    clustered = groups / (groups - 1) * float((residuals**2).sum()) / rows**2
    return max(1.0, clustered / (variance / rows))
