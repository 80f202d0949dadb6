"""A share measured by an imperfect test, corrected for the test's errors (Rogan-Gladen)."""

import math
from dataclasses import dataclass
from statistics import NormalDist

from llmops_cli.stats.agreement import Confusion
from llmops_cli.stats.informedness import Informedness, informedness
from llmops_cli.stats.intervals import Interval

__all__ = ["CorrectedShare", "rogan_gladen"]


@dataclass(frozen=True, slots=True)
class CorrectedShare:
    """A share as it would be without the test's errors.

    Attributes:
        raw: the correction as it comes, perhaps outside [0, 1]; NaN where it is refused.
        error: its standard error by the delta method; NaN where it is refused.
        interval: cut to [0, 1]; all of it where the correction is refused.
        test: what the test knows; the correction is refused unless that is established.
    """

    raw: float
    error: float
    interval: Interval
    test: Informedness

    @property
    def refused(self) -> bool:
        """Whether the test is too near a coin to be corrected for."""
        return not self.test.established

    @property
    def value(self) -> float:
        """The share, cut to [0, 1]."""
        return min(max(self.raw, 0.0), 1.0) if not self.refused else math.nan

    @property
    def clipped(self) -> bool:
        """Whether the correction fell outside [0, 1]: the test behaves otherwise out there."""
        return not self.refused and not 0 <= self.raw <= 1


def rogan_gladen(said_yes: int, n: int, known: Confusion, level: float = 0.95) -> CorrectedShare:
    """Correct a measured share for sensitivity and specificity that are themselves estimated.

    It holds where the test errs on the measured cases as on the known ones, class by class;
    the shares of the classes may differ. Known cases must not be among the ``n``.

    Args:
        said_yes: cases that the test said yes to.
        n: cases whose truth is not known.
        known: the test against the truth, on other cases.
        level: two-sided confidence.

    Raises:
        ValueError: counts that are not a share, no true or no false known case, or a level
            outside (0, 1).

    Source:
        Estimate and delta-method error: Rogan and Gladen (1978), American Journal of
        Epidemiology 107:71-76. Interval: Lang and Reiczigel (2014), Preventive Veterinary
        Medicine 113:13-22, equations 6, 7, 16 and 17 (in equation 4 the factor of the
        specificity's variance is (1 - P)^2).
    """
    if not (n >= 1 and 0 <= said_yes <= n):
        raise ValueError(f"{said_yes} yes out of {n} is not a share")
    if not 0 < level < 1:
        raise ValueError(f"a confidence level lies between 0 and 1, not {level}")
    test = informedness(known, level)
    if not test.established:
        return CorrectedShare(math.nan, math.nan, Interval(0.0, 1.0), test)
    sizes = (n, known.positives, known.negatives)
    value, variance, _ = _corrected(said_yes / n, test.sensitivity, test.specificity, sizes)
    return CorrectedShare(
        value, math.sqrt(variance), _lang_reiczigel(said_yes, n, known, level), test
    )


def _corrected(
    share: float, sensitivity: float, specificity: float, sizes: tuple[float, float, float]
) -> tuple[float, float, float]:
    """The corrected share, its variance, and twice its bias per squared quantile."""
    knows = sensitivity + specificity - 1
    value = (share + specificity - 1) / knows
    of_hits = sensitivity * (1 - sensitivity) / sizes[1]
    of_rejections = specificity * (1 - specificity) / sizes[2]
    variance = share * (1 - share) / sizes[0]
    variance += value**2 * of_hits + (1 - value) ** 2 * of_rejections
    return value, variance / knows**2, 2 * (value * of_hits - (1 - value) * of_rejections)


def _lang_reiczigel(said_yes: int, n: int, known: Confusion, level: float) -> Interval:
    z = NormalDist().inv_cdf(0.5 + level / 2)
    sizes = (n + z * z, known.positives + 2.0, known.negatives + 2.0)
    sensitivity, specificity = (known.tp + 1) / sizes[1], (known.tn + 1) / sizes[2]
    if sensitivity + specificity <= 1:
        return Interval(0.0, 1.0)
    share = (said_yes + z * z / 2) / sizes[0]
    value, variance, shift = _corrected(share, sensitivity, specificity, sizes)
    centre, reach = value + z * z * shift, z * math.sqrt(variance)
    return Interval(min(max(centre - reach, 0.0), 1.0), max(min(centre + reach, 1.0), 0.0))
