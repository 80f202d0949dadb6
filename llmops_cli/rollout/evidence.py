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

    @property
    def information(self) -> Floats:
        """1 / (1 / n_treated + 1 / n_control); 0 while an arm is empty."""
        treated, control = self.treated.n, self.control.n
        return treated * control / np.maximum(treated + control, 1)

    def expected_bad(self) -> Floats:
        """Bad requests the new version would have if it were like both arms together."""
        return self.treated.n * (self.treated + self.control).mean

    def evidence_of_harm(self, guardrail: Guardrail) -> Floats:
        """Harm in standard errors, as if there were none; 0 while an arm is empty.

        The variance is that of both arms together, and not below what the plan assumed.
        """
        both = np.maximum((self.treated + self.control).variance, guardrail.variance)
        variance = both * guardrail.design_effect
        scale = np.sqrt(self.information / np.where(variance > 0, variance, np.inf))
        return self.harm * scale

    def room(self, guardrail: Guardrail) -> Floats:
        """How far the harm lies below the margin, in standard errors at the margin.

        Minus infinity while an arm is empty: nothing has been shown.
        """
        at_margin = np.maximum(self.treated.variance, guardrail.variance_at_margin)
        now = np.maximum(self.control.variance, guardrail.variance)
        variance = at_margin / np.maximum(self.treated.n, 1) + now / np.maximum(self.control.n, 1)
        error = np.sqrt(variance * guardrail.design_effect)
        seen = self.information > 0
        room = np.where(error > 0, (guardrail.margin - self.harm) / np.maximum(error, 1e-300), 0.0)
        return np.where(seen, room, -np.inf)
