"""Krippendorff's alpha: agreement of any number of raters, with gaps, on any scale.

Alpha is 1 minus observed over expected disagreement of all pairs of ratings of a unit. Every
scale has totals that add up over units, so whole units (or clusters of them) can be resampled.
"""

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.bootstrap import (
    Statistic,
    bootstrap_statistic,
    cluster_sums,
    percentiles,
    pooled_totals,
)
from llmops_cli.stats.intervals import Interval

__all__ = [
    "SCALES",
    "krippendorff_alpha",
    "krippendorff_interval",
    "krippendorff_interval_of_two",
    "krippendorff_of_two",
]

Floats = npt.NDArray[np.float64]

SCALES: tuple[str, ...] = ("nominal", "ordinal", "interval")
"""What the ratings mean: names, an order, or numbers whose differences count."""

_MOST_RANKS = 100
"""An ordinal scale needs a square of its values per unit; beyond this it is a number."""


def krippendorff_alpha(ratings: Floats, scale: str = "nominal") -> float:
    """Agreement beyond chance of all ratings of a unit.

    Args:
        ratings: ``(raters, units)`` values, NaN where a rater did not rate; names are coded as
            any distinct numbers, ranks as numbers in their order.
        scale: one of :data:`SCALES`.

    Returns:
        Alpha, at most 1; NaN where all ratings are the same or no unit has two.

    Raises:
        ValueError: an unknown scale, ratings that are not a table, or more than 100 ranks.

    Source:
        Krippendorff (2011), Computing Krippendorff's alpha-reliability; Hayes and
        Krippendorff (2007), Communication Methods and Measures 1:77-89.
    """
    totals, alpha = _totals(ratings, scale)
    return float(alpha(totals.sum(axis=0)[None, :])[0])


def krippendorff_of_two(tables: Floats, scale: str = "nominal") -> Floats:
    """The same of two raters who rated every unit, from counts, which need not be whole.

    Args:
        tables: ``(R, k, k)`` units by what either rater says, categories in their order.
        scale: ``nominal`` or ``ordinal``.

    Returns:
        ``(R,)`` values; NaN where all ratings are the same.

    Raises:
        ValueError: another scale.
    """
    totals, alpha = _totals_of_two(tables, scale)
    return alpha(totals)


