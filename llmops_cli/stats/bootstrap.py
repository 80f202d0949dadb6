"""Resampling whole clusters: intervals for sums and ratios of dependent rows."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.intervals import Interval

__all__ = [
    "bootstrap_ratio",
    "bootstrap_statistic",
    "cluster_sums",
    "percentiles",
    "pooled_totals",
    "ratios",
    "renumbered",
    "resampled_totals",
]

Floats = npt.NDArray[np.float64]
Statistic = Callable[[Floats], Floats]

_CELLS = 20_000_000
"""Weights drawn at once: 160 MB, so that millions of clusters fit a laptop."""

_PLACES = 1_000_000
"""Of a table with one place per possible row of small counts."""


def cluster_sums(values: Floats, clusters: npt.NDArray[np.int64]) -> Floats:
    """Add up the rows of each cluster.

    Args:
        values: ``(n, k)`` array, one row per observation.
        clusters: ``(n,)`` integer codes ``0 .. G-1``; a missing code gives a row of zeros.

    Returns:
        ``(G, k)`` sums, in the order of the codes.

    Raises:
        ValueError: lengths differ.
    """
    if len(values) != len(clusters):
        raise ValueError(f"{len(values)} rows but {len(clusters)} cluster codes")
    groups = int(clusters.max()) + 1 if len(clusters) else 0
    sums = np.zeros((groups, values.shape[1]), np.float64)
    for column in range(values.shape[1]):
        sums[:, column] = np.bincount(clusters, weights=values[:, column], minlength=groups)
    return sums


def renumbered(codes: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The same groups, numbered 0, 1, … in the order of their codes.

    Args:
        codes: ``(n,)`` integers.
    """
    low, high = (int(codes.min()), int(codes.max())) if len(codes) else (0, -1)
    if high - low > _PLACES + 8 * len(codes):
        return np.unique(codes, return_inverse=True)[1].astype(np.int64)
    # Without the sort that np.unique does.
    present = np.zeros(high - low + 1, np.bool_)
    present[codes - low] = True
    return (np.cumsum(present) - 1)[codes - low]


def bootstrap_ratio(
    sums: Floats, *, level: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """Percentile interval of ``sum(first column) / sum(second column)`` over clusters.

    Args:
        sums: ``(G, 2)`` numerator and denominator of each cluster.
        level: two-sided confidence.
        resamples: number of resamples.
        seed: seed of the generator.

    Returns:
        The interval; resamples whose denominator is 0 are left out of it.

    Raises:
        ValueError: fewer than two clusters, or no resample with a denominator.
    """
    return bootstrap_statistic(sums, ratios, level=level, resamples=resamples, seed=seed)


def bootstrap_statistic(
    sums: Floats,
    statistic: Statistic,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of any function of cluster totals.

    Each resample draws ``G`` clusters with replacement (multinomial weights) and hands
    their totals to ``statistic``.

    Args:
        sums: ``(G, k)`` totals per cluster, from :func:`cluster_sums`.
        statistic: maps ``(R, k)`` resampled totals to ``(R,)`` values; NaN is left out.
        level: two-sided confidence.
        resamples: number of resamples R.
        seed: seed of the generator; the same seed gives the same interval.

    Raises:
        ValueError: fewer than two clusters, or no finite value at all.

    Source:
        Efron (1979), Annals of Statistics 7:1-26; resampling clusters: Davison and Hinkley
        (1997), Bootstrap Methods and their Application, section 3.8.
    """
    return percentiles(statistic(pooled_totals(sums, resamples=resamples, seed=seed)), level)


def pooled_totals(
    sums: Floats,
    counts: npt.NDArray[np.int64] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Floats:
    """``(R, k)`` totals of resampled clusters, drawn together where clusters are alike.

    Args:
        sums: ``(G, k)`` totals per cluster.
        counts: ``(G,)`` how many clusters each row stands for; one where left out.
        resamples: number of resamples R.
        seed: seed of the generator.

    Raises:
        ValueError: fewer than two clusters.
    """
    groups = len(sums) if counts is None else int(counts.sum())
    if groups < 2:  # noqa: PLR2004 - one cluster has no spread to resample
        raise ValueError(f"a cluster bootstrap needs two clusters, not {groups}")
    # Clusters with the same totals are interchangeable: draw how often each total comes up.
    distinct, counts = _distinct(sums, counts)
    generator = np.random.default_rng(seed)
    return np.concatenate(
        [
            generator.multinomial(groups, counts / groups, size=size) @ distinct
            for size in _chunks(resamples, max(1, _CELLS // len(distinct)))
        ]
    )


def resampled_totals(sums: Floats, *, resamples: int = 2000, seed: int = 0) -> Floats:
    """``(R, k)`` totals of resampled clusters, for several statistics of the same resamples.

    Args:
        sums: ``(G, k)`` totals per cluster, few enough to draw at once.
        resamples: number of resamples R.
        seed: seed of the generator.
    """
    groups = len(sums)
    weights = np.full(groups, 1 / groups)
    return np.random.default_rng(seed).multinomial(groups, weights, size=resamples) @ sums


def percentiles(values: Floats, level: float) -> Interval:
    """The middle of resampled values; those that are not finite are left out.

    Raises:
        ValueError: no finite value at all.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        raise ValueError("no resample has a finite value")
    # np.quantile loads the masked arrays first, which takes longer than all the rest of it.
    ordered = np.sort(values)
    return Interval(_quantile(ordered, (1 - level) / 2), _quantile(ordered, (1 + level) / 2))


def _quantile(ordered: Floats, share: float) -> float:
    """As ``np.quantile``, to the last digit: linear between two values, from the nearer one."""
    place = (len(ordered) - 1) * share
    below = min(math.floor(place), len(ordered) - 1)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    part = place - below
    step = high - low
    return high - step * (1 - part) if part >= 0.5 else low + step * part  # noqa: PLR2004 - half


def _distinct(
    sums: Floats, counts: npt.NDArray[np.int64] | None = None
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Different rows in rising order, and how often each comes; small counts without a sort."""
    low = sums.min(axis=0)
    sizes = sums.max(axis=0) - low + 1
    if float(np.prod(sizes)) > _PLACES or not (sums == np.floor(sums)).all():
        if counts is not None:
            sums = np.repeat(sums, counts, axis=0)
        return np.unique(sums, axis=0, return_counts=True)
    place = np.ravel_multi_index(tuple((sums - low).astype(np.int64).T), tuple(sizes.astype(int)))
    often = np.bincount(place, counts).astype(np.int64)
    found = np.flatnonzero(often)
    rows = np.empty((len(often), sums.shape[1]))
    rows[place] = sums
    return rows[found], often[found]


def ratios(totals: Floats) -> Floats:
    """``(R,)`` first over second column of ``(R, 2)`` totals; not finite where that is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return totals[:, 0] / totals[:, 1]


def _chunks(total: int, size: int) -> list[int]:
    full, rest = divmod(total, size)
    return [size] * full + ([rest] if rest else [])
