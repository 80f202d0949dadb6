"""An Argo Rollout with its AnalysisTemplates as steps and rules.

Of Argo: failureLimit is 0 where absent, consecutiveErrorLimit 4; an error is tried again after ten
seconds, and one more of them in a row than the limit ends the analysis and goes back. An analysis
that is a step runs at its place and holds the rollout until its checks are done; any other one
runs beside it from its starting step on.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from llmops_cli.rollout.manifest_conditions import least_requests, limit_of_condition
from llmops_cli.rollout.manifest_fields import at, each, number, seconds
from llmops_cli.rollout.manifest_rules import STEP_S, ErrorRule, Found

__all__ = ["read_argo"]

_ERRORS, _AGAIN_S = 4, 10.0
_ENDS = ("success", "failure")
_TEMPLATES = ("AnalysisTemplate", "ClusterAnalysisTemplate")


@dataclass(frozen=True, slots=True)
class _Step:
    """One weight: its share, how long it lasts, and the analyses that are steps of it."""

    share: float
    lasts_s: float
    places: tuple[int, ...]
    templates: tuple[str, ...]


def read_argo(
    rollout: dict[str, Any], documents: list[dict[str, Any]], waits_s: float = STEP_S
) -> Found:
    """Its weights with the pauses and analyses behind each, and its metrics.

    Args:
        rollout: the manifest.
        documents: all of its file, the analyses among them.
        waits_s: how long a pause without a duration lasts.

    Raises:
        NotWhatItIsForError: a field holds something else than Argo takes.
    """
    canary = at(rollout, "spec", "strategy", "canary")
    steps = each(canary, "steps")
    left = ["experiment as a step"] if any("experiment" in step for step in steps) else []
    templates = dict[str, list[ErrorRule]]()
    for item in documents:
        if item.get("kind") in _TEMPLATES:
            name = str(at(item, "metadata").get("name"))
            templates.setdefault(name, []).extend(_rules(at(item, "spec"), left))
    every = list(_weights(steps, templates, waits_s))
    weights = [step for step in every if 0 < step.share < 1]
    inline = {name for step in steps for name in _named(step)}
    rules = [rule for name in templates if name not in inline for rule in templates[name]]
    rules = [replace(rule, first_step=_starts(canary, weights)) for rule in rules]
    for place, weight in enumerate(weights):
        rules += [replace(r, step=place) for name in weight.templates for r in templates[name]]
    if any(step.share >= 1 and step.templates for step in every):
        left.append("the analysis at 100 %, where nothing is left to compare with")
    pairs = tuple((step.share, step.lasts_s or waits_s) for step in weights)
    return Found(pairs, tuple(rules), tuple(left))


def _rules(spec: dict[str, Any], left: list[str]) -> Iterator[ErrorRule]:
    for metric in each(spec, "metrics"):
        name = str(metric.get("name"))
        conditions = (str(metric.get(f"{end}Condition") or "") for end in _ENDS)
        limit = limit_of_condition(name, *conditions)
        if limit is None:
            left.append(f"metric '{name}' is no rate of errors held against a number")
            continue
        most = int(number(metric, "failureLimit", 0))
        interval, count = seconds(metric, "interval"), number(metric, "count", None)
        query = str(at(metric, "provider", "prometheus").get("query") or "")
        yield ErrorRule(
            name,
            limit.bound,
            interval or STEP_S,
            # Minus one never fails.
            most + 1 if most >= 0 else 2**31,
            limit.empty_fails,
            guardrail=limit.guardrail,
            difference=limit.difference,
            pauses_above=limit.pauses_above,
            empty_pauses=limit.empty_pauses,
            empty_ends=limit.empty_errs and _gives_up(metric, interval or STEP_S),
            count=None if count is None else max(1, int(count)),
            delay_s=seconds(metric, "initialDelay"),
            # Measured once: Argo needs no interval, and the query looks back as far as it says.
            whole_step=count == 1 and not interval,
            least=least_requests(name, query),
        )


def _gives_up(metric: dict[str, Any], interval: float) -> bool:
    """Whether a window without a result is over before its errors are too many."""
    return number(metric, "consecutiveErrorLimit", _ERRORS) * _AGAIN_S < interval


def _weights(
    steps: list[dict[str, Any]], templates: dict[str, list[ErrorRule]], waits_s: float
) -> Iterator[_Step]:
    """Every weight with what comes before the next one."""
    at_once = _Step(0.0, 0.0, (), ())
    for place, step in enumerate(steps):
        if "setWeight" in step:
            yield at_once
            at_once = _Step(number(step, "setWeight", 0) / 100, 0.0, (), ())
        elif "pause" in step:
            lasts = seconds(at(step, "pause"), "duration") or waits_s
            at_once = replace(at_once, lasts_s=at_once.lasts_s + lasts)
        elif "analysis" in step:
            names = [name for name in _named(step) if name in templates]
            lasts = max((_lasts(rule) for name in names for rule in templates[name]), default=0.0)
            at_once = replace(
                at_once,
                lasts_s=at_once.lasts_s + lasts,
                templates=(*at_once.templates, *names),
            )
        at_once = replace(at_once, places=(*at_once.places, place))
    yield at_once


def _named(step: dict[str, Any]) -> list[str]:
    if "analysis" not in step:
        return []
    return [str(item.get("templateName")) for item in each(at(step, "analysis"), "templates")]


def _lasts(rule: ErrorRule) -> float:
    """Of an analysis that is a step: until its last check."""
    if rule.whole_step:
        return 0.0
    return max(rule.delay_s, rule.interval_s) + ((rule.count or 1) - 1) * rule.interval_s


def _starts(canary: dict[str, Any], weights: list[_Step]) -> int:
    """The first weight that an analysis beside the steps looks at."""
    wanted = int(number(at(canary, "analysis"), "startingStep", 0))
    for place, weight in enumerate(weights):
        if weight.places and weight.places[-1] >= wanted:
            return place
    return len(weights)
