"""Sums over played requests: what was lost, paid, worth, repeated and refused."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from llmops_cli.failover.condensing import Condensed
from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.play import LOST, Played
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.world import World
from llmops_cli.failover.worth import Worth, cold

__all__ = ["SUMS", "Tally", "added", "tally"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SUMS = (
    "requests",
    "lost",
    "away",
    "attempts",
    "refused_minutes",
    "usd",
    "plain_usd",
    "perhaps_usd",
    "quality",
    "plain_quality",
)
"""What is added up, in this order."""

_PERHAPS_BILLED = {FailureKind.TIMEOUT, FailureKind.CUT_SHORT, FailureKind.MALFORMED}
_MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """Of one stretch of time under one policy.

    Attributes:
        sums: ``(10,)`` in the order of :data:`SUMS`. ``usd`` and ``quality`` are of what was
            answered; ``plain_*`` of the same requests where all are answered by whom they prefer.
            ``perhaps_usd`` is what attempts without an answer may have been billed.
        added_s: how much later than usual each answered request was answered.
        added_weight: how many requests each of those stands for.
        played: how many independent requests would be as good evidence.
    """

    sums: Floats
    added_s: Floats
    added_weight: Floats = field(default_factory=lambda: np.zeros(0))
    played: float = 0.0

    def __getitem__(self, name: str) -> float:
        """One of the sums."""
        return float(self.sums[SUMS.index(name)])


def added(parts: Sequence[Tally]) -> Tally:
    """Several stretches as one."""
    return Tally(
        np.sum([item.sums for item in parts], axis=0),
        np.concatenate([item.added_s for item in parts]),
        np.concatenate([item.added_weight for item in parts]),
        sum(item.played for item in parts),
    )


def tally(
    requests: Requests,
    worth: Worth,
    pool_places: tuple[int, ...],
    played: tuple[Played, Condensed],
    world: World,
) -> Tally:
    """Add up what became of requests.

    Args:
        requests: the log.
        worth: of its requests at every deployment of the pool.
        pool_places: place in the pool of each deployment of the chain.
        played: what happened, and the stretch it happened to.
        world: what they met.
    """
    seen, part = played
    row, weight = part.row, part.weight
    pool = np.array(pool_places)
    done = np.flatnonzero(seen.place != LOST)
    place, home = pool[seen.place[done]], pool[seen.preferred]
    away = place != home[done]
    usd, plain_usd, perhaps = _costs(requests, worth, pool, seen, part)
    good = plain_good = 0.0
    if worth.quality is not None:
        good = float(worth.quality[row[done], place] @ weight[done])
        plain_good = float(worth.quality[row, home] @ weight)
    usual = np.array([world.usual_s(i, int(seen.preferred[i])) for i in done.tolist()])
    arrived = np.array(part.load.arrivals_s)[done] if len(done) else np.zeros(0)
    asked = np.array([a.request for a in seen.attempts], dtype=np.int64)
    sums = (
        weight.sum(),
        weight[seen.place == LOST].sum(),
        weight[done][away].sum(),
        weight[asked].sum(),
        _refused_minutes(seen, part),
        usd,
        plain_usd,
        perhaps,
        good,
        plain_good,
    )
    added = seen.ended_s[done] - arrived - usual if len(done) else np.zeros(0)
    squares = float(weight @ weight)
    return Tally(
        np.array(sums, dtype=float),
        added,
        weight[done],
        float(weight.sum()) ** 2 / squares if squares else 0.0,
    )


def _refused_minutes(seen: Played, part: Condensed) -> float:
    # An incident's 429 names no wait; a limit's does.
    found: dict[tuple[int, float], float] = {}
    for a in seen.attempts:
        if a.retry_after_s is not None:
            found[a.place, a.sent_s // _MINUTE_S] = float(part.scale[a.request])
    return sum(found.values())


def _costs(
    requests: Requests, worth: Worth, pool: Ints, played: Played, part: Condensed
) -> tuple[float, float, float]:
    if worth.warm_usd is None or worth.cold_usd is None:
        return 0.0, 0.0, 0.0
    row, weight = part.row, part.weight
    answers = [a for a in played.attempts if a.kind is None]
    at = np.array([a.request for a in answers], dtype=np.int64)
    place = pool[np.array([a.place for a in answers], dtype=np.int64)] if answers else at
    ended = np.array([a.ended_s for a in answers])
    home = pool[played.preferred]
    if part.whole:
        chilly = cold(requests, row[at], place, home[at], ended)
    else:
        chilly = (place != home[at]) & ~part.warm[at]
    paid = np.where(chilly, worth.cold_usd[row[at], place], worth.warm_usd[row[at], place])
    doubtful = [a for a in played.attempts if a.kind in _PERHAPS_BILLED]
    perhaps = sum(
        float(worth.cold_usd[row[a.request], pool[a.place]] * weight[a.request]) for a in doubtful
    )
    return float(paid @ weight[at]), float(worth.warm_usd[row, home] @ weight), perhaps
