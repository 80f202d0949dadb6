"""What may be left out of a long stretch: how long a client remembers, and how many it counts.

A policy without a breaker, a budget or a limit that binds treats every request as if it were
alone. With them requests matter to each other, and more of them must stay.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmops_cli.failover.incidents import Incident
from llmops_cli.failover.policy import Breaker, Deployment, FailoverPolicy
from llmops_cli.failover.world import Manner

__all__ = ["CYCLES", "EVERYTHING", "SHARE", "Rule", "rule_of"]

CYCLES = 3
"""Cooldowns in the head of a piece, and as many in its windows."""

SHARE = 0.01
"""Attempts that open a breaker, or try whether it may close, among those of a cooldown."""

_STEADY_S = 20.0
_NEAR = 0.15
_FEWEST = 100.0


@dataclass(frozen=True, slots=True)
class Rule:
    """How much of a stretch tells it.

    Attributes:
        head_s: of a piece, until the client has forgotten what came before; infinite where
            nothing may be left out.
        windows_s: of the rest of it, all windows together.
        tail_s: before its end, for what comes in it and ends after it.
        pace: requests a second that must stay; infinite where every one must.
    """

    head_s: float
    windows_s: float
    tail_s: float
    pace: float

    @property
    def kept_s(self) -> float:
        """Of a long piece, in seconds."""
        return self.head_s + self.windows_s + self.tail_s


EVERYTHING = Rule(math.inf, math.inf, math.inf, math.inf)
"""Leaves nothing out."""


def rule_of(
    policy: FailoverPolicy,
    members: Sequence[tuple[Deployment, Manner]],
    incidents: Sequence[Incident],
    busiest: tuple[int, int],
) -> Rule:
    """What a policy lets be left out.

    Args:
        policy: what the client remembers, and for how long.
        members: of the chain.
        incidents: of the stretch.
        busiest: requests and tokens of the log's busiest minute.
    """
    breaker, attempts = policy.breaker, policy.backoff.attempts
    lives = _lives_s(policy, len(members), incidents)
    head, windows, pace = _STEADY_S + lives, _STEADY_S, 0.0
    if policy.retry_budget is not None:
        pace = _FEWEST * policy.budget_burst / _STEADY_S
    if breaker is not None:
        head += breaker.window_s + CYCLES * breaker.cooldown_s
        windows = max(windows, CYCLES * breaker.cooldown_s)
        pace = max(pace, _pace(policy, members, incidents))
    if breaker is not None and any(_undecided(breaker, item) for item in incidents):
        head = math.inf
    if any(_binds(item, busiest, attempts + 1) for item, _ in members):
        # A bucket may take long to run dry, and every request takes of it.
        head, pace = math.inf, max(pace, _FEWEST / _STEADY_S)
    return Rule(head, windows, _STEADY_S + lives, pace)


def _undecided(breaker: Breaker, incident: Incident) -> bool:
    """Whether luck decides if a breaker opens, and then holds for long."""
    share = breaker.failure_share
    brown = incident.form == "brownout" and share is not None
    return brown and abs(incident.share - (share or 0.0)) < _NEAR


def _lives_s(policy: FailoverPolicy, deployments: int, incidents: Sequence[Incident]) -> float:
    """How long a request may take that fails everywhere."""
    backoff = policy.backoff
    responds = max((item.responds_s for item in incidents), default=0.0)
    slow = any(item.form == "slow" for item in incidents)
    stuck = policy.timeout_s if slow else min(policy.timeout_s, responds)
    waits = sum(backoff.wait_s(made, None, 1.0) or 0.0 for made in range(1, backoff.attempts))
    return min(deployments * (backoff.attempts * stuck + waits), policy.deadline_s or math.inf)


def _pace(
    policy: FailoverPolicy,
    members: Sequence[tuple[Deployment, Manner]],
    incidents: Sequence[Incident],
) -> float:
    breaker = policy.breaker
    if breaker is None or not breaker.cooldown_s:
        return math.inf
    counted = breaker.allowed_failures
    if counted is not None and any(manner.error_rate for _, manner in members):
        # So many failures a minute: fewer requests would never reach that number.
        return math.inf
    if any(item.form == "brownout" for item in incidents):
        return math.inf  # by luck it opens, and luck comes by the request
    needed = max(breaker.least_attempts, 0 if counted is None else counted + 1)
    return needed / (SHARE * breaker.cooldown_s)


def _binds(deployment: Deployment, busiest: tuple[int, int], attempts: int) -> bool:
    limits = (deployment.requests_per_minute, deployment.tokens_per_minute)
    return any(
        limit is not None and limit < attempts * load
        for limit, load in zip(limits, busiest, strict=True)
    )
