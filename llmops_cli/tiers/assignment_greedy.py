"""The convex-hull walk: a bound for one floor or one budget, a good plan, and what cannot pay.

Every class begins with its best-valued model and is moved along its own convex hull, the
steepest step of all classes first, until the floor is reached or the budget is spent.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.assignment_problem import Problem

__all__ = ["Walk", "walk"]

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

_TINY = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Where the walk ended.

    Attributes:
        model: ``(K,)`` of the plan.
        objective: of the plan.
        bound: of all plans, split ones included.
        useful: ``(K, m)`` models that a better plan than this one could have.
        path: ``(P, 2)`` mean cost and mean quality after every step; the frontier of plans.
    """

    model: Codes
    objective: float
    bound: float
    useful: Flags
    path: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Steps:
    """Steps of all classes, steepest first: from where to where, what it pays and wins."""

    klass: Codes
    to: Codes
    pays: Floats
    wins: Floats
    slope: Floats


def walk(problem: Problem) -> Walk | None:
    """Solve a problem with one floor or one budget, or with neither.

    Args:
        problem: with no other limit.

    Returns:
        The walk; None where not even the best of every class reaches the floor, or the cheapest
        exceeds the budget.

    Source:
        Sinha and Zoltners (1979), Operations Research 27:503-515: the multiple-choice knapsack,
        its linear relaxation by convex hulls; models that reduced costs rule out: Dyer,
        Kayal and Walker (1984), Journal of Computational and Applied Mathematics 11:231-248.
    """
    # Paying is what is minimised; winning is what the floor (or the budget) asks for.
    if problem.goal == "cost":
        pays, wins, need = problem.cost, problem.quality, problem.floor
    else:
        pays, wins = -problem.quality, -problem.cost
        need = None if problem.budget is None else -problem.budget
    pays, wins = problem.weight[:, None] * pays, problem.weight[:, None] * wins
    start = _cheapest(pays, wins, problem.admitted)
    steps = _steps(pays, wins, problem.admitted, start)
    rows = np.arange(len(start))
    paid, won = float(pays[rows, start].sum()), float(wins[rows, start].sum())
    path = np.column_stack(
        [
            np.concatenate([[paid], paid + np.cumsum(steps.pays)]),
            np.concatenate([[won], won + np.cumsum(steps.wins)]),
        ]
    )
    path = path if problem.goal == "cost" else -path[:, ::-1]
    missing = -np.inf if need is None else need - won
    if missing <= _TINY:
        only = problem.admitted & (np.arange(pays.shape[1]) == start[:, None])
        return Walk(start, paid, paid, only, path)
    return _until(missing, (pays, wins, problem.admitted), (start, paid), steps, path)


def _until(
    missing: float,
    of: tuple[Floats, Floats, Flags],
    begun: tuple[Codes, float],
    steps: _Steps,
    path: Floats,
) -> Walk | None:
    """Take steps until what is missing is won."""
    pays, wins, admitted = of
    start, paid = begun
    gained = np.cumsum(steps.wins)
    if not len(gained) or gained[-1] < missing - _TINY:
        return None
    last = int(np.searchsorted(gained, missing - _TINY))
    model = start.copy()
    for at in range(last + 1):
        model[steps.klass[at]] = steps.to[at]
    spent = paid + float(steps.pays[:last].sum())
    over = missing - (float(gained[last - 1]) if last else 0.0)
    slope = float(steps.slope[last])
    bound = spent + over * slope
    model = _cheaper((pays, wins, admitted), model, float(gained[last]) - missing)
    rows = np.arange(len(model))
    objective = float(pays[rows, model].sum())
    # What a class gives up by another model than its best at the bound's own exchange rate.
    reduced = np.where(admitted, pays - slope * wins, np.inf)
    useful = reduced - reduced.min(axis=1, keepdims=True) <= objective - bound + _TINY
    return Walk(model, objective, bound, useful & admitted, path)


def _cheapest(pays: Floats, wins: Floats, admitted: Flags) -> Codes:
    """The model that pays least; of those the one that wins most."""
    least = np.where(admitted, pays, np.inf)
    tied = admitted & (least <= least.min(axis=1, keepdims=True))
    return np.argmax(np.where(tied, wins, -np.inf), axis=1)


def _steps(pays: Floats, wins: Floats, admitted: Flags, start: Codes) -> _Steps:
    found: list[tuple[float, int, int, float, float]] = []
    for klass in range(len(start)):
        at = int(start[klass])
        while True:
            ahead = np.flatnonzero(admitted[klass] & (wins[klass] > wins[klass, at] + _TINY))
            if not len(ahead):
                break
            won = wins[klass, ahead] - wins[klass, at]
            paid = pays[klass, ahead] - pays[klass, at]
            slope = paid / won
            # Of equally steep steps the longest: what lies between would be no corner.
            best = int(np.lexsort((-won, slope))[0])
            to = int(ahead[best])
            found.append((float(slope[best]), klass, to, float(paid[best]), float(won[best])))
            at = to
    found.sort(key=lambda step: step[:2])
    slope, klass, to, paid, won = zip(*found, strict=True) if found else ((),) * 5
    return _Steps(
        np.array(klass, np.int64),
        np.array(to, np.int64),
        np.array(paid, np.float64),
        np.array(won, np.float64),
        np.array(slope, np.float64),
    )


def _cheaper(of: tuple[Floats, Floats, Flags], model: Codes, spare: float) -> Codes:
    """Swap models for cheaper ones while what was won beyond need allows it."""
    pays, wins, admitted = of
    rows = np.arange(len(model))
    while True:
        saved = pays[rows, model][:, None] - pays
        lost = wins[rows, model][:, None] - wins
        allowed = admitted & (saved > _TINY) & (lost <= spare + _TINY)
        if not allowed.any():
            return model
        best = int(np.argmax(np.where(allowed, saved, -np.inf)))
        klass, to = divmod(best, pays.shape[1])
        spare -= float(lost[klass, to])
        model[klass] = to
