"""The plan as a document: which task class gets which model, why, and until when.

Written as YAML and read back; ``llmops schema tier-plan`` prints its JSON Schema.
"""

import math
from datetime import date, timedelta
from typing import Any

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.tiers.assignment import Assignment
from llmops_cli.tiers.cells import Cells
from llmops_cli.tiers.evaluation import Evaluated
from llmops_cli.tiers.model import TierParameters, class_floors
from llmops_cli.tiers.stability import Stability

__all__ = [
    "SCHEMA",
    "ClassPlan",
    "Expected",
    "Limits",
    "ModelShare",
    "TierPlan",
    "from_yaml",
    "plan_schema",
    "reasons",
    "tier_plan",
    "to_yaml",
]

SCHEMA = "llmops.tier-plan/1"

_HEAD = """\
# Which model answers which task class, by llmops simulate-tiers; `llmops schema tier-plan` prints
# the JSON Schema. Hold it against new traffic with: llmops simulate-tiers LOG --plan THIS_FILE
# Losses are quality of the reference model minus quality of the plan, on a scale of 0 to 1.
"""


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure of the traffic the plan was made on, with its interval; null is unknown."""

    value: float
    low: float | None
    high: float | None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the plan had to meet; null is no limit."""

    floor: float | None
    budget_usd_per_1000: float | None
    max_p95_s: float | None
    max_providers: int | None
    capacity: dict[str, float]


class ModelShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model and the part of the class it gets, above 0 and at most 1."""

    model: str
    share: float


class ClassPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One task class.

    ``floor`` is a share of the reference's quality, null for none; ``survives`` the share of
    resamples of the traffic that choose the same model.
    """

    task: str
    models: tuple[ModelShare, ...]
    reason: str
    requests: int
    share_of_requests: float
    floor: float | None
    reference_quality: float | None
    loss: Expected | None
    cost_usd_per_1000: float | None
    survives: float


class TierPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole plan."""

    schema: str
    reference: str
    made_on: date
    expires_on: date
    requests: int
    clusters: int
    evidence: str
    alpha: float
    limits: Limits
    saving: Expected
    loss: Expected
    cost_usd_per_1000: float
    classes: tuple[ClassPlan, ...]


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
            plan_budget(given),
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


def plan_budget(given: TierParameters) -> float | None:
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


def to_yaml(plan: TierPlan) -> str:
    """The plan as commented YAML; the same plan gives the same bytes."""
    import yaml  # noqa: PLC0415 - only a written plan pays for it

    return _HEAD + yaml.safe_dump(msgspec.to_builtins(plan), sort_keys=False, width=100)


def from_yaml(text: str, *, source: str = "the plan") -> TierPlan:
    """Read a plan back.

    Raises:
        LlmopsError: ``plan-not-yaml``, ``plan-schema-unknown``, ``plan-invalid`` with the
            field.
    """
    import yaml  # noqa: PLC0415 - as above

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark else None
        raise LlmopsError("plan-not-yaml", "this is not YAML", file=source, line=line) from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise LlmopsError(
            "plan-schema-unknown",
            f"it does not begin with 'schema: {SCHEMA}'",
            hint="write the plan again with llmops simulate-tiers -o",
            file=source,
            field="schema",
        )
    try:
        plan = msgspec.convert(found, TierPlan)
        _check(plan)
    except msgspec.ValidationError as error:
        # The message ends with the place, as a path from the root of the document.
        reason, _, at = str(error).partition(" - at ")
        raise LlmopsError(
            "plan-invalid",
            reason,
            hint="llmops schema tier-plan says what a plan holds",
            file=source,
            field=at.strip("`$."),
        ) from error
    return plan


def _check(plan: TierPlan) -> None:
    for number, item in enumerate(plan.classes):
        shares = sum(part.share for part in item.models)
        if abs(shares - 1) > 1e-6 or any(part.share <= 0 for part in item.models):  # noqa: PLR2004 - rounding
            message = "Shares of a class are above 0 and add up to 1"
            raise msgspec.ValidationError(f"{message} - at `$.classes[{number}].models`")


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a plan."""
    found = msgspec.json.schema(TierPlan)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmops tier plan",
        **found,
    }
