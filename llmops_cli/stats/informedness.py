"""Sensitivity + specificity - 1: how much a yes-or-no test knows, with an interval."""

import math
from dataclasses import dataclass

from llmops_cli.stats.agreement import Confusion
from llmops_cli.stats.intervals import Interval, wilson

__all__ = ["Informedness", "informedness"]


@dataclass(frozen=True, slots=True)
class Informedness:
    """What the test knows: 1 everything, 0 no more than a coin.

    Attributes:
        sensitivity: share of yes among the true.
        specificity: share of no among the false.
        interval: of :attr:`value`.
    """

    sensitivity: float
    specificity: float
    interval: Interval

    @property
    def value(self) -> float:
        """Sensitivity + specificity - 1 (Youden 1950); balanced accuracy is half of 1 + this."""
        return self.sensitivity + self.specificity - 1

    @property
    def established(self) -> bool:
        """Whether the test is shown to know anything: only then can it be corrected for."""
        return self.interval.low > 0

    @property
    def balanced_accuracy(self) -> Interval:
        """The interval of (sensitivity + specificity) / 2."""
        return Interval((1 + self.interval.low) / 2, (1 + self.interval.high) / 2)


def informedness(table: Confusion, level: float = 0.95) -> Informedness:
    """Estimate it from cases whose truth is known.

    Args:
        table: verdicts against the truth; the true and the false may be sampled apart.
        level: two-sided confidence.

    Raises:
        ValueError: no true or no false case.

    Source:
        Youden (1950), Cancer 3:32-35; interval of a sum of two independent shares from their
        Wilson intervals: Newcombe (1998), Statistics in Medicine 17:873-890, method 10.
    """
    if table.positives < 1 or table.negatives < 1:
        raise ValueError("sensitivity and specificity need a true and a false case")
    sensitivity, specificity = table.tp / table.positives, table.tn / table.negatives
    hits = wilson(table.tp, table.positives, level)
    rejections = wilson(table.tn, table.negatives, level)
    value = sensitivity + specificity - 1
    down = math.hypot(sensitivity - hits.low, specificity - rejections.low)
    up = math.hypot(hits.high - sensitivity, rejections.high - specificity)
    return Informedness(sensitivity, specificity, Interval(value - down, value + up))
