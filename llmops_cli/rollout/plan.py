"""From baseline to plan: how many requests every stage needs, and when it decides."""

import math
from dataclasses import dataclass, replace

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.baseline import Baseline
from llmops_cli.rollout.model import QUALITY, Goal, Guardrail, Plan, Stage
from llmops_cli.rollout.parameters import RolloutParameters
from llmops_cli.rollout.sample import Risks, canary_needed, decision_at, gain_needed
from llmops_cli.rollout.schedule import requests_within, seconds_until

__all__ = ["control_ratio", "make_plan"]

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a stage begins: its place, requests of the old version until then, and the time."""

    place: int
    old: int
    at_s: float


def make_plan(baseline: Baseline, given: RolloutParameters) -> Plan:
    """Plan every stage on its own canary; the risks of the whole are shared out over stages.

    The last stage has no control beside it. It is held against the old version before: the
    baseline log and the control requests of the stages already passed.

    Raises:
        LlmopsError: ``rollout-no-goal`` where the gain of an A/B stage is not measured.
    """
    risks = _risks(given, len(baseline.guardrails))
    old, stages, at_s = baseline.calls, list[Stage](), 0.0
    shadow = _shadow(baseline, given)
    if shadow is not None:
        old, at_s = old + shadow.requests, shadow.duration_s
    for place, percent in enumerate(given.stages):
        stage = _stage(percent, _Start(place, old, at_s), baseline, given, risks)
        old += stage.requests - stage.canary_requests
        at_s += stage.duration_s
        stages.append(stage)
    return Plan(
        baseline_calls=baseline.calls,
        requests_per_hour=3600 * baseline.rate_per_s,
        alpha=given.alpha,
        power=given.power,
        alpha_per_stage=risks.promote,
        guardrails=baseline.guardrails,
        stages=tuple(stages),
        policy=given.policy,
        boundaries=given.boundaries,
        shadow=shadow,
    )


def control_ratio(stage: Stage, old: int, canary: int) -> float:
    """Requests of the old version per one of the new, in a stage.

    Where the log is still too short to stand in for a control, the plan asks for a longer one.
    """
    beside = stage.control_per_canary
    return max(1.0, old / canary) if beside is None else beside


def _risks(given: RolloutParameters, guardrails: int) -> Risks:
    shared = Risks.shared_out(given.alpha, given.power, given.steps, guardrails)
    return replace(shared, boundaries=given.boundaries)


def _shadow(baseline: Baseline, given: RolloutParameters) -> Stage | None:
    """Copies of requests: only what needs no user is guarded."""
    if given.shadow is None:
        return None
    guarded = tuple(
        item for item in baseline.guardrails if given.shadow_quality or item.name != QUALITY
    )
    share, risks = given.shadow / 100, _risks(given, len(guarded))
    needs = {item.name: canary_needed(item, 1 / share, risks) for item in guarded}
    stage = _empty(given.shadow, max(needs, key=lambda name: needs[name]), -1, given)
    return _filled(replace(stage, shadow=True), needs, _Start(-1, 0, 0.0), baseline, given, risks)


def _stage(
    percent: float, start: _Start, baseline: Baseline, given: RolloutParameters, risks: Risks
) -> Stage:
    needs = {
        guardrail.name: _need(guardrail, percent / 100, start.old, risks)
        for guardrail in baseline.guardrails
    }
    goal = _goal(percent, baseline, given, risks)
    bottleneck = max(needs, key=lambda name: needs[name])
    if goal is not None and goal.canary_requests > needs[bottleneck]:
        bottleneck = goal.guardrail
    stage = replace(_empty(percent, bottleneck, start.place, given), goal=goal)
    return _filled(stage, needs, start, baseline, given, risks)


def _empty(percent: float, bottleneck: str, place: int, given: RolloutParameters) -> Stage:
    return Stage(
        percent=percent,
        compared_with="control" if percent < 100 or place < 0 else "baseline",  # noqa: PLR2004 - percent
        requests=0,
        canary_requests=0,
        duration_s=0.0,
        duration_low_s=0.0,
        duration_high_s=None,
        bottleneck=bottleneck,
        decisions=(),
        maximum_s=given.maximum_s(place),
    )


def _filled(
    stage: Stage,
    needs: dict[str, int],
    start: _Start,
    baseline: Baseline,
    given: RolloutParameters,
    risks: Risks,
) -> Stage:
    """The stage with its requests, decisions and time."""
    share, most = stage.percent / 100, max(needs.values())
    if stage.goal is not None:
        most = max(most, stage.goal.canary_requests)
    least = given.minimum_stage_s * baseline.rate_per_s
    requests = _capped(math.ceil(max(most / share, least)), start, baseline, given)
    canary = min(requests, math.ceil(requests * share))
    ratio = control_ratio(stage, start.old, canary)
    filled = replace(
        stage,
        requests=requests,
        canary_requests=canary,
        decisions=tuple(
            decision_at(item, canary, ratio, risks, needs[item.name])
            for item in baseline.guardrails
            if item.name in needs
        ),
    )
    return _timed(filled, start.at_s, baseline, given)


def _goal(
    percent: float, baseline: Baseline, given: RolloutParameters, risks: Risks
) -> Goal | None:
    if percent != given.ab_stage or given.ab_gain is None:
        return None
    known = {item.name: item for item in baseline.guardrails}
    if given.ab_goal not in known:
        raise LlmopsError(
            "rollout-no-goal",
            f"the plan does not measure {given.ab_goal}, so no gain in it can be shown",
            hint=f"--ab-goal is one of {', '.join(known)}",
            exit_code=ExitCode.USAGE,
        )
    ratio = (100 - percent) / percent
    needed = gain_needed(known[given.ab_goal], given.ab_gain, ratio, risks)
    return Goal(guardrail=given.ab_goal, gain=given.ab_gain, canary_requests=needed)


def _capped(requests: int, start: _Start, baseline: Baseline, given: RolloutParameters) -> int:
    """No more than come while the stage may last."""
    maximum = given.maximum_s(start.place)
    if maximum is None:
        return requests
    come = requests_within(baseline.arrivals, start.at_s, maximum, HOUR_S)
    return max(1, min(requests, math.floor(come)))


def _timed(stage: Stage, start_s: float, baseline: Baseline, given: RolloutParameters) -> Stage:
    """The stage with the time that its requests take, by the log's own hours of the day."""
    least, most = given.minimum_stage_s, stage.maximum_s or math.inf
    taken = seconds_until(baseline.arrivals, start_s, stage.requests, HOUR_S)
    rate, ends = baseline.rate_per_s, baseline.rate
    lasts = min(max(taken, least), most)
    slow = max(taken * rate / ends.low, lasts) if ends.low > 0 else math.inf
    return replace(
        stage,
        duration_s=lasts,
        duration_low_s=min(max(taken * rate / ends.high, least), lasts),
        duration_high_s=None if math.isinf(min(slow, most)) else min(slow, most),
    )


def _need(guardrail: Guardrail, share: float, old: int, risks: Risks) -> int:
    if share < 1:
        return canary_needed(guardrail, (1 - share) / share, risks)
    alone = canary_needed(guardrail, math.inf, risks)
    if old <= 2 * alone:
        return canary_needed(guardrail, 1.0, risks)
    # The more requests the stage takes, the less the old version's number is beyond doubt.
    needed = alone
    for _ in range(4):
        needed = canary_needed(guardrail, old / needed, risks)
    return needed
