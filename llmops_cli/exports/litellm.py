"""A plan of tiers as a configuration of the LiteLLM proxy: a model group for each task class.

A client asks for the group of its task (``tier/summarise``); split classes are weighted
deployments of one group, and every group falls back to the reference model.
"""

from typing import Any

from llmops_cli.tiers.plan import TierPlan

__all__ = ["GROUP", "REFERENCE", "litellm_config"]

GROUP = "tier/"
"""Begins the name of every group, so that none is taken for a model."""

REFERENCE = "tier-reference"
"""The group that all others fall back to; no task class can have its name."""


def litellm_config(plan: TierPlan) -> str:
    """The configuration as YAML: ``model_list`` and ``router_settings``.

    Keys and endpoints are the proxy's own affair: they are read from the environment of each
    provider, as LiteLLM does where the file names none.

    Source:
        LiteLLM proxy, config.yaml: ``weight`` of ``litellm_params`` under ``simple-shuffle``,
        ``fallbacks`` of ``router_settings``.
    """
    import yaml  # noqa: PLC0415 - only a written export pays for it

    groups = [_deployment(item.task, part.model, part.share, len(item.models))
              for item in plan.classes for part in item.models]  # fmt: skip
    own = {"model_name": REFERENCE, "litellm_params": {"model": plan.reference}}
    falling = [
        {_group(item.task): [REFERENCE]}
        for item in plan.classes
        if any(part.model != plan.reference for part in item.models)
    ]
    document = {
        "model_list": [*groups, own],
        "router_settings": {"routing_strategy": "simple-shuffle", "fallbacks": falling},
    }
    head = (
        f"# LiteLLM proxy: task classes to models, of a plan made on {plan.made_on}; "
        f"expires on {plan.expires_on}.\n"
    )
    return head + yaml.safe_dump(document, sort_keys=False, width=100, allow_unicode=True)


def _group(task: str) -> str:
    return f"{GROUP}{task}"


def _deployment(task: str, model: str, share: float, parts: int) -> dict[str, Any]:
    asked: dict[str, Any] = {"model": model}
    if parts > 1:
        asked["weight"] = share
    return {"model_name": _group(task), "litellm_params": asked}
