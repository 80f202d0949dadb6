"""Blocks of one replica, compiled: what a prompt finds cached, what it holds, what makes room.

A full block of a prompt enters the cache in the iteration that computes it; sequences that hold
the same prefix share it. Everything else a sequence holds is its own and is freed with it.
"""

from llmops_cli.serving.compiled import compiled, inlined
from llmops_cli.serving.ranking import drop_lowest, release_ranked, share_ranked, unused_ranked
from llmops_cli.serving.recency import drop_oldest, release, share, unused
from llmops_cli.serving.second_tier import into_tier, tell_index
from llmops_cli.serving.state import (
    CACHED,
    CAPACITY,
    EVICTION,
    HELD,
    NONE,
    OWN,
    OWNED,
    REFERENCED,
    TIER_CAPACITY,
    Fleet,
)

__all__ = ["found", "hold", "hold_more", "let_go", "make_room", "room_for", "store"]

LRU = 0


@inlined
def found(fleet: Fleet, r: int, q: int, most: int) -> int:
    """How many leading blocks of this prompt are cached here."""
    start, places = fleet.starts[q], fleet.places[r]
    n = 0
    while n < most and places[fleet.blocks[start + n]] >= 0:
        n += 1
    return n


@inlined
def room_for(fleet: Fleet, r: int, q: int, cached: int, needed: int) -> bool:
    """Whether a sequence of so many blocks fits, the first of them cached."""
    replica = fleet.replicas[r]
    room = fleet.settings[CAPACITY] - replica[OWNED] - replica[HELD]
    if needed <= room:  # even if every cached block had to be taken out of the unused ones
        return True
    if fleet.settings[EVICTION] == LRU:
        left = unused(fleet.places[r], fleet.blocks, fleet.starts[q], cached)
    else:
        left = unused_ranked(fleet, r, fleet.starts[q], cached)
    return needed - cached <= room - left


@inlined
def _share(fleet: Fleet, r: int, q: int, until: int, now: float) -> None:
    """Hold the prompt's blocks up to this one, from the first that is not held yet."""
    start, first = fleet.starts[q], fleet.requests[q, REFERENCED]
    if fleet.settings[EVICTION] == LRU and len(fleet.log) == 0:
        share(fleet.places[r], fleet.replicas[r], fleet.blocks, start + first, start + until)
    else:
        _share_otherwise(fleet, r, start, (first, until), now)
    fleet.requests[q, REFERENCED] = until


@compiled
def _share_otherwise(fleet: Fleet, r: int, start: int, depths: tuple[int, int], now: float) -> None:
    """Blocks have ranks, or the router hears of each that is stored."""
    for depth in range(depths[0], depths[1]):
        at = start + depth
        block = fleet.blocks[at]
        if len(fleet.log) > 0 and fleet.places[r, block] == NONE:
            tell_index(fleet, block, r, now, 1)
        if fleet.settings[EVICTION] == LRU:
            share(fleet.places[r], fleet.replicas[r], fleet.blocks, at, at + 1)
        else:
            share_ranked(fleet, r, block, depth)


@inlined
def hold_more(fleet: Fleet, r: int, q: int, more: int, now: float) -> None:
    """Give a sequence blocks of its own; there is room for them."""
    replica = fleet.replicas[r]
    fleet.requests[q, OWN] += more
    replica[OWNED] += more
    make_room(fleet, r, now)


@inlined
def make_room(fleet: Fleet, r: int, now: float) -> None:
    """Evict as many unused blocks as memory is overfull."""
    replica = fleet.replicas[r]
    excess = replica[OWNED] + replica[CACHED] - fleet.settings[CAPACITY]
    if excess <= 0:
        return
    unheard = len(fleet.log) + fleet.settings[TIER_CAPACITY] == 0
    if fleet.settings[EVICTION] == LRU and unheard:
        drop_oldest(fleet.places[r], fleet.ring_of_releases[r], replica, excess)
    else:
        _drop_otherwise(fleet, r, excess, now)


@compiled
def _drop_otherwise(fleet: Fleet, r: int, many: int, now: float) -> None:
    """Blocks have ranks, or something becomes of each that is evicted."""
    for _ in range(many):
        if fleet.settings[EVICTION] == LRU:
            replica = fleet.replicas[r]
            block = drop_oldest(fleet.places[r], fleet.ring_of_releases[r], replica, 1)
        else:
            block = drop_lowest(fleet, r)
        if len(fleet.log) > 0:
            tell_index(fleet, block, r, now, 0)
        if fleet.settings[TIER_CAPACITY] > 0:
            into_tier(fleet, r, block)


@inlined
def hold(  # noqa: PLR0913, PLR0917 - flat arguments are what compiled code is fast with
    fleet: Fleet, r: int, q: int, cached: int, in_tier: int, needed: int, now: float
) -> None:
    """Give an admitted sequence its blocks: cached, then its own, some from the second tier."""
    _share(fleet, r, q, cached, now)
    start = fleet.starts[q]
    for i in range(cached, cached + in_tier):
        into_tier(fleet, r, int(fleet.blocks[start + i]))
    hold_more(fleet, r, q, needed - cached, now)


@inlined
def store(fleet: Fleet, r: int, q: int, until: int, now: float) -> None:
    """The prompt's blocks up to this one are computed: share them."""
    own = until - fleet.requests[q, REFERENCED]
    fleet.requests[q, OWN] -= own
    fleet.replicas[r, OWNED] -= own
    _share(fleet, r, q, until, now)


@inlined
def let_go(fleet: Fleet, r: int, q: int) -> None:
    """Free what a sequence holds; of its cached blocks the last is the first to make room."""
    request, start = fleet.requests[q], fleet.starts[q]
    if fleet.settings[EVICTION] == LRU:
        words, ring, replica = fleet.places[r], fleet.ring_of_releases[r], fleet.replicas[r]
        release(words, ring, replica, fleet.blocks, start, start + request[REFERENCED])
    else:
        release_ranked(fleet, r, start, start + request[REFERENCED])
    fleet.replicas[r, OWNED] -= request[OWN]
    request[REFERENCED] = 0
    request[OWN] = 0
