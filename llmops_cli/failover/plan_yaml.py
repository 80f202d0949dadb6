"""The plan as YAML: written, read back, and refused where a hand has made nonsense of it."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from llmops_cli.documents import converted, document
from llmops_cli.failover.document_entries import invalid, within
from llmops_cli.failover.document_members import line_of
from llmops_cli.failover.plan import SCHEMA, Expected, PlanDocument

__all__ = ["from_yaml", "to_yaml"]

_HEAD = """\
# Who answers when a provider fails, by llmops simulate-failover; `llmops schema failover-plan`
# prints the JSON Schema. Deployments come in the order they are asked. What they and the outages
# say is assumed, as the failover file stated it; `measured` is of the log, `foretold` of the
# simulation. Hold it against a newer log: llmops simulate-failover LOG --plan THIS_FILE
"""


def to_yaml(plan: PlanDocument) -> str:
    """The plan as commented YAML; the same plan gives the same bytes."""
    import yaml  # noqa: PLC0415 - only a written plan pays for it

    plain = msgspec.to_builtins(plan)
    plain["deployments"] = [_told(item) for item in plain["deployments"]]
    plain["outages"] = [_told(item) for item in plain["outages"]]
    return _HEAD + yaml.safe_dump(plain, sort_keys=False, width=100, allow_unicode=True)


def _told(entry: dict[str, Any]) -> dict[str, Any]:
    # As in a failover file, what is not said is left out; a silent provider's null is said.
    unsaid = {k for k, v in entry.items() if v in (None, "") or (k == "weight" and not v)}
    return {k: v for k, v in entry.items() if k == "responds_s" or k not in unsaid}


def from_yaml(text: str, *, source: str = "the plan") -> PlanDocument:
    """Read a plan back.

    Args:
        text: of the file.
        source: its name, for messages.

    Raises:
        LlmopsError: ``plan-not-yaml``, ``plan-schema-unknown``, ``plan-invalid`` with the field;
            of its deployments, policy and outages those of
            :func:`llmops_cli.failover.document.pool_from_yaml`.
    """
    again = "write the plan again with llmops simulate-failover -o"
    found = document(text, SCHEMA, prefix="plan", source=source, hint=again)
    said = "llmops schema failover-plan says what a plan holds"
    with converted(slug="plan-invalid", source=source, hint=said):
        # Moments of YAML are Python's already, of JSON they would be text.
        plan = msgspec.convert(found, PlanDocument)
        for at, wrong in _unsound(plan):
            raise msgspec.ValidationError(f"{wrong} - at `$.{at}`")
    for name in ("deployments", "hedge_after"):
        if name in found["policy"]:
            reason = f"a plan's policy has no '{name}': it is over the whole chain, in seconds"
            raise invalid(reason, f"policy.{name}", source)
    line_of(found["policy"], [item.name for item in plan.deployments], "policy", source)
    within(plan.common_share, "common_share", source)
    plan.pool(source)
    return plan


def _unsound(plan: PlanDocument) -> Iterator[tuple[str, str]]:
    names = [item.name for item in plan.deployments]
    if not names:
        yield "deployments", "A plan has a deployment"
    for at, name in enumerate(names):
        if name in names[:at]:
            yield f"deployments[{at}].name", f"'{name}' has a place already"
    if plan.simulated.years < 1 or plan.simulated.most_requests < 1:
        yield "simulated", "Nothing is played in less than one year and one request"
    if plan.measured.began.tzinfo is None:
        yield "measured.began", "A moment has a zone of time"
    if (plan.foretold.of == "year") is not bool(plan.outages):
        yield "foretold.of", "A year is foretold from outages, and a log without them"
    yield from _unsound_log(plan, names)
    yield from _unsound_limits(plan)
    for name in ("availability", "lost_per_year", "cost_ratio", "quality_change"):
        said: Expected | None = getattr(plan.foretold, name)
        if said is not None:
            yield from _unsound_figure(f"foretold.{name}", said)
    if plan.limits.min_availability is None and plan.foretold.availability.promised is None:
        yield "foretold.availability.promised", "A plan without limits promises something"


def _unsound_log(plan: PlanDocument, names: list[str]) -> Iterator[tuple[str, str]]:
    made = plan.measured
    for name in ("hours", "requests", "median_s", "p99_s"):
        if not 0 < getattr(made, name) < math.inf:
            yield f"measured.{name}", "It lies above 0"
    for at, item in enumerate(made.hedges):
        if item.deployment not in names:
            yield f"measured.hedges[{at}].deployment", f"'{item.deployment}' is no deployment"
        if not 0 < item.quantile < 1:
            yield f"measured.hedges[{at}].quantile", "It is a share of the answers"


def _unsound_limits(plan: PlanDocument) -> Iterator[tuple[str, str]]:
    least, most = plan.limits.min_availability, plan.limits.max_cost_ratio
    if least is not None and not 0 < least < 1:
        yield "limits.min_availability", "It is a share of the requests"
    if most is not None and not 0 < most < math.inf:
        yield "limits.max_cost_ratio", "A limit lies above 0"


def _unsound_figure(at: str, said: Expected) -> Iterator[tuple[str, str]]:
    for name in ("value", "low", "high", "promised"):
        value = getattr(said, name)
        if value is not None and not math.isfinite(value):
            yield f"{at}.{name}", "This is not a finite number"
