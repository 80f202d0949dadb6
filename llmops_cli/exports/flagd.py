"""A rollout plan for flagd: one flag whose fractional rule assigns users, and keeps them.

The bucket of a user is a hash of the flag and the user, and the canary's bucket comes first: who
was on the new version stays there as its share grows.
"""

from typing import Any

from llmops_cli.exports.rollout_file import (
    APP,
    DECIDED_ELSEWHERE,
    RolloutFile,
    rollout_file,
    weights,
)
from llmops_cli.exports.rollout_policy import no_copies
from llmops_cli.rollout.model import Plan

__all__ = ["flagd_flag"]

_SCHEMA = "https://flagd.dev/schema/v0/flags.json"


def flagd_flag(plan: Plan) -> RolloutFile:
    """The flag at the first stage, as YAML, which flagd reads beside JSON.

    Source:
        flagd, fractional: bucket key, then ``[variant, weight]`` with whole weights; the
        default key is ``$flagd.flagKey`` and ``targetingKey``, spelled out here.
    """
    notes = [
        (
            f"The flag's name ({APP}) and what the variants hold are yours to change. Give the "
            "user (or conversation) as targetingKey: it is what sticks to a version."
        ),
        "It holds the first stage; when check-rollout says PROMOTE, the next weights are:",
        *(f"  {stage.percent:g} %: {_words(stage.percent)}" for stage in plan.stages[1:]),
        "To go back, set defaultVariant alone: targeting: {}.",
    ]
    warnings = [
        DECIDED_ELSEWHERE,
        *no_copies(plan),
        (
            "A flag without a targetingKey in its context has nobody to assign: requests without a "
            "user fall into one bucket, together."
        ),
    ]
    title = "flagd: a fractional flag from a plan of llmops plan-rollout."
    document = {"$schema": _SCHEMA, "flags": {APP: _flag(plan)}}
    return rollout_file(title, notes, warnings, [document])


def _flag(plan: Plan) -> dict[str, Any]:
    control, canary = weights(plan.stages[0].percent)
    bucket = {"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}
    return {
        "state": "ENABLED",
        "variants": {"canary": "canary", "stable": "stable"},
        "defaultVariant": "stable",
        "targeting": {"fractional": [bucket, ["canary", canary], ["stable", control]]},
    }


def _words(percent: float) -> str:
    control, canary = weights(percent)
    return f'["canary", {canary}], ["stable", {control}]'
