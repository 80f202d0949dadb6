"""Resampling stretches of time: intervals for figures of one long path of dependent rows.

Rows that are near in time depend on each other, so whole stretches are drawn. The same draws
serve every figure and every policy, so a difference of two is resampled in pairs.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.bootstrap import resampled_totals

__all__ = ["Stretches", "stretches_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_EDGES = 1 << 16
"""Values between which a resampled quantile is told apart; all of them where there are fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class Stretches:
    """Rows in stretches of time, and how often each stretch is drawn.

    Attributes:
        of: ``(n,)`` stretch of each row, from 0.
        draws: ``(R, K)`` times each of K stretches is in each of R resamples.
    """

    of: Ints
    draws: Floats

    @property
    def count(self) -> int:
        """How many stretches."""
        return self.draws.shape[1]

    def totals(self, values: Floats) -> Floats:
        """``(R,)`` sums of ``(n,)`` values over each resample."""
        return self.draws @ np.bincount(self.of, weights=values, minlength=self.count)

    def quantiles(self, values: Floats, share: float) -> Floats:
        """``(R,)`` quantiles of ``(n,)`` values over each resample; NaN is no value.

        The smallest value at or below which ``share`` of the resample lies.
        """
        there = ~np.isnan(values)
        known, stretch = values[there], self.of[there]
        if not len(known):
            return np.full(len(self.draws), np.nan)
        edges = _edges(known)
        cells = stretch * len(edges) + np.searchsorted(edges, known)
        counts = np.bincount(cells, minlength=self.count * len(edges))
        # Of each stretch, how many values reach no further than each edge.
        below = counts.reshape(self.count, -1).cumsum(axis=1).T.astype(np.float64)
        return self._first_reaching(below, edges, share)

    def _first_reaching(self, below: Floats, edges: Floats, share: float) -> Floats:
        """The first edge at or below which the share of each resample lies, by halves."""
        whole = self.draws @ below[-1]
        # Counts of a resample are whole numbers: half of one guards against rounding.
        wanted = np.maximum(np.ceil(share * whole - 1e-9), 1) - 0.5
        low, high = np.zeros(len(whole), np.int64), np.full(len(whole), len(edges) - 1)
        for _ in range(len(edges).bit_length()):
            middle = (low + high) // 2
            enough = np.einsum("rk,rk->r", self.draws, below[middle]) >= wanted
            low, high = np.where(enough, low, middle + 1), np.where(enough, middle, high)
            low = np.minimum(low, high)
        return np.where(whole > 0, edges[high], np.nan)


def stretches_of(times: Floats, count: int, *, resamples: int = 1000, seed: int = 0) -> Stretches:
    """Cut rows into stretches of equal length of time and draw them with replacement.

    Args:
        times: ``(n,)`` when each row was.
        count: stretches; rows of one instant are one stretch, whatever is asked.
        resamples: number of resamples R.
        seed: seed of the generator; the same seed gives the same draws.

    Source:
        Carlstein (1986), Annals of Statistics 14:1171-1179: non-overlapping blocks.
    """
    first, span = times.min(initial=np.inf), np.ptp(times) if len(times) else 0.0
    if span <= 0:
        return Stretches(np.zeros(len(times), np.int64), np.ones((resamples, 1)))
    of = np.minimum((times - first) / span * count, count - 1).astype(np.int64)
    return Stretches(of, resampled_totals(np.eye(count), resamples=resamples, seed=seed))


def _edges(values: Floats) -> Floats:
    """Order statistics, denser where few rows decide: half of them above nine tenths."""
    distinct = np.unique(values)
    if len(distinct) <= _EDGES:
        return distinct
    half = _EDGES // 2
    shares = np.concatenate([np.linspace(0, 0.9, half), np.linspace(0.9, 1, half)])
    ranks = np.maximum(np.ceil(shares * len(values)).astype(np.int64) - 1, 0)
    return np.unique(np.sort(values)[ranks])
