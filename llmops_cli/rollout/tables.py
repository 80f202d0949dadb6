"""The tables of a plan: stages, when each decides, guardrails, samples, and a shorter plan."""

from llmops_cli.report import Column, Table
from llmops_cli.rollout.detectable import capped_table, detectable_table, shorter
from llmops_cli.rollout.model import COST, ERRORS, LATENCY, QUALITY, Guardrail, Plan
from llmops_cli.rollout.parameters import RolloutParameters

__all__ = ["plan_tables"]

_SHORT = {QUALITY: "score", LATENCY: "slow", ERRORS: "errors", COST: "cost"}

_MATTERS = {
    QUALITY: "mean score falls by {:g}",
    LATENCY: "p95 slower by a factor of {:g}",
    ERRORS: "error rate rises by {:g}",
    COST: "mean cost rises by a factor of {:g}",
}


def plan_tables(plan: Plan, given: RolloutParameters) -> tuple[Table, ...]:
    """What the reader needs first comes first: two tables are shown without ``-v``."""
    return (
        _stages(plan),
        *capped_table(plan),
        *shorter(plan, given),
        _triggers(plan),
        _guardrails(plan),
        _samples(plan),
        detectable_table(plan),
    )


def _stages(plan: Plan) -> Table:
    return Table(
        name="stages",
        title="Stages",
        columns=(
            Column(name="percent", label="stage, %"),
            Column(name="requests", label="requests", unit="count"),
            Column(name="canary_requests", label="on the new version", unit="count"),
            Column(name="duration_s", label="lasts", unit="s"),
            Column(name="bottleneck", label="held up by"),
            Column(name="compared_with", label="against"),
        ),
        rows=tuple(
            (
                "shadow" if stage.shadow else stage.percent,
                stage.requests,
                stage.canary_requests,
                stage.duration_s,
                stage.bottleneck,
                stage.compared_with,
            )
            for stage in plan.steps
        ),
        note=_stages_note(plan),
    )


def _stages_note(plan: Plan) -> str:
    note = "at 100 % no control is left: that stage compares before and after, and takes a "
    note += "change of traffic for one of the version"
    if plan.shadow is not None:
        note += f"; in shadow {plan.shadow.percent:g} % of requests are served by both versions, "
        note += "the old one answers"
    for stage in plan.stages:
        if stage.goal is not None:
            note += f"; at {stage.percent:g} % a gain of {stage.goal.gain:g} in "
            note += f"{stage.goal.guardrail} is to be shown"
    return note


def _triggers(plan: Plan) -> Table:
    def columns(name: str) -> tuple[Column, Column]:
        unit = "" if name == QUALITY else "share"
        return (
            Column(name=f"{name}_promote_below", label=f"{_SHORT[name]}: go", unit=unit),
            Column(name=f"{name}_roll_back_above", label=f"{_SHORT[name]}: back", unit=unit),
        )

    return Table(
        name="triggers",
        title="When a stage ends: how much worse to go on below, to roll back above",
        columns=(
            Column(name="percent", label="stage, %"),
            *(column for item in plan.guardrails for column in columns(item.name)),
        ),
        rows=tuple(
            (
                stage.percent,
                *(
                    bound
                    for item in stage.decisions
                    for bound in (item.promote_below, item.roll_back_above)
                ),
            )
            for stage in plan.stages
        ),
        note=_trigger_note(plan),
    )


def _trigger_note(plan: Plan) -> str:
    names = {item.name for item in plan.guardrails}
    told = "drop of the score, " if QUALITY in names else ""
    rises = ((LATENCY, "the slow share"), (ERRORS, "the error rate"), (COST, "today's mean cost"))
    told += "rise " + ", ".join(f"of {what}" for name, what in rises if name in names)
    note = f"{told}; between: hold"
    if any(item.ratio is not None for item in plan.guardrails):
        note += ". Where the margin is a ratio, while the old version stays at today's level"
    return note


def _guardrails(plan: Plan) -> Table:
    return Table(
        name="guardrails",
        title="Guardrails",
        columns=(
            Column(name="guardrail", label="guardrail"),
            Column(name="metric", label="measured as"),
            Column(name="baseline", label="now"),
            Column(name="matters", label="what matters"),
            Column(name="margin", label="as a margin"),
            Column(name="design_effect", label="clustering", unit="ratio"),
            Column(name="coverage", label="requests that carry it", unit="share"),
        ),
        rows=tuple(
            (
                guardrail.name,
                guardrail.metric,
                guardrail.baseline,
                _matters(guardrail),
                guardrail.margin,
                guardrail.design_effect,
                guardrail.coverage,
            )
            for guardrail in plan.guardrails
        ),
    )


def _matters(guardrail: Guardrail) -> str:
    if guardrail.name == ERRORS and guardrail.ratio is not None:
        return f"error rate rises by a factor of {guardrail.ratio:g}"
    return _MATTERS[guardrail.name].format(guardrail.asked)


def _samples(plan: Plan) -> Table:
    return Table(
        name="samples",
        title="Requests on the new version that each guardrail needs",
        columns=(
            Column(name="percent", label="stage, %"),
            *(Column(name=item.name, label=item.name, unit="count") for item in plan.guardrails),
        ),
        rows=tuple(
            (stage.percent, *(item.canary_requests for item in stage.decisions))
            for stage in plan.stages
        ),
    )
