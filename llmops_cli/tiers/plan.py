"""The plan as a document: which task class gets which model, why, and until when.

Made in :mod:`llmops_cli.tiers.plan_making`, written as YAML and read back in
:mod:`llmops_cli.tiers.plan_yaml`; ``llmops schema tier-plan`` prints its JSON Schema.
"""

from datetime import date
from typing import Any

import msgspec

__all__ = [
    "SCHEMA",
    "ClassPlan",
    "Expected",
    "Limits",
    "ModelShare",
    "TierPlan",
    "plan_schema",
]

SCHEMA = "llmops.tier-plan/1"


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A figure of the traffic the plan was made on, with its interval; null is unknown."""

    value: float
    low: float | None
    high: float | None


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the plan had to meet; null is no limit."""

    floor: float | None
    budget_usd_per_1000: float | None
    max_p95_s: float | None
    max_providers: int | None
    capacity: dict[str, float]


class ModelShare(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model and the part of the class it gets, above 0 and at most 1."""

    model: str
    share: float


class ClassPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One task class.

    ``floor`` is a share of the reference's quality, null for none; ``survives`` the share of
    resamples of the traffic that choose the same model.
    """

    task: str
    models: tuple[ModelShare, ...]
    reason: str
    requests: int
    share_of_requests: float
    floor: float | None
    reference_quality: float | None
    loss: Expected | None
    cost_usd_per_1000: float | None
    survives: float


class TierPlan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole plan."""

    schema: str
    reference: str
    made_on: date
    expires_on: date
    requests: int
    clusters: int
    evidence: str
    alpha: float
    limits: Limits
    saving: Expected
    loss: Expected
    cost_usd_per_1000: float
    classes: tuple[ClassPlan, ...]


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a plan."""
    found = msgspec.json.schema(TierPlan)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmops tier plan",
        **found,
    }
