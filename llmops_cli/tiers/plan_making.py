"""A simulation becomes a plan: its figures and reasons, class by class."""

import math
from datetime import date, timedelta

from llmops_cli.tiers.assignment import Assignment
from llmops_cli.tiers.cells import Cells
from llmops_cli.tiers.evaluation import Evaluated
from llmops_cli.tiers.model import TierParameters, class_floors
from llmops_cli.tiers.plan import SCHEMA, ClassPlan, Expected, Limits, ModelShare, TierPlan
from llmops_cli.tiers.stability import Stability

__all__ = ["reasons", "tier_plan"]


def tier_plan(
    cells: Cells,
    plan: Assignment,
    worth: tuple[Evaluated, Evaluated],
    steady: Stability,
    given: TierParameters,
    dates: tuple[date, int],
) -> TierPlan:
    """The document of a plan.

    Args:
        cells: the sums it rests on.
        plan: the assignment.
        worth: the plan on its own rows (by class), and what the whole is expected to be worth.
        steady: how often its choices come out again.
        given: floors and limits.
        dates: the day it is made, and for how many days it is good.
    """
    own, expected = worth
    made, days = dates
    return TierPlan(
        schema=SCHEMA,
        reference=cells.models[cells.reference],
        made_on=made,
        expires_on=made + timedelta(days=days),
        requests=int(plan.shown.rows.sum()),
        clusters=cells.clusters,
        evidence=given.evidence,
        alpha=given.alpha,
        limits=Limits(
            given.floor,
            _budget(given),
            given.max_p95_s,
            given.max_providers,
            dict(given.capacity),
        ),
        saving=_expected(
            expected.saving, expected.saving_interval.low, expected.saving_interval.high
        ),
        loss=_expected(expected.loss, expected.loss_interval.low, expected.loss_interval.high),
        cost_usd_per_1000=_round(1000 * own.cost_usd),
        classes=tuple(
            _class(cells, plan, own, steady, given, klass) for klass in range(len(cells.tasks))
        ),
    )


def _budget(given: TierParameters) -> float | None:
    """The budget as JSON can say it: an unbounded one is none."""
    unbounded = given.budget_usd is None or given.budget_usd == float("inf")
    return None if unbounded else given.budget_usd


def _class(
    cells: Cells,
    plan: Assignment,
    own: Evaluated,
    steady: Stability,
    given: TierParameters,
    klass: int,
) -> ClassPlan:
    share, known = plan.share[klass], plan.shown
    floor = float(class_floors(cells.tasks, given)[klass])
    base, loss = float(known.base[klass, 0]), float(own.class_loss[klass])
    cost = float((share * plan.problem.cost[klass]).sum())
    order = sorted((i for i in range(len(share)) if share[i] > 0), key=lambda i: (-share[i], i))
    return ClassPlan(
        task=cells.tasks[klass],
        models=tuple(ModelShare(cells.models[i], _round(float(share[i]))) for i in order),
        reason=reasons(cells, plan)[klass],
        requests=int(known.rows[klass]),
        share_of_requests=_round(float(known.weight[klass])),
        floor=None if floor != floor else floor,  # noqa: PLR0124 - NaN is no floor
        reference_quality=None if base != base else _round(base),  # noqa: PLR0124 - as above
        loss=None
        if loss != loss  # noqa: PLR0124 - as above
        else _expected(loss, float(own.class_low[klass]), float(own.class_high[klass])),
        cost_usd_per_1000=None if plan.unknown[klass] else _round(1000 * cost),
        survives=_round(float(steady.survives[klass])),
    )


def reasons(cells: Cells, plan: Assignment) -> tuple[str, ...]:
    """``(K,)`` why each class gets its model, in a few words."""
    found: list[str] = []
    for klass in range(len(cells.tasks)):
        model = int(plan.model[klass])
        others = int(plan.problem.admitted[klass].sum()) - 1
        if plan.unknown[klass]:
            found.append("no row of the reference: kept")
        elif plan.few[klass]:
            found.append("too few rows: reference")
        elif model == cells.reference:
            alone = "no other model is shown to be good enough"
            found.append("pays best" if others else alone)
        elif plan.problem.goal == "quality":
            found.append("best in the budget")
        elif plan.problem.floor is not None or plan.problem.limited:
            found.append("cheapest plan above the floor")
        else:
            found.append("cheapest above the floor")
    return tuple(found)


def _expected(value: float, low: float, high: float) -> Expected:
    ends = [_round(end) if math.isfinite(end) else None for end in (low, high)]
    return Expected(_round(value), *ends)


def _round(value: float) -> float:
    # Ten digits: more would differ between machines, and a plan is to be compared by diff.
    return float(f"{value:.10g}") + 0.0
