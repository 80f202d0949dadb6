"""A Flagger Canary as steps and rules. Of Flagger: the threshold is 1 where absent."""

from dataclasses import replace
from typing import Any

from llmops_cli.rollout.manifest_conditions import Limit, least_requests, limit_of_range
from llmops_cli.rollout.manifest_fields import at, each, number, seconds
from llmops_cli.rollout.manifest_rules import STEP_S, ErrorRule, Found

__all__ = ["read_flagger"]

_ALL = 100
_DEFAULT_S = 60.0
_GATES = ("confirm-traffic-increase", "confirm-rollout", "confirm-promotion")


def read_flagger(
    canary: dict[str, Any], documents: list[dict[str, Any]], waits_s: float = STEP_S
) -> Found:
    """Its steps, each an interval long or until its gate opens, and its metrics.

    Args:
        canary: the manifest.
        documents: all of its file: metrics may take their query from another one.
        waits_s: how long a gate stays shut.

    Raises:
        NotWhatItIsForError: a field holds something else than Flagger takes.
    """
    analysis = at(canary, "spec", "analysis")
    interval = seconds(analysis, "interval") or _DEFAULT_S
    gated = any(hook.get("type") in _GATES for hook in each(analysis, "webhooks"))
    lasts = max(interval, waits_s) if gated else interval
    steps = tuple((weight / 100, lasts) for weight in _weights(analysis) if 0 < weight < _ALL)
    strikes = max(1, int(number(analysis, "threshold", 1)))
    rules, left = list[ErrorRule](), list[str]()
    if gated:
        left.append(f"gates that hold a step until somebody opens them, taken as {lasts:g} s")
    for metric in each(analysis, "metrics"):
        name, limits = str(metric.get("name")), at(metric, "thresholdRange")
        ends = [number(limits, end, None) for end in ("min", "max")]
        limit = limit_of_range(name, *ends)
        window = seconds(metric, "interval") or interval
        if limit is None:
            left.append(f"metric '{name}' is no rate of errors")
            continue
        query = _query(metric, documents)
        rule = _rule(name, limit, interval, strikes, query)
        rules.append(rule if window == interval else replace(rule, window_s=window))
    return Found(steps, tuple(rules), tuple(left))


def _rule(name: str, limit: Limit, interval: float, strikes: int, query: str) -> ErrorRule:
    # Without values a check fails, unless its query says what stands for them.
    answered = query.rstrip().endswith("or vector(0)")
    return ErrorRule(
        name,
        limit.bound,
        interval,
        strikes,
        empty_fails=limit.empty_fails and not answered,
        guardrail=limit.guardrail,
        difference=limit.difference,
        least=least_requests(name, query),
    )


def _query(metric: dict[str, Any], documents: list[dict[str, Any]]) -> str:
    named = at(metric, "templateRef").get("name")
    for item in documents:
        if item.get("kind") == "MetricTemplate" and at(item, "metadata").get("name") == named:
            return str(at(item, "spec").get("query") or "")
    return str(metric.get("query") or "")


def _weights(analysis: dict[str, Any]) -> list[float]:
    given = analysis.get("stepWeights")
    if given:
        items: list[Any] = given if isinstance(given, list) else [given]
        return [number({"stepWeights": item}, "stepWeights", 0) for item in items]
    step = int(number(analysis, "stepWeight", 0))
    most = min(_ALL, int(number(analysis, "maxWeight", _ALL)))
    return [float(weight) for weight in range(step, most + 1, step)] if step > 0 else []
