"""Does a plan in use still hold? The plan's choices on new outcomes, against its own floors."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import (
    Check,
    Explanation,
    Finding,
    Measure,
    Report,
    Scalar,
)
from llmops_cli.tiers.assignment import no_latency
from llmops_cli.tiers.assignment_evidence import shown
from llmops_cli.tiers.cells import Cells, cells_of
from llmops_cli.tiers.evaluation import evaluate
from llmops_cli.tiers.findings import about_rows
from llmops_cli.tiers.model import TierParameters
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.plan import TierPlan
from llmops_cli.tiers.plan_held import (
    METHOD,
    Held,
    above_class_floors,
    above_floor,
    held_table,
)
from llmops_cli.tiers.plan_limits import limit_checks
from llmops_cli.tiers.plan_off_policy import (
    logged_checks,
    logged_class_floors,
    logged_measures,
    logged_table,
    value_of_plan,
)
from llmops_cli.tiers.report import gates, loss_measure, parameters, saving_measure
from llmops_cli.tiers.simulation import prepared
from llmops_cli.tiers.words import points

__all__ = ["check_plan"]

Floats = npt.NDArray[np.float64]


def check_plan(
    outcomes: Outcomes,
    plan: TierPlan,
    given: TierParameters,
    today: date,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Hold a plan against new outcomes.

    Args:
        outcomes: of the plan's models.
        plan: as it was written.
        given: gates and confidence; floors are those of the plan.
        today: to see whether it has expired.
        inputs: what the report names as its input.
        findings: what reading the outcomes found.

    Returns:
        A report that passes where every floor of the plan is shown to hold, fails where one is
        shown not to, and is inconclusive else.

    Raises:
        LlmopsError: ``plan-model-missing`` with the exit code of an undecided gate, and those
            of :func:`llmops_cli.tiers.simulation.prepared`.
    """
    _check_models(outcomes, plan)
    rows = prepared(outcomes, plan.reference)
    late = plan.limits.max_p95_s
    if late is not None and rows.outcomes.latency_s is None:
        raise no_latency()
    cells = cells_of(rows.outcomes, rows.reference, slower_than_s=late, seed=given.seed)
    _check_classes(cells, plan)
    if not rows.paired:
        found = _by_propensity(rows.outcomes, plan, cells, given, today)
        return replace(found, inputs=tuple(inputs), findings=(*findings, *found.findings))
    known = shown(cells, cells.totals(), alpha=given.alpha, min_rows=given.min_rows)
    share = _shares(cells, plan)
    worth = evaluate(cells, share, level=given.level, seed=given.seed)
    held = Held(plan, cells, known, share, worth)
    return Report(
        command="simulate-tiers",
        title="Does this plan still hold?",
        headline=_headline(held),
        inputs=tuple(inputs),
        parameters=_parameters(plan, given),
        measures=(
            saving_measure(worth, METHOD, cells.clusters),
            loss_measure(worth, METHOD, cells.clusters),
        ),
        checks=tuple(_checks(held, given, today)),
        tables=(held_table(held),),
        findings=(*findings, *about_rows(rows, cells.clusters), *_new_classes(plan, cells)),
        explanations=(_explanation(held),),
    )


def _by_propensity(
    outcomes: Outcomes,
    plan: TierPlan,
    cells: Cells,
    given: TierParameters,
    today: date,
) -> Report:
    """The same from a log of the chosen models alone."""
    share = _shares(cells, plan)
    found = value_of_plan(outcomes, share, cells.reference, given)
    saving, loss, effective = logged_measures(found)
    by_class = logged_class_floors(outcomes, plan, share, cells.reference, given)
    lost = 0.0 if loss.value is None else loss.value
    return Report(
        command="simulate-tiers",
        title="Does this plan still hold?",
        headline=f"By the log's propensities the plan saves {100 * (saving.value or 0.0):.1f} % "
        f"and changes quality by {points(-lost / 100)} points.",
        parameters=_parameters(plan, given),
        measures=(saving, loss, effective),
        checks=(
            _in_date(plan, today),
            *by_class,
            *logged_checks(found, plan.limits, given),
        ),
        tables=(logged_table(found),),
        findings=(*_not_judged(plan), *_new_classes(plan, cells)),
    )


def _not_judged(plan: TierPlan) -> Iterator[Finding]:
    """Limits that a log of the chosen models alone says nothing of."""
    limits = plan.limits
    if limits.max_p95_s is not None or limits.capacity:
        yield Finding(
            slug="plan-limits-not-judged",
            severity="warning",
            message="the p95 and the capacities of the plan are not judged by propensities",
            hint="run the plan's models side by side on a sample",
        )


