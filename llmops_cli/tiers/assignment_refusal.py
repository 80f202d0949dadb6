"""The refusal where no plan meets every limit, in words: which limit binds and by how much."""

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.assignment_limits import Obstacle, obstacles
from llmops_cli.tiers.assignment_problem import Problem
from llmops_cli.tiers.cells import Cells
from llmops_cli.tiers.model import TierParameters, class_floors

__all__ = ["refusal"]

_PER = 1000
_SHOWN = 3


def refusal(
    cells: Cells, problem: Problem, given: TierParameters, *, by_means: bool
) -> LlmopsError:
    """``tiers-infeasible``.

    Args:
        cells: for the names.
        problem: without a plan.
        given: the limits as they were asked.
        by_means: whether the means alone would allow a plan: then more rows may, and the exit
            code is that of an undecided gate.
    """
    found = obstacles(problem, fractional=given.fractional)
    words = [_in_words(cells, problem, item, given) for item in found[:_SHOWN]]
    words += [f"and {len(found) - _SHOWN} classes more"] if len(found) > _SHOWN else []
    said = "; ".join(words) or "two or more limits exclude each other"
    if by_means:
        return LlmopsError(
            "tiers-infeasible",
            f"no plan is shown to meet every limit: {said}; the means alone would allow one",
            hint="give more rows, a lower floor, or --evidence point to take means as they are",
            exit_code=ExitCode.INCONCLUSIVE,
        )
    return LlmopsError(
        "tiers-infeasible",
        f"no plan meets every limit: {said}",
        hint="loosen that limit, or add a model that meets it",
    )


def _in_words(cells: Cells, problem: Problem, item: Obstacle, given: TierParameters) -> str:
    if item.klass is not None:
        return _class_missed(cells, problem, item.klass, given)
    if item.model is not None and item.attainable is not None:
        return (
            f"the capacity of {cells.models[item.model]} is {100 * item.asked:.3g} % of requests "
            f"and {100 * item.attainable:.3g} % must go there"
        )
    if item.attainable is not None:
        return _missed(item.name, item.asked, item.attainable, given)
    return {
        "capacity": "the capacities do not hold all requests beside the other limits",
        "provider": f"{item.asked:.0f} of the providers cannot meet the rest",
    }.get(item.name, f"no plan inside the budget has a p95 of {given.max_p95_s} s")


def _class_missed(cells: Cells, problem: Problem, klass: int, given: TierParameters) -> str:
    base = float(problem.quality[klass, cells.reference])
    asked = float(class_floors(cells.tasks, given)[klass]) * base
    best = float(problem.quality[klass].max())
    return (
        f"the floor of '{cells.tasks[klass]}' is {asked:.4f} and {best:.4f} can be reached, "
        f"{asked - best:.4f} short"
    )


def _missed(name: str, asked: float, best: float, given: TierParameters) -> str:
    if name == "floor":
        return (
            f"the quality floor is {asked:.4f} and {best:.4f} can be reached, {asked - best:.4f} "
            "short"
        )
    if name == "budget":
        asked, best = _PER * asked, _PER * best
        return (
            f"the budget is ${asked:.4g} per 1,000 requests and the cheapest plan costs "
            f"${best:.4g}, ${best - asked:.4g} more"
        )
    return (
        f"at least {100 * best:.1f} % of requests take longer than {given.max_p95_s:g} s, "
        f"where a p95 allows {100 * asked:.0f} %"
    )
