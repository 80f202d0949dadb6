"""What stages that may not last as long as they need would miss, and what they still see."""

from collections.abc import Iterator
from dataclasses import replace

from llmops_cli.report import Column, Finding, Table
from llmops_cli.rollout.model import COST, ERRORS, LATENCY, QUALITY, Guardrail, Plan, Stage
from llmops_cli.rollout.parameters import RolloutParameters
from llmops_cli.rollout.plan import control_ratio
from llmops_cli.rollout.sample import Risks, detects

__all__ = ["as_option", "capped_table", "detectable_table", "long_stages", "seen_within", "shorter"]

DAY_S = 86_400.0
_LONG_S = 365 * DAY_S
_MONTH_S = 28 * DAY_S

_HARM = {
    QUALITY: "score drop",
    LATENCY: "more slow requests",
    ERRORS: "more errors",
    COST: "dearer, of today's mean",
}


def detectable_table(plan: Plan) -> Table:
    """The smallest margin each stage could be planned for."""
    return Table(
        name="detectable",
        title="The smallest harm that each stage can see",
        columns=(
            Column(name="percent", label="stage, %"),
            *(
                Column(
                    name=item.name, label=item.name, unit="" if item.name == QUALITY else "share"
                )
                for item in plan.guardrails
            ),
        ),
        rows=tuple(
            (stage.percent, *(item.detects for item in stage.decisions)) for stage in plan.stages
        ),
        note="as a margin in its place: shown where there is no harm, and sent back where there "
        "is, with the plan's risks; none where no harm is large enough",
    )


def capped_table(plan: Plan) -> tuple[Table, ...]:
    """What the stages that are cut short would miss; none where no stage is."""
    rows = [
        (
            stage.percent,
            item.guardrail,
            guardrail.margin,
            item.detects,
            item.catches,
            item.passes,
        )
        for stage in plan.stages
        for item, guardrail in zip(stage.decisions, plan.guardrails, strict=True)
        if item.canary_requests > stage.canary_requests
    ]
    if not rows:
        return ()
    return (
        Table(
            name="capped",
            title="What stages that are cut short would still see",
            columns=(
                Column(name="percent", label="stage, %"),
                Column(name="guardrail", label="guardrail"),
                Column(name="planned", label="planned for"),
                Column(name="seen", label="smallest seen"),
                Column(name="catches", label="harm goes back", unit="share"),
                Column(name="passes", label="no harm goes on", unit="share"),
            ),
            rows=tuple(rows),
            note="in score points, shares of requests and parts of today's cost; the odds are "
            "those of the margin planned for, at the stage's end. What is neither holds",
        ),
    )


def shorter(plan: Plan, given: RolloutParameters) -> tuple[Table, ...]:
    """What a rollout of the days that were asked for would see; none where the plan fits."""
    allowed = given.max_days
    if allowed is None or plan.duration_s <= allowed * DAY_S:
        return ()
    part = allowed * DAY_S / plan.duration_s
    rows = [
        (_HARM[item.name], item.margin, _worst(plan, place, part))
        for place, item in enumerate(plan.guardrails)
    ]
    return (
        Table(
            name="shorter",
            title=f"What a rollout of {allowed:g} days would still see",
            columns=(
                Column(name="harm", label="harm"),
                Column(name="planned", label="planned for"),
                Column(name="seen", label="smallest seen"),
            ),
            rows=tuple(rows),
            note="in score points, shares of requests and parts of today's cost, at every stage, "
            "were each as much shorter; none where no harm is large enough",
        ),
    )


def _worst(plan: Plan, guardrail: int, part: float) -> float | None:
    each = [_seen(plan, place, guardrail, part) for place in range(len(plan.stages))]
    known = [item for item in each if item is not None]
    return max(known) if len(known) == len(each) else None


def seen_within(plan: Plan, stage: Stage, seconds: float) -> dict[str, float | None]:
    """The smallest harm of each guardrail that a stage would see, did it last no longer."""
    place, part = plan.stages.index(stage), min(1.0, seconds / stage.duration_s)
    return {
        item.name: _seen(plan, place, index, part) for index, item in enumerate(plan.guardrails)
    }


def _seen(plan: Plan, place: int, guardrail: int, part: float) -> float | None:
    stage = plan.stages[place]
    shared = Risks.shared_out(plan.alpha, plan.power, len(plan.steps), len(plan.guardrails))
    risks = replace(shared, boundaries=plan.boundaries)
    canary = max(1, round(part * stage.canary_requests))
    before = plan.stages[:place]
    old = plan.baseline_calls + round(
        part * sum(item.requests - item.canary_requests for item in before)
    )
    ratio = control_ratio(stage, old, canary)
    return detects(plan.guardrails[guardrail], canary, ratio, risks)


def long_stages(plan: Plan) -> Iterator[Finding]:
    """Stages that would take years, and what they would see in a month."""
    for stage in plan.stages:
        if stage.duration_s <= _LONG_S:
            continue
        seen = seen_within(plan, stage, _MONTH_S)
        held = next(item for item in plan.guardrails if item.name == stage.bottleneck)
        least = seen[held.name]
        sees = "no harm at all" if least is None else f"{_HARM[held.name]} from {least:.2g} on"
        yield Finding(
            slug="rollout-years",
            severity="warning",
            message=f"the {stage.percent:g} % stage takes {stage.duration_s / _LONG_S:,.1f} years, "
            f"held up by {held.name}; in 28 days it would see {sees}, not {held.margin:.2g}",
            hint=_instead(plan, seen),
        )


def _instead(plan: Plan, seen: dict[str, float | None]) -> str:
    """Margins that fit into that time, for every guardrail that needs more."""
    every = [(item, seen[item.name]) for item in plan.guardrails]
    larger = [as_option(g, least) for g, least in every if least and least > g.margin]
    cap = "--max-stage-days 28 plans it so"
    return f"{', '.join(larger)}; or {cap}" if larger else cap


def as_option(guardrail: Guardrail, margin: float) -> str:
    """The option of plan-rollout that asks for a margin, rounded up."""
    if guardrail.name == COST:
        return f"--cost-margin {_up(1 + margin)}"
    if guardrail.ratio is not None:
        return f"--error-ratio {_up(1 + margin / guardrail.bad_share)}"
    if guardrail.name == LATENCY:
        return "a larger --latency-margin"
    if guardrail.name == ERRORS:
        return f"--error-margin {_up(margin)}"
    # What a judge shows is a part of the drop that is asked for.
    return f"--quality-margin {_up(margin * guardrail.asked / guardrail.margin)}"


def _up(value: float) -> str:
    return f"{value * 1.05:.2g}" if value < 1 else f"{value + 0.05:.3g}"
