"""A failover plan for Envoy AI Gateway: backends by priority, and the policy that moves on."""

from typing import Any

from llmops_cli.exports.failover_file import RETRIED, lost_in
from llmops_cli.exports.rollout_file import RolloutFile, rollout_file
from llmops_cli.failover.model import FailoverPlan
from llmops_cli.failover.policy import Deployment

__all__ = ["envoy_failover"]

_API = "aigateway.envoyproxy.io/v1beta1"
_APP = "llm-app"
_SCHEMAS = {"anthropic": "Anthropic", "aws.bedrock": "AWSBedrock", "azure": "AzureOpenAI"}


def envoy_failover(plan: FailoverPlan) -> RolloutFile:
    """The route, a backend for each deployment, and the traffic policy.

    Source:
        Envoy AI Gateway, provider fallback: ``priority`` of a backendRef, 0 first; a
        BackendTrafficPolicy of Envoy Gateway on the generated HTTPRoute retries, and
        ``numAttemptsPerPriority`` says when the next priority is tried.
    """
    notes = [
        (
            f"Names ({_APP}, gateway), backends and API schemas are yours to change; clients ask "
            f"for the model {_APP}."
        ),
    ]
    warnings = [
        *lost_in(plan, breaker=False, limits=False),
        "A provider's retry-after is not read: the back-off below is all there is.",
        "A prompt is translated as the gateway can: see simulate-failover --portability.",
    ]
    title = "Envoy AI Gateway: a failover plan of llmops simulate-failover."
    documents = [_route(plan), *map(_backend, plan.chain), _policy(plan)]
    return rollout_file(title, notes, warnings, documents)


def _route(plan: FailoverPlan) -> dict[str, Any]:
    weighted = any(item.weight for item in plan.chain)
    references: list[dict[str, Any]] = []
    priority = 0
    for place, item in enumerate(plan.chain):
        first = bool(item.weight) if weighted else place == 0
        priority += not first
        found: dict[str, Any] = {"name": item.name, "modelNameOverride": item.model}
        if weighted and first:
            found["weight"] = max(1, round(100 * item.weight))
        references.append(found | {"priority": 0 if first else priority})
    header = {"type": "Exact", "name": "x-ai-eg-model", "value": _APP}
    rule = {
        "matches": [{"headers": [header]}],
        "backendRefs": references,
        "timeouts": {"request": f"{round(1000 * plan.policy.timeout_s)}ms"},
    }
    parent = {"name": "gateway", "kind": "Gateway", "group": "gateway.networking.k8s.io"}
    return {
        "apiVersion": _API,
        "kind": "AIGatewayRoute",
        "metadata": {"name": _APP},
        "spec": {"parentRefs": [parent], "rules": [rule]},
    }


def _backend(item: Deployment) -> dict[str, Any]:
    return {
        "apiVersion": _API,
        "kind": "AIServiceBackend",
        "metadata": {"name": item.name},
        "spec": {
            "schema": {"name": _SCHEMAS.get(item.provider, "OpenAI")},
            "backendRef": {
                "name": item.name,
                "kind": "Backend",
                "group": "gateway.envoyproxy.io",
            },
        },
    }


def _policy(plan: FailoverPlan) -> dict[str, Any]:
    backoff = plan.policy.backoff
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "BackendTrafficPolicy",
        "metadata": {"name": f"{_APP}-failover"},
        "spec": {
            "targetRefs": [
                {"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": _APP}
            ],
            "retry": {
                "numAttemptsPerPriority": backoff.attempts,
                "numRetries": backoff.attempts * len(plan.chain) - 1,
                "retryOn": {
                    "httpStatusCodes": list(RETRIED),
                    "triggers": ["connect-failure", "reset", "retriable-status-codes"],
                },
                "perRetry": {
                    "backOff": {
                        "baseInterval": f"{max(1, round(1000 * backoff.first_wait_s))}ms",
                        "maxInterval": f"{max(1, round(1000 * backoff.longest_backoff_s))}ms",
                    },
                    "timeout": f"{round(1000 * plan.policy.timeout_s)}ms",
                },
            },
        },
    }
