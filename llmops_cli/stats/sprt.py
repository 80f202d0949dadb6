"""Wald's sequential probability ratio test of a share: two hypotheses, the fewest cases."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Sprt", "SprtOutcome"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SprtOutcome:
    """Where a walk ended, or what walks do on average.

    Attributes:
        above: the walk ended for the larger share (the probability that it does).
        below: the walk ended for the smaller share (the probability that it does).
        cases: until the end, or the cap (on average).
    """

    above: float
    below: float
    cases: float

    @property
    def open(self) -> float:
        """No decision yet."""
        return 1 - self.above - self.below


@dataclass(frozen=True, slots=True, kw_only=True)
class Sprt:
    """The test.

    Attributes:
        low: the share that must not pass.
        high: the share that should pass, above ``low``.
        alpha: error of passing at ``low``.
        beta: error of failing at ``high``.

    Source:
        Wald (1945), Annals of Mathematical Statistics 16:117-186. With his limits the errors
        are at most alpha / (1 - beta) and beta / (1 - alpha), and in practice below alpha and
        beta: :meth:`operating` gives them exactly.
    """

    low: float
    high: float
    alpha: float = 0.05
    beta: float = 0.05

    def __post_init__(self) -> None:
        """Refuse hypotheses that cannot be told apart."""
        if not 0 < self.low < self.high < 1:
            raise ValueError("the two shares lie between 0 and 1, the lower one first")
        if not (self.alpha > 0 and self.beta > 0 and self.alpha + self.beta < 1):
            raise ValueError("alpha and beta are positive and together below 1")

    @property
    def limits(self) -> tuple[float, float]:
        """Log-likelihood ratios at or below which the test fails, at or above which it passes."""
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)

    @property
    def steps(self) -> tuple[float, float]:
        """What a success adds to the log-likelihood ratio, and what a failure adds."""
        return math.log(self.high / self.low), math.log((1 - self.high) / (1 - self.low))

    def evidence(self, successes: Floats, n: Floats) -> Floats:
        """``(T,)`` log-likelihood ratios after ``(T,)`` successes of ``(T,)`` trials."""
        up, down = self.steps
        return up * successes + down * (n - successes)

    def walk(self, values: Floats) -> SprtOutcome:
        """Run the test over values in the order of arrival; it stops at the first limit.

        Args:
            values: ``(T,)`` 0 or 1.

        Raises:
            ValueError: values that are not 0 or 1.
        """
        if not np.isin(values, (0.0, 1.0)).all():
            raise ValueError("the test takes values of 0 or 1")
        times = np.arange(1, len(values) + 1, dtype=np.float64)
        path = self.evidence(np.cumsum(values, dtype=np.float64), times)
        fail, passed = self.limits
        ended = np.flatnonzero((path <= fail) | (path >= passed))
        if not len(ended):
            return SprtOutcome(0.0, 0.0, float(len(values)))
        above = float(path[ended[0]] >= passed)
        return SprtOutcome(above, 1 - above, float(ended[0] + 1))

    def operating(self, share: float, most: int) -> SprtOutcome:
        """What the test does at a true share, exactly, if it is cut off after ``most`` cases.

        Args:
            share: the truth, between 0 and 1.
            most: the cap.

        Raises:
            ValueError: a share outside [0, 1] or a cap below 1.

        Source:
            Forward recursion over the number of successes: Aroian (1968), Technometrics
            10:125-132.
        """
        if not (0 <= share <= 1 and most >= 1):
            raise ValueError("operating needs a share between 0 and 1 and a positive cap")
        fail, passed = self.limits
        chances, counts = np.ones(1), np.zeros(1)
        above = below = cases = 0.0
        for trial in range(1, most + 1):
            cases += float(chances.sum())
            grown = np.zeros(len(chances) + 1)
            grown[1:] += share * chances
            grown[:-1] += (1 - share) * chances
            counts = np.append(counts, counts[-1] + 1)
            path = self.evidence(counts, np.full(len(counts), float(trial)))
            above += float(grown[path >= passed].sum())
            below += float(grown[path <= fail].sum())
            still = (path > fail) & (path < passed)
            if not still.any():
                break
            chances, counts = grown[still], counts[still]
        return SprtOutcome(above, below, cases)
