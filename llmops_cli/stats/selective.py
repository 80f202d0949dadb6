"""Answering only when sure: error against coverage, and what an abstention costs."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["RiskCoverage", "Selective", "risk_coverage"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Selective:
    """A rater who may abstain.

    Attributes:
        correct: answers that are right.
        answered: cases with an answer.
        n: all cases.
    """

    correct: int
    answered: int
    n: int

    def __post_init__(self) -> None:
        """Refuse counts that are not nested."""
        if not (0 <= self.correct <= self.answered <= self.n and self.n >= 1):
            raise ValueError(
                f"{self.correct} right of {self.answered} answered of {self.n} cannot be"
            )

    def __add__(self, other: "Selective") -> "Selective":
        """The counts of both parts together."""
        return Selective(
            self.correct + other.correct, self.answered + other.answered, self.n + other.n
        )

    @property
    def coverage(self) -> float:
        """Share of cases with an answer."""
        return self.answered / self.n

    @property
    def accuracy(self) -> float:
        """Share of the answers that are right; NaN without an answer."""
        return self.correct / self.answered if self.answered else float("nan")

    @property
    def accuracy_of_all(self) -> float:
        """Share of all cases that are answered rightly: an abstention is as good as wrong."""
        return self.correct / self.n


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """Error of the answers when only the surest are given; one point per distinct confidence.

    Attributes:
        threshold: ``(m,)`` the least confidence that is answered, falling.
        coverage: ``(m,)`` share of cases answered.
        risk: ``(m,)`` share of wrong answers among them.
        area: mean risk over all coverages 1/n .. 1; cases of equal confidence in random order.
        best_area: the same if every right answer were surer than every wrong one.
    """

    threshold: Floats
    coverage: Floats
    risk: Floats
    area: float
    best_area: float

    @property
    def excess_area(self) -> float:
        """What a better order of the same answers could still gain; 0 is perfect."""
        return self.area - self.best_area


def risk_coverage(confidence: Floats, wrong: Floats) -> RiskCoverage:
    """The risk-coverage curve and the area under it.

    Args:
        confidence: ``(n,)`` any score, larger is surer; minus infinity for an abstention.
        wrong: ``(n,)`` 1 where the answer is wrong, 0 where right; graded losses are allowed.

    Raises:
        ValueError: no case, lengths that differ, or NaN.

    Source:
        El-Yaniv and Wiener (2010), Journal of Machine Learning Research 11:1605-1641; area:
        Geifman, Uziel and El-Yaniv (2019), ICLR (AURC and excess AURC).
    """
    n = len(confidence)
    if n < 1 or n != len(wrong) or np.isnan(confidence).any() or np.isnan(wrong).any():
        raise ValueError("a risk-coverage curve needs cases, each with a confidence and an error")
    values, inverse, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    answered = np.cumsum(counts)
    errors = np.cumsum(np.bincount(inverse, weights=wrong))
    # Between two points, in random order, errors grow evenly.
    every = np.interp(np.arange(1, n + 1), np.append(0, answered), np.append(0.0, errors))
    ranks = np.arange(1, n + 1)
    return RiskCoverage(
        threshold=-values,
        coverage=answered / n,
        risk=errors / answered,
        area=float((every / ranks).mean()),
        best_area=float((np.cumsum(np.sort(wrong)) / ranks).mean()),
    )