def _parameters(plan: TierPlan, given: TierParameters) -> dict[str, Scalar]:
    dates = {"plan_made_on": str(plan.made_on), "plan_expires_on": str(plan.expires_on)}
    asked = parameters(replace(given, reference=plan.reference), plan.reference)
    return asked | dates


def _check_models(outcomes: Outcomes, plan: TierPlan) -> None:
    used = {part.model for item in plan.classes for part in item.models} | {plan.reference}
    absent = sorted(used - set(outcomes.models))
    if absent:
        raise LlmopsError(
            "plan-model-missing",
            f"the outcomes hold no answer of {', '.join(absent)}, so the plan cannot be judged",
            hint="run the plan's models and its reference on a sample of the new requests",
            exit_code=ExitCode.INCONCLUSIVE,
        )


def _check_classes(cells: Cells, plan: TierPlan) -> None:
    """Refuse rows of other task classes alone: nothing of the plan would be held against them."""
    planned = [item.task for item in plan.classes]
    if not set(planned) & set(cells.tasks):
        raise LlmopsError(
            "plan-class-missing",
            f"no row is of a task class of the plan ({', '.join(planned[:3])}), so the plan cannot "
            "be judged",
            hint="is it the right column? --map task=COLUMN names the one with the task classes",
            exit_code=ExitCode.INCONCLUSIVE,
        )


def _shares(cells: Cells, plan: TierPlan) -> Floats:
    """``(K, m)``; classes that the plan does not know get the reference."""
    share = np.zeros((len(cells.tasks), len(cells.models)))
    planned = {item.task: item for item in plan.classes}
    for klass, task in enumerate(cells.tasks):
        if task not in planned:
            share[klass, cells.reference] = 1.0
            continue
        for part in planned[task].models:
            share[klass, cells.models.index(part.model)] = part.share
    return share


def _headline(held: Held) -> str:
    worth, plan = held.worth, held.plan
    return (
        f"On these rows the plan saves {100 * worth.saving:.1f} % "
        f"({100 * plan.saving.value:.1f} % promised) and changes quality by "
        f"{points(-worth.loss)} points ({points(-plan.loss.value)} promised)."
    )


def _checks(held: Held, given: TierParameters, today: date) -> Iterator[Check]:
    yield _in_date(held.plan, today)
    floor = held.plan.limits.floor
    if floor is not None:
        yield Check.at_least(
            "the floor holds", above_floor(held, floor), 0, needed="outcomes of more clusters"
        )
    worst = above_class_floors(held)
    if worst is not None:
        yield Check.at_least(
            "the floor of every class holds", worst, 0, needed="more rows of that class"
        )
    yield from limit_checks(held.cells, held.share, held.plan.limits, given.level, given.seed)
    yield from gates(held.worth, METHOD, held.cells.clusters, given)


def _in_date(plan: TierPlan, today: date) -> Check:
    left = Measure(
        name="days_left",
        label="days until the plan expires",
        value=(plan.expires_on - today).days,
        method="its date of expiry",
    )
    return Check.at_least("the plan is in date: days left", left, 0)


def _new_classes(plan: TierPlan, cells: Cells) -> Iterator[Finding]:
    planned = {item.task for item in plan.classes}
    new = [task for task in cells.tasks if task not in planned]
    if new:
        yield Finding(
            slug="plan-new-classes",
            severity="warning",
            message=f"{', '.join(new[:3])}{' …' if len(new) > 3 else ''}: not in the plan, taken "  # noqa: PLR2004 - shown
            "as answered by the reference",
            hint="make the plan again with these classes",
            count=len(new),
        )
    gone = sorted(planned - set(cells.tasks))
    if gone:
        yield Finding(
            slug="plan-unseen-classes",
            severity="warning",
            message=f"{', '.join(gone[:3])}{' …' if len(gone) > 3 else ''}: in the plan, and no "  # noqa: PLR2004 - shown
            "row of them here: not judged",
            count=len(gone),
        )


def _explanation(held: Held) -> Explanation:
    worth = held.worth
    return Explanation(
        of="whether the plan holds",
        formula="room_k = q_k,plan - rho_k q_k,ref; holds where every lower bound is at least 0",
        numbers=(
            ("saving", worth.saving),
            ("promised", held.plan.saving.value),
            ("loss", worth.loss),
            ("promised to lose", held.plan.loss.value),
            ("tests", held.known.tests),
        ),
        assumptions=("the new rows were not used to make the plan",),
        source="as the plan: Cochran (1977), 9A; Davison and Hinkley (1997), 3.8",
    )
