"""A plan becomes a Report: how long, what holds it up, what a shorter one would miss."""

import math
from dataclasses import asdict

from llmops_cli.report import Check, Column, Finding, Measure, Report, Scalar, Table, Verdict
from llmops_cli.rollout.baseline import LEAST_CALLS, Baseline
from llmops_cli.rollout.explain import explanations
from llmops_cli.rollout.model import ERRORS, LATENCY, QUALITY, Guardrail, Plan, RolloutParameters

__all__ = ["report"]

_DAY_S = 86_400.0
_LONG_DAYS = 365.0

_ASKED = {
    QUALITY: "mean score falls by {:g}",
    LATENCY: "p95 slower by a factor of {:g}",
    ERRORS: "error rate rises by {:g}",
}


def report(
    plan: Plan,
    baseline: Baseline,
    given: RolloutParameters,
    *,
    inputs: tuple[str, ...],
    findings: tuple[Finding, ...],
) -> Report:
    """The report of one plan; ``findings`` are those of the reader of the log."""
    return Report(
        command="plan-rollout",
        title="How to roll this change out",
        headline=_headline(plan),
        inputs=inputs,
        parameters=_parameters(given),
        measures=_measures(plan, baseline),
        checks=_checks(plan, baseline, given),
        tables=(_stages(plan), _guardrails(plan), *_shorter(plan, given)),
        findings=(*findings, *_findings(plan, baseline)),
        explanations=explanations(plan, baseline),
    )


def _headline(plan: Plan) -> str:
    steps = " → ".join(f"{stage.percent:g}" for stage in plan.stages)
    slowest = max(plan.stages, key=lambda stage: stage.duration_s)
    return (
        f"{steps} % takes {_time(plan.duration_s)} on this traffic; the {slowest.percent:g} % "
        f"stage takes longest, and {slowest.bottleneck} holds it up."
    )


