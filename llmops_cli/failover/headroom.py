"""Whether a backup can carry the load: the log's busiest minute beside each deployment's limits."""

from dataclasses import dataclass

import numpy as np

from llmops_cli.failover.model import Pool
from llmops_cli.failover.requests import Requests

__all__ = ["Headroom", "headroom"]

_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True)
class Headroom:
    """Of one deployment.

    Attributes:
        deployment: its name.
        requests_per_minute: its limit.
        tokens_per_minute: its limit.
        busiest_requests: of the log in one minute.
        busiest_tokens: of the log in one minute.
    """

    deployment: str
    requests_per_minute: int | None
    tokens_per_minute: int | None
    busiest_requests: int
    busiest_tokens: int

    @property
    def carries(self) -> float | None:
        """Share of the busiest minute that fits, 1 at most; None where no limit is known."""
        pairs = (
            (self.requests_per_minute, self.busiest_requests),
            (self.tokens_per_minute, self.busiest_tokens),
        )
        shares = [limit / load for limit, load in pairs if limit is not None and load]
        return min([1.0, *shares]) if shares else None


def headroom(requests: Requests, pool: Pool) -> tuple[Headroom, ...]:
    """Hold every deployment's limits against the log's busiest minute."""
    minute = (requests.arrival_s // _MINUTE_S).astype(np.int64)
    _, place = np.unique(minute, return_inverse=True)
    calls = int(np.bincount(place).max())
    tokens = int(np.bincount(place, weights=requests.tokens.sum(axis=1)).max())
    return tuple(
        Headroom(item.name, item.requests_per_minute, item.tokens_per_minute, calls, tokens)
        for item in pool.chain
    )