def krippendorff_interval_of_two(
    tables: Floats,
    scale: str = "nominal",
    *,
    counts: npt.NDArray[np.int64] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """As :func:`krippendorff_interval`, to the last digit, of two raters who rated every unit.

    Args:
        tables: ``(G, k, k)`` counts of each unit or cluster of units, by what either rater says.
        scale: ``nominal`` or ``ordinal``.
        counts: ``(G,)`` how many units or clusters have that table; one where left out.
        level: two-sided confidence.
        resamples: number of resamples.
        seed: seed of the generator.

    Raises:
        ValueError: another scale, fewer than two units or clusters, or no resample with a
            defined alpha.
    """
    totals, alpha = _totals_of_two(tables, scale)
    drawn = pooled_totals(totals, counts, resamples=resamples, seed=seed)
    return percentiles(alpha(drawn), level)


def krippendorff_interval(
    ratings: Floats,
    scale: str = "nominal",
    *,
    clusters: npt.NDArray[np.int64] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of :func:`krippendorff_alpha` over resampled units.

    Units are resampled with all their ratings (Gwet 2014, Handbook of Inter-Rater Reliability),
    not pairs of ratings as in Krippendorff's own procedure, which treats the ratings of a unit
    as independent.

    Args:
        ratings: as :func:`krippendorff_alpha`.
        scale: one of :data:`SCALES`.
        clusters: ``(units,)`` integer codes of units that belong together.
        level: two-sided confidence.
        resamples: number of resamples.
        seed: seed of the generator.

    Raises:
        ValueError: as :func:`krippendorff_alpha`, fewer than two units or clusters, or no
            resample with a defined alpha.
    """
    totals, alpha = _totals(ratings, scale)
    sums = totals if clusters is None else cluster_sums(totals, clusters)
    return bootstrap_statistic(sums, alpha, level=level, resamples=resamples, seed=seed)


def _totals_of_two(tables: Floats, scale: str) -> tuple[Floats, Statistic]:
    both = tables + np.swapaxes(tables, 1, 2)
    if scale == "nominal":
        agreeing = np.trace(both, axis1=1, axis2=2)[:, None]
        return np.concatenate([agreeing, both.sum(axis=2)], axis=1), _nominal_alpha
    if scale == "ordinal":
        return both.reshape(len(both), -1), _ordinal_alpha
    raise ValueError(f"a table has a nominal or an ordinal scale, not '{scale}'")


def _totals(ratings: Floats, scale: str) -> tuple[Floats, Statistic]:
    if ratings.ndim != 2:  # noqa: PLR2004
        raise ValueError("ratings are a table of raters by units")
    if scale not in SCALES:
        raise ValueError(f"a scale is one of {', '.join(SCALES)}, not '{scale}'")
    # A unit rated once, or not at all, has no pair and says nothing about agreement.
    paired = np.where(np.isfinite(ratings).sum(axis=0) >= 2, ratings, np.nan)  # noqa: PLR2004
    if scale == "interval":
        return _moments(paired), _interval_alpha
    counts = _counts(paired)
    if scale == "nominal":
        return _matches(counts), _nominal_alpha
    if counts.shape[1] > _MOST_RANKS:
        raise ValueError(f"an ordinal scale has at most {_MOST_RANKS} ranks")
    return _coincidences(counts), _ordinal_alpha


def _counts(ratings: Floats) -> Floats:
    known = np.isfinite(ratings)
    values, codes = np.unique(ratings[known], return_inverse=True)
    cells = np.nonzero(known)[1] * len(values) + codes
    units = ratings.shape[1]
    return (
        np.bincount(cells, minlength=units * len(values))
        .reshape(units, len(values))
        .astype(np.float64)
    )


def _others(counts: Floats) -> Floats:
    """How many ratings each rating of a unit is paired with; 1 where there is none to pair."""
    return np.maximum(counts.sum(axis=1, keepdims=True) - 1, 1.0)


def _matches(counts: Floats) -> Floats:
    agreeing = (counts * (counts - 1)).sum(axis=1, keepdims=True) / _others(counts)
    return np.concatenate([agreeing, counts], axis=1)


def _nominal_alpha(totals: Floats) -> Floats:
    agreeing, counts = totals[:, 0], totals[:, 1:]
    n = counts.sum(axis=1)
    return _ratio(n - agreeing, n**2 - (counts**2).sum(axis=1), n)


def _coincidences(counts: Floats) -> Floats:
    pairs = counts[:, :, None] * counts[:, None, :]
    ranks = np.arange(counts.shape[1])
    pairs[:, ranks, ranks] -= counts
    return (pairs / _others(counts)[:, :, None]).reshape(len(counts), -1)


def _ordinal_alpha(totals: Floats) -> Floats:
    size = round(totals.shape[1] ** 0.5)
    coincidences = totals.reshape(len(totals), size, size)
    counts = coincidences.sum(axis=2)
    # The distance of two ranks is the number of ratings between them, half of the ends included.
    middle = np.cumsum(counts, axis=1) - counts / 2
    distances = (middle[:, :, None] - middle[:, None, :]) ** 2
    observed = (coincidences * distances).sum(axis=(1, 2))
    expected = np.einsum("ri,rij,rj->r", counts, distances, counts)
    return _ratio(observed, expected, counts.sum(axis=1))


def _moments(ratings: Floats) -> Floats:
    known = np.isfinite(ratings)
    # Centred first, so that large numbers do not cancel.
    values = np.where(known, ratings - (ratings[known].mean() if known.any() else 0.0), 0.0)
    n, total, squares = known.sum(axis=0), values.sum(axis=0), (values**2).sum(axis=0)
    means = total / np.maximum(n, 1)
    within = (np.where(known, values - means, 0.0) ** 2).sum(axis=0)
    pairs = 2 * n * within / np.maximum(n - 1, 1)
    return np.column_stack([n, total, squares, pairs]).astype(np.float64)


def _interval_alpha(totals: Floats) -> Floats:
    n, total, squares, pairs = totals.T
    return _ratio(pairs, 2 * n * squares - 2 * total**2, n)


def _ratio(observed: Floats, expected: Floats, n: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        value = 1 - (n - 1) * observed / expected
    return np.where(expected > 1e-12 * np.maximum(n, 1.0), value, np.nan)
