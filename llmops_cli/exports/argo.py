"""A rollout plan for Argo Rollouts: a Rollout, and two AnalysisTemplates for every stage.

The first template watches the stage in eight windows and goes back on a harm no chance explains;
the second decides at its end with the plan's own bounds: below one on, above the other back, and
between them, or without enough requests, inconclusive, which pauses for a person.
"""

from typing import Any

from llmops_cli.exports.rollout_file import (
    APP,
    CANARY,
    CONTROL,
    PER_REQUEST,
    RolloutFile,
    minutes,
    rollout_file,
    rounded,
    stages_in_words,
    waiting_s,
    whole_percent,
)
from llmops_cli.exports.rollout_policy import argo_policy
from llmops_cli.exports.rollout_queries import (
    EARLY_HARM,
    EARLY_LEAST,
    EARLY_PARTS,
    Watched,
    early_bound,
    end_bounds,
    measurable,
    metric_warnings,
    promql,
)
from llmops_cli.rollout.model import Decision, Plan, Stage

__all__ = ["argo_rollout"]

_API = "argoproj.io/v1alpha1"
_PROMETHEUS = "http://prometheus.monitoring:9090"
_LABEL = "rollouts_pod_template_hash"


def argo_rollout(plan: Plan) -> RolloutFile:
    """The Rollout with its steps, and the AnalysisTemplates they name.

    Source:
        Argo Rollouts, analysis: a measurement that meets neither condition is inconclusive and
        pauses; an empty answer of Prometheus has no first element, hence ``len(result)``.
    """
    longest = max(plan.stages, key=waiting_s)
    warnings = [
        (
            "Argo compares numbers with fixed limits: the boundary of harm that narrows as "
            f"requests come in is here one limit of {EARLY_HARM:g} times the final one in each of "
            f"{EARLY_PARTS} windows. A smaller harm waits for the end of its stage; "
            "`llmops check-rollout` beside it sees it earlier."
        ),
        "A stage lasts as long as its requests should take to come; with fewer it pauses.",
        "Whether the split is what the stage says (sample ratio) is not checked.",
        PER_REQUEST,
        *argo_policy(plan),
        *rounded(plan, "setWeight"),
        *metric_warnings(plan, longest, waiting_s(longest)),
    ]
    notes = [
        (
            f"Names ({APP}, {CONTROL}, {CANARY}), the address of Prometheus and trafficRouting are "
            f"yours to change, and replicas are one unless you say otherwise; the series of pods "
            f"carry the label {_LABEL}."
        ),
        *stages_in_words(plan),
    ]
    templates = [item for stage in plan.stages for item in _templates(plan, stage)]
    title = "Argo Rollouts: Rollout and AnalysisTemplates from a plan of llmops plan-rollout."
    return rollout_file(title, notes, warnings, [_rollout(plan), *templates])


def _rollout(plan: Plan) -> dict[str, Any]:
    steps = [step for stage in plan.stages for step in _steps(stage)]
    canary = {
        "stableService": CONTROL,
        "canaryService": CANARY,
        "trafficRouting": {
            "plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": APP, "namespace": "default"}}
        },
        "steps": steps,
    }
    return {
        "apiVersion": _API,
        "kind": "Rollout",
        "metadata": {"name": APP},
        "spec": {
            "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": APP},
            "strategy": {"canary": canary},
        },
    }


def _steps(stage: Stage) -> list[dict[str, Any]]:
    hashes = [
        {"name": name, "valueFrom": {"podTemplateHashValue": value}}
        for name, value in (("stable", "Stable"), ("canary", "Latest"))
    ]
    looks = [
        {"analysis": {"templates": [{"templateName": _name(stage, part)}], "args": hashes}}
        for part in ("early", "end")
    ]
    return [{"setWeight": whole_percent(stage.percent)}, *looks]


def _name(stage: Stage, part: str) -> str:
    return f"{APP}-{stage.percent:g}-{part}"


def _templates(plan: Plan, stage: Stage) -> list[dict[str, Any]]:
    found = list[dict[str, Any]]()
    names = {guardrail.name for guardrail in measurable(plan)}
    for part, metric in (("early", _early), ("end", _end)):
        metrics = [
            metric(plan, stage, decision)
            for decision in stage.decisions
            if decision.guardrail in names
        ]
        found.append({
            "apiVersion": _API,
            "kind": "AnalysisTemplate",
            "metadata": {"name": _name(stage, part)},
            "spec": {"args": [{"name": "stable"}, {"name": "canary"}], "metrics": metrics},
        })  # fmt: skip
    return found


def _early(plan: Plan, stage: Stage, decision: Decision) -> dict[str, Any]:
    window = minutes(waiting_s(stage) / EARLY_PARTS)
    return {
        "name": f"harm-{decision.guardrail}",
        "initialDelay": window,
        "interval": window,
        "count": EARLY_PARTS,
        "failureCondition": f"len(result) > 0 && result[0] > {early_bound(decision):.6g}",
        **({"failureLimit": plan.policy.consecutive_looks - 1} if _blips(plan) else {}),
        "provider": _query(plan, stage, decision, window, EARLY_LEAST * stage.canary_requests),
    }


def _blips(plan: Plan) -> bool:
    return plan.policy.consecutive_looks > 1


def _end(plan: Plan, stage: Stage, decision: Decision) -> dict[str, Any]:
    below, above = end_bounds(decision)
    window = minutes(waiting_s(stage))
    back = {"failureCondition": f"len(result) > 0 && result[0] > {above:.6g}"}
    if stage.maximum_s is not None and plan.policy.at_maximum == "abort":
        # Without it, whatever is no success is a failure.
        back = {}
    return {
        "name": f"harm-{decision.guardrail}",
        "count": 1,
        "successCondition": f"len(result) > 0 && result[0] < {below:.6g}",
        **back,
        "provider": _query(plan, stage, decision, window, decision.canary_requests),
    }


def _query(
    plan: Plan, stage: Stage, decision: Decision, window: str, requests: float
) -> dict[str, Any]:
    guardrail = next(item for item in plan.guardrails if item.name == decision.guardrail)
    watched = Watched(
        guardrail=guardrail,
        compared_with=stage.compared_with,
        control=f'{_LABEL}="{{{{args.stable}}}}"',
        canary=f'{_LABEL}="{{{{args.canary}}}}"',
        window=window,
        requests=requests,
    )
    return {"prometheus": {"address": _PROMETHEUS, "query": promql(watched)}}
