"""A failover plan for the LiteLLM router: a group for each deployment, and who follows whom."""

from collections.abc import Iterator
from typing import Any

from llmops_cli.exports.failover_file import lost_in
from llmops_cli.exports.rollout_file import RolloutFile, rollout_file
from llmops_cli.failover.model import FailoverPlan
from llmops_cli.failover.policy import Deployment

__all__ = ["litellm_failover"]

_GROUP = "llm-app"


def litellm_failover(plan: FailoverPlan) -> RolloutFile:
    """``model_list`` and ``router_settings``.

    Source:
        LiteLLM router, reliability and load balancing: groups of one deployment are cooled down
        only where ``allowed_fails`` is set; ``fallbacks`` name groups in order; the wait between
        retries is its own.
    """
    notes = [
        f"Clients ask for the group {_GROUP}. Keys come from the environment of each provider.",
    ]
    title = "LiteLLM router: a failover plan of llmops simulate-failover."
    return rollout_file(title, notes, list(_warnings(plan)), [_config(plan)])


def _config(plan: FailoverPlan) -> dict[str, Any]:
    policy, weighted = plan.policy, any(item.weight for item in plan.chain)
    groups = [_group(plan, item, weighted=weighted) for item in plan.chain]
    settings: dict[str, Any] = {
        "routing_strategy": "simple-shuffle",
        "num_retries": policy.backoff.attempts - 1,
        "timeout": policy.timeout_s,
        "max_fallbacks": policy.max_fallbacks,
    }
    if policy.breaker is None:
        settings["disable_cooldowns"] = True
    else:
        settings["cooldown_time"] = policy.breaker.cooldown_s
        if policy.breaker.allowed_failures is not None:
            settings["allowed_fails"] = policy.breaker.allowed_failures
    settings |= _fallbacks(plan, groups)
    return {
        "model_list": [
            _entry(group, item, weighted=weighted)
            for group, item in zip(groups, plan.chain, strict=True)
        ],
        "router_settings": settings,
    }


def _group(plan: FailoverPlan, item: Deployment, *, weighted: bool) -> str:
    first = item == plan.chain[0]
    return _GROUP if first or (weighted and item.weight) else f"{_GROUP}-{item.name}"


def _fallbacks(plan: FailoverPlan, groups: list[str]) -> dict[str, Any]:
    others = [name for name in dict.fromkeys(groups) if name != _GROUP]
    found: dict[str, Any] = {}
    if others:
        found["fallbacks"] = [{_GROUP: others}]
    windows = [item.context_window_tokens for item in plan.chain]
    if plan.policy.larger_window and all(windows):
        larger = [
            group
            for group, window in zip(groups, windows, strict=True)
            if group != _GROUP and (window or 0) > (windows[0] or 0)
        ]
        if larger:
            found["context_window_fallbacks"] = [{_GROUP: larger}]
        found["enable_pre_call_checks"] = True
    if plan.policy.other_provider:
        elsewhere = [
            group
            for group, item in zip(groups, plan.chain, strict=True)
            if group != _GROUP and item.provider != plan.chain[0].provider
        ]
        if elsewhere:
            found["content_policy_fallbacks"] = [{_GROUP: elsewhere}]
    return found


def _entry(group: str, item: Deployment, *, weighted: bool) -> dict[str, Any]:
    asked: dict[str, Any] = {"model": f"{item.provider}/{item.model}"}
    if weighted and item.weight:
        asked["weight"] = item.weight
    if item.requests_per_minute is not None:
        asked["rpm"] = item.requests_per_minute
    if item.tokens_per_minute is not None:
        asked["tpm"] = item.tokens_per_minute
    info: dict[str, Any] = {"id": item.name}
    if item.context_window_tokens is not None:
        info["max_input_tokens"] = item.context_window_tokens
    return {"model_name": group, "litellm_params": asked, "model_info": info}


def _warnings(plan: FailoverPlan) -> Iterator[str]:
    yield from lost_in(plan, breaker=True, limits=True)
    breaker = plan.policy.breaker
    if breaker is not None and breaker.failure_share is not None:
        yield (
            "The share of failures that opens the breaker is LiteLLM's own: above half of at "
            "least five in a minute."
        )
    if breaker is not None and breaker.probes:
        yield "A deployment comes back when its cooldown is over, for all requests: no probe."
    yield "Waits between retries are LiteLLM's own: half a second doubled, eight at most."
