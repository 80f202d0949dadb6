"""A plan on the clock: each stage from its start to its end, its sample, and what it can see."""

from llmops_cli.report import Span, Timeline
from llmops_cli.rollout.model import COST, LATENCY, QUALITY, Decision, Plan, Stage

__all__ = ["timeline"]

_SHORT = {QUALITY: "score", LATENCY: "slow"}


def timeline(plan: Plan) -> Timeline:
    """The stages one after the other, in seconds from the start of the rollout."""
    spans, at = list[Span](), 0.0
    for stage in plan.steps:
        end = at + stage.duration_s
        spans.append(Span(label=stage.label, start=at, end=end, words=_words(stage)))
        at = end
    return Timeline(name="stages", title="When each stage runs", spans=tuple(spans))


def _words(stage: Stage) -> str:
    seen = ", ".join(_harm(item) for item in stage.decisions)
    served = "copies for" if stage.shadow else "requests on"
    gain = f"; goes on with a gain of {stage.goal.guardrail}" if stage.goal else ""
    return f"{stage.canary_requests:,} {served} the new version; sees {seen}{gain}"


def _harm(decision: Decision) -> str:
    """The smallest harm that a stage of this length could be planned for."""
    least, name = decision.detects, _SHORT.get(decision.guardrail, decision.guardrail)
    if least is None:
        return f"no {name}"
    if decision.guardrail == QUALITY:
        return f"{name} -{least:.2g}"
    unit = "%" if decision.guardrail == COST else "points"
    return f"{name} +{100 * least:.2g} {unit}"
