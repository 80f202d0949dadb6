"""A rollout plan for the Gateway API: an HTTPRoute with the weights of the first stage.

The weights of later stages are commands in its head: a file that held a route per stage would
end at 100 % when somebody applied it.
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
from llmops_cli.rollout.model import Plan

__all__ = ["http_route"]


def http_route(plan: Plan) -> RolloutFile:
    """The route at the first stage.

    Source:
        Gateway API v1, HTTPRoute: ``weight`` of a backend is a whole number up to 1,000,000 and
        counts in proportion; session persistence is in the experimental channel only.
    """
    notes = [
        (
            f"Names ({APP}, {CONTROL}, {CANARY}, gateway) and the port are yours to change. It "
            "holds the first stage; when check-rollout says PROMOTE, the next is one of:"
        ),
        *patches(plan, "httproute"),
    ]
    warnings = [DECIDED_ELSEWHERE, PER_REQUEST]
    title = "Gateway API: HTTPRoute from a plan of llmops plan-rollout."
    return rollout_file(title, notes, warnings, [_route(plan)])


def _route(plan: Plan) -> dict[str, Any]:
    shares = zip((CONTROL, CANARY), weights(plan.stages[0].percent), strict=True)
    backends = [{"name": name, "port": 8080, "weight": weight} for name, weight in shares]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": APP},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": [{"backendRefs": backends}]},
    }
