"""The plan as a document: the chain, the policy, and what the simulation foretold of them.

Made in :mod:`llmops_cli.failover.plan_making`, written and read back in
:mod:`llmops_cli.failover.plan_yaml`, held against a newer log in
:mod:`llmops_cli.failover.plan_check`; ``llmops schema failover-plan`` prints its JSON Schema.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from llmops_cli.failover.document_entries import DeploymentEntry, OutageEntry
from llmops_cli.failover.document_incidents import outage_of
from llmops_cli.failover.document_members import member_of
from llmops_cli.failover.model import FailoverPlan, Line, Pool
from llmops_cli.failover.policy import Deployment, FailoverPolicy

__all__ = [
    "SCHEMA",
    "Expected",
    "Foretold",
    "HedgeFound",
    "Limits",
    "Measured",
    "PlanDocument",
    "Simulated",
    "plan_schema",
]

SCHEMA = "llmops.failover-plan/1"


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A figure with its interval; null is open. ``promised`` is what a newer log is held against.

    It leaves room for the doubt of both simulations, null where there is no interval.
    """

    value: float
    low: float | None
    high: float | None
    promised: float | None = None


class Foretold(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the simulation said; null is unknown.

    ``of`` is an average year where outages are given, else the log. ``attempts`` per request and
    ``added_*_s``, how much later than usual an answer comes, hold while something is wrong.
    """

    of: Literal["year", "log"]
    availability: Expected
    lost_per_year: Expected | None
    cost_ratio: Expected | None
    usd_per_1000: float | None
    quality_change: Expected | None
    attempts: float
    added_median_s: float | None
    added_p99_s: float | None


class HedgeFound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The wait of one deployment before a second attempt, where the policy asked for a quantile.

    ``calls`` is null where the latency was stated, ``high_s`` where the log has no upper end.
    """

    deployment: str
    quantile: float
    after_s: float
    low_s: float
    high_s: float | None
    calls: int | None
    origin: str


class Measured(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The log that the plan was made on; the digest is of its requests, however the files lay."""

    sha256: str
    began: datetime
    hours: float
    requests: int
    failed: int
    median_s: float
    p99_s: float
    busiest_requests_per_minute: int
    busiest_tokens_per_minute: int
    hedges: tuple[HedgeFound, ...] = ()


class Simulated(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How much was played; a check plays the same."""

    years: int
    most_requests: int
    seed: int
    own_episodes: bool
    episodes: int
    of_sampled: int


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The gates that were asked for; null is no limit."""

    min_availability: float | None
    max_cost_ratio: float | None


class PlanDocument(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole plan.

    The deployments are in the order of the chain. What they and the outages say is assumed, as
    the failover file stated it; what the log says is under ``measured``.
    """

    schema: Literal["llmops.failover-plan/1"]
    policy: FailoverPolicy
    deployments: list[DeploymentEntry]
    outages: list[OutageEntry]
    common_share: float
    measured: Measured
    simulated: Simulated
    limits: Limits
    foretold: Foretold

    @property
    def plan(self) -> FailoverPlan:
        """The policy and its chain, for a client and for other programs."""
        pool = self.pool()
        return FailoverPlan(self.policy, pool.chain)

    def pool(self, source: str = "the plan") -> Pool:
        """What is simulated again: one policy over the whole chain.

        Args:
            source: name of the file, for messages.

        Raises:
            LlmopsError: ``failover-invalid``, ``failover-unknown-provider``.
        """
        members = tuple(member_of(item, at, source) for at, item in enumerate(self.deployments))
        # A provider that the chain leaves out still sets how many outages all have together.
        touched = (
            *(item.deployment for item in members),
            *(
                Deployment(name="", provider=i.provider, region=i.region, model="")
                for i in self.outages
            ),
        )
        return Pool(
            members=members,
            lines=(Line(self.policy, tuple(range(len(members)))),),
            outages=tuple(
                outage_of(item, touched, f"outages[{at}]", source)
                for at, item in enumerate(self.outages)
            ),
            common=self.common_share,
        )


def plan_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a plan."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "llmops failover plan",
        **msgspec.json.schema(PlanDocument),
    }
