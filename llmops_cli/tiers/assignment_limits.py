"""Why no plan meets every limit: which one binds, and by how much it is missed."""

from dataclasses import dataclass, replace

import numpy as np

from llmops_cli.tiers.assignment_problem import SLOW_SHARE, Problem
from llmops_cli.tiers.assignment_solver import solve

__all__ = ["Obstacle", "obstacles"]

_NAMES = ("floor", "budget", "slow", "capacity", "provider")


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A limit without which there would be a plan.

    Attributes:
        name: floor, budget, slow, capacity, provider or class.
        asked: the limit.
        attainable: the nearest that a plan which meets all others comes to it; None for limits
            that are no single number.
        klass: index of the class, where a class has no model at all.
        model: index of the model whose capacity it is, where one alone is too small.
    """

    name: str
    asked: float
    attainable: float | None
    klass: int | None = None
    model: int | None = None


def obstacles(problem: Problem, *, fractional: bool = False) -> tuple[Obstacle, ...]:
    """The limits each of which, dropped alone, leaves a plan; empty where several bind at once.

    Args:
        problem: without a plan.
        fractional: whether classes may be split.
    """
    bare = np.flatnonzero(~problem.admitted.any(axis=1)).tolist()
    if bare:
        return tuple(Obstacle("class", float("nan"), None, klass) for klass in bare)
    asked = [name for name in _NAMES if getattr(problem, name) is not None]
    found = (_obstacle(problem, name, fractional=fractional) for name in asked)
    return tuple(item for item in found if item is not None)


def _obstacle(problem: Problem, name: str, *, fractional: bool) -> Obstacle | None:
    if name == "capacity" and (full := _too_small(problem, fractional=fractional)) is not None:
        return full
    rest = problem.without(name)
    asked, sign = float("nan"), 0
    if name == "floor" and problem.floor is not None:
        rest, asked, sign = replace(rest, goal="quality"), problem.floor, -1
    elif name == "budget" and problem.budget is not None:
        rest, asked, sign = replace(rest, goal="cost"), problem.budget, 1
    elif name == "slow" and problem.slow is not None and problem.budget is None:
        # The share of slow answers takes the place of the cost.
        rest, asked, sign = replace(rest, goal="cost", cost=problem.slow), SLOW_SHARE, 1
    elif name == "provider" and problem.max_providers is not None:
        asked = float(problem.max_providers)
    best = solve(rest, fractional=fractional)
    if best is None:
        return None
    return Obstacle(name, asked, sign * best.objective if sign else None)


def _too_small(problem: Problem, *, fractional: bool) -> Obstacle | None:
    """The first model that must take more requests than its capacity, whoever takes the others."""
    if problem.capacity is None or problem.budget is not None:
        return None
    rest = problem.without("capacity")
    for model in np.flatnonzero(problem.capacity < 1).tolist():
        # The share of the model takes the place of the cost.
        taken = np.zeros(problem.cost.shape)
        taken[:, model] = 1.0
        best = solve(replace(rest, goal="cost", cost=taken), fractional=fractional)
        if best is not None and best.objective > problem.capacity[model]:
            asked = float(problem.capacity[model])
            return Obstacle("capacity", asked, best.objective, model=model)
    return None
