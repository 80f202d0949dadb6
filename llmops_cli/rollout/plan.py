"""From baseline to plan: how many requests every stage needs, and when it decides."""

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

from llmops_cli.rollout.baseline import Baseline
from llmops_cli.rollout.decision import harm_limit
from llmops_cli.rollout.model import Decision, Guardrail, Plan, RolloutParameters, Stage
from llmops_cli.rollout.schedule import seconds_until
from llmops_cli.stats.power import Comparison, harm_bounds, non_inferiority_sample

__all__ = ["LEAST_EVENTS", "Risks", "canary_needed", "make_plan"]

LEAST_EVENTS = 10
"""Expected bad requests on the canary, at the margin: the normal law needs them."""

HOUR_S = 3600.0

_MOST = 1e15
"""More requests than that nobody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Risks:
    """What one guardrail may risk at the end of one stage.

    Attributes:
        promote: of being taken for harmless while it harms by the margin.
        roll_back: of being taken for harmful while it is harmless.
        hold: of not being shown harmless while it is.
        miss: of not being sent back while it harms by the margin.
    """

    promote: float
    roll_back: float
    hold: float
    miss: float

    @classmethod
    def shared_out(cls, given: RolloutParameters, guardrails: int) -> "Risks":
        """The risks of the whole rollout shared out by Bonferroni.

        Going on needs every guardrail, so its risk is shared among stages only
        (intersection-union); one guardrail is enough to go back or to hold, so those risks
        are shared among stages and guardrails.
        """
        looks = len(given.stages) * guardrails
        return cls(
            promote=given.alpha / len(given.stages),
            roll_back=given.alpha / looks,
            hold=(1 - given.power) / looks,
            miss=1 - given.power,
        )


def make_plan(baseline: Baseline, given: RolloutParameters) -> Plan:
    """Plan every stage on its own canary; the risks of the whole are shared out over stages.

    The last stage has no control beside it. It is held against the old version before: the
    baseline log and the control requests of the stages already passed.
    """
    risks = Risks.shared_out(given, len(baseline.guardrails))
    old, stages, start_s = baseline.calls, list[Stage](), 0.0
    for percent in given.stages:
        stage = _timed(_stage(percent, old, baseline, given, risks), start_s, baseline, given)
        old += stage.requests - stage.canary_requests
        start_s += stage.duration_s
        stages.append(stage)
    return Plan(
        baseline_calls=baseline.calls,
        requests_per_hour=3600 * baseline.rate_per_s,
        alpha=given.alpha,
        power=given.power,
        alpha_per_stage=risks.promote,
        guardrails=baseline.guardrails,
        stages=tuple(stages),
    )


def canary_needed(guardrail: Guardrail, ratio: float, risks: Risks) -> int:
    """Requests on the new version that one guardrail needs.

    Users' requests hang together (design effect), and not every request carries a score or a
    duration (coverage).
    """
    comparison = _comparison(guardrail, ratio, risks.promote)
    events = LEAST_EVENTS * guardrail.design_effect / (guardrail.bad_share + guardrail.margin)
    needed = max(non_inferiority_sample(comparison, 1 - risks.hold), events)
    needed = _until_harm_shows(guardrail, needed, ratio, risks)
    return max(1, math.ceil(needed / guardrail.coverage))


def _until_harm_shows(guardrail: Guardrail, needed: float, ratio: float, risks: Risks) -> float:
    """The sample, or a larger one that sends a harm of the margin back with its power."""
    reach = NormalDist().inv_cdf(1 - risks.miss)
    spread = _comparison(guardrail, ratio, risks.roll_back).spread_at_margin

    def shows(n: float) -> bool:
        limit = harm_limit(guardrail, n, ratio * n, risks.roll_back)
        return limit + reach * math.sqrt(spread / n) <= guardrail.margin

    if shows(needed):
        return needed
    low = high = needed
    while not shows(high) and high < _MOST:
        low, high = high, 2 * high
    while high - low > 1e-3 * high:  # a thousandth of a sample is no matter
        middle = (low + high) / 2
        low, high = (low, middle) if shows(middle) else (middle, high)
    return high


def _stage(
    percent: float, old: int, baseline: Baseline, given: RolloutParameters, risks: Risks
) -> Stage:
    share = percent / 100
    needs = {
        guardrail.name: _need(guardrail, share, old, risks) for guardrail in baseline.guardrails
    }
    bottleneck = max(needs, key=lambda name: needs[name])
    requests = math.ceil(
        max(needs[bottleneck] / share, given.minimum_stage_s * baseline.rate_per_s)
    )
    canary = math.ceil(requests * share)
    # Where the log is still too short to stand in for a control, the plan asks for a longer one.
    ratio = (1 - share) / share if share < 1 else max(1.0, old / canary)
    return Stage(
        percent=percent,
        compared_with="control" if share < 1 else "baseline",
        requests=requests,
        canary_requests=canary,
        duration_s=0.0,
        duration_low_s=0.0,
        duration_high_s=None,
        bottleneck=bottleneck,
        decisions=tuple(
            _decision(guardrail, needs[guardrail.name], canary, ratio, risks)
            for guardrail in baseline.guardrails
        ),
    )


def _timed(stage: Stage, start_s: float, baseline: Baseline, given: RolloutParameters) -> Stage:
    """The stage with the time that its requests take, by the log's own hours of the day."""
    arrivals = baseline.arrivals
    taken = seconds_until(arrivals, start_s, stage.requests, HOUR_S)
    lasts = max(taken, given.minimum_stage_s)
    rate, ends = baseline.rate_per_s, baseline.rate
    return replace(
        stage,
        duration_s=lasts,
        duration_low_s=max(taken * rate / ends.high, given.minimum_stage_s),
        duration_high_s=max(taken * rate / ends.low, lasts) if ends.low > 0 else None,
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


def _decision(
    guardrail: Guardrail, needed: int, canary: int, ratio: float, risks: Risks
) -> Decision:
    seen = canary * guardrail.coverage
    promote, _ = harm_bounds(_comparison(guardrail, ratio, risks.promote), seen)
    roll_back = harm_limit(guardrail, seen, ratio * seen, risks.roll_back)
    return Decision(
        guardrail=guardrail.name,
        canary_requests=needed,
        promote_below=promote,
        # Worse, but by less than the user minds, is no reason to go back.
        roll_back_above=max(roll_back, promote),
    )


def _comparison(guardrail: Guardrail, ratio: float, alpha: float) -> Comparison:
    return Comparison(
        variance=guardrail.variance * guardrail.design_effect,
        variance_at_margin=guardrail.variance_at_margin * guardrail.design_effect,
        margin=guardrail.margin,
        ratio=ratio,
        alpha=alpha,
    )
