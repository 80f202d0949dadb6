"""A failover plan as a Portkey configuration: targets in order, each with its retries."""

import json
from collections.abc import Iterator
from typing import Any

from llmops_cli.exports.failover_file import RETRIED, lost_in
from llmops_cli.exports.rollout_file import RolloutFile
from llmops_cli.failover.model import FailoverPlan
from llmops_cli.failover.policy import Deployment

__all__ = ["portkey_config"]

_MOVED = (401, 402, 403, 404)
"""What no retry mends, and another provider does."""

_MOST = 5


def portkey_config(plan: FailoverPlan) -> RolloutFile:
    """The configuration as JSON, which has no room for words: warnings go to stderr only.

    Source:
        Portkey gateway, config schema: ``strategy.mode`` fallback or loadbalance,
        ``on_status_codes``, ``targets`` with ``retry`` and ``request_timeout`` in milliseconds.
    """
    text = json.dumps(_config(plan), indent=2) + "\n"
    return RolloutFile(text, tuple(_warnings(plan)))


def _config(plan: FailoverPlan) -> dict[str, Any]:
    codes = [*RETRIED, *_MOVED]
    targets = [_target(plan, item) for item in plan.chain]
    weighted = [
        target | {"weight": item.weight}
        for target, item in zip(targets, plan.chain, strict=True)
        if item.weight
    ]
    if weighted:
        others = [t for t, item in zip(targets, plan.chain, strict=True) if not item.weight]
        shared: dict[str, Any] = {"strategy": {"mode": "loadbalance"}, "targets": weighted}
        targets = [shared, *others]
    return {"strategy": {"mode": "fallback", "on_status_codes": codes}, "targets": targets}


def _target(plan: FailoverPlan, item: Deployment) -> dict[str, Any]:
    return {
        "provider": item.provider,
        "override_params": {"model": item.model},
        "retry": {
            "attempts": min(plan.policy.backoff.attempts - 1, _MOST),
            "on_status_codes": list(RETRIED),
            "use_retry_after_header": True,
        },
        "request_timeout": round(1000 * plan.policy.timeout_s),
    }


def _warnings(plan: FailoverPlan) -> Iterator[str]:
    yield from lost_in(plan, breaker=False, limits=False)
    if plan.policy.backoff.attempts - 1 > _MOST:
        yield f"At most {_MOST} retries at one target."
    yield "Waits between retries are Portkey's own: a second doubled, without jitter."
