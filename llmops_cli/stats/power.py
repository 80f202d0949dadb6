"""Sample sizes of a fixed-horizon comparison of two arms that are not of the same size."""

import math
from dataclasses import dataclass
from statistics import NormalDist

__all__ = [
    "Comparison",
    "harm_bounds",
    "non_inferiority_sample",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is compared: the variance of one observation, and how the arms share them.

    Attributes:
        variance: in both arms when nothing differs; p (1 - p) for a share p.
        margin: the smallest harm that matters, in the unit of the observation.
        variance_at_margin: in the treated arm when it harms by the margin; the same as
            ``variance`` where absent. A small arm with a rising share needs it: its own
            variance rules there, and the error is far above alpha without it.
        ratio: control observations per treated one; infinity for a known control.
        alpha: one-sided error of either decision.
        control_weight: what the control's mean is multiplied by before the two are compared: the
            ratio of means that matters, where the margin is a ratio.
    """

    variance: float
    margin: float
    variance_at_margin: float | None = None
    ratio: float = 1.0
    alpha: float = 0.025
    control_weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be compared."""
        if not (self.margin > 0 and self.variance >= 0 and self.ratio > 0):
            raise ValueError("a sample size needs a positive margin and ratio and a variance >= 0")
        if not 0 < self.alpha < 1:
            raise ValueError("alpha lies between 0 and 1")

    @property
    def spread(self) -> float:
        """Variance of the difference for one treated observation, when nothing differs."""
        return self.variance + self._of_control

    @property
    def spread_at_margin(self) -> float:
        """The same when the treated arm harms by the margin."""
        known = self.variance_at_margin
        return (self.variance if known is None else known) + self._of_control

    @property
    def _of_control(self) -> float:
        return self.control_weight**2 * self.variance / self.ratio


def non_inferiority_sample(given: Comparison, power: float = 0.9) -> float:
    """Treated observations that show a harm to be smaller than the margin.

    The test rejects "harm of the margin or more" with one-sided error ``alpha``; the power
    holds when nothing differs.

    Returns:
        The treated arm's sample size, not rounded; the control's is ``ratio`` times that.

    Raises:
        ValueError: a power outside (0, 1).

    Source:
        n = (z_alpha sqrt(V1) + z_beta sqrt(V0))^2 / margin^2 with the variances of the
        difference at the margin and at no difference, which is
        (z_alpha + z_beta)^2 variance (1 + 1/ratio) / margin^2 where they are the same: Chow,
        Shao, Wang and Lokhnygina (2017), Sample Size Calculations in Clinical Research.
    """
    if not 0 < power < 1:
        raise ValueError("power lies between 0 and 1")
    normal = NormalDist()
    reach = normal.inv_cdf(1 - given.alpha) * math.sqrt(given.spread_at_margin)
    reach += normal.inv_cdf(power) * math.sqrt(given.spread)
    return max(reach, 0.0) ** 2 / given.margin**2


def harm_bounds(given: Comparison, treated: float) -> tuple[float, float]:
    """Observed harms at which a comparison of this size decides.

    Args:
        given: the comparison, design effect in its variances.
        treated: observations in the treated arm.

    Returns:
        The harm below which it is shown to be smaller than the margin (promote), and the
        harm above which it is shown to be larger than zero (roll back).
    """
    if treated <= 0:
        return -math.inf, math.inf
    reach = NormalDist().inv_cdf(1 - given.alpha)
    promote = given.margin - reach * math.sqrt(given.spread_at_margin / treated)
    return promote, reach * math.sqrt(given.spread / treated)
