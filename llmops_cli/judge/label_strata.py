"""What labels are planned for, and how they are spread over parts of the traffic."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.model import labels_needed, usage

__all__ = ["PlanParameters", "Stratum", "overall", "stratified_labels"]

_ABOVE = (0.02, 0.05, 0.08, 0.10, 0.15)
_LEAST, _MOST = 0.005, 0.995


@dataclass(frozen=True, slots=True)
class Stratum:
    """A part of the traffic.

    Attributes:
        name: what it is called.
        share: of the traffic; shares are scaled to add up to 1.
        accuracy: expected of the judge there.
    """

    name: str
    share: float
    accuracy: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanParameters:
    """What is planned for.

    Attributes:
        threshold: accuracy that the one-sided 95 % lower bound must exceed.
        accuracies: what the judge's accuracy may be; a spread above the threshold where empty.
        power: chance of a PASS (of a FAIL below the threshold).
        design_effect: how many times more labels clusters take.
        strata: parts of the traffic that are sampled apart.
    """

    threshold: float = 0.80
    accuracies: tuple[float, ...] = ()
    power: float = 0.80
    design_effect: float = 1.0
    strata: tuple[Stratum, ...] = ()

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what cannot be planned for."""
        for name, value in (
            ("threshold", self.threshold), ("power", self.power),
            *(("accuracy", accuracy) for accuracy in self.accuracies),
            *(("accuracy", stratum.accuracy) for stratum in self.strata),
        ):  # fmt: skip
            if not 0 < value < 1:
                raise usage(
                    f"judge-bad-{name}", f"{name} {value:g} does not lie between 0 and 1",
                    "80 % is 0.8",
                )  # fmt: skip
        if not (math.isfinite(self.design_effect) and self.design_effect >= 1):
            raise usage("judge-bad-design-effect", "a design effect is 1 or more", "1 is none")
        if self.strata and not all(math.isfinite(s.share) and s.share > 0 for s in self.strata):
            raise usage("judge-bad-stratum", "every stratum has a share above 0", "easy:0.7:0.95")

    @property
    def expected(self) -> tuple[float, ...]:
        """The accuracies that are planned for, falling back on a spread above the threshold."""
        if self.accuracies:
            return self.accuracies
        if self.strata:
            return (overall(self.strata),)
        spread = [round(self.threshold + more, 6) for more in _ABOVE]
        return tuple(value for value in spread if value < 1) or (
            round((1 + self.threshold) / 2, 6),
        )


def overall(strata: Sequence[Stratum]) -> float:
    """The accuracy over all strata."""
    total = sum(stratum.share for stratum in strata)
    return sum(stratum.share * stratum.accuracy for stratum in strata) / total


def stratified_labels(
    given: PlanParameters, *, optimal: bool
) -> tuple[int, tuple[int, ...]] | None:
    """About how many labels in all and by stratum; None where no number decides.

    By share the power is that of the exact gate, to within its steps from size to size.

    Args:
        given: the plan, with strata.
        optimal: as many labels from each stratum as its share times its spread asks for
            (then the estimate must be weighted), rather than in proportion to its share.

    Source:
        Cochran (1977), Sampling Techniques, sections 5.5 (proportional and Neyman allocation)
        and 4.4 (size for an error); spreads at the threshold and at the expected accuracy.
    """
    shares = np.array([stratum.share for stratum in given.strata])
    shares /= shares.sum()
    expected = np.array([stratum.accuracy for stratum in given.strata])
    mean = float(shares @ expected)
    exact = labels_needed(mean, given.threshold, power=given.power)
    if exact is None:
        return None
    gap = mean - given.threshold
    at_bar = np.clip(expected - gap, _LEAST, _MOST)
    # Normal reach of a plain sample, and of this one. A proportional sample is read by the gate
    # as a plain one, so its bound stays as wide; only its luck is smaller.
    binomial = math.sqrt(given.threshold * (1 - given.threshold))
    plain = _reach(binomial, math.sqrt(mean * (1 - mean)), given.power)
    own = _reach(
        _spread(shares, at_bar) if optimal else binomial,
        _spread(shares, expected, optimal=optimal),
        given.power,
    )
    total = (own / gap) ** 2 if optimal else exact * (own / plain) ** 2
    parts = shares * np.sqrt(at_bar * (1 - at_bar)) if optimal else shares
    by_stratum = np.ceil(total * given.design_effect * parts / parts.sum()).astype(np.int64)
    return int(by_stratum.sum()), tuple(by_stratum.tolist())


def _reach(at_bar: float, expected: float, power: float) -> float:
    normal = NormalDist()
    return normal.inv_cdf(0.95) * at_bar + normal.inv_cdf(power) * expected


def _spread(
    shares: npt.NDArray[np.float64], accuracies: npt.NDArray[np.float64], *, optimal: bool = True
) -> float:
    """Standard deviation of the overall share, times the root of the sample."""
    variances = accuracies * (1 - accuracies)
    if optimal:
        return float(shares @ np.sqrt(variances))
    return math.sqrt(float(shares @ variances))
