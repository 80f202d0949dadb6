"""A ratio of two sums over clusters, as cost per request over users, and how sure it is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["RatioMetric", "ratio_metric"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RatioMetric:
    """The estimate.

    Attributes:
        value: sum of the numerators over that of the denominators.
        error: its standard error.
        clusters: how many there are.
    """

    value: float
    error: float
    clusters: int


def ratio_metric(sums: Floats) -> RatioMetric:
    """Ratio of sums and its error by the delta method.

    The mean of each cluster's own ratio is another quantity, and its spread another spread.

    Args:
        sums: ``(G, 2)`` numerator and denominator of each cluster, in which rows hang together.

    Raises:
        ValueError: fewer than two clusters, or denominators that do not add up to more than 0.

    Source:
        Var(R) = (s_y^2 - 2 R s_yd + R^2 s_d^2) / (G mean_d^2): Deng, Knoblich and Lu (2018),
        Applying the Delta Method in Metric Analytics, KDD, section 2.
    """
    groups = len(sums)
    above, below = sums[:, 0], sums[:, 1]
    if groups < 2 or not below.sum() > 0:  # noqa: PLR2004 - one cluster has no spread
        raise ValueError("a ratio needs two clusters, and a denominator above 0")
    ratio = float(above.sum() / below.sum())
    residuals = above - ratio * below
    variance = float((residuals**2).sum()) / (groups - 1) / groups / float(below.mean()) ** 2
    return RatioMetric(ratio, float(np.sqrt(variance)), groups)
