"""Intervals of what is computed from many probabilities at once: calibration, Brier, abstention.

All come from totals of bins that stay where the data put them, so whole rows or clusters can be
resampled without going back to the rows. More than five hundred of them are first thrown together
at random into that many groups, whose sums vary as much.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.bootstrap import Statistic, cluster_sums, percentiles, resampled_totals
from llmops_cli.stats.intervals import Interval

__all__ = ["BrierIntervals", "brier_intervals", "risk_coverage_intervals"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

_GROUPS = 500
_RESAMPLES = 1000
_CELLS = 100
_FEW = 2


@dataclass(frozen=True, slots=True)
class BrierIntervals:
    """Intervals of calibration error and of Murphy's parts of the Brier score."""

    calibration_error: Interval
    reliability: Interval
    resolution: Interval
    uncertainty: Interval


def brier_intervals(
    stated: Floats,
    outcomes: Floats,
    bins: Codes,
    clusters: Codes | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> BrierIntervals | None:
    """Bootstrap intervals of the figures of :mod:`llmops_cli.stats.calibration`.

    Error, reliability and resolution are lengths of a vector over bins, which noise only ever
    makes longer. Their lower ends take off the length that the noise alone reaches, so that a
    calibrated forecast is not denied it; their upper ends are those of the resamples.

    Args:
        stated: ``(n,)`` probabilities.
        outcomes: ``(n,)`` 0 or 1.
        bins: ``(n,)`` codes of the bins.
        clusters: ``(n,)`` codes of what rows belong to; None where they are independent.
        level: two-sided confidence.
        seed: of the generator.

    Returns:
        None with fewer than two rows or clusters.

    Source:
        Percentile bootstrap: Davison and Hinkley (1997), section 5.3; the bias of such lengths:
        Ferro and Fricker (2012), Quarterly Journal of the Royal Meteorological Society
        138:1954-1960; the lower ends: a length less that of the noise is at most the true length.
    """
    size = int(bins.max()) + 1
    sums = _spread(bins, size, (np.ones(len(stated)), stated - outcomes, outcomes))
    groups = _grouped(sums, clusters, seed)
    if groups is None:
        return None
    whole, drawn = sums.sum(axis=0)[None], resampled_totals(groups, resamples=_RESAMPLES, seed=seed)
    base = percentiles(_base(drawn), level)
    ends = [end * (1 - end) for end in (base.low, base.high)]
    return BrierIntervals(
        _length(_gaps(drawn), _gaps(whole), level, power=1),
        _length(_scaled_gaps(drawn), _scaled_gaps(whole), level, power=2),
        _length(_departures(drawn), _departures(whole), level, power=2),
        Interval(min(ends), 0.25 if base.low <= 0.5 <= base.high else max(ends)),  # noqa: PLR2004
    )


def _length(drawn: Floats, seen: Floats, level: float, *, power: int) -> Interval:
    """Of the sum of absolute values, or of squares."""
    found = float((np.abs(seen) ** power).sum()) ** (1 / power)
    noise = (np.abs(drawn - seen) ** power).sum(axis=1) ** (1 / power)
    lengths = (np.abs(drawn) ** power).sum(axis=1)
    low = max(found - percentiles(noise, level).high, 0.0) ** power
    return Interval(low, max(percentiles(lengths, level).high, found**power))


def risk_coverage_intervals(
    confidence: Floats,
    wrong: Floats,
    clusters: Codes | None = None,
    *,
    level: float = 0.95,
    seed: int = 0,
) -> tuple[Interval, Interval] | None:
    """Bootstrap intervals of the area under risk and coverage, and of what a wrong order adds.

    Args:
        confidence: ``(n,)`` larger is surer; minus infinity for an abstention.
        wrong: ``(n,)`` 1 where the answer is wrong.
        clusters: as :func:`brier_intervals`.
        level: two-sided confidence.
        seed: of the generator.

    Returns:
        None with fewer than two rows or clusters.

    Source:
        Percentile and basic bootstrap: Davison and Hinkley (1997), sections 5.2 and 5.3.
    """
    _, inverse, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    before = np.cumsum(counts) - counts
    # Cases of equal confidence share a cell; beyond a hundred values neighbours do too.
    cells = before if len(counts) <= _CELLS else _CELLS * before // len(confidence)
    codes = np.unique(cells, return_inverse=True)[1][inverse].astype(np.int64)
    sums = _spread(codes, int(codes.max()) + 1, (np.ones(len(wrong)), wrong))
    groups = _grouped(sums, clusters, seed)
    if groups is None:
        return None
    whole, drawn = sums.sum(axis=0)[None], resampled_totals(groups, resamples=_RESAMPLES, seed=seed)
    return _both_ways(_area, whole, drawn, level), _both_ways(_excess, whole, drawn, level)


def _both_ways(part: Statistic, whole: Floats, drawn: Floats, level: float) -> Interval:
    """The wider of the percentiles and of their reflection: an area leans on few sure cases."""
    value, found = float(part(whole)[0]), percentiles(part(drawn), level)
    return Interval(
        max(min(found.low, 2 * value - found.high), 0.0),
        min(max(found.high, 2 * value - found.low), 1.0),
    )


def _spread(codes: Codes, size: int, parts: tuple[Floats, ...]) -> Floats:
    """``(n, parts x size)`` the values of each row in the place of its bin."""
    found = np.zeros((len(codes), len(parts) * size))
    rows = np.arange(len(codes))
    for at, values in enumerate(parts):
        found[rows, at * size + codes] = values
    return found


def _grouped(sums: Floats, clusters: Codes | None, seed: int) -> Floats | None:
    own = np.arange(len(sums)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    groups = int(own.max()) + 1
    if groups < _FEW:
        return None
    if groups > _GROUPS:
        own = np.random.default_rng(seed).permutation(np.arange(groups) % _GROUPS)[own]
    return cluster_sums(sums, own.astype(np.int64))


def _parts(totals: Floats, parts: int) -> tuple[Floats, ...]:
    return tuple(np.split(totals, parts, axis=1))


def _gaps(totals: Floats) -> Floats:
    """Stated less observed of each bin, times its share of the rows."""
    n, gap, _ = _parts(totals, 3)
    return gap / n.sum(axis=1, keepdims=True)


def _scaled_gaps(totals: Floats) -> Floats:
    """The same, times the root of that share: their squares add up to the reliability."""
    n, gap, _ = _parts(totals, 3)
    return gap / np.sqrt(np.maximum(n, 1) * n.sum(axis=1, keepdims=True))


def _departures(totals: Floats) -> Floats:
    """Observed of each bin less observed of all, likewise: their squares are the resolution."""
    n, _, came = _parts(totals, 3)
    away = came - n * _base(totals)[:, None]
    return away / np.sqrt(np.maximum(n, 1) * n.sum(axis=1, keepdims=True))


def _base(totals: Floats) -> Floats:
    n, _, came = _parts(totals, 3)
    return came.sum(axis=1) / n.sum(axis=1)


def _area(totals: Floats) -> Floats:
    """Mean risk over all coverages, cases of one cell in random order."""
    n, wrong = _parts(totals, 2)
    end, errors = np.cumsum(n, axis=1), np.cumsum(wrong, axis=1)
    start, before = end - n, errors - wrong
    slope = wrong / np.maximum(n, 1)
    inside = wrong + (before - start * slope) * (_harmonic(end) - _harmonic(start))
    return inside.sum(axis=1) / end[:, -1]


def _excess(totals: Floats) -> Floats:
    n, wrong = _parts(totals, 2)
    every, bad = n.sum(axis=1), wrong.sum(axis=1)
    # Every right answer surer than every wrong one.
    best = bad - (every - bad) * (_harmonic(every) - _harmonic(every - bad))
    return _area(totals) - best / every


def _harmonic(n: Floats) -> Floats:
    """1 + 1/2 + … + 1/n, to 1e-6 from 4 on and exactly before."""
    exact = np.array([0.0, 1.0, 1.5, 11 / 6])
    large = np.maximum(n, 1)
    series = np.log(large) + np.euler_gamma + 1 / (2 * large) - 1 / (12 * large**2)
    return np.where(n < len(exact), exact[np.minimum(n, 3).astype(int)], series)
