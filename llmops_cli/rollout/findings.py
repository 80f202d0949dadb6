"""What a reader must know before trusting a plan: gaps of the log, and of the plan itself."""

from collections.abc import Iterator

from llmops_cli.report import Finding
from llmops_cli.rollout.baseline import DAY_S, Baseline
from llmops_cli.rollout.model import ERRORS, QUALITY, Plan

__all__ = ["in_words", "own_findings"]

_LONG_DAYS = 365.0
_FEW_UNITS = 20


def own_findings(plan: Plan, baseline: Baseline) -> tuple[Finding, ...]:
    """Everything about this log and this plan that its numbers do not say."""
    return (
        *_about_guardrails(baseline),
        *_about_users(plan, baseline),
        *_about_time(plan, baseline),
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
    if not baseline.unit:
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
    if plan.duration_s > _LONG_DAYS * DAY_S:
        yield Finding(
            slug="rollout-years",
            severity="warning",
            message=f"the plan takes {in_words(plan.duration_s)}",
            hint="larger margins: --max-days D shows what a plan of D days would see",
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
