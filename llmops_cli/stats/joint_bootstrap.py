"""Intervals of many figures from the same resamples of clusters, so that they can be compared."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Joint", "joint_intervals", "resampling_groups"]

Floats = npt.NDArray[np.float64]

_CELLS = 8_000_000
"""Weights drawn at once: 64 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """Several figures of one sample.

    Attributes:
        value: ``(s,)`` the figures of the sample itself.
        low: ``(s,)`` lower ends; NaN where no resample has the figure.
        high: ``(s,)`` upper ends; infinite where too many resamples have it infinite.
    """

    value: Floats
    low: Floats
    high: Floats


def resampling_groups(
    clusters: npt.NDArray[np.int64], *, most: int = 2000, seed: int = 0
) -> npt.NDArray[np.int64]:
    """Codes ``0 .. G-1`` of the groups to resample: the clusters, or bags of them where many.

    Bags of as many clusters each, drawn at random, are as independent and alike as the clusters
    are, and their totals vary as much in sum; a resample then costs ``most`` draws instead of
    one per cluster.

    Args:
        clusters: ``(n,)`` any integer codes.
        most: number of bags; fewer clusters than twice that stay as they are.
        seed: which clusters share a bag.

    Source:
        Random groups: Wolter (2007), Introduction to Variance Estimation, chapter 2.
    """
    codes, dense = np.unique(clusters, return_inverse=True)
    if len(codes) < 2 * most:
        return dense.astype(np.int64)
    bag = np.random.default_rng(seed).permutation(len(codes)) % most
    return bag[dense].astype(np.int64)


def joint_intervals(
    sums: Floats,
    statistic: Callable[[Floats], Floats],
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Joint:
    """Percentile intervals of several functions of cluster totals, from shared resamples.

    Args:
        sums: ``(G, k)`` totals per cluster.
        statistic: maps ``(R, k)`` totals to ``(R, s)`` figures; NaN is left out, figure by figure.
        level: two-sided confidence.
        resamples: number of resamples.
        seed: seed of the generator.

    Returns:
        The figures; without two clusters there is no spread, and every end is NaN.

    Source:
        Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8.
    """
    value = statistic(sums.sum(axis=0, keepdims=True))[0]
    groups = len(sums)
    if groups < 2:  # noqa: PLR2004 - one cluster has no spread to resample
        return Joint(value, np.full(len(value), np.nan), np.full(len(value), np.nan))
    generator = np.random.default_rng(seed)
    even, step = np.full(groups, 1 / groups), max(1, _CELLS // groups)
    drawn = np.concatenate(
        [
            statistic(generator.multinomial(groups, even, size=min(step, resamples - at)) @ sums)
            for at in range(0, resamples, step)
        ]
    )
    low, high = _ends(drawn, level)
    return Joint(value, low, high)


def _ends(drawn: Floats, level: float) -> Floats:
    """``(2, s)`` quantiles of each figure, where it is one."""
    tails = [(1 - level) / 2, (1 + level) / 2]
    ends = np.full((2, drawn.shape[1]), np.nan)
    for at, column in enumerate(drawn.T):
        known = column[~np.isnan(column)]
        if len(known):
            # Nothing lies between a number and infinity.
            method = "linear" if np.isfinite(known).all() else "inverted_cdf"
            ends[:, at] = np.quantile(known, tails, method=method)
    return ends
