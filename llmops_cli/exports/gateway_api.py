"""A rollout plan for the Gateway API: an HTTPRoute with the weights of the first stage.

The weights of later stages are commands in its head: a file that held a route per stage would
end at 100 % when somebody applied it.
"""

from fractions import Fraction
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
        counts in proportion; a RequestMirror copies a fraction of requests and drops the
        answers; session persistence is in the experimental channel only.
    """
    notes = [
        (
            f"Names ({APP}, {CONTROL}, {CANARY}, gateway) and the port are yours to change. It "
            f"holds the {'shadow' if plan.shadow else 'first'} stage; when check-rollout says "
            "PROMOTE, the next is one of:"
        ),
        *patches(plan, "httproute", copied=plan.shadow is not None),
    ]
    warnings = [DECIDED_ELSEWHERE, PER_REQUEST]
    title = "Gateway API: HTTPRoute from a plan of llmops plan-rollout."
    return rollout_file(title, notes, warnings, [_route(plan)])


def _route(plan: Plan) -> dict[str, Any]:
    now = (1, 0) if plan.shadow else weights(plan.stages[0].percent)
    shares = zip((CONTROL, CANARY), now, strict=True)
    backends = [{"name": name, "port": 8080, "weight": weight} for name, weight in shares]
    rule: dict[str, Any] = {"backendRefs": backends}
    if plan.shadow:
        rule = {"filters": [_copies(plan.shadow.percent)], **rule}
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": APP},
        "spec": {"parentRefs": [{"name": "gateway"}], "rules": [rule]},
    }


def _copies(percent: float) -> dict[str, Any]:
    share = Fraction(percent).limit_denominator(10_000) / 100
    fraction = {"numerator": share.numerator, "denominator": share.denominator}
    mirror = {"backendRef": {"name": CANARY, "port": 8080}, "fraction": fraction}
    return {"type": "RequestMirror", "requestMirror": mirror}