def _time(seconds: float) -> str:
    for unit, size in (("years", 365 * _DAY_S), ("days", _DAY_S), ("hours", 3600.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds / 60:.0f} minutes"


def _parameters(given: RolloutParameters) -> dict[str, Scalar]:
    return {**asdict(given), "stages": ",".join(f"{stage:g}" for stage in given.stages)}


def _measures(plan: Plan, baseline: Baseline) -> tuple[Measure, ...]:
    rate = baseline.rate
    return (
        _duration(plan, baseline),
        Measure(
            name="requests_per_hour",
            value=3600 * baseline.rate_per_s,
            unit="per_hour",
            low=3600 * rate.low,
            high=3600 * rate.high,
            level=0.90,
            n=baseline.calls,
            method=f"t interval over {baseline.blocks} equal parts of the log",
        ),
        Measure(
            name="canary_requests",
            label="requests on the new version before 100 %",
            value=sum(stage.canary_requests for stage in plan.stages[:-1]),
            unit="count",
            method="planned",
        ),
    )


def _duration(plan: Plan, baseline: Baseline) -> Measure:
    high = plan.duration_high_s
    return Measure(
        name="duration_days",
        label="whole rollout, days",
        value=plan.duration_s / _DAY_S,
        low=plan.duration_low_s / _DAY_S,
        high=high / _DAY_S if high is not None else None,
        level=0.90,
        n=baseline.calls,
        method="planned requests over the arrival rate and its 90 % interval",
    )


def _checks(plan: Plan, baseline: Baseline, given: RolloutParameters) -> tuple[Check, ...]:
    if baseline.calls < LEAST_CALLS:
        calls = Measure(name="baseline_calls", value=baseline.calls, unit="count", n=baseline.calls)
        return (
            Check(
                name="the baseline is known",
                measure=calls,
                on="value",
                op=">=",
                bound=LEAST_CALLS,
                verdict=Verdict.INCONCLUSIVE,
                reason=f"{baseline.calls} calls do not tell how often errors or slow answers come",
                needed=f"a baseline log of {LEAST_CALLS} calls or more",
            ),
        )
    if given.max_days is None:
        return ()
    return (
        Check.at_most(
            "the rollout fits",
            _duration(plan, baseline),
            given.max_days,
            needed="a longer baseline log pins the arrival rate down",
        ),
    )


def _stages(plan: Plan) -> Table:
    return Table(
        name="stages",
        title="Stages",
        columns=(
            Column(name="percent", label="stage, %"),
            Column(name="requests", label="requests", unit="count"),
            Column(name="canary_requests", label="on the new version", unit="count"),
            Column(name="duration", label="lasts"),
            Column(name="bottleneck", label="held up by"),
            Column(name="compared_with", label="against"),
        ),
        rows=tuple(
            (
                f"{stage.percent:g}",
                stage.requests,
                stage.canary_requests,
                _time(stage.duration_s),
                stage.bottleneck,
                stage.compared_with,
            )
            for stage in plan.stages
        ),
        note="at 100 % no control is left: the log before the change takes its place",
    )


def _guardrails(plan: Plan) -> Table:
    first = plan.stages[0]
    decisions = {item.guardrail: item for item in first.decisions}
    return Table(
        name="guardrails",
        title=f"Guardrails, and the harm at which the {first.percent:g} % stage decides",
        columns=(
            Column(name="guardrail", label="guardrail"),
            Column(name="baseline", label="now"),
            Column(name="matters", label="what matters"),
            Column(name="design_effect", label="clustering", unit="ratio"),
            Column(name="promote_below", label="promote below"),
            Column(name="roll_back_above", label="roll back above"),
        ),
        rows=tuple(
            (
                guardrail.name,
                _level(guardrail),
                _ASKED[guardrail.name].format(guardrail.asked),
                guardrail.design_effect,
                f"{decisions[guardrail.name].promote_below:+.4f}",
                f"{decisions[guardrail.name].roll_back_above:+.4f}",
            )
            for guardrail in plan.guardrails
        ),
    )


def _level(guardrail: Guardrail) -> str:
    if guardrail.threshold_s is not None:
        return f"p95 {guardrail.threshold_s:.3g} s"
    return f"{guardrail.baseline:.4f}"


def _shorter(plan: Plan, given: RolloutParameters) -> tuple[Table, ...]:
    # A sample of a share s shows margins larger by 1/sqrt(s).
    allowed = given.max_days
    if allowed is None or plan.duration_s <= allowed * _DAY_S:
        return ()
    scale = math.sqrt(plan.duration_s / (allowed * _DAY_S))
    return (
        Table(
            name="shorter",
            title=f"What a rollout of {allowed:g} days would still see",
            columns=(
                Column(name="guardrail", label="guardrail"),
                Column(name="planned", label="harm planned for"),
                Column(name="seen", label="smallest harm seen"),
            ),
            rows=tuple(
                (item.name, f"{item.margin:.4f}", f"{scale * item.margin:.4f}")
                for item in plan.guardrails
            ),
            note="the harm of slow requests is the rise of their share",
        ),
    )


def _findings(plan: Plan, baseline: Baseline) -> tuple[Finding, ...]:
    found = [
        Finding(
            slug=f"rollout-no-{name}",
            severity="warning",
            message=f"'{column}' is in no call: {name} is not guarded",
            hint="log it, or accept that such a loss goes unseen",
            field=column,
        )
        for name, column in baseline.missing
    ]
    if baseline.rare_errors is not None:
        found.append(
            Finding(
                slug="rollout-rare-errors",
                severity="note",
                message=f"{baseline.rare_errors} errors in {baseline.calls:,} calls: planned for "
                "the upper end of their rate",
            )
        )
    if not baseline.unit:
        found.append(
            Finding(
                slug="rollout-no-users",
                severity="warning",
                message="calls name neither user nor conversation: they count as independent",
                hint="log user_id; requests of one user hang together, and stages get longer",
                field="user_id",
            )
        )
    found += _about_time(plan, baseline)
    return tuple(found)


def _about_time(plan: Plan, baseline: Baseline) -> list[Finding]:
    found: list[Finding] = []
    if baseline.span_s < _DAY_S:
        found.append(
            Finding(
                slug="rollout-short-log",
                severity="warning",
                message=f"the log spans {_time(baseline.span_s)}: the hours of the day it lacks "
                "may be busier or quieter",
                hint="give a log of whole days, best of a whole week",
            )
        )
    if plan.duration_s > _LONG_DAYS * _DAY_S:
        found.append(
            Finding(
                slug="rollout-years",
                severity="warning",
                message=f"the plan takes {_time(plan.duration_s)}",
                hint="larger margins: --max-days D shows what a plan of D days would see",
            )
        )
    last = plan.stages[-1]
    if last.canary_requests > baseline.calls:
        found.append(
            Finding(
                slug="rollout-short-baseline",
                severity="note",
                message=f"the watch at 100 % compares {last.canary_requests:,} requests with a "
                f"log of {baseline.calls:,}: keep logging until the rollout starts",
            )
        )
    return found
