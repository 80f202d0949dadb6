"""Agreement on an ordered scale, where being far off is worse than being near: weighted kappa.

A weight says how much of an agreement a pair of categories is: 1 on the diagonal, less off it.
Costs of one's own take the same road: 1 - cost / largest cost.
"""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.intervals import Interval

__all__ = [
    "linear_weights",
    "mean_cost",
    "quadratic_weights",
    "weighted_kappa",
    "weighted_kappa_interval",
]

Floats = npt.NDArray[np.float64]
Tables = npt.NDArray[np.int64] | Floats

_NEAR = 1e-12


def linear_weights(categories: int) -> Floats:
    """``(k, k)`` weights 1 - |i - j| / (k - 1).

    Raises:
        ValueError: fewer than two categories.

    Source:
        Cicchetti and Allison (1971), American Journal of EEG Technology 11:101-110.
    """
    return 1 - _distances(categories)


def quadratic_weights(categories: int) -> Floats:
    """``(k, k)`` weights 1 - (i - j)^2 / (k - 1)^2.

    Raises:
        ValueError: fewer than two categories.

    Source:
        Fleiss and Cohen (1973), Educational and Psychological Measurement 33:613-619.
    """
    return 1 - _distances(categories) ** 2


def weighted_kappa(tables: Tables, weights: Floats) -> Floats:
    """Cohen's kappa with partial credit.

    Args:
        tables: ``(..., k, k)`` counts, rows by the first rater, columns by the second.
        weights: ``(k, k)`` credit of each pair, 1 on the diagonal.

    Returns:
        ``(...)`` values; NaN where chance agreement is total or a table is empty.

    Raises:
        ValueError: tables that are not square, or weights of another shape.

    Source:
        Cohen (1968), Psychological Bulletin 70:213-220.
    """
    observed, chance = _agreement(_shares(tables, weights), weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (observed - chance) / (1 - chance)
    return np.asarray(np.where(chance >= 1, np.nan, value))


def weighted_kappa_interval(
    table: npt.NDArray[np.int64], weights: Floats, level: float = 0.95
) -> Interval:
    """Large-sample interval of :func:`weighted_kappa` of one table, within -1 and 1.

    Taken on Fisher's scale, atanh(kappa), where it keeps its level with a hundred cases; on the
    plain scale it falls short. With ``numpy.eye(k)`` as weights it serves plain kappa too.

    Args:
        table: ``(k, k)`` counts.
        weights: ``(k, k)`` credit of each pair.
        level: two-sided confidence.

    Returns:
        The interval; both ends NaN where kappa is. Without any disagreement the lower end is
        that of a share of disagreement at its score bound, z^2 / (n + z^2).

    Raises:
        ValueError: as :func:`weighted_kappa`.

    Source:
        Standard error: Fleiss, Cohen and Everitt (1969), Psychological Bulletin 72:323-327,
        equation 8; scale: Fisher (1921), Metron 1:3-32, as quadratically weighted kappa is an
        intraclass correlation (Fleiss and Cohen 1973).
    """
    shares = _shares(table, weights)
    observed, chance = (float(part) for part in _agreement(shares, weights))
    if not chance < 1:
        return Interval(math.nan, math.nan)
    z, n = NormalDist().inv_cdf(0.5 + level / 2), float(table.sum())
    kappa = (observed - chance) / (1 - chance)
    if kappa >= 1 - _NEAR:
        return Interval(max(-1.0, 1 - z * z / (n + z * z) / (1 - chance)), 1.0)
    kappa = max(kappa, -1 + _NEAR)
    error = _spread(shares, weights, kappa, chance) / math.sqrt(n) / (1 - kappa * kappa)
    centre = math.atanh(kappa)
    return Interval(math.tanh(centre - z * error), math.tanh(centre + z * error))


def _spread(shares: Floats, weights: Floats, kappa: float, chance: float) -> float:
    by_row = weights @ shares.sum(axis=0)
    by_column = shares.sum(axis=1) @ weights
    influence = weights - (by_row[:, None] + by_column[None, :]) * (1 - kappa)
    variance = float((shares * influence**2).sum()) - (kappa - chance * (1 - kappa)) ** 2
    return math.sqrt(max(variance, 0.0)) / (1 - chance)


def mean_cost(tables: Tables, costs: Floats) -> Floats:
    """What a case costs on average, when each kind of confusion has its price.

    Args:
        tables: ``(..., k, k)`` counts.
        costs: ``(k, k)`` price of each cell, in any unit; the result has the same.

    Returns:
        ``(...)`` means; NaN for an empty table.

    Raises:
        ValueError: as :func:`weighted_kappa`.
    """
    return np.asarray((_shares(tables, costs) * costs).sum(axis=(-2, -1)))


def _distances(categories: int) -> Floats:
    if categories < 2:  # noqa: PLR2004 - one category has no distance
        raise ValueError("an ordered scale needs two categories")
    steps = np.arange(categories, dtype=np.float64)
    return np.abs(steps[:, None] - steps[None, :]) / (categories - 1)


def _shares(tables: Tables, weights: Floats) -> Floats:
    counts = np.asarray(tables, dtype=np.float64)
    if counts.ndim < 2 or counts.shape[-2:] != weights.shape or len(set(weights.shape)) > 1:  # noqa: PLR2004
        raise ValueError("agreement needs square tables and weights of the same shape")
    with np.errstate(divide="ignore", invalid="ignore"):
        return counts / counts.sum(axis=(-2, -1), keepdims=True)


def _agreement(shares: Floats, weights: Floats) -> tuple[Floats, Floats]:
    observed = (shares * weights).sum(axis=(-2, -1))
    chance = np.einsum("...i,ij,...j->...", shares.sum(axis=-1), weights, shares.sum(axis=-2))
    return np.asarray(observed), np.asarray(chance)
