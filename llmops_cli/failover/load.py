"""Requests as the event loop wants them: plain lists, because it asks for one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Load"]


@dataclass(frozen=True, slots=True, eq=False)
class Load:
    """Requests in the order they came.

    Attributes:
        arrivals_s: not falling.
        durations_s: how long the log's own deployment took when nothing was wrong.
        first_s: how long it took until the first token; the whole duration where nobody knows.
        tokens: input and output.
        numbers: tell requests apart, for their luck.
    """

    arrivals_s: Sequence[float]
    durations_s: Sequence[float]
    first_s: Sequence[float]
    tokens: Sequence[int]
    numbers: Sequence[int]

    def __len__(self) -> int:
        """How many requests."""
        return len(self.arrivals_s)
