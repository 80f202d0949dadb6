"""The plan itself: class by class where classes do not hang together, else HiGHS.

One floor or one budget is walked along the convex hulls, several limits are relaxed to a linear
program. Either gives a bound, and what a pair of class and model would at least cost above it:
pairs that cost more than a plan in hand cannot be part of a better one, and the mixed-integer
program is solved over the few that are left.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.assignment_greedy import Walk, walk
from llmops_cli.tiers.assignment_problem import Problem, Solution
from llmops_cli.tiers.assignment_rows import Rows, rows_of

__all__ = ["relaxed", "solve"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_GAP, _QUICK_GAP = 1e-7, 1e-3
_NODES = 50_000
"""Where the solver stops, so that the same problem gives the same plan on every machine."""

_TINY = 1e-9

_FIRST = 2
"""Pairs for each class in the first program; most classes have one that counts."""


def solve(problem: Problem, *, fractional: bool = False, exact: bool = True) -> Solution | None:
    """The best plan; None where there is none.

    Args:
        problem: with at least one admitted model in every class.
        fractional: whether classes may be split: a linear program then.
        exact: off for a plan that may be a little worse, to solve many resamples: the greedy one
            where that is one, else one within 0.1 %.

    Source:
        HiGHS through ``scipy.optimize``: Huangfu and Hall (2018), Mathematical Programming
        Computation 10:119-142. Leaving out what reduced costs rule out: Dyer, Kayal and Walker
        (1984), Journal of Computational and Applied Mathematics 11:231-248.
    """
    if not problem.admitted.any(axis=1).all():
        return None
    if problem.several:
        return _several(problem, _GAP if exact else _QUICK_GAP, fractional=fractional)
    found = walk(problem)
    if found is None:
        return None
    if fractional and not problem.separable:
        return _several(problem, _GAP, fractional=True)
    begun = _of_walk(problem, found)
    tight = begun.objective - begun.bound <= _TINY * max(1.0, abs(begun.bound))
    if tight or not exact:
        return begun
    return _better(begun, _mixed(problem, found.useful, _GAP))


def relaxed(problem: Problem) -> float | None:
    """The objective of the best plan that may split classes; None where there is none."""
    found = _linear(problem)
    return None if found is None else found.objective


def _of_walk(problem: Problem, found: Walk) -> Solution:
    share = np.zeros(problem.cost.shape)
    share[np.arange(len(share)), found.model] = 1.0
    method = "class by class" if problem.separable else "convex hulls"
    return Solution(share, found.objective, found.bound, method)


def _better(begun: Solution, found: Solution | None) -> Solution:
    """The better plan of two, and the higher bound of both."""
    if found is None or begun.objective < found.objective - _TINY:
        return begun
    bound = min(max(begun.bound, found.bound), found.objective)
    return Solution(found.share, found.objective, bound, found.method)


@dataclass(frozen=True, slots=True, eq=False)
class _Relaxation:
    """The best plan that may split classes.

    Attributes:
        share: ``(K, m)``.
        objective: of it: no plan has a smaller one.
        above: ``(K, m)`` how much more any plan with this pair costs at least; infinite where
            the pair is not admitted.
    """

    share: Floats
    objective: float
    above: Floats


def _several(problem: Problem, gap: float, *, fractional: bool) -> Solution | None:
    split = _linear(problem)
    if split is None:
        return None
    if fractional or bool((np.abs(split.share - 0.5) > 0.5 - _TINY).all()):
        return Solution(split.share, split.objective, split.objective, "linear program")
    return _around(problem, split, gap)


def _around(problem: Problem, split: _Relaxation, gap: float) -> Solution | None:
    """The best whole plan, sought where the split one is; None where there is none."""
    found, reach = _first(problem, split, gap)
    if found is None:
        return None
    missed = found.objective - split.objective
    if missed > max(reach, gap * abs(found.objective)):
        # A better plan can only have pairs that cost less above the bound than this plan does.
        reach = missed + _TINY * abs(found.objective)
        again = _mixed(problem, split.above <= reach, gap)
        found = found if again is None else again
    outside = split.objective + reach
    bound = min(max(split.objective, min(found.bound, outside)), found.objective)
    return Solution(found.share, found.objective, bound, found.method)


def _first(problem: Problem, split: _Relaxation, gap: float) -> tuple[Solution | None, float]:
    """The best plan of few pairs, twice as many until there is one, and how far they reach."""
    order = np.sort(split.above[problem.admitted])
    count = _FIRST * len(split.above)
    while True:
        reach = float(order[min(count, len(order)) - 1])
        found = _mixed(problem, split.above <= reach, gap)
        if found is not None or reach >= order[-1]:
            return found, reach
        count = 2 * max(count, int(np.searchsorted(order, reach, side="right")))


def _linear(problem: Problem) -> _Relaxation | None:
    from scipy import optimize  # noqa: PLC0415 - scipy is slow to load

    rows = rows_of(problem, problem.admitted)
    most = np.concatenate([np.full(rows.pairs, np.inf), np.ones(len(rows.price) - rows.pairs)])
    linprog: Any = optimize.linprog  # its stubs know lists of bounds alone
    found = linprog(
        rows.price,
        A_ub=rows.limits,
        b_ub=None if rows.limits is None else rows.bounds,
        A_eq=rows.each,
        b_eq=np.ones(len(problem.weight)),
        bounds=np.column_stack([np.zeros(len(most)), most]),
        method="highs",
    )
    if found.x is None:
        return None
    share = _shares(problem, rows, found.x)
    share = np.where(share < _TINY, 0.0, share)  # the solver leaves dust where it means zero
    share /= share.sum(axis=1, keepdims=True)
    above = np.full(share.shape, np.inf)
    above[rows.klass, rows.model] = rows.unit * found.lower.marginals[: rows.pairs]
    return _Relaxation(share, problem.objective(share), above)


def _mixed(problem: Problem, usable: Flags, gap: float) -> Solution | None:
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415 - as above

    rows = rows_of(problem, usable)
    asked = [LinearConstraint(rows.each, 1, 1)]
    if rows.limits is not None:
        asked.append(LinearConstraint(rows.limits, -np.inf, rows.bounds))
    found = milp(
        rows.price,
        integrality=np.ones(len(rows.price), np.int64),
        bounds=Bounds(0, 1),
        constraints=asked,
        options={"mip_rel_gap": gap, "node_limit": _NODES},
    )
    if found.x is None:
        return None
    share = np.round(_shares(problem, rows, found.x))
    objective = problem.objective(share)
    bound = min(rows.unit * float(found.mip_dual_bound), objective)
    return Solution(share, objective, bound, "mixed-integer program")


def _shares(problem: Problem, rows: Rows, values: Floats) -> Floats:
    share = np.zeros(problem.cost.shape)
    share[rows.klass, rows.model] = values[: rows.pairs]
    return share
