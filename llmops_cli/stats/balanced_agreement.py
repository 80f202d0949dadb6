"""Agreement that a lopsided truth does not flatter: balanced accuracy, Matthews, Gwet's AC1.

Plain agreement is high for a rater who always says the commoner answer; these are not. All take
stacks of tables, so that resampled tables go through them at once.
"""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.intervals import Interval

__all__ = ["balanced_accuracy", "gwet_ac1", "gwet_interval", "matthews_correlation"]

Floats = npt.NDArray[np.float64]
Tables = npt.NDArray[np.int64] | Floats


def balanced_accuracy(tables: Tables) -> Floats:
    """Mean over the classes of the truth of the share that the rater gets right.

    Args:
        tables: ``(..., k, k)`` counts, rows by the rater, columns by the truth.

    Returns:
        ``(...)`` shares; NaN where a class never occurs in the truth.

    Raises:
        ValueError: tables that are not square.

    Source:
        Brodersen, Ong, Stephan and Buhmann (2010), ICPR, section 2: (sensitivity +
        specificity) / 2 for two classes.
    """
    counts = _square(tables)
    with np.errstate(divide="ignore", invalid="ignore"):
        recalls = np.diagonal(counts, axis1=-2, axis2=-1) / counts.sum(axis=-2)
    return np.asarray(recalls.mean(axis=-1))


def matthews_correlation(tables: Tables) -> Floats:
    """Correlation of rater and truth, for two classes or more.

    Args:
        tables: as :func:`balanced_accuracy`; which side is the truth does not matter.

    Returns:
        ``(...)`` correlations in [-1, 1]; NaN where either side only ever says one thing.

    Raises:
        ValueError: tables that are not square.

    Source:
        Matthews (1975), Biochimica et Biophysica Acta 405:442-451; for k classes Gorodkin
        (2004), Computational Biology and Chemistry 28:367-374.
    """
    shares = _shares(tables)
    rows, columns = shares.sum(axis=-1), shares.sum(axis=-2)
    covariance = np.trace(shares, axis1=-2, axis2=-1) - (rows * columns).sum(axis=-1)
    spread = (1 - (rows**2).sum(axis=-1)) * (1 - (columns**2).sum(axis=-1))
    # One and the same answer throughout leaves a rounding error of spread, not of information.
    constant = (rows.max(axis=-1) >= 1) | (columns.max(axis=-1) >= 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = covariance / np.sqrt(np.maximum(spread, 0.0))
    return np.asarray(np.where(constant, np.nan, correlation))


def gwet_ac1(tables: Tables) -> Floats:
    """Gwet's AC1 of two raters: chance agreement counts only where a case is hard to rate.

    Args:
        tables: ``(..., k, k)`` counts, rows by the first rater, columns by the second.

    Returns:
        ``(...)`` values in [-1, 1]; defined even where both raters agree throughout.

    Raises:
        ValueError: tables that are not square, or of fewer than two categories.

    Source:
        Gwet (2008), British Journal of Mathematical and Statistical Psychology 61:29-48.
    """
    observed, chance, _ = _gwet_parts(_shares(tables))
    return np.asarray((observed - chance) / (1 - chance))


def gwet_interval(table: npt.NDArray[np.int64], level: float = 0.95) -> Interval:
    """Large-sample interval of :func:`gwet_ac1` of one table, cut at -1 and 1.

    Args:
        table: ``(k, k)`` counts.
        level: two-sided confidence.

    Raises:
        ValueError: as :func:`gwet_ac1`, or an empty table.

    Source:
        Gwet (2008): the variance given the raters, cases from an infinite population. Taken
        on the scale of -log(1 - AC1), which does not leave the range and keeps its level near
        perfect agreement.
    """
    shares = _shares(table)
    if not table.sum() > 0:
        raise ValueError("agreement needs a table with at least one case")
    observed, chance, means = _gwet_parts(shares)
    value = float((observed - chance) / (1 - chance))
    # The influence of one case in cell (i, j): what it adds to agreement and to chance.
    pairs = (means[:, None] + means[None, :]) / 2
    influence = np.eye(len(table)) - 2 * (1 - value) * (1 - pairs) / (len(table) - 1)
    centre = float(observed) - 2 * (1 - value) * float(chance)
    variance = float((shares * influence**2).sum()) - centre**2
    error = math.sqrt(max(variance, 0.0) / float(table.sum())) / (1 - float(chance))
    return _towards_one(value, error, level, int(table.sum()))


def _towards_one(value: float, error: float, level: float, n: int) -> Interval:
    z = NormalDist().inv_cdf(0.5 + level / 2)
    if value >= 1:
        # No disagreement in n cases: the share of disagreement is at most z^2 / (n + z^2), the
        # score bound, and AC1 falls twice as fast as agreement at most.
        return Interval(max(-1.0, 1 - 2 * z * z / (n + z * z)), 1.0)
    reach = z * error / (1 - value)
    gap = 1 - value
    return Interval(max(-1.0, 1 - gap * math.exp(reach)), min(1.0, 1 - gap * math.exp(-reach)))


def _gwet_parts(shares: Floats) -> tuple[Floats, Floats, Floats]:
    categories = shares.shape[-1]
    if categories < 2:  # noqa: PLR2004 - one category cannot be confused
        raise ValueError("agreement by chance needs two categories")
    means = (shares.sum(axis=-1) + shares.sum(axis=-2)) / 2
    chance = (means * (1 - means)).sum(axis=-1) / (categories - 1)
    return np.asarray(np.trace(shares, axis1=-2, axis2=-1)), np.asarray(chance), means


def _shares(tables: Tables) -> Floats:
    counts = _square(tables)
    with np.errstate(divide="ignore", invalid="ignore"):
        return counts / counts.sum(axis=(-2, -1), keepdims=True)


def _square(tables: Tables) -> Floats:
    counts = np.asarray(tables, dtype=np.float64)
    if counts.ndim < 2 or counts.shape[-1] != counts.shape[-2]:  # noqa: PLR2004
        raise ValueError("agreement needs square tables")
    return counts
