"""The best value money buys: the upper hull of (cost, value) points that never falls.

Any point between two vertices can be had by tossing a coin between them, so the hull, not the
points, is what a choice among them is worth.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Hulls", "hulls", "least_cost", "mean_height", "upper_hull"]

Floats = npt.NDArray[np.float64]


def upper_hull(cost: Floats, value: Floats) -> npt.NDArray[np.int64]:
    """Vertices of the non-decreasing upper hull of one set of points, in O(n log n).

    Args:
        cost: ``(n,)`` costs, finite.
        value: ``(n,)`` values, finite.

    Returns:
        Indices of the vertices, cost and value both strictly rising: from the cheapest point
        (the best of them where costs tie) to the cheapest of the best.

    Raises:
        ValueError: no point, lengths that differ, or a number that is not finite.

    Source:
        Andrew (1979), Information Processing Letters 9:216-219 (monotone chain), on the points
        that no cheaper one equals.
    """
    if len(cost) != len(value) or not len(cost):
        raise ValueError("a hull needs points, each with a cost and a value")
    if not (np.isfinite(cost).all() and np.isfinite(value).all()):
        raise ValueError("costs and values of a hull are finite")
    order = np.lexsort((-value, cost))
    best_before = np.maximum.accumulate(np.append(-np.inf, value[order][:-1]))
    rising = order[value[order] > best_before]
    kept: list[int] = []
    places, heights = cost[rising].tolist(), value[rising].tolist()
    for at in range(len(rising)):
        while len(kept) > 1 and _below(places, heights, kept[-2], kept[-1], at):
            kept.pop()
        kept.append(at)
    return rising[np.array(kept)]


def _below(x: list[float], y: list[float], left: int, middle: int, right: int) -> bool:
    """Whether the middle point lies on or under the line between its neighbours."""
    rise = (y[middle] - y[left]) * (x[right] - x[left])
    return rise <= (y[right] - y[left]) * (x[middle] - x[left])


@dataclass(frozen=True, slots=True, eq=False)
class Hulls:
    """Many hulls at once.

    Attributes:
        cost: ``(R, h)`` costs of the vertices, rising; the last one is repeated as padding.
        value: ``(R, h)`` their values.
    """

    cost: Floats
    value: Floats


def hulls(cost: Floats, value: Floats) -> Hulls:
    """The hull of every row of points, all rows at once; for few points and many resamples.

    Args:
        cost: ``(R, m)`` costs.
        value: ``(R, m)`` values.

    Source:
        Jarvis (1973), Information Processing Letters 2:18-21 (gift wrapping): from each vertex
        to the point of steepest rise.
    """
    rows = np.arange(len(cost))
    cheapest = cost.min(axis=1)
    first = np.where(cost == cheapest[:, None], value, -np.inf).argmax(axis=1)
    places, heights = [cost[rows, first]], [value[rows, first]]
    for _ in range(cost.shape[1] - 1):
        run, rise = cost - places[-1][:, None], value - heights[-1][:, None]
        ahead = (run > 0) & (rise > 0)
        if not ahead.any():
            break
        slope = np.where(ahead, rise / np.where(ahead, run, 1.0), -np.inf)
        steepest = slope.argmax(axis=1)
        moves = ahead.any(axis=1)
        places.append(np.where(moves, cost[rows, steepest], places[-1]))
        heights.append(np.where(moves, value[rows, steepest], heights[-1]))
    return Hulls(np.stack(places, axis=1), np.stack(heights, axis=1))


def mean_height(found: Hulls, low: Floats, high: Floats, floor: Floats) -> Floats:
    """Area under each hull between two costs, over their distance.

    Args:
        found: R hulls.
        low: ``(R,)`` where the area begins.
        high: ``(R,)`` where it ends, above ``low``.
        floor: ``(R,)`` height left of the first vertex, where the hull offers nothing; right of
            the last one the hull is flat.

    Returns:
        ``(R,)`` means; NaN where ``high`` does not exceed ``low``.
    """
    start, end = low[:, None], high[:, None]
    left = np.clip(found.cost[:, :-1], start, end)
    right = np.clip(found.cost[:, 1:], start, end)
    run = np.diff(found.cost, axis=1)
    slope = np.diff(found.value, axis=1) / np.where(run > 0, run, 1.0)
    middle = found.value[:, :-1] + slope * ((left + right) / 2 - found.cost[:, :-1])
    area = ((right - left) * middle).sum(axis=1)
    area += (np.clip(found.cost[:, 0], low, high) - low) * floor
    area += (high - np.clip(found.cost[:, -1], low, high)) * found.value[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(high > low, area / (high - low), np.nan)


def least_cost(found: Hulls, target: Floats) -> Floats:
    """The least cost at which each hull reaches a value.

    Args:
        found: R hulls.
        target: ``(R,)`` values to reach.

    Returns:
        ``(R,)`` costs, of a mix of two vertices where the value lies between them; infinite where
        it is never reached.
    """
    reached = found.value >= target[:, None]
    after = reached.argmax(axis=1)
    before = np.maximum(after - 1, 0)
    rows = np.arange(len(target))
    high, low = found.value[rows, after], found.value[rows, before]
    share = np.where(high > low, (target - low) / np.where(high > low, high - low, 1.0), 1.0)
    cost = found.cost[rows, before]
    cost = cost + share * (found.cost[rows, after] - cost)
    return np.where(reached.any(axis=1), cost, np.inf)
