"""Agreement of two raters: the two-by-two table, its rates, and Cohen's kappa."""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.intervals import Interval

__all__ = ["Confusion", "cohen_kappa", "kappa_interval"]

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Confusion:
    """A rater's yes and no against the truth: counts of the four outcomes."""

    tp: int
    fp: int
    tn: int
    fn: int

    def __add__(self, other: "Confusion") -> "Confusion":
        """The counts of both parts together."""
        return Confusion(
            self.tp + other.tp, self.fp + other.fp, self.tn + other.tn, self.fn + other.fn
        )

    @property
    def n(self) -> int:
        """All rated cases."""
        return self.tp + self.fp + self.tn + self.fn

    @property
    def correct(self) -> int:
        """Cases in which rater and truth agree."""
        return self.tp + self.tn

    @property
    def positives(self) -> int:
        """Cases whose truth is yes."""
        return self.tp + self.fn

    @property
    def negatives(self) -> int:
        """Cases whose truth is no."""
        return self.tn + self.fp

    @property
    def said_yes(self) -> int:
        """Cases the rater said yes to."""
        return self.tp + self.fp

    @property
    def said_no(self) -> int:
        """Cases the rater said no to."""
        return self.tn + self.fn

    def table(self) -> Counts:
        """``[[tp, fp], [fn, tn]]``: rows are the rater's yes and no, columns the truth's."""
        return np.array([[self.tp, self.fp], [self.fn, self.tn]], dtype=np.int64)


def cohen_kappa(table: Counts) -> float:
    """Chance-corrected agreement of two raters.

    Args:
        table: ``(k, k)`` counts, rows by the first rater, columns by the second.

    Returns:
        Kappa in [-1, 1]; NaN where both raters only ever use one and the same category, as
        chance agreement is then total.

    Raises:
        ValueError: a table that is empty or not square.

    Source:
        Cohen (1960), Educational and Psychological Measurement 20:37-46.
    """
    shares = _shares(table)
    observed, chance = _agreement(shares)
    return math.nan if chance >= 1 else (observed - chance) / (1 - chance)


def kappa_interval(table: Counts, level: float = 0.95) -> Interval:
    """Large-sample interval of :func:`cohen_kappa`, cut at -1 and 1.

    Args:
        table: as :func:`cohen_kappa`.
        level: two-sided confidence.

    Returns:
        The interval; both ends NaN where kappa is.

    Raises:
        ValueError: as :func:`cohen_kappa`.

    Source:
        Fleiss, Cohen and Everitt (1969), Psychological Bulletin 72:323-327, the
        non-null standard error.
    """
    shares = _shares(table)
    observed, chance = _agreement(shares)
    if chance >= 1:
        return Interval(math.nan, math.nan)
    kappa = (observed - chance) / (1 - chance)
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    pairs = columns[:, None] + rows[None, :]
    diagonal = np.diag(shares) * (1 - np.diag(pairs) * (1 - kappa)) ** 2
    off = shares * pairs**2
    spread = float(diagonal.sum() + (1 - kappa) ** 2 * (off.sum() - np.trace(off)))
    spread -= (kappa - chance * (1 - kappa)) ** 2
    error = math.sqrt(max(spread, 0.0) / float(table.sum())) / (1 - chance)
    reach = NormalDist().inv_cdf(0.5 + level / 2) * error
    return Interval(max(-1.0, kappa - reach), min(1.0, kappa + reach))


def _shares(table: Counts) -> npt.NDArray[np.float64]:
    total = float(table.sum())
    if table.ndim != 2 or table.shape[0] != table.shape[1] or total <= 0:  # noqa: PLR2004
        raise ValueError("agreement needs a square table with at least one case")
    return table / total


def _agreement(shares: npt.NDArray[np.float64]) -> tuple[float, float]:
    return float(np.trace(shares)), float(shares.sum(axis=1) @ shares.sum(axis=0))
