"""A cheap answer, a dear one, and an imperfect test that says whether the cheap one will do.

The test's errors are independent of the dear answer, given whether the cheap one is right: the
formulas say what a test of stated sensitivity and specificity would do. What a logged test did
is counted, not computed.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Deferral"]

Floats = npt.NDArray[np.float64]
Rates = float | Floats


@dataclass(frozen=True, slots=True)
class Deferral:
    """How often each answer is right, from cases that both answered.

    A test with rates (sensitivity, specificity) keeps a right cheap answer with probability
    sensitivity, and defers a wrong one with probability specificity. Rates are numbers or
    arrays of one shape, and so are the results.

    Attributes:
        both: cases both get right.
        only_cheap: cases only the cheap answer gets right (n10).
        only_dear: cases only the dear answer gets right (n01).
        neither: cases neither gets right.

    Source:
        Expected value over the four kinds of case; break-even on the discordant pairs of
        McNemar (1947).
    """

    both: int
    only_cheap: int
    only_dear: int
    neither: int

    def __post_init__(self) -> None:
        """Refuse counts that are not counts."""
        if min(self.both, self.only_cheap, self.only_dear, self.neither) < 0 or self.n < 1:
            raise ValueError("deferral needs paired cases, none of them negative in number")

    @property
    def n(self) -> int:
        """All cases."""
        return self.both + self.only_cheap + self.only_dear + self.neither

    @property
    def cheap(self) -> float:
        """Share the cheap answer gets right."""
        return (self.both + self.only_cheap) / self.n

    @property
    def dear(self) -> float:
        """Share the dear answer gets right."""
        return (self.both + self.only_dear) / self.n

    @property
    def break_even(self) -> float:
        """The rate r*, sensitivity and specificity alike, that equals the dear answer alone.

        n01 / (n01 + n10); NaN where no case tells the two answers apart.
        """
        discordant = self.only_dear + self.only_cheap
        return self.only_dear / discordant if discordant else float("nan")

    def deferred(self, sensitivity: Rates, specificity: Rates) -> Rates:
        """Share of cases that get the dear answer."""
        return self.cheap * (1 - sensitivity) + (1 - self.cheap) * specificity

    def quality(self, sensitivity: Rates, specificity: Rates) -> Rates:
        """Share of cases answered rightly."""
        gained = self.only_cheap * sensitivity + self.only_dear * specificity
        return (self.both + gained) / self.n

    def cost(self, sensitivity: Rates, specificity: Rates, *, kept: float, dear: float) -> Rates:
        """Mean cost of a case, in the unit of the two prices.

        Args:
            sensitivity: share of right cheap answers that are kept.
            specificity: share of wrong cheap answers that are deferred.
            kept: price of the cheap answer and of the test, which every case pays.
            dear: price of the dear answer.
        """
        return kept + self.deferred(sensitivity, specificity) * dear

    def specificity_for_quality(self, sensitivity: Rates, loss: float = 0.0) -> Rates:
        """The least specificity at which no more than ``loss`` is lost to the dear answer alone.

        The frontier is a straight line: what false keeps lose must not exceed what true keeps
        win. Above 1 no test of this sensitivity will do; below 0 any will. NaN where the dear
        answer alone never wins.
        """
        if self.only_dear == 0:
            return np.full(np.shape(sensitivity), np.nan) if np.ndim(sensitivity) else float("nan")
        return 1 - (self.only_cheap * sensitivity + loss * self.n) / self.only_dear

    def sensitivity_for_saving(
        self, specificity: Rates, *, kept: float, dear: float, share: float = 1.0
    ) -> Rates:
        """The least sensitivity at which the cost is at most ``share`` of the dear answer alone.

        Above 1 no test of this specificity saves so much. NaN where the cheap answer is never
        right, as sensitivity then changes nothing.

        Raises:
            ValueError: a price of the dear answer that is not positive.
        """
        if not dear > 0:
            raise ValueError("the dear answer has a price")
        if self.cheap == 0:
            return np.full(np.shape(specificity), np.nan) if np.ndim(specificity) else float("nan")
        deferrable = share - kept / dear
        return 1 - (deferrable - (1 - self.cheap) * specificity) / self.cheap
