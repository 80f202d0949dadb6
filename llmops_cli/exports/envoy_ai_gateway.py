"""A rollout plan for Envoy AI Gateway: a weighted AIGatewayRoute and its two AIServiceBackends.

As with the HTTPRoute it holds the first stage; later ones are commands in its head.
"""

from typing import Any

from llmops_cli.exports.rollout_file import (
    APP,
    CANARY,
    CONTROL,
    DECIDED_ELSEWHERE,
    PER_REQUEST,
    RolloutFile,
    patches,
    rollout_file,
    weights,
)
from llmops_cli.exports.rollout_policy import no_copies
from llmops_cli.rollout.model import Plan

__all__ = ["ai_gateway_route"]

_API = "aigateway.envoyproxy.io/v1beta1"


def ai_gateway_route(plan: Plan) -> RolloutFile:
    """The route at the first stage, and a backend for each version.

    Source:
        Envoy AI Gateway v1beta1: ``weight`` of a backendRef is a whole number; the model of a
        request is in the header ``x-ai-eg-model``; an AIServiceBackend names a Backend of Envoy
        Gateway.
    """
    notes = [
        (
            f"Names ({APP}, {CONTROL}, {CANARY}, gateway), the API schema and the model are yours "
            "to change; modelNameOverride is what the new version is asked for. It holds the first "
            "stage; when check-rollout says PROMOTE, the next is one of:"
        ),
        *patches(plan, "aigatewayroute"),
    ]
    warnings = [
        DECIDED_ELSEWHERE,
        *no_copies(plan),
        PER_REQUEST,
        (
            "A prompt or chain change has no place in it: both backends get the same request, and "
            "the new version differs by its backend or its model name only."
        ),
    ]
    title = "Envoy AI Gateway: AIGatewayRoute and backends from a plan of llmops plan-rollout."
    documents = [_route(plan), *(_backend(name) for name in (CONTROL, CANARY))]
    return rollout_file(title, notes, warnings, documents)


def _route(plan: Plan) -> dict[str, Any]:
    control, canary = weights(plan.stages[0].percent)
    rule = {
        "matches": [{"headers": [{"type": "Exact", "name": "x-ai-eg-model", "value": APP}]}],
        "backendRefs": [
            {"name": CONTROL, "weight": control, "modelNameOverride": "stable-model"},
            {"name": CANARY, "weight": canary, "modelNameOverride": "canary-model"},
        ],
    }
    parent = {"name": "gateway", "kind": "Gateway", "group": "gateway.networking.k8s.io"}
    return {
        "apiVersion": _API,
        "kind": "AIGatewayRoute",
        "metadata": {"name": APP},
        "spec": {"parentRefs": [parent], "rules": [rule]},
    }


def _backend(name: str) -> dict[str, Any]:
    backend = {"name": name, "kind": "Backend", "group": "gateway.envoyproxy.io"}
    return {
        "apiVersion": _API,
        "kind": "AIServiceBackend",
        "metadata": {"name": name},
        "spec": {"schema": {"name": "OpenAI"}, "backendRef": backend},
    }
