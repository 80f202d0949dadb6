"""What was seen of one guardrail in both arms: counts and sums, and what they say about harm.

Values are badness: 1 for an error or a slow request, what a score lacks of 1. Every array has
the runs (or one) in front and the looks behind, so a rehearsal and a real look share it.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.model import Guardrail

__all__ = ["Arms", "Sample"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Requests of one arm.

    Attributes:
        n: ``(..., T)`` requests that carry the metric.
        total: ``(..., T)`` sum of their badness.
        squares: ``(..., T)`` sum of its squares; the same as ``total`` where it is 0 or 1.
    """

    n: Floats
    total: Floats
    squares: Floats

    def __add__(self, other: "Sample") -> "Sample":
        """Both together."""
        return Sample(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def running(self) -> "Sample":
        """Increments of looks as totals up to each look."""
        return Sample(*(np.cumsum(part, axis=-1) for part in (self.n, self.total, self.squares)))

    def between(self, first: int, last: int) -> "Sample":
        """The looks of one stage."""
        return Sample(*(p[..., first:last] for p in (self.n, self.total, self.squares)))

    def summed(self) -> "Sample":
        """All looks as one, with the axis kept."""
        parts = (self.n, self.total, self.squares)
        return Sample(*(part.sum(axis=-1, keepdims=True) for part in parts))

    @property
    def mean(self) -> Floats:
        """Mean badness, 0 where nothing was seen."""
        return self.total / np.maximum(self.n, 1)

    @property
    def variance(self) -> Floats:
        """Of one request's badness."""
        return np.maximum(self.squares / np.maximum(self.n, 1) - self.mean**2, 0)


@dataclass(frozen=True, slots=True, eq=False)
class Arms:
    """The new version and what it is held against, as seen so far at each look."""

    treated: Sample
    control: Sample

    @property
    def harm(self) -> Floats:
        """How much worse the new version is."""
        return self.treated.mean - self.control.mean

    def until(self, looks: int) -> "Arms":
        """The first looks only; what does not change from look to look stays as it is."""
        treated, control = self.treated, self.control
        same = control.n.shape[-1] == 1
        return Arms(treated.between(0, looks), control if same else control.between(0, looks))

    @property
    def information(self) -> Floats:
        """1 / (1 / n_treated + 1 / n_control); 0 while an arm is empty."""
        treated, control = self.treated.n, self.control.n
        return treated * control / np.maximum(treated + control, 1)

    def expected_bad(self) -> Floats:
        """Bad requests the new version would have if it were like both arms together."""
        return self.treated.n * (self.treated + self.control).mean

    def error_of_harm(self, guardrail: Guardrail) -> Floats:
        """Standard error of the harm, as if there were none; infinite while an arm is empty.

        The variance is not below what the plan assumed: that of both arms together, or of each
        its own where a few requests may be far worse than all others.
        """
        if guardrail.bounded:
            both = np.maximum((self.treated + self.control).variance, guardrail.variance)
            variance = both / np.where(self.information > 0, self.information, np.inf)
        else:
            variance = self._variance(guardrail, guardrail.variance, 1.0)
        error = np.sqrt(variance * guardrail.design_effect)
        return np.where((self.information > 0) & (error > 0), error, np.inf)

    def evidence_of_harm(self, guardrail: Guardrail) -> Floats:
        """Harm in standard errors; 0 while an arm is empty."""
        return self.harm / self.error_of_harm(guardrail)

    def margin(self, guardrail: Guardrail) -> Floats:
        """The harm that matters; a ratio comes to more where the control is worse."""
        if guardrail.ratio is None:
            return np.full(self.control.n.shape, guardrail.margin)
        return (guardrail.ratio - 1) * self.control.mean

    def told(self, guardrail: Guardrail, needed: Floats | float) -> tuple[Floats, Floats, float]:
        """The harm as it is told, the most it may be, and the margin, in one unit.

        Points, or parts of the control's level where the margin is a ratio. The most it may be
        lies below the margin exactly where the room is larger than ``needed``.
        """
        if guardrail.ratio is None:
            return (
                self.harm,
                self.harm + needed * self._error_at_margin(guardrail),
                guardrail.margin,
            )
        level = np.where(self.control.mean > 0, self.control.mean, np.nan)
        most = self._largest_ratio(guardrail, needed)
        return self.harm / level, np.where(np.isnan(level), np.inf, most) - 1, guardrail.ratio - 1

    def _error_at_margin(self, guardrail: Guardrail) -> Floats:
        weight = guardrail.control_weight
        variance = self._variance(guardrail, guardrail.variance_at_margin, weight)
        error = np.sqrt(variance * guardrail.design_effect)
        return np.where(self.information > 0, error, np.inf)

    def _largest_ratio(self, guardrail: Guardrail, needed: Floats | float) -> Floats:
        """Of means, that is not refuted: after Fieller (1954), with the variances of the test."""
        above, below = self._variances(guardrail, guardrail.variance_at_margin)
        scale = np.square(needed) * guardrail.design_effect
        above = scale * above / np.maximum(self.treated.n, 1)
        below = scale * below / np.maximum(self.control.n, 1)
        treated, control = self.treated.mean, self.control.mean
        left = control**2 - below
        root = np.sqrt(np.maximum(above * left + treated**2 * below, 0))
        most = (treated * control + root) / np.where(left > 0, left, 1.0)
        return np.where((left > 0) & (self.information > 0), most, np.inf)

    def _variance(self, guardrail: Guardrail, at_least: float, weight: float) -> Floats:
        """Of the new version's mean less the old one's times a weight, requests alike."""
        treated, control = self._variances(guardrail, at_least)
        of_control = weight**2 * control / np.maximum(self.control.n, 1)
        return treated / np.maximum(self.treated.n, 1) + of_control

    def _variances(self, guardrail: Guardrail, at_least: float) -> tuple[Floats, Floats]:
        """Of one request of each version, not below what the plan assumed.

        Costs vary in proportion to their level, whatever that is by now.
        """
        level = 1.0 if guardrail.bounded else self.control.mean**2
        treated = np.maximum(self.treated.variance, at_least * level)
        return treated, np.maximum(self.control.variance, guardrail.variance * level)

    def room(self, guardrail: Guardrail) -> Floats:
        """How far the harm lies below the margin, in standard errors at the margin.

        Minus infinity while an arm is empty: nothing has been shown. A margin that is a ratio is
        tested as the difference to the control times that ratio, by the delta method.
        """
        error = self._error_at_margin(guardrail)
        left = self.margin(guardrail) - self.harm
        room = np.where(error > 0, left / np.maximum(error, 1e-300), 0.0)
        return np.where(self.information > 0, room, -np.inf)
