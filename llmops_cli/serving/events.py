"""The clock of a fleet, compiled: whatever comes next happens, until nothing is left.

At the same moment arrivals come first, then transfers, then the ends of iterations, and only when
nothing else happens then do new ones begin: a request that arrives as an iteration ends, or
because one ends, is considered for the next one.
"""

from typing import TYPE_CHECKING

from llmops_cli.serving.batching import join_line
from llmops_cli.serving.compiled import compiled, entry, inlined, pasted
from llmops_cli.serving.plans import pop_plan
from llmops_cli.serving.ranking import rank_again
from llmops_cli.serving.records import note
from llmops_cli.serving.replica import begin, cut, end
from llmops_cli.serving.router import fewest_outstanding, route
from llmops_cli.serving.state import (
    ARRIVAL,
    DECODE_REPLICA,
    EVICTION,
    INPUT,
    OUTSTANDING,
    PHASE,
    PLANNED,
    PLANS,
    REFERENCES,
    REPLICA,
    ROUTED,
    TRANSFERRED,
    Fleet,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["replay"]

CLAIRVOYANT_EVICTION = 3
ARRIVED, MOVED = 0, 6
NOTHING = float("inf")


@inlined
def _queue(fleet: Fleet, r: int, q: int, now: float) -> None:
    """A request joins a replica, which wakes up if it is idle."""
    join_line(fleet.requests, fleet.replicas[r], q)
    fleet.replicas[r, OUTSTANDING] += 1
    if fleet.replicas[r, PLANNED] == 0:
        fleet.ends[r] = now
    else:
        cut(fleet, r, now)


@compiled
def _look_ahead(fleet: Fleet, q: int) -> None:
    """The blocks of this request are needed next by the one that follows it."""
    for i in range(fleet.starts[q], fleet.starts[q + 1]):
        block = fleet.blocks[i]
        fleet.next_use[block] = fleet.following[i]
        for r in range(len(fleet.ends)):
            place = fleet.places[r, block]
            if place >= 0 and fleet.slots[r, place, REFERENCES] == 0:
                rank_again(fleet, r, place)


@pasted
def _arrive(fleet: Fleet, q: int, now: float) -> None:
    fleet.times[q, ARRIVAL] = now
    if fleet.settings[EVICTION] == CLAIRVOYANT_EVICTION:
        _look_ahead(fleet, q)
    r = route(fleet, q, now)
    fleet.requests[q, REPLICA] = fleet.requests[q, DECODE_REPLICA] = r
    note(fleet, now, ARRIVED, r, q, fleet.replicas[r, OUTSTANDING])
    _queue(fleet, r, q, now)


@compiled
def _move(fleet: Fleet, q: int, now: float) -> None:
    """The KV cache of a request reaches the decode pool."""
    r = fewest_outstanding(fleet, fleet.settings[ROUTED], len(fleet.ends))
    fleet.requests[q, PHASE] = TRANSFERRED
    fleet.requests[q, DECODE_REPLICA] = r
    note(fleet, now, MOVED, r, q, fleet.requests[q, INPUT])
    _queue(fleet, r, q, now)


@inlined
def _first_to_end(ends: "NDArray[np.float64]", replicas: "NDArray[np.int64]") -> int:
    """The replica whose end comes first; of equal ones, one whose iterations are not ended yet."""
    first, end = 0, ends[0]
    for r in range(1, len(ends)):
        if ends[r] > end:
            continue
        if ends[r] < end or replicas[first, PLANNED] == 0 < replicas[r, PLANNED]:
            first, end = r, ends[r]
    return first


@entry
def replay(fleet: Fleet, opening: "NDArray[np.int64]") -> None:
    """Run the fleet.

    Args:
        fleet: as ``build.py`` makes it; changed in place.
        opening: int64, the requests that arrive as in the trace, in that order.
    """
    requests = len(fleet.requests)
    came = 0
    arrival = fleet.times[opening[0], ARRIVAL] if len(opening) > 0 else NOTHING
    while True:
        plan = fleet.plan_times[0] if fleet.counters[PLANS] > 0 else NOTHING
        r = _first_to_end(fleet.ends, fleet.replicas)
        now = min(arrival, plan, fleet.ends[r])
        if now == NOTHING:
            return
        if arrival == now and (plan > now or opening[came] < fleet.plans[0]):
            _arrive(fleet, opening[came], now)
            came += 1
            arrival = fleet.times[opening[came], ARRIVAL] if came < len(opening) else NOTHING
        elif plan == now:
            what = pop_plan(fleet.plan_times, fleet.plans, fleet.counters)
            if what < requests:
                _arrive(fleet, what, now)
            else:
                _move(fleet, what - requests, now)
        elif fleet.replicas[r, PLANNED] > 0:
            end(fleet, r, now)
            fleet.replicas[r, PLANNED] = 0
        else:
            begin(fleet, r, now)
