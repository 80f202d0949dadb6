"""The plan as YAML: written, read back, and refused where a hand has made nonsense of it."""

import math
from collections.abc import Iterator

import msgspec

from llmops_cli.documents import converted, document
from llmops_cli.tiers.plan import SCHEMA, ClassPlan, TierPlan

__all__ = ["from_yaml", "to_yaml"]

_HEAD = """\
# Which model answers which task class, by llmops simulate-tiers; `llmops schema tier-plan` prints
# the JSON Schema. Hold it against new traffic with: llmops simulate-tiers LOG --plan THIS_FILE
# Losses are quality of the reference model minus quality of the plan, on a scale of 0 to 1.
"""


def to_yaml(plan: TierPlan) -> str:
    """The plan as commented YAML; the same plan gives the same bytes."""
    import yaml  # noqa: PLC0415 - only a written plan pays for it

    plain = msgspec.to_builtins(plan)
    return _HEAD + yaml.safe_dump(plain, sort_keys=False, width=100, allow_unicode=True)


def from_yaml(text: str, *, source: str = "the plan") -> TierPlan:
    """Read a plan back.

    Raises:
        LlmopsError: ``plan-not-yaml``, ``plan-schema-unknown``, ``plan-invalid`` with the
            field.
    """
    again = "write the plan again with llmops simulate-tiers -o"
    found = document(text, SCHEMA, prefix="plan", source=source, hint=again)
    said = "llmops schema tier-plan says what a plan holds"
    with converted(slug="plan-invalid", source=source, hint=said):
        plan = msgspec.convert(found, TierPlan)
        _require_sound(plan)
    return plan


_MOST_FLOOR = 2.0
"""As of the floors that a plan is asked for."""

_ROUNDING = 1e-6


def _require_sound(plan: TierPlan) -> None:
    """Refuse, by its place, what the types allow and no plan can mean."""
    for at, wrong in _unsound(plan):
        raise msgspec.ValidationError(f"{wrong} - at `$.{at}`")


def _unsound(plan: TierPlan) -> Iterator[tuple[str, str]]:
    if not plan.classes:
        yield "classes", "A plan has a class"
    if not 0 < plan.alpha < 1:
        yield "alpha", "A risk lies between 0 and 1"
    yield from _unsound_limits(plan)
    for name in ("saving", "loss"):
        value = getattr(plan, name).value
        if not math.isfinite(value):
            yield f"{name}.value", "This is not a finite number"
    seen = set[str]()
    for number, item in enumerate(plan.classes):
        if item.task in seen:
            yield f"classes[{number}].task", f"'{item.task}' has a place already"
        seen.add(item.task)
        yield from _unsound_class(f"classes[{number}]", item)


def _unsound_limits(plan: TierPlan) -> Iterator[tuple[str, str]]:
    limits = plan.limits
    if not _is_floor(limits.floor):
        yield "limits.floor", f"A floor lies above 0, at most at {_MOST_FLOOR:g}"
    for name in ("budget_usd_per_1000", "max_p95_s", "max_providers"):
        value = getattr(limits, name)
        if value is not None and not 0 < value < math.inf:
            yield f"limits.{name}", "A limit lies above 0"
    for model, share in limits.capacity.items():
        if not 0 < share <= 1:
            yield f"limits.capacity.{model}", "A capacity is a share of the requests"


def _unsound_class(at: str, item: ClassPlan) -> Iterator[tuple[str, str]]:
    if not _is_floor(item.floor):
        yield f"{at}.floor", f"A floor lies above 0, at most at {_MOST_FLOOR:g}"
    shares = [part.share for part in item.models]
    if not (abs(sum(shares) - 1) <= _ROUNDING and all(share > 0 for share in shares)):
        yield f"{at}.models", "Shares of a class are above 0 and add up to 1"
    if len({part.model for part in item.models}) < len(shares):
        yield f"{at}.models", "A model stands twice in this class"


def _is_floor(share: float | None) -> bool:
    return share is None or 0 < share <= _MOST_FLOOR
