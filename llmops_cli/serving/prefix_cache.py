"""Blocks of one replica, compiled: what a prompt finds cached, what it holds, what makes room.

A full block of a prompt enters the cache in the iteration that computes it; sequences that hold
the same prefix share it. Everything else a sequence holds is its own and is freed with it.
"""

from llmops_cli.serving.compiled import compiled, inlined
from llmops_cli.serving.state import (
    BLOCK,
    CACHED,
    CAPACITY,
    DEPTH,
    EVICTION,
    FREE,
    HELD,
    LOG_FROM,
    LOG_TO,
    NEXT,
    NONE,
    OWN,
    OWNED,
    REFERENCED,
    REFERENCES,
    TIER_CAPACITY,
    TIER_USED,
    USES,
    Fleet,
)
from llmops_cli.serving.unused import LRU, add_ranked, link_last, remove_ranked, unlink

__all__ = [
    "believe_oldest",
    "found",
    "found_in_tier",
    "hold",
    "hold_more",
    "let_go",
    "room_for",
    "store",
]


@inlined
def found(fleet: Fleet, r: int, q: int, most: int) -> int:
    """How many leading blocks of this prompt are cached here."""
    start = fleet.starts[q]
    n = 0
    while n < most and fleet.places[fleet.blocks[start + n], r] >= 0:
        n += 1
    return n


@inlined
def found_in_tier(fleet: Fleet, r: int, q: int, cached: int, most: int) -> int:
    """How many blocks after the cached ones are in the second tier."""
    if fleet.settings[TIER_CAPACITY] == 0:
        return 0
    start = fleet.starts[q]
    n = cached
    while n < most and fleet.tier_places[fleet.blocks[start + n], r] >= 0:
        n += 1
    return n - cached


@inlined
def room_for(fleet: Fleet, r: int, q: int, cached: int, needed: int) -> bool:
    """Whether a sequence of so many blocks fits, the first of them cached."""
    start = fleet.starts[q]
    replica = fleet.replicas[r]
    left = fleet.settings[CAPACITY] - replica[OWNED] - replica[HELD]
    if needed <= left:  # even if every cached block had to be taken out of the unused ones
        return True
    for i in range(cached):
        place = fleet.places[fleet.blocks[start + i], r]
        if fleet.slots[r, place, REFERENCES] == 0:
            left -= 1
    return needed - cached <= left


@compiled
def believe_oldest(fleet: Fleet) -> None:
    """Apply the oldest entry of the log to the router's index."""
    what = fleet.log[fleet.counters[LOG_FROM] % len(fleet.log)]
    block, r = what // 2 // len(fleet.ends), what // 2 % len(fleet.ends)
    fleet.believed[block, r] = what % 2 - 1
    fleet.counters[LOG_FROM] += 1


@compiled
def _log(fleet: Fleet, block: int, r: int, now: float, change: int) -> None:
    """Tell a late index: 1 stored, 0 evicted. A full log has its oldest entry believed early."""
    at = fleet.counters[LOG_TO] % len(fleet.log)
    if fleet.counters[LOG_TO] - fleet.counters[LOG_FROM] == len(fleet.log):
        believe_oldest(fleet)
    fleet.log_times[at] = now
    fleet.log[at] = 2 * (block * len(fleet.ends) + r) + change
    fleet.counters[LOG_TO] += 1


@compiled
def _into_tier(fleet: Fleet, r: int, block: int) -> None:
    tier = fleet.tier[r]
    place = fleet.tier_places[block, r]
    if place >= 0:
        unlink(tier, place)
    elif fleet.replicas[r, TIER_USED] < fleet.settings[TIER_CAPACITY]:
        place = fleet.replicas[r, TIER_USED]
        fleet.replicas[r, TIER_USED] += 1
    else:
        place = tier[len(tier) - 1, NEXT]
        unlink(tier, place)
        fleet.tier_places[tier[place, BLOCK], r] = NONE
    tier[place, BLOCK] = block
    fleet.tier_places[block, r] = place
    link_last(tier, place)


