"""The tables of a plan: stages, when each decides, guardrails, samples, and a shorter plan."""

import math

from llmops_cli.report import Column, Table
from llmops_cli.rollout.baseline import DAY_S
from llmops_cli.rollout.model import ERRORS, LATENCY, QUALITY, Plan, RolloutParameters

__all__ = ["plan_tables"]

_HARM = {QUALITY: "score drop", LATENCY: "more slow requests", ERRORS: "more errors"}

_SHORT = {QUALITY: "score", LATENCY: "slow", ERRORS: "errors"}

_MATTERS = {
    QUALITY: "mean score falls by {:g}",
    LATENCY: "p95 slower by a factor of {:g}",
    ERRORS: "error rate rises by {:g}",
}


def plan_tables(plan: Plan, given: RolloutParameters) -> tuple[Table, ...]:
    """What the reader needs first comes first: two tables are shown without ``-v``."""
    return (
        _stages(plan),
        *_shorter(plan, given),
        _triggers(plan),
        _guardrails(plan),
        _samples(plan),
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
                stage.percent,
                stage.requests,
                stage.canary_requests,
                stage.duration_s,
                stage.bottleneck,
                stage.compared_with,
            )
            for stage in plan.stages
        ),
        note="at 100 % no control is left: that stage compares before and after, and takes a "
        "change of traffic for one of the version",
    )


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
        note="drop of the score, rise of the slow share, rise of the error rate; go on when all "
        "are below, roll back when any is above, else hold",
    )


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
                _MATTERS[guardrail.name].format(guardrail.asked),
                guardrail.margin,
                guardrail.design_effect,
                guardrail.coverage,
            )
            for guardrail in plan.guardrails
        ),
    )


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


def _shorter(plan: Plan, given: RolloutParameters) -> tuple[Table, ...]:
    # A sample of a share s shows margins larger by 1/sqrt(s).
    allowed = given.max_days
    if allowed is None or plan.duration_s <= allowed * DAY_S:
        return ()
    scale = math.sqrt(plan.duration_s / (allowed * DAY_S))
    return (
        Table(
            name="shorter",
            title=f"What a rollout of {allowed:g} days would still see",
            columns=(
                Column(name="harm", label="harm"),
                Column(name="planned", label="planned for"),
                Column(name="seen", label="smallest seen, about"),
            ),
            rows=tuple(
                (_HARM[item.name], item.margin, min(1.0, scale * item.margin))
                for item in plan.guardrails
            ),
            note="in score points and shares of requests; a sample s times as large sees harms "
            "1/sqrt(s) as large",
        ),
    )
