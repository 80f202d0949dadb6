"""The pool of deployments, the policies compared and the outages they meet: the question's data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.failover.incidents import Incident
from llmops_cli.failover.policy import Backoff, Breaker, Deployment, FailoverPolicy
from llmops_cli.failover.sampling import Outage
from llmops_cli.failover.world import Manner

__all__ = [
    "FailoverParameters",
    "FailoverPlan",
    "Line",
    "Member",
    "Pool",
    "usage_error",
    "usual_lines",
]

MOST_YEARS = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A deployment with all that is known of it.

    Attributes:
        deployment: what a client knows.
        manner: how it answers.
        quality: of its answers by task class, 0 to 1; "" stands for every class; empty where
            nothing is known.
        price_as: name in the price book; empty for the model itself.
        own_latency: whether its latency is stated, by itself or as a ratio to the log's, and not
            that of the log for want of a better.
    """

    deployment: Deployment
    manner: Manner = field(default_factory=Manner)
    quality: Mapping[str, float] = field(default_factory=dict[str, float])
    price_as: str = ""
    own_latency: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One policy over one chain: a line of the comparison.

    Attributes:
        policy: what the client does.
        places: in the pool, in the order of preference.
        hedge_share: share of answers that are there when a hedge starts, as the file says it;
            the policy has the seconds once :mod:`llmops_cli.failover.hedging` knows the log.
    """

    policy: FailoverPolicy
    places: tuple[int, ...]
    hedge_share: float | None = None


@dataclass(frozen=True, slots=True)
class FailoverPlan:
    """One policy and its chain, for other programs.

    Attributes:
        policy: what a client does.
        chain: in the order of preference.
    """

    policy: FailoverPolicy
    chain: tuple[Deployment, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """What a failover file says.

    Attributes:
        members: the deployments, in the order of preference.
        lines: the policies compared.
        incidents: on the log itself; times after its first request.
        outages: how often providers are down, for sampled years.
        common: share of outages that all providers have together.
    """

    members: tuple[Member, ...]
    lines: tuple[Line, ...]
    incidents: tuple[Incident, ...] = ()
    outages: tuple[Outage, ...] = ()
    common: float = 0.0

    @property
    def chain(self) -> tuple[Deployment, ...]:
        """All deployments."""
        return tuple(item.deployment for item in self.members)


@dataclass(frozen=True, kw_only=True, slots=True)
class FailoverParameters:
    """How much is played, and the gates.

    Attributes:
        years: of outages drawn.
        most_requests: played per policy at most; episodes are drawn until they reach it.
        seed: of all chance.
        own_episodes: whether the log's own error episodes are played as incidents.
        min_availability: gate on the last policy: share of requests answered.
        max_cost_ratio: gate on its cost over that of a world without failures.
        portability: whether the logged prompts are held against the other API.
        search: whether every chain of the pool is tried under the last policy.
    """

    years: int = 200
    most_requests: int = 60_000
    seed: int = 0
    own_episodes: bool = False
    min_availability: float | None = None
    max_cost_ratio: float | None = None
    portability: bool = False
    search: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be played."""
        if self.years < 1 or self.most_requests < 1:
            raise usage_error(
                "failover-no-runs", "nothing is played in less than one year and one request", ""
            )
        if self.years > MOST_YEARS:
            raise usage_error(
                "failover-too-long",
                f"{self.years:,} years of outages are more than can be drawn ({MOST_YEARS:,})",
                "200 years tell an average year to a few per cent",
            )
        bound = self.min_availability
        if bound is not None and not 0 < bound < 1:
            raise usage_error(
                "failover-bad-gate",
                f"{bound:g} is no share of requests",
                "--min-availability 0.999",
            )
        most = self.max_cost_ratio
        if most is not None and not 0 < most < math.inf:
            raise usage_error(
                "failover-bad-gate", f"{most:g} is no ratio of costs", "--max-cost-ratio 1.2"
            )


def usage_error(slug: str, sentence: str, hint: str) -> LlmopsError:
    """A refusal of what was asked, not of what was read."""
    return LlmopsError(slug, sentence, hint=hint, exit_code=ExitCode.USAGE)


def usual_lines(members: int) -> tuple[Line, ...]:
    """The policies that are compared where a file names none: from nothing to everything."""
    everyone = tuple(range(members))
    alone = Backoff(attempts=1)
    lines = [
        Line(FailoverPolicy(name="one attempt", backoff=alone, breaker=None), (0,)),
        Line(FailoverPolicy(name="retries", breaker=None), (0,)),
    ]
    if members > 1:
        lines += [
            Line(FailoverPolicy(name="retries, then fallback", breaker=None), everyone),
            Line(FailoverPolicy(name="with circuit breaker", breaker=Breaker()), everyone),
        ]
    return tuple(lines)