@inlined
def _evict(fleet: Fleet, r: int, now: float) -> None:
    slots = fleet.slots[r]
    if fleet.settings[EVICTION] == LRU:
        place = slots[len(slots) - 1, NEXT]
        unlink(slots, place)
    else:
        place = fleet.heap[r, 0]
        remove_ranked(fleet, r, place)
    block = slots[place, BLOCK]
    fleet.places[block, r] = NONE
    slots[place, NEXT] = fleet.replicas[r, FREE]
    fleet.replicas[r, FREE] = place
    fleet.replicas[r, CACHED] -= 1
    if len(fleet.log) > 0:
        _log(fleet, block, r, now, 0)
    if fleet.settings[TIER_CAPACITY] > 0:
        _into_tier(fleet, r, block)


@inlined
def _refer(fleet: Fleet, r: int, place: int) -> None:
    slots = fleet.slots[r]
    if slots[place, REFERENCES] == 0:
        if fleet.settings[EVICTION] == LRU:
            unlink(slots, place)
        else:
            remove_ranked(fleet, r, place)
        fleet.replicas[r, HELD] += 1
    slots[place, REFERENCES] += 1
    slots[place, USES] += 1


@inlined
def hold_more(fleet: Fleet, r: int, q: int, more: int, now: float) -> None:
    """Give a sequence blocks of its own; there is room for them."""
    replica = fleet.replicas[r]
    fleet.requests[q, OWN] += more
    replica[OWNED] += more
    while replica[OWNED] + replica[CACHED] > fleet.settings[CAPACITY]:
        _evict(fleet, r, now)


@inlined
def hold(  # noqa: PLR0913, PLR0917 - flat arguments are what compiled code is fast with
    fleet: Fleet, r: int, q: int, cached: int, in_tier: int, needed: int, now: float
) -> None:
    """Give an admitted sequence its blocks: cached, loaded from the second tier, and its own."""
    start = fleet.starts[q]
    for i in range(cached):
        _refer(fleet, r, fleet.places[fleet.blocks[start + i], r])
    fleet.requests[q, REFERENCED] = cached
    for i in range(cached, cached + in_tier):
        _into_tier(fleet, r, int(fleet.blocks[start + i]))
    hold_more(fleet, r, q, needed - cached, now)
    store(fleet, r, q, cached + in_tier, now)


@inlined
def store(fleet: Fleet, r: int, q: int, until: int, now: float) -> None:
    """The prompt's blocks up to this one are computed: share them."""
    request, replica = fleet.requests[q], fleet.replicas[r]
    start = fleet.starts[q]
    for i in range(request[REFERENCED], until):
        block = int(fleet.blocks[start + i])
        request[OWN] -= 1
        replica[OWNED] -= 1
        place = fleet.places[block, r]
        if place >= 0:  # another sequence was faster: its copy is as good
            _refer(fleet, r, place)
            continue
        place = replica[FREE]
        slot = fleet.slots[r, place]
        replica[FREE] = slot[NEXT]
        replica[CACHED] += 1
        replica[HELD] += 1
        slot[BLOCK], slot[REFERENCES], slot[USES], slot[DEPTH] = block, 1, 1, i
        fleet.places[block, r] = place
        if len(fleet.log) > 0:
            _log(fleet, block, r, now, 1)
    request[REFERENCED] = max(request[REFERENCED], until)


@inlined
def let_go(fleet: Fleet, r: int, q: int) -> None:
    """Free what a sequence holds; of its cached blocks the last is the first to make room."""
    request, replica, slots = fleet.requests[q], fleet.replicas[r], fleet.slots[r]
    start = fleet.starts[q]
    for i in range(request[REFERENCED] - 1, -1, -1):
        place = fleet.places[fleet.blocks[start + i], r]
        slots[place, REFERENCES] -= 1
        if slots[place, REFERENCES] == 0:
            replica[HELD] -= 1
            if fleet.settings[EVICTION] == LRU:
                link_last(slots, place)
            else:
                add_ranked(fleet, r, place)
    replica[OWNED] -= request[OWN]
    request[REFERENCED] = 0
    request[OWN] = 0
