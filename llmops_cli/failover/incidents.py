"""When deployments fail: incidents as intervals, and which of them a moment falls into.

An incident is full (nothing succeeds), a brown-out (a share fails) or slow (answers take longer).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.policy import Deployment

__all__ = ["Incident", "Outages", "meets"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Incident:
    """Something that is wrong for a while.

    Attributes:
        start_s: after the first request of the log.
        duration_s: until it is over.
        form: full, brownout or slow.
        share: of the attempts that fail in a brown-out.
        error: what they meet.
        responds_s: how long a failing attempt takes; infinite where nothing comes back.
        slower: how many times longer answers take, in a slow one.
        provider: whose deployments it touches; empty for any.
        region: in which region; empty for any.
        deployment: only this one; empty for any.
    """

    start_s: float
    duration_s: float
    form: Literal["full", "brownout", "slow"] = "full"
    share: float = 1.0
    error: FailureKind = FailureKind.UNAVAILABLE
    responds_s: float = 0.2
    slower: float = 1.0
    provider: str = ""
    region: str = ""
    deployment: str = ""

    @property
    def end_s(self) -> float:
        """When it is over."""
        return self.start_s + self.duration_s


def meets(incident: Incident, deployment: Deployment) -> bool:
    """Whether an incident touches a deployment."""
    return (
        incident.provider in {"", deployment.provider}
        and incident.region in {"", deployment.region}
        and incident.deployment in {"", deployment.name}
    )


class Outages:
    """The incidents of one scenario by deployment; where several overlap, the worst holds.

    Args:
        incidents: in any order.
        chain: the deployments.
    """

    def __init__(self, incidents: Sequence[Incident], chain: Sequence[Deployment]) -> None:
        self._of = [_pieces([i for i in incidents if meets(i, item)]) for item in chain]

    def at(self, place: int, now_s: float) -> Incident | None:
        """The incident that a deployment is in."""
        starts, pieces = self._of[place]
        found = bisect_right(starts, now_s) - 1
        return pieces[found] if found >= 0 else None


def _pieces(incidents: Sequence[Incident]) -> tuple[list[float], list[Incident | None]]:
    # Cut time at every start and end; between two cuts the same incidents hold.
    cuts = sorted({moment for item in incidents for moment in (item.start_s, item.end_s)})
    return cuts, [_worst([i for i in incidents if i.start_s <= cut < i.end_s]) for cut in cuts]


def _worst(active: Sequence[Incident]) -> Incident | None:
    return max(active, key=lambda item: (_failing(item), item.slower), default=None)


def _failing(incident: Incident) -> float:
    return {"full": 1.0, "brownout": incident.share, "slow": 0.0}[incident.form]
