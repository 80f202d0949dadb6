"""A rollout plan for Flagger: a Canary whose steps wait at gates, and a MetricTemplate each.

Flagger has no verdict between good and bad, and one limit for all steps: the steps are decided
by ``llmops check-rollout``, which opens a gate to go on or to go back, and the metrics are the
net under it, which goes back at once on a harm no chance explains.
"""

from typing import Any

from llmops_cli.exports.rollout_file import (
    APP,
    RolloutFile,
    minutes,
    rollout_file,
    rounded,
    stages_in_words,
    waiting_s,
    whole_percent,
)
from llmops_cli.exports.rollout_policy import flagger_policy
from llmops_cli.exports.rollout_queries import (
    EARLY_HARM,
    EARLY_LEAST,
    EARLY_PARTS,
    Watched,
    early_bound,
    measurable,
    metric_warnings,
    promql,
)
from llmops_cli.rollout.model import Guardrail, Plan

__all__ = ["flagger_canary"]

_API = "flagger.app/v1beta1"
_GATES = "http://flagger-loadtester.test"
_PROMETHEUS = "http://prometheus.monitoring:9090"
_LOOK = "5m"
"""How often the gates are tried: a way back that is open is taken within it."""

_POD = "[0-9a-zA-Z]+(-[0-9a-zA-Z]+)"


def flagger_canary(plan: Plan) -> RolloutFile:
    """The Canary and its MetricTemplates.

    Source:
        Flagger, webhooks: ``confirm-traffic-increase`` and ``confirm-promotion`` wait for the
        gate without counting as failed checks; ``rollback`` goes back when it answers. An empty
        answer of a metric counts as a failed check, hence ``or vector(0)``.
    """
    first = plan.stages[0]
    window = minutes(waiting_s(first) / EARLY_PARTS)
    warnings = [
        (
            "Flagger has no hold on evidence and one limit for all steps: promotion and the plan's "
            "boundaries are decided by `llmops check-rollout`, and its exit code opens the gate of "
            "the step (0) or of the way back (1). The gates need Flagger's load tester."
        ),
        (
            f"Its own metrics only catch a harm of {EARLY_HARM:g} times the plan's largest bound "
            f"in a window of {window}; they see nothing before it has enough requests."
        ),
        (
            "At 100 % the primary has no traffic and the metrics say nothing: only check-rollout, "
            "which compares with the baseline, watches that stage."
        ),
        "Stages last until their gate opens, not as long as the plan says.",
        "Whether the split is what the stage says (sample ratio) is not checked.",
        (
            "Users are not kept on one version: sessionAffinity holds a client to the canary only "
            "as long as its cookie lives, and callers of an API seldom keep cookies."
        ),
        *flagger_policy(plan),
        *rounded(plan, "stepWeights"),
        *metric_warnings(plan, first, 0.0),
    ]
    notes = [
        (
            f"Names ({APP}), the addresses of Prometheus and of the load tester, port and provider "
            "are yours to change. One look:"
        ),
        "  llmops check-rollout sums.csv --plan plan.yaml --stage PERCENT --state rollout.json",
        f'  0: curl -d \'{{"name": "{APP}", "namespace": "test"}}\' {_GATES}/gate/open',
        "     and /gate/close in the same words when the weight has changed",
        "     (the first step waits at the gate as well)",
        f'  1: curl -d \'{{"name": "{APP}", "namespace": "test"}}\' {_GATES}/rollback/open',
        "  4: leave it",
        *stages_in_words(plan),
    ]
    title = "Flagger: Canary and MetricTemplates from a plan of llmops plan-rollout."
    templates = [_template(plan, guardrail) for guardrail in measurable(plan)]
    return rollout_file(title, notes, warnings, [_canary(plan, window), *templates])


def _canary(plan: Plan, window: str) -> dict[str, Any]:
    analysis = {
        "interval": _LOOK,
        "threshold": plan.policy.consecutive_looks,
        "stepWeights": [whole_percent(stage.percent) for stage in plan.stages],
        "metrics": [_metric(plan, guardrail, window) for guardrail in measurable(plan)],
        "webhooks": [
            {"name": name, "type": kind, "url": f"{_GATES}{path}"}
            for name, kind, path in (
                ("check-rollout-next", "confirm-traffic-increase", "/gate/check"),
                ("check-rollout-last", "confirm-promotion", "/gate/check"),
                ("check-rollout-back", "rollback", "/rollback/check"),
            )
        ],
    }
    return {
        "apiVersion": _API,
        "kind": "Canary",
        "metadata": {"name": APP},
        "spec": {
            "provider": "gatewayapi:v1",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": APP},
            "service": {"port": 8080, "gatewayRefs": [{"name": "gateway"}]},
            "analysis": analysis,
        },
    }


def _metric(plan: Plan, guardrail: Guardrail, window: str) -> dict[str, Any]:
    bounds = [
        early_bound(decision)
        for stage in plan.stages
        for decision in stage.decisions
        if decision.guardrail == guardrail.name
    ]
    return {
        "name": f"harm-{guardrail.name}",
        "interval": window,
        "templateRef": {"name": _name(guardrail)},
        "thresholdRange": {"max": float(f"{max(bounds):.6g}")},
    }


def _name(guardrail: Guardrail) -> str:
    return f"{APP}-{guardrail.name}"


def _template(plan: Plan, guardrail: Guardrail) -> dict[str, Any]:
    first = plan.stages[0]
    watched = Watched(
        guardrail=guardrail,
        compared_with="control",
        control=f'namespace="{{{{ namespace }}}}",pod=~"{{{{ target }}}}-primary-{_POD}"',
        canary=f'namespace="{{{{ namespace }}}}",pod=~"{{{{ target }}}}-{_POD}"',
        window="{{ interval }}",
        requests=EARLY_LEAST * first.canary_requests,
    )
    query = f"({promql(watched)}) or vector(0)\n"
    provider = {"type": "prometheus", "address": _PROMETHEUS}
    return {
        "apiVersion": _API,
        "kind": "MetricTemplate",
        "metadata": {"name": _name(guardrail)},
        "spec": {"provider": provider, "query": query},
    }
