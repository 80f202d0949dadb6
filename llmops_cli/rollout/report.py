"""A plan becomes a Report: how long, what holds it up, when to go on and when to go back."""

from dataclasses import asdict

from llmops_cli.report import Check, Finding, Measure, Report, Scalar, Unit, Verdict
from llmops_cli.rollout.baseline import DAY_S, LEAST_CALLS, Baseline
from llmops_cli.rollout.explain import arrival_method, explanations
from llmops_cli.rollout.findings import in_words, own_findings
from llmops_cli.rollout.guardrails import LEVEL, Measured
from llmops_cli.rollout.model import COST, ERRORS, LATENCY, QUALITY, Plan
from llmops_cli.rollout.parameters import RolloutParameters
from llmops_cli.rollout.plan_timeline import timeline
from llmops_cli.rollout.tables import plan_tables

__all__ = ["report"]

_HELD_UP_BY = {QUALITY: "quality", LATENCY: "latency", ERRORS: "the error rate", COST: "cost"}

_TODAY: dict[str, tuple[str, str, Unit, str]] = {
    QUALITY: ("mean_score", "mean score now", "", "normal interval, users whole"),
    LATENCY: ("p95_s", "p95 latency now", "s", "interval by ranks, users whole"),
    ERRORS: ("error_rate", "error rate now", "share", "Wilson interval, users whole"),
    COST: ("cost_usd", "cost of a request now", "usd", "delta method, users whole"),
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
        headline=_headline(plan, baseline),
        inputs=inputs,
        parameters=_parameters(given),
        measures=_measures(plan, baseline),
        checks=_checks(plan, baseline, given),
        tables=plan_tables(plan, given),
        findings=(*findings, *own_findings(plan, baseline)),
        explanations=explanations(plan, baseline),
        timelines=(timeline(plan),),
    )


def _headline(plan: Plan, baseline: Baseline) -> str:
    if baseline.calls < LEAST_CALLS:
        what = f"A log of {baseline.calls} calls is too short"
        if baseline.given:
            what = f"{baseline.calls} requests before the rollout are too few"
        return f"{what} to plan a rollout from."
    steps = " → ".join(f"{stage.percent:g}" for stage in plan.stages)
    if plan.shadow is not None:
        steps = f"shadow → {steps}"
    slowest = max(plan.steps, key=lambda stage: stage.duration_s)
    takes = f"{steps} % takes {in_words(plan.duration_s)} on this traffic"
    by = _HELD_UP_BY[slowest.bottleneck]
    if len(plan.steps) == 1:
        return f"{takes}, held up by {by}."
    return f"{takes}; the {slowest.label} stage takes longest, held up by {by}."


def _parameters(given: RolloutParameters) -> dict[str, Scalar]:
    flat = {**asdict(given), **asdict(given.policy), **asdict(given.boundaries)}
    del flat["policy"], flat["boundaries"]
    lists = {"stages": given.stages, "max_stage_s": given.max_stage_s}
    return flat | {name: ",".join(f"{part:g}" for part in parts) for name, parts in lists.items()}


def _measures(plan: Plan, baseline: Baseline) -> tuple[Measure, ...]:
    rate, known = baseline.rate, baseline.rate.low < baseline.rate.high
    return (
        _duration(plan, baseline),
        Measure(
            name="requests_per_hour",
            value=3600 * baseline.rate_per_s,
            unit="per_hour",
            low=3600 * rate.low if known else None,
            high=3600 * rate.high if known else None,
            level=None if baseline.given else LEVEL,
            n=baseline.calls,
            method=arrival_method(baseline),
        ),
        Measure(
            name="canary_requests",
            label="on the new version before 100 %",
            value=sum(stage.canary_requests for stage in plan.stages[:-1]),
            unit="count",
            method="planned",
        ),
        *(_today(item) for item in baseline.measured),
    )


def _duration(plan: Plan, baseline: Baseline) -> Measure:
    high = plan.duration_high_s
    known = baseline.rate.low < baseline.rate.high
    return Measure(
        name="duration_days",
        label="whole rollout, days",
        value=plan.duration_s / DAY_S,
        low=plan.duration_low_s / DAY_S if known else None,
        high=high / DAY_S if known and high is not None else None,
        level=None if baseline.given else LEVEL,
        n=baseline.calls,
        method="planned requests over the arrival rate and its interval",
    )


def _today(measured: Measured) -> Measure:
    guardrail = measured.guardrail
    name, label, unit, method = _TODAY[guardrail.name]
    now = measured.now
    other = guardrail.threshold_s if guardrail.unit_usd is None else guardrail.unit_usd
    return Measure(
        name=name,
        label=label,
        value=guardrail.baseline if other is None else other,
        unit=unit,
        low=None if now is None else now.low,
        high=None if now is None else now.high,
        level=None if now is None else LEVEL,
        n=measured.n,
        method="as given" if now is None else method,
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
            "the rollout fits, days",
            _duration(plan, baseline),
            given.max_days,
            needed="a longer baseline log pins the arrival rate down",
        ),
    )
