"""Looking a planned number of times: boundaries of a normal statistic, and what crosses them.

The statistic at look k is z_k, from information I_k; sqrt(I_k) z_k has independent increments.
Its density between the boundaries is carried from look to look on Gauss-Legendre nodes.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.spending import Spending

__all__ = [
    "Crossing",
    "crossing_probabilities",
    "obrien_fleming_bounds",
    "pocock_bounds",
    "spending_bounds",
    "wang_tsiatis_bounds",
]

Floats = npt.NDArray[np.float64]

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_PANEL = 3.0
"""Width of a panel of nodes in standard deviations of the narrower increment beside it."""

_FAR = 9.0
"""Beyond so many standard deviations lies less than 1e-18."""

_FARTHEST = 38.0
"""Beyond so many the normal probability is no longer a floating-point number."""


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """First crossings of the boundaries.

    Attributes:
        upper: ``(K,)`` probability that the upper one is crossed first, and first at look k.
        lower: ``(K,)`` the same for the lower one.
    """

    upper: Floats
    lower: Floats

    @property
    def total(self) -> float:
        """Probability that any is crossed at any look."""
        return float(self.upper.sum() + self.lower.sum())


@dataclass(frozen=True, slots=True, eq=False)
class _Density:
    """The statistic's density (times node weights) among the paths that go on, before a look."""

    nodes: Floats
    masses: Floats
    mean: float
    deviation: float

    def above(self, limit: float) -> float:
        """Probability of going on and then lying above a limit."""
        return self._tail((self.nodes + self.mean - limit) / self.deviation)

    def below(self, limit: float) -> float:
        """Probability of going on and then lying below a limit."""
        return self._tail((limit - self.nodes - self.mean) / self.deviation)

    def _tail(self, distances: Floats) -> float:
        from scipy.special import ndtr  # noqa: PLC0415 - scipy is slow to load

        return float(self.masses @ np.asarray(ndtr(distances)))

    def onward(self, low: float, high: float, panel: float) -> tuple[Floats, Floats]:
        """Nodes between the limits of a look, and the masses of the paths that go on there."""
        nodes, weights = _panels(low, high, panel)
        away = (nodes[:, None] - self.nodes[None, :] - self.mean) / self.deviation
        density = np.exp(-(away**2) / 2) @ self.masses / (self.deviation * math.sqrt(2 * math.pi))
        return nodes, weights * density


class _Walk:
    """The recursion, one look at a time."""

    def __init__(self, information: Floats, drift: float) -> None:
        self.times = information / information[-1]
        self.drift = drift
        self.steps = np.diff(self.times, prepend=0.0)
        self.look = 0
        self.density = self._next(np.zeros(1), np.ones(1))

    def _next(self, nodes: Floats, masses: Floats) -> _Density:
        step = float(self.steps[self.look])
        return _Density(nodes, masses, self.drift * step, math.sqrt(step))

    @property
    def root(self) -> float:
        """Standard deviation of the score at this look: a boundary z lies at root * z."""
        return math.sqrt(float(self.times[self.look]))

    def advance(self, lower: float, upper: float) -> None:
        """Go on to the next look with the paths between two boundaries."""
        if self.look + 1 == len(self.times):
            return
        middle = self.drift * float(self.times[self.look])
        low = max(lower * self.root, middle - _FAR * self.root)
        # A far boundary matters: hardly anything crosses it, and that little is asked for.
        high = min(upper * self.root, middle + max(_FAR, min(upper, _FARTHEST)) * self.root)
        narrow = math.sqrt(float(min(self.steps[self.look], self.steps[self.look + 1])))
        nodes, masses = self.density.onward(low, max(high, low), _PANEL * narrow)
        self.look += 1
        self.density = self._next(nodes, masses)


def crossing_probabilities(
    information: Floats, lower: Floats, upper: Floats, drift: float = 0.0
) -> Crossing:
    """Where and when a statistic leaves its boundaries.

    Args:
        information: ``(K,)`` at the looks, positive and rising, in any unit.
        lower: ``(K,)`` lower boundaries of z; minus infinity for none.
        upper: ``(K,)`` upper boundaries of z; infinity for none.
        drift: expected z at the last look; 0 under the null hypothesis.

    Raises:
        ValueError: information that does not rise, lengths that differ, a lower boundary
            above its upper one.

    Source:
        Armitage, McPherson and Rowe (1969), Journal of the Royal Statistical Society A
        132:235-244; Jennison and Turnbull (2000), Group Sequential Methods, chapter 19.
    """
    _check(information)
    if not len(information) == len(lower) == len(upper) or not (lower <= upper).all():
        raise ValueError("each look has a lower boundary and an upper one that is not below it")
    walk = _Walk(information, drift)
    found = np.zeros((2, len(information)))
    for look, (low, high) in enumerate(zip(lower.tolist(), upper.tolist(), strict=True)):
        root = walk.root
        found[:, look] = walk.density.above(high * root), walk.density.below(low * root)
        walk.advance(low, high)
    return Crossing(found[0], found[1])


