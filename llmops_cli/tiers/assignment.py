"""From what the data show to a plan: which model each task class gets, and why.

Classes with too few rows keep the reference model, whatever their few rows say.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.tiers.assignment_evidence import Shown, shown
from llmops_cli.tiers.assignment_problem import Problem, Solution
from llmops_cli.tiers.assignment_refusal import refusal
from llmops_cli.tiers.assignment_solver import solve
from llmops_cli.tiers.cells import Cells, Totals
from llmops_cli.tiers.model import TierParameters, class_floors, usage_error

__all__ = ["Assignment", "assign", "assign_totals", "no_latency"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_PER = 1000
"""Budgets are told per so many requests."""


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """The plan.

    Attributes:
        share: ``(K, m)`` part of each class that each model gets.
        shown: what the data show.
        problem: what was solved.
        solution: with its bound and gap.
        few: ``(K,)`` classes that keep the reference for want of rows.
        unknown: ``(K,)`` classes without a row of the reference; they count for nothing.
    """

    share: Floats
    shown: Shown
    problem: Problem
    solution: Solution
    few: Flags
    unknown: Flags

    @property
    def model(self) -> npt.NDArray[np.int64]:
        """``(K,)`` the model that gets the most of each class."""
        return np.argmax(self.share, axis=1)


def assign(cells: Cells, given: TierParameters, *, exact: bool = True) -> Assignment:
    """Assign models to classes.

    Args:
        cells: sums of the outcomes, for the reference.
        given: floors, limits and evidence.
        exact: off for a quick plan whose gap may be above 0.

    Raises:
        LlmopsError: ``tiers-infeasible`` with the limit that binds and by how much it is
            missed; ``tiers-infeasible`` with the exit code of an undecided gate where the means
            would allow it and only the evidence does not; ``tiers-unknown-task``,
            ``tiers-unknown-model``, ``tiers-no-latency``.
    """
    totals = cells.totals()
    found = assign_totals(cells, totals, given, exact=exact)
    if isinstance(found, Assignment):
        return found
    by_means = replace(given, evidence="point")
    allowed = given.evidence != "point" and isinstance(
        assign_totals(cells, totals, by_means, exact=False), Assignment
    )
    raise refusal(cells, found, given, by_means=allowed)


def assign_totals(
    cells: Cells, totals: Totals, given: TierParameters, *, exact: bool = True
) -> Assignment | Problem:
    """As :func:`assign` on sums of a resample; the problem itself where there is no plan."""
    known = shown(cells, totals, alpha=given.alpha, min_rows=given.min_rows)
    problem, few, unknown = _problem(cells, known, given)
    solution = solve(problem, fractional=given.fractional, exact=exact)
    if solution is None:
        return problem
    return Assignment(solution.share, known, problem, solution, few, unknown)


def _problem(cells: Cells, known: Shown, given: TierParameters) -> tuple[Problem, Flags, Flags]:
    floors = class_floors(cells.tasks, given)
    values = known.values(given.evidence)
    usable = ~(np.isnan(known.cost_usd) | np.isnan(values))
    reference = np.zeros_like(usable)
    reference[:, cells.reference] = True
    unknown = ~usable[:, cells.reference]
    others = np.delete(known.enough & usable, cells.reference, axis=1)
    few = ~others.any(axis=1) & ~unknown
    admitted = usable & (known.enough | (given.evidence == "point"))
    few |= known.rows < given.min_rows
    admitted[few | unknown] = False
    admitted |= reference
    admitted &= _above_floor(known, values, floors, given)
    weight, cost, quality = known.weight.copy(), known.cost_usd.copy(), values.copy()
    # A class nobody knows the reference of stays with it, and out of every sum.
    admitted[unknown] = reference[unknown]
    weight[unknown], cost[unknown], quality[unknown] = 0.0, 0.0, 0.0
    slow = _slow(known, admitted, given)
    base = float(np.sum(weight * np.nan_to_num(quality[:, cells.reference])))
    problem = Problem(
        weight=weight,
        cost=np.nan_to_num(cost),
        quality=np.nan_to_num(quality),
        admitted=admitted,
        goal="quality" if given.best_quality else "cost",
        floor=None if given.floor is None else given.floor * base,
        budget=_budget(given),
        slow=slow,
        capacity=_capacity(cells, given),
        provider=_providers(cells, given),
        max_providers=given.max_providers,
    )
    return problem, few, unknown


def _above_floor(known: Shown, values: Floats, floors: Floats, given: TierParameters) -> Flags:
    """``(K, m)`` models that meet the floor of their class, as the evidence is taken."""
    base = known.base
    none = np.isnan(floors)[:, None]
    if given.evidence == "paired":
        return known.not_inferior((1 - floors) * base[:, 0], given.alpha) | none
    with np.errstate(invalid="ignore"):
        return (values >= floors[:, None] * base - 1e-12) | none


def _budget(given: TierParameters) -> float | None:
    unbounded = given.budget_usd is None or np.isinf(given.budget_usd)
    return None if unbounded or given.budget_usd is None else given.budget_usd / _PER


def _slow(known: Shown, admitted: Flags, given: TierParameters) -> Floats | None:
    if given.max_p95_s is None:
        return None
    if np.isnan(known.slow).all():
        raise no_latency()
    # A model of unknown latency may be slow every time.
    return np.where(np.isnan(known.slow) & admitted, 1.0, np.nan_to_num(known.slow))


def no_latency() -> LlmopsError:
    """``tiers-no-latency``."""
    return LlmopsError(
        "tiers-no-latency",
        "no latency is known, so no plan can be held to one",
        hint="add the columns model|latency_s, or leave --max-p95 out",
        field="latency_s",
    )


def _capacity(cells: Cells, given: TierParameters) -> Floats | None:
    if not given.capacity:
        return None
    limits = np.ones(len(cells.models))
    for name, share in given.capacity:
        limits[_index(cells, name)] = share
    return limits


def _providers(cells: Cells, given: TierParameters) -> npt.NDArray[np.int64] | None:
    said = dict(given.providers)
    for name in said:
        _index(cells, name)
    if given.max_providers is None:
        return None
    names = [said.get(model, model.partition("/")[0]) for model in cells.models]
    known = list(dict.fromkeys(names))
    return np.array([known.index(name) for name in names], np.int64)


def _index(cells: Cells, name: str) -> int:
    if name not in cells.models:
        raise usage_error(
            "tiers-unknown-model", f"there is no model '{name}'", f"of: {', '.join(cells.models)}"
        )
    return cells.models.index(name)
