"""What is wrong with a plan that was edited by hand: numbers no plan has, names that do not fit."""

import math
from collections.abc import Iterator

from llmops_cli.rollout.model import Guardrail, Plan, Stage

__all__ = ["faults"]

_SHARE = (0.0, 1.0)


def faults(plan: Plan) -> Iterator[tuple[str, str]]:
    """Each with the place in the document."""
    for name in ("alpha", "power", "alpha_per_stage"):
        if not 0 < getattr(plan, name) < 1:
            yield "it does not lie between 0 and 1", name
    for name in ("baseline_calls", "requests_per_hour"):
        if not 0 < getattr(plan, name) < math.inf:
            yield "it is not a number above 0", name
    if not plan.guardrails:
        yield "a plan guards something", "guardrails"
    names = [item.name for item in plan.guardrails]
    if len(set(names)) < len(names):
        yield "two guardrails have the same name", "guardrails"
    for place, item in enumerate(plan.guardrails):
        yield from _of_guardrail(item, f"guardrails[{place}]")
    yield from _of_stages(plan, names)


def _of_stages(plan: Plan, names: list[str]) -> Iterator[tuple[str, str]]:
    for place, stage in enumerate(plan.stages):
        yield from _of_stage(stage, f"stages[{place}]")
        if [item.guardrail for item in stage.decisions] != names:
            yield "it does not decide by the guardrails of the plan", f"stages[{place}].decisions"
        if stage.shadow or (stage.goal is not None and stage.goal.guardrail not in names):
            yield "it is no such stage", f"stages[{place}]"
    if plan.shadow is not None:
        yield from _of_stage(plan.shadow, "shadow")
        guarded = {item.guardrail for item in plan.shadow.decisions}
        if not plan.shadow.shadow or not guarded or guarded - set(names):
            yield "it is no shadow stage of this plan", "shadow"


def _of_guardrail(item: Guardrail, at: str) -> Iterator[tuple[str, str]]:
    if item.name not in {"quality", "latency", "errors", "cost"}:
        yield "nobody measures that", f"{at}.name"
    bounds = (
        ("baseline", 0.0, 1.0),
        ("variance", 0.0, math.inf),
        ("variance_at_margin", 0.0, math.inf),
        ("design_effect", 1.0, math.inf),
        ("coverage", 0.0, 1.0),
    )
    for name, low, high in bounds:
        value = getattr(item, name)
        if not (low <= value <= high and math.isfinite(value)):
            yield f"it does not lie between {low:g} and {high:g}", f"{at}.{name}"
    if not 0 < item.margin < math.inf:
        yield "it is not a number above 0", f"{at}.margin"
    if not item.coverage > 0:
        yield "it is not above 0", f"{at}.coverage"
    if item.ratio is not None and not 1 < item.ratio < math.inf:
        yield "it is not a number above 1", f"{at}.ratio"
    if item.name == "cost" and not (item.ratio and item.unit_usd and item.unit_usd > 0):
        yield "cost needs a ratio and a unit_usd above 0", at


def _of_stage(stage: Stage, at: str) -> Iterator[tuple[str, str]]:
    if not 0 < stage.percent <= 100:  # noqa: PLR2004 - percent
        yield "it is not a percent", f"{at}.percent"
    for name in ("requests", "canary_requests", "duration_s"):
        if not 0 < getattr(stage, name) < math.inf:
            yield "it is not a number above 0", f"{at}.{name}"
    if stage.maximum_s is not None and not 0 < stage.maximum_s < math.inf:
        yield "it is not a number above 0", f"{at}.maximum_s"
    if stage.compared_with != ("control" if stage.percent < 100 or stage.shadow else "baseline"):  # noqa: PLR2004 - percent
        yield "the last stage has no control, the others have one", f"{at}.compared_with"
