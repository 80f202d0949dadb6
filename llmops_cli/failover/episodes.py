"""The stretches of time in which something is wrong, each with what follows from it.

Between them nothing happens that was not there before, so only they are played.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from llmops_cli.failover.incidents import Incident, meets
from llmops_cli.failover.policy import Deployment, FailoverPolicy

__all__ = ["Episode", "episodes_of", "settling_s"]


@dataclass(frozen=True, slots=True)
class Episode:
    """Incidents that overlap, or nearly do.

    Attributes:
        incidents: in the order of their start.
        start_s: of the first.
        end_s: when the client has forgotten the last.
    """

    incidents: tuple[Incident, ...]
    start_s: float
    end_s: float

    @property
    def several(self) -> bool:
        """Whether two of them hold at once, on different providers or regions."""
        places = [(item.provider, item.region, item.deployment) for item in self.incidents]
        return any(
            first.start_s < second.end_s and second.start_s < first.end_s and a != b
            for first, a in zip(self.incidents, places, strict=True)
            for second, b in zip(self.incidents, places, strict=True)
        )


def settling_s(policy: FailoverPolicy) -> float:
    """How long after an incident a client may still act on it."""
    backoff, breaker = policy.backoff, policy.breaker
    waits = backoff.attempts * max(backoff.longest_backoff_s, backoff.longest_wait_s)
    return policy.timeout_s + waits + (breaker.cooldown_s + breaker.window_s if breaker else 0.0)


def episodes_of(
    incidents: Sequence[Incident], chain: Sequence[Deployment], settle_s: float
) -> tuple[Episode, ...]:
    """Group incidents that touch a chain.

    Args:
        incidents: in the order of their start.
        chain: the deployments.
        settle_s: how long after an incident its traces last.
    """
    found: list[Episode] = []
    for item in incidents:
        if not any(meets(item, deployment) for deployment in chain):
            continue
        end = item.end_s + settle_s
        if found and item.start_s < found[-1].end_s:
            last = found.pop()
            item_group = (*last.incidents, item)
            found.append(Episode(item_group, last.start_s, max(last.end_s, end)))
        else:
            found.append(Episode((item,), item.start_s, end))
    return tuple(found)
