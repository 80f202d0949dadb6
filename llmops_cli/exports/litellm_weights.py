"""A rollout plan for the LiteLLM router: one model group of two weighted deployments."""

from typing import Any

from llmops_cli.exports.rollout_file import (
    APP,
    DECIDED_ELSEWHERE,
    PER_REQUEST,
    RolloutFile,
    rollout_file,
    weights,
)
from llmops_cli.exports.rollout_policy import no_copies
from llmops_cli.rollout.model import Plan

__all__ = ["litellm_weights"]


def litellm_weights(plan: Plan) -> RolloutFile:
    """The configuration at the first stage: ``model_list`` and ``router_settings``.

    Source:
        LiteLLM router: deployments of one ``model_name`` are drawn by ``weight`` under
        ``simple-shuffle``; a retry may be drawn to another of them.
    """
    notes = [
        (
            f"The group ({APP}) and both models are yours to change; keys and endpoints come from "
            "the environment of each provider. model_info.id tells the versions apart in the logs."
        ),
        "It holds the first stage; when check-rollout says PROMOTE, the next weights are:",
        *(f"  {stage.percent:g} %: {_words(stage.percent)}" for stage in plan.stages[1:]),
    ]
    warnings = [
        DECIDED_ELSEWHERE,
        *no_copies(plan),
        PER_REQUEST,
        (
            "A retry is drawn anew and can land on the other version, which hides the errors of "
            "the first: num_retries is 0 here, and clients retry instead."
        ),
        (
            "A deployment in cooldown passes its share to the other: the split is then not what "
            "the stage says, so cooldowns are off here."
        ),
        "A prompt or chain change has no place in it: the versions differ by model or endpoint.",
    ]
    title = "LiteLLM router: weights from a plan of llmops plan-rollout."
    return rollout_file(title, notes, warnings, [_config(plan)])


def _config(plan: Plan) -> dict[str, Any]:
    shares = zip(("stable", "canary"), weights(plan.stages[0].percent), strict=True)
    deployments = [
        {
            "model_name": APP,
            "litellm_params": {"model": f"openai/{name}-model", "weight": weight},
            "model_info": {"id": name},
        }
        for name, weight in shares
    ]
    settings = {"routing_strategy": "simple-shuffle", "num_retries": 0, "disable_cooldowns": True}
    return {"model_list": deployments, "router_settings": settings}


def _words(percent: float) -> str:
    control, canary = weights(percent)
    return f"stable {control}, canary {canary}"
