"""What a reader must know before trusting a plan: gaps of the log, and of the plan itself."""

from collections.abc import Iterator

from llmops_cli.report import Finding
from llmops_cli.rollout.baseline import DAY_S, Baseline
from llmops_cli.rollout.detectable import as_option, long_stages
from llmops_cli.rollout.model import ERRORS, QUALITY, Plan, Stage

__all__ = ["in_words", "own_findings"]

_FEW_UNITS = 20


def own_findings(plan: Plan, baseline: Baseline) -> tuple[Finding, ...]:
    """Everything about this log and this plan that its numbers do not say."""
    return (
        *_about_guardrails(baseline),
        *_about_users(plan, baseline),
        *_about_time(plan, baseline),
        *_about_steps(plan),
    )


def in_words(seconds: float) -> str:
    """A duration as a person says it."""
    for unit, size in (("years", 365 * DAY_S), ("days", DAY_S), ("hours", 3600.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds / 60:.0f} minutes"


def _about_guardrails(baseline: Baseline) -> Iterator[Finding]:
    for item in baseline.missing:
        yield Finding(
            slug=item.slug,
            severity="warning",
            message=f"{item.reason}: {item.guardrail} is not guarded",
            hint=f"{item.hint}, or accept that such a loss goes unseen",
            field=item.column,
        )
    for measured in baseline.measured:
        guardrail = measured.guardrail
        if guardrail.name == QUALITY and guardrail.margin < guardrail.asked:
            yield Finding(
                slug="rollout-judge-noise",
                severity="note",
                message="the judge's errors multiply the sample that quality needs by "
                f"{(guardrail.asked / guardrail.margin) ** 2:.3g}",
                hint="a better judge makes the rollout shorter",
            )
        if guardrail.rare:
            seen = round(guardrail.bad_share * measured.n)
            what = "errors" if guardrail.name == ERRORS else "low scores"
            yield Finding(
                slug=f"rollout-rare-{guardrail.name}",
                severity="note",
                message=f"{seen} {what} in {measured.n:,} calls: planned for the upper end of "
                "their rate",
                hint="a longer log may shorten the plan",
            )


def _about_users(plan: Plan, baseline: Baseline) -> Iterator[Finding]:
    first = plan.stages[0].percent
    if baseline.given:
        if baseline.design_effect == 1:
            yield Finding(
                slug="rollout-no-users",
                severity="warning",
                message="the numbers say nothing of users: requests count as independent",
                hint="requests of one user hang together: give design_effect",
                field="design_effect",
            )
    elif not baseline.unit:
        yield Finding(
            slug="rollout-no-users",
            severity="warning",
            message="calls name neither user nor conversation: they count as independent",
            hint="log user_id; requests of one user hang together, and stages get longer",
            field="user_id",
        )
    elif baseline.units * first / 100 < _FEW_UNITS:
        who = "users" if baseline.unit == "user_id" else "conversations"
        there = baseline.units * first / 100
        yield Finding(
            slug="rollout-few-users",
            severity="warning",
            message=f"{first:g} % of the {baseline.units:,} {who} in the log are "
            f"{there:.3g}: a single heavy one may decide the stage",
            hint="begin with a larger stage, or give a log with more of them",
            field=baseline.unit,
        )


def _about_time(plan: Plan, baseline: Baseline) -> Iterator[Finding]:
    if baseline.span_s < DAY_S:
        yield Finding(
            slug="rollout-short-log",
            severity="warning",
            message=f"the log spans {in_words(baseline.span_s)}: the hours of the day it lacks "
            "may be busier or quieter",
            hint="give a log of whole days, best of a whole week",
        )
    yield from long_stages(plan)
    cut = [stage for stage in plan.steps if stage.cut_short]
    if cut:
        named = ", ".join(stage.label for stage in cut)
        yield Finding(
            slug="rollout-stage-capped",
            severity="warning",
            message=f"--max-stage-days cuts short the stages at {named}: they hold more often, and "
            "see only larger harms",
            hint=_larger(plan, cut),
        )
    before = baseline.calls + sum(item.requests - item.canary_requests for item in plan.stages)
    if plan.stages[-1].canary_requests > before:
        yield Finding(
            slug="rollout-short-baseline",
            severity="note",
            message=f"the stage at 100 % compares {plan.stages[-1].canary_requests:,} requests "
            f"with {before:,} of the old version",
            hint="keep logging until the rollout starts",
        )


def _larger(plan: Plan, cut: list[Stage]) -> str:
    """Margins that the stages cut short could be planned for."""
    asked = list[str]()
    for guardrail in plan.guardrails:
        seen = [
            item.detects
            for stage in cut
            for item in stage.decisions
            if item.guardrail == guardrail.name and item.canary_requests > stage.canary_requests
        ]
        known = [item for item in seen if item is not None]
        if seen and len(known) == len(seen):
            asked.append(as_option(guardrail, max(known)))
        elif seen:
            asked.append(f"no margin of {guardrail.name} is large enough")
    return "within that time: " + (", ".join(asked) or "a smaller gain is not to be shown")


def _about_steps(plan: Plan) -> Iterator[Finding]:
    """What a shadow stage and an A/B stage are not."""
    guarded = {item.guardrail for item in plan.shadow.decisions} if plan.shadow else set[str]()
    if plan.shadow and QUALITY not in guarded and any(g.name == QUALITY for g in plan.guardrails):
        yield Finding(
            slug="rollout-shadow-quality",
            severity="note",
            message="quality is not judged in the shadow stage: its answers reach nobody",
            hint="--shadow-quality, where a judge scores them",
        )
    for stage in plan.stages:
        if stage.goal is not None:
            yield Finding(
                slug="rollout-gain-needed",
                severity="note",
                message=f"the {stage.percent:g} % stage goes on only with a gain in "
                f"{stage.goal.guardrail} that is shown: a change that is merely harmless is held",
                hint="leave out --ab-stage to ship what does no harm",
            )
