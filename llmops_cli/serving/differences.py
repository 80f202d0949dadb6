"""Two policies on the same requests: what differs, and by how much beyond chance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llmops_cli.serving.comparison import Comparison, Played
from llmops_cli.serving.measures import FIGURES, Figure, interval

__all__ = ["COMPARED", "Difference", "best", "differences"]

COMPARED = (
    "ttft_mean_s",
    "ttft_p50_s",
    "ttft_p99_s",
    "tpot_p50_s",
    "tpot_p99_s",
    "e2e_p50_s",
    "goodput_share",
    "output_tokens_per_s",
    "hit_rate_tokens",
)
"""Figures that policies are held against each other by."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One policy against another in one figure.

    Attributes:
        figure: its name.
        first: value of the policy held against.
        other: value of this one.
        change: other less first.
        low: lower end of the interval of the change; None where there is none.
        high: upper end.
    """

    figure: str
    first: float
    other: float
    change: float
    low: float | None
    high: float | None

    @property
    def shown(self) -> bool:
        """Whether the interval leaves no doubt which of the two is larger."""
        return self.low is not None and self.high is not None and self.low * self.high > 0

    @property
    def better(self) -> bool:
        """Whether the change is to the better."""
        return (self.change < 0) == (FIGURES[self.figure].better == "low")


def differences(
    first: Played, other: Played, figures: Sequence[str] = COMPARED
) -> tuple[Difference, ...]:
    """Paired differences; figures that either policy lacks are left out."""
    found: list[Difference] = []
    for name in figures:
        one, two = first.figures[name], other.figures[name]
        if np.isfinite(one.value) and np.isfinite(two.value):
            low, high = _interval(one, two)
            found.append(Difference(name, one.value, two.value, two.value - one.value, low, high))
    return tuple(found)


def best(found: Comparison) -> Played:
    """Most requests within the SLO, then the lowest 99th percentile to the first token.

    Without an SLO the percentile alone decides; of equal ones the first.
    """

    def rank(played: Played) -> tuple[float, float]:
        good = played.figures["goodput_share"].value
        return (-good if np.isfinite(good) else 0.0), played.figures["ttft_p99_s"].value

    return min(found.played, key=rank)


def _interval(one: Figure, two: Figure) -> tuple[float | None, float | None]:
    if one.samples is None or two.samples is None:
        return None, None
    return interval(two.samples - one.samples)
