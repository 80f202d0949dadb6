"""A plan of tiers as a plain table: one line of JSON per task class, for a router of your own."""

import json

from llmops_cli.tiers.plan import TierPlan

__all__ = ["routing_table"]


def routing_table(plan: TierPlan) -> str:
    """One JSON object per class: ``task``, ``models`` (name to share), ``fallback``.

    The last line is of no class (``task`` null) and says what unknown classes get.
    """
    rows: list[dict[str, object]] = [
        {
            "task": item.task,
            "models": {part.model: part.share for part in item.models},
            "fallback": plan.reference,
            "expires_on": plan.expires_on.isoformat(),
        }
        for item in plan.classes
    ]
    rows.append(
        {
            "task": None,
            "models": {plan.reference: 1.0},
            "fallback": plan.reference,
            "expires_on": plan.expires_on.isoformat(),
        }
    )
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
