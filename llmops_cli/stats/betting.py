"""Bounds of a mean that hold however often one looks: betting against every candidate mean.

Values lie in [0, 1] and arrive in an order that does not depend on what they are. A gambler
bets that the mean is larger (or smaller) than a candidate; a fair game makes nobody rich, so a
candidate against which the capital grows by 1 / alpha is refuted, now and for good. All bounds
are two-sided at ``level``; each end alone is a one-sided bound of confidence (1 + level) / 2.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.intervals import Interval

__all__ = [
    "BoundPath",
    "betting_evidence",
    "betting_interval",
    "betting_path",
    "empirical_bernstein_path",
]

Floats = npt.NDArray[np.float64]

_CELLS = 400_000
"""Cells of grid by time worked on at once: few, so that refuted candidates are dropped soon."""


@dataclass(frozen=True, slots=True, eq=False)
class BoundPath:
    """Running bounds after each look.

    Attributes:
        low: ``(T,)`` never falling.
        high: ``(T,)`` never rising. A high below its low says that the mean has moved.
    """

    low: Floats
    high: Floats


def betting_evidence(
    values: Floats, candidate: float, *, level: float = 0.95, cap: float = 0.5
) -> tuple[Floats, Floats]:
    """The capital of both gamblers against one candidate mean: all that a gate needs.

    Args:
        values: ``(T,)`` in [0, 1], in the order of arrival.
        candidate: the mean to refute, strictly between 0 and 1.
        level: tunes the bets; evidence is valid at any.
        cap: largest share of the capital that may be lost in one bet.

    Returns:
        ``(T,)`` logarithms of the capital on "larger" and of that on "smaller". The first
        time the former reaches ``log(2 / (1 - level))``, the mean is larger than the candidate,
        wrongly with probability at most ``(1 - level) / 2`` over all time.

    Raises:
        ValueError: values outside [0, 1] or none, a candidate, level or cap outside (0, 1).

    Source:
        Waudby-Smith and Ramdas (2024), Journal of the Royal Statistical Society B 86:1-27,
        section 4: the capital process with predictable plug-in bets.
    """
    _check(values, level, cap)
    if not 0 < candidate < 1:
        raise ValueError(f"a candidate mean lies between 0 and 1, not {candidate}")
    bets = _bets(values, level)
    up = np.log1p(np.minimum(bets, cap / candidate) * (values - candidate))
    down = np.log1p(np.minimum(bets, cap / (1 - candidate)) * (candidate - values))
    return np.cumsum(up), np.cumsum(down)


def betting_interval(values: Floats, *, level: float = 0.95, cap: float = 0.5) -> Interval:
    """The hedged-capital interval after the last value, exact to 1e-12.

    The two bounds are those of all looks so far (running intersection). Should they contradict
    each other, which says that the mean has moved, the interval spans both.

    Args:
        values: ``(T,)`` in [0, 1], in the order of arrival.
        level: two-sided confidence over all time.
        cap: largest share of the capital that may be lost in one bet.

    Raises:
        ValueError: as :func:`betting_evidence`.

    Source:
        Waudby-Smith and Ramdas (2024), theorem 3, with half of the capital on either side.
        Capital falls as the candidate rises, so each bound is found by bisection.
    """
    _check(values, level, cap)
    bets, limit = _bets(values, level), math.log(2 / (1 - level))
    low = _refuted_below(values, bets, cap, limit)
    high = 1 - _refuted_below(1 - values, bets, cap, limit)
    return Interval(min(low, high), max(low, high))


def betting_path(
    values: Floats, *, level: float = 0.95, cap: float = 0.5, grid: int = 1000
) -> BoundPath:
    """The hedged-capital bounds after every value, on a grid of candidates.

    Args:
        values: ``(T,)`` in [0, 1], in the order of arrival.
        level: two-sided confidence over all time.
        cap: largest share of the capital that may be lost in one bet.
        grid: candidates i / grid; bounds are rounded outwards to them.

    Raises:
        ValueError: as :func:`betting_evidence`, or a grid of fewer than two steps.

    Source:
        As :func:`betting_interval`.
    """
    _check(values, level, cap)
    if grid < 2:  # noqa: PLR2004
        raise ValueError("a grid has at least two steps")
    bets, limit = _bets(values, level), math.log(2 / (1 - level))
    low = _path_below(values, bets, cap, limit, grid)
    return BoundPath(low, 1 - _path_below(1 - values, bets, cap, limit, grid))


def empirical_bernstein_path(values: Floats, *, level: float = 0.95, cap: float = 0.5) -> BoundPath:
    """Looser bounds than betting in closed form: no grid, one pass.

    Args:
        values: ``(T,)`` in [0, 1], in the order of arrival.
        level: two-sided confidence over all time.
        cap: largest bet.

    Raises:
        ValueError: as :func:`betting_evidence`.

    Source:
        Waudby-Smith and Ramdas (2024), theorem 2: predictable plug-in empirical Bernstein.
    """
    _check(values, level, cap)
    bets = np.minimum(_bets(values, level), cap)
    before = np.concatenate([[0.5], _running(values)[0][:-1]])
    spread = (values - before) ** 2 * (-np.log1p(-bets) - bets)
    total = np.cumsum(bets)
    centre = np.cumsum(bets * values) / total
    reach = (math.log(2 / (1 - level)) + np.cumsum(spread)) / total
    low = np.maximum.accumulate(np.maximum(centre - reach, 0.0))
    return BoundPath(low, np.minimum.accumulate(np.minimum(centre + reach, 1.0)))


def _check(values: Floats, level: float, cap: float) -> None:
    if not len(values) or not np.all((values >= 0) & (values <= 1)):
        raise ValueError("betting needs values between 0 and 1")
    if not (0 < level < 1 and 0 < cap < 1):
        raise ValueError("a level and a cap lie between 0 and 1")


def _running(values: Floats) -> tuple[Floats, Floats]:
    """Mean and variance after each value, as if one value of 1/2 had come before them."""
    times = np.arange(2, len(values) + 2)
    means = (0.5 + np.cumsum(values)) / times
    return means, (0.25 + np.cumsum((values - means) ** 2)) / times


def _bets(values: Floats, level: float) -> Floats:
    times = np.arange(1, len(values) + 1)
    before = np.concatenate([[0.25], _running(values)[1][:-1]])
    return np.sqrt(2 * math.log(2 / (1 - level)) / (before * times * np.log1p(times)))


def _refuted_below(values: Floats, bets: Floats, cap: float, limit: float) -> float:
    """The largest candidate against which "larger" has ever made its capital."""
    low, high = 0.0, 1.0
    for _ in range(42):
        middle = (low + high) / 2
        capital = np.cumsum(np.log1p(np.minimum(bets, cap / middle) * (values - middle)))
        low, high = (middle, high) if capital.max() >= limit else (low, middle)
    return low


def _path_below(values: Floats, bets: Floats, cap: float, limit: float, grid: int) -> Floats:
    # Only what is refuted in the end is refuted on the way; and what is refuted is done with.
    last = math.floor(grid * _refuted_below(values, bets, cap, limit) + 1e-9)
    candidates = np.arange(1, last + 1) / grid
    capital, done, start = np.zeros(last), 0, 0
    bounds = np.full(len(values), last / grid)
    while start < len(values) and done < last:
        stop = start + max(1, _CELLS // (last - done))
        part, stake = values[start:stop, None], bets[start:stop, None]
        open_ = candidates[done:]
        growth = np.log1p(np.minimum(stake, cap / open_) * (part - open_))
        path = capital[done:] + np.cumsum(growth, axis=0)
        capital[done:] = path[-1]
        refuted = np.maximum.accumulate(path >= limit, axis=0).sum(axis=1)
        bounds[start:stop] = (done + refuted) / grid
        done, start = done + int(refuted[-1]), stop
    return bounds