def spending_bounds(
    information: Floats,
    alpha: float,
    spending: Spending,
    *,
    planned: float | None = None,
    two_sided: bool = False,
) -> Floats:
    """Boundaries that spend an error budget as the information comes in.

    Looks may be at any information, as long as it is not chosen by what was seen.

    Args:
        information: ``(K,)`` at the looks so far, positive and rising, in any unit.
        alpha: the whole budget; of both sides together where ``two_sided``.
        spending: how much of a one-sided budget may be spent by when.
        planned: information at the planned end; the last of ``information`` where absent.
        two_sided: symmetric boundaries, each side with half of the budget.

    Returns:
        ``(K,)`` upper boundaries of z; infinity where nothing may be spent yet.

    Raises:
        ValueError: information that does not rise, an alpha outside (0, 1), or a planned end
            that is not positive.

    Source:
        Lan and DeMets (1983), Biometrika 70:659-663.
    """
    _check(information)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha lies between 0 and 1, not {alpha}")
    end = float(information[-1]) if planned is None else planned
    if not end > 0:
        raise ValueError("the planned information is positive")
    budget = alpha / 2 if two_sided else alpha
    increments = np.diff(spending(information / end, budget), prepend=0.0)
    walk = _Walk(information, 0.0)
    bounds = np.empty(len(information))
    for look, spent in enumerate(increments.tolist()):
        bounds[look] = _quantile(walk.density, spent) / walk.root
        walk.advance(-bounds[look] if two_sided else -math.inf, bounds[look])
    return bounds


def pocock_bounds(looks: int, alpha: float, *, two_sided: bool = False) -> Floats:
    """The same boundary at each of ``looks`` equally spaced looks; see Wang and Tsiatis below.

    Source:
        Pocock (1977), Biometrika 64:191-199.
    """
    return wang_tsiatis_bounds(np.arange(1.0, looks + 1), alpha, 0.5, two_sided=two_sided)


def obrien_fleming_bounds(looks: int, alpha: float, *, two_sided: bool = False) -> Floats:
    """Boundaries C sqrt(K / k) at ``looks`` equally spaced looks; see Wang and Tsiatis below.

    Source:
        O'Brien and Fleming (1979), Biometrics 35:549-556.
    """
    return wang_tsiatis_bounds(np.arange(1.0, looks + 1), alpha, 0.0, two_sided=two_sided)


def wang_tsiatis_bounds(
    information: Floats, alpha: float, shape: float, *, two_sided: bool = False
) -> Floats:
    """Boundaries C (I_k / I_K)^(shape - 1/2), with the C that spends alpha in all.

    Args:
        information: ``(K,)`` at the looks, positive and rising, in any unit.
        alpha: error over all looks; of both sides together where ``two_sided``.
        shape: 1/2 for Pocock's boundaries, 0 for O'Brien and Fleming's.
        two_sided: symmetric boundaries.

    Returns:
        ``(K,)`` upper boundaries of z.

    Raises:
        ValueError: no look, information that does not rise, or alpha outside (0, 1/2).

    Source:
        Wang and Tsiatis (1987), Biometrics 43:193-199.
    """
    _check(information)
    if not 0 < alpha < 0.5:  # noqa: PLR2004 - above a half the boundary is not positive
        raise ValueError(f"alpha lies between 0 and 1/2, not {alpha}")
    profile = (information / information[-1]) ** (shape - 0.5)
    none = np.full(len(profile), -math.inf)

    def excess(constant: float) -> float:
        upper = constant * profile
        lower = -upper if two_sided else none
        return math.log(crossing_probabilities(information, lower, upper).total / alpha)

    return _root(excess, 0.0, 12.0) * profile


def _check(information: Floats) -> None:
    if not len(information) or not (np.diff(information, prepend=0.0) > 0).all():
        raise ValueError("a sequential plan needs information that rises from look to look")


def _panels(low: float, high: float, width: float) -> tuple[Floats, Floats]:
    count = max(1, math.ceil((high - low) / width))
    half = (high - low) / count / 2
    centres = low + half * (2 * np.arange(count) + 1)
    nodes = centres[:, None] + half * _NODES[None, :]
    return nodes.ravel(), np.tile(half * _WEIGHTS, count)


def _quantile(density: _Density, spent: float) -> float:
    """The limit above which exactly ``spent`` lies; infinity where that is no number."""
    low = float(density.nodes.min()) + density.mean - _FARTHEST * density.deviation
    high = float(density.nodes.max()) + density.mean + _FARTHEST * density.deviation
    if not spent > density.above(high):
        return math.inf
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if density.above(middle) > spent else (low, middle)
    return (low + high) / 2


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function is zero: regula falsi after Illinois (Dowell and Jarratt 1971)."""
    at_low, at_high = function(low), function(high)
    side = 0
    while high - low > 1e-13 * max(high, 1.0):
        middle = (low * at_high - high * at_low) / (at_high - at_low)
        value = function(middle)
        if abs(value) < 1e-13:  # noqa: PLR2004 - a ratio of probabilities this near 1 is 1
            return middle
        if value > 0:
            low, at_low, at_high = middle, value, at_high / 2 if side > 0 else at_high
        else:
            high, at_high, at_low = middle, value, at_low / 2 if side < 0 else at_low
        side = 1 if value > 0 else -1
    return (low + high) / 2
