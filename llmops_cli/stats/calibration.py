"""Does a stated probability mean what it says? Brier score, calibration error, reliability table.

Cases with the same probability always share a bin, so no figure depends on the order of cases.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.intervals import Interval, wilson

__all__ = [
    "Bin",
    "BrierSplit",
    "brier_split",
    "calibration_error",
    "equal_mass_bins",
    "reliability_table",
    "spiegelhalter",
]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Bin:
    """One row of a reliability table.

    Attributes:
        n: cases.
        stated: their mean probability.
        low: the smallest of them.
        high: the largest of them.
        observed: share of them that came true.
        interval: Wilson's, of that share.
    """

    n: int
    stated: float
    low: float
    high: float
    observed: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class BrierSplit:
    """The Brier score and where it comes from.

    The score is reliability - resolution + uncertainty + rest.

    Attributes:
        score: mean squared distance of probability and outcome; 0 is perfect.
        reliability: distance of stated and observed in the bins; 0 is calibrated.
        resolution: spread of the observed over the bins; 0 tells nothing apart.
        uncertainty: variance of the outcome; nobody's fault.
        rest: what binning hides: variance of the probabilities within bins less twice their
            covariance with the outcome. 0 where every bin holds one probability.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float
    rest: float


def reliability_table(
    stated: Floats, outcomes: Floats, bins: int = 10, level: float = 0.95
) -> tuple[Bin, ...]:
    """Stated against observed in bins of about as many cases each.

    Args:
        stated: ``(n,)`` probabilities.
        outcomes: ``(n,)`` 0 or 1.
        bins: at most so many.
        level: two-sided confidence of the intervals.

    Raises:
        ValueError: no case, lengths that differ, probabilities outside [0, 1], outcomes that
            are not 0 or 1, or no bin.

    Source:
        Equal-mass bins: Nguyen and O'Connor (2015), EMNLP. Intervals: Wilson (1927).
    """
    codes = equal_mass_bins(stated, outcomes, bins)
    counts, means, shares = _per_bin(codes, stated, outcomes)
    ends = np.flatnonzero(np.diff(np.sort(codes), append=-1))
    ordered = np.sort(stated)
    starts = np.concatenate([[0], ends[:-1] + 1])
    return tuple(
        Bin(
            n=int(n),
            stated=float(mean),
            low=float(ordered[start]),
            high=float(ordered[end]),
            observed=float(share),
            interval=wilson(round(share * n), int(n), level),
        )
        for n, mean, share, start, end in zip(counts, means, shares, starts, ends, strict=True)
    )


def brier_split(stated: Floats, outcomes: Floats, bins: int = 10) -> BrierSplit:
    """The Brier score and Murphy's three parts of it over equal-mass bins, and what they miss.

    Args:
        stated: ``(n,)`` probabilities.
        outcomes: ``(n,)`` 0 or 1.
        bins: at most so many.

    Raises:
        ValueError: as :func:`reliability_table`.

    Source:
        Brier (1950), Monthly Weather Review 78:1-3; Murphy (1973), Journal of Applied
        Meteorology 12:595-600; the remainder: Stephenson, Coelho and Jolliffe (2008), Weather
        and Forecasting 23:752-757.
    """
    codes = equal_mass_bins(stated, outcomes, bins)
    counts, means, shares = _per_bin(codes, stated, outcomes)
    weights, base = counts / counts.sum(), float(outcomes.mean())
    score = float(((stated - outcomes) ** 2).mean())
    reliability = float(weights @ (means - shares) ** 2)
    resolution = float(weights @ (shares - base) ** 2)
    uncertainty = base * (1 - base)
    rest = score - (reliability - resolution + uncertainty)
    return BrierSplit(score, reliability, resolution, uncertainty, rest)


def calibration_error(stated: Floats, outcomes: Floats, bins: int = 10) -> tuple[float, float]:
    """Expected calibration error over equal-mass bins, and what chance alone would make of it.

    Args:
        stated: ``(n,)`` probabilities.
        outcomes: ``(n,)`` 0 or 1.
        bins: at most so many.

    Returns:
        The error, and its expectation for perfectly calibrated probabilities like these: an
        error no larger than that is no evidence of anything.

    Raises:
        ValueError: as :func:`reliability_table`.

    Source:
        Naeini, Cooper and Hauskrecht (2015), AAAI; equal mass: Nguyen and O'Connor (2015).
        By chance a bin is off by sqrt(2 / pi) standard errors, the mean absolute deviation of
        a normal variable.
    """
    codes = equal_mass_bins(stated, outcomes, bins)
    counts, means, shares = _per_bin(codes, stated, outcomes)
    weights = counts / counts.sum()
    variances = np.bincount(codes, weights=stated * (1 - stated)) / counts
    by_chance = np.sqrt(2 / math.pi * variances / counts)
    return float(weights @ np.abs(means - shares)), float(weights @ by_chance)


def spiegelhalter(stated: Floats, outcomes: Floats) -> float:
    """Test of calibration without bins.

    Args:
        stated: ``(n,)`` probabilities.
        outcomes: ``(n,)`` 0 or 1.

    Returns:
        A standard normal variable if the probabilities are calibrated; positive where they
        are too extreme. NaN where they leave no room for chance (all 0, 1/2 or 1).

    Raises:
        ValueError: as :func:`reliability_table`.

    Source:
        Spiegelhalter (1986), Statistics in Medicine 5:421-433.
    """
    _check(stated, outcomes)
    lean = 1 - 2 * stated
    spread = float((lean**2 * stated * (1 - stated)).sum())
    return float(((outcomes - stated) * lean).sum()) / math.sqrt(spread) if spread > 0 else math.nan


def _check(stated: Floats, outcomes: Floats) -> None:
    if not len(stated) or len(stated) != len(outcomes):
        raise ValueError("calibration needs cases, each with a probability and an outcome")
    if not np.all((stated >= 0) & (stated <= 1)):
        raise ValueError("probabilities lie between 0 and 1")
    if not np.isin(outcomes, (0.0, 1.0)).all():
        raise ValueError("outcomes are 0 or 1")


def equal_mass_bins(stated: Floats, outcomes: Floats, bins: int = 10) -> Codes:
    """``(n,)`` the bin of each case, numbered from the lowest probabilities up.

    Raises:
        ValueError: as :func:`reliability_table`.
    """
    _check(stated, outcomes)
    if bins < 1:
        raise ValueError("calibration needs at least one bin")
    _, inverse, counts = np.unique(stated, return_inverse=True, return_counts=True)
    # Every case goes where the first of its equals goes, by how many cases lie below it.
    below = np.cumsum(counts) - counts
    codes = (bins * below // len(stated))[inverse]
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def _per_bin(codes: Codes, stated: Floats, outcomes: Floats) -> tuple[Floats, Floats, Floats]:
    counts = np.bincount(codes).astype(np.float64)
    means = np.bincount(codes, weights=stated) / counts
    return counts, means, np.bincount(codes, weights=outcomes) / counts
