"""From baseline to plan: how many requests every stage needs, and when it decides."""

import math

from llmops_cli.rollout.baseline import Baseline
from llmops_cli.rollout.model import Decision, Guardrail, Plan, RolloutParameters, Stage
from llmops_cli.stats.power import Comparison, harm_bounds, non_inferiority_sample

__all__ = ["LEAST_EVENTS", "canary_needed", "make_plan"]

LEAST_EVENTS = 10
"""Expected errors or slow requests on the canary, at the margin: the normal law needs them."""


def make_plan(baseline: Baseline, given: RolloutParameters) -> Plan:
    """Plan every stage on its own data; alpha is shared out by Bonferroni over stages.

    Promotion needs every guardrail, so alpha is not shared among those (intersection-union);
    the risk of holding back a harmless change is, by Bonferroni over guardrails.
    """
    alpha = given.alpha / len(given.stages)
    stages = tuple(_stage(percent, baseline, given, alpha) for percent in given.stages)
    return Plan(
        alpha=given.alpha,
        power=given.power,
        alpha_per_stage=alpha,
        requests_per_hour=3600 * baseline.rate_per_s,
        guardrails=baseline.guardrails,
        stages=stages,
    )


def canary_needed(guardrail: Guardrail, ratio: float, alpha: float, power: float) -> int:
    """Requests on the new version that one guardrail needs, users' requests hanging together."""
    needed = non_inferiority_sample(_comparison(guardrail, ratio, alpha), power)
    if guardrail.worse_is_more:
        needed = max(needed, LEAST_EVENTS / (guardrail.baseline + guardrail.margin))
    return max(1, math.ceil(needed))


def _stage(percent: float, baseline: Baseline, given: RolloutParameters, alpha: float) -> Stage:
    share = percent / 100
    concurrent = share < 1
    power = 1 - (1 - given.power) / len(baseline.guardrails)
    needs = {
        guardrail.name: _need(guardrail, share, baseline, alpha, power)
        for guardrail in baseline.guardrails
    }
    bottleneck = max(needs, key=lambda name: needs[name])
    duration = needs[bottleneck] / share / baseline.rate_per_s
    stretch = max(1.0, given.minimum_stage_s / duration)
    requests = math.ceil(needs[bottleneck] / share * stretch)
    canary = math.ceil(requests * share)
    ratio = (1 - share) / share if concurrent else baseline.calls / canary
    return Stage(
        percent=percent,
        compared_with="control" if concurrent else "baseline",
        requests=requests,
        canary_requests=canary,
        duration_s=requests / baseline.rate_per_s,
        duration_low_s=max(requests / baseline.rate.high, given.minimum_stage_s),
        duration_high_s=requests / baseline.rate.low if baseline.rate.low > 0 else None,
        bottleneck=bottleneck,
        decisions=tuple(
            _decision(guardrail, needs[guardrail.name], canary, ratio, alpha)
            for guardrail in baseline.guardrails
        ),
    )


def _need(
    guardrail: Guardrail, share: float, baseline: Baseline, alpha: float, power: float
) -> int:
    if share < 1:
        return canary_needed(guardrail, (1 - share) / share, alpha, power)
    # Nothing is left beside it: the log before the change is the control, its size is given.
    alone = canary_needed(guardrail, math.inf, alpha, power)
    if baseline.calls <= alone:
        return canary_needed(guardrail, 1.0, alpha, power)
    return math.ceil(alone / (1 - alone / baseline.calls))


def _decision(
    guardrail: Guardrail, needed: int, canary: int, ratio: float, alpha: float
) -> Decision:
    promote, roll_back = harm_bounds(_comparison(guardrail, ratio, alpha), canary)
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
