"""Blocks make room by rank, compiled: all orders of eviction but LRU.

A cached block has a place, which is a row with who holds it and what its rank is made of. The
places of unused blocks are in a binary heap, and each knows its position there, so that a block
used again leaves it.
"""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import compiled, inlined
from llmops_cli.serving.state import (
    BLOCK,
    CACHED,
    DEPTH,
    EVICTABLE,
    EVICTION,
    FREE,
    HELD,
    NEXT_FREE,
    NONE,
    POSITION,
    REFERENCES,
    TICK,
    USES,
    Fleet,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["drop_lowest", "rank_again", "release_ranked", "share_ranked", "unused_ranked"]

LFU, LENGTH_AWARE = 1, 2
DEEPEST = 1 << 20
"""More blocks than a prompt has, so that the next use decides before the depth."""


@compiled
def unused_ranked(fleet: Fleet, r: int, start: int, cached: int) -> int:
    """How many of these cached blocks no running sequence holds."""
    n = 0
    for i in range(start, start + cached):
        n += fleet.slots[r, fleet.places[r, fleet.blocks[i]], REFERENCES] == 0
    return n


@compiled
def _add(fleet: Fleet, r: int, block: int, depth: int) -> None:
    """A block comes into the cache, held by nobody yet."""
    replica = fleet.replicas[r]
    place = replica[FREE]
    slot = fleet.slots[r, place]
    replica[FREE] = slot[NEXT_FREE]
    replica[CACHED] += 1
    slot[BLOCK], slot[REFERENCES], slot[USES], slot[DEPTH] = block, 0, 0, depth
    fleet.places[r, block] = place


@compiled
def share_ranked(fleet: Fleet, r: int, block: int, depth: int) -> None:
    """One more running sequence holds this block, cached before or not."""
    fresh = fleet.places[r, block] == NONE
    if fresh:
        _add(fleet, r, block, depth)
    place = fleet.places[r, block]
    slot = fleet.slots[r, place]
    if slot[REFERENCES] == 0:
        if not fresh:
            _remove(fleet, r, place)
        fleet.replicas[r, HELD] += 1
    slot[REFERENCES] += 1
    slot[USES] += 1


@compiled
def release_ranked(fleet: Fleet, r: int, start: int, end: int) -> None:
    """One running sequence less holds these blocks; ties are broken from the last of them."""
    for i in range(end - 1, start - 1, -1):
        place = fleet.places[r, fleet.blocks[i]]
        slot = fleet.slots[r, place]
        slot[REFERENCES] -= 1
        if slot[REFERENCES] == 0:
            fleet.replicas[r, HELD] -= 1
            _enter(fleet, r, place)


@compiled
def drop_lowest(fleet: Fleet, r: int) -> int:
    """Evict the first to make room."""
    replica, place = fleet.replicas[r], fleet.heap[r, 0]
    _remove(fleet, r, place)
    slot = fleet.slots[r, place]
    block = slot[BLOCK]
    fleet.places[r, block] = NONE
    slot[NEXT_FREE] = replica[FREE]
    replica[FREE] = place
    replica[CACHED] -= 1
    return block


@inlined
def _before(order: "NDArray[np.int64]", one: int, other: int) -> bool:
    if order[one, 0] != order[other, 0]:
        return order[one, 0] < order[other, 0]
    return order[one, 1] < order[other, 1]


@compiled
def _settle(fleet: Fleet, r: int, position: int) -> None:
    """Move the heap's entry at this position up or down to where it belongs."""
    heap, order, slots = fleet.heap[r], fleet.order[r], fleet.slots[r]
    size = fleet.replicas[r, EVICTABLE]
    place = heap[position]
    while position > 0 and _before(order, place, heap[(position - 1) // 2]):
        heap[position] = heap[(position - 1) // 2]
        slots[heap[position], POSITION] = position
        position = (position - 1) // 2
    while True:
        child = 2 * position + 1
        if child + 1 < size and _before(order, heap[child + 1], heap[child]):
            child += 1
        if child >= size or not _before(order, heap[child], place):
            break
        heap[position] = heap[child]
        slots[heap[position], POSITION] = position
        position = child
    heap[position] = place
    slots[place, POSITION] = position


@inlined
def _rank(fleet: Fleet, r: int, place: int) -> int:
    """The lower, the sooner evicted."""
    slot = fleet.slots[r, place]
    if fleet.settings[EVICTION] == LFU:
        return slot[USES]
    if fleet.settings[EVICTION] == LENGTH_AWARE:
        return -slot[DEPTH]
    return -fleet.next_use[slot[BLOCK]] * DEEPEST - slot[DEPTH]


@compiled
def _enter(fleet: Fleet, r: int, place: int) -> None:
    """No running sequence refers to this block any more."""
    replica = fleet.replicas[r]
    fleet.order[r, place, 0] = _rank(fleet, r, place)
    fleet.order[r, place, 1] = replica[TICK]
    replica[TICK] += 1
    fleet.heap[r, replica[EVICTABLE]] = place
    replica[EVICTABLE] += 1
    _settle(fleet, r, replica[EVICTABLE] - 1)


@compiled
def _remove(fleet: Fleet, r: int, place: int) -> None:
    """A running sequence refers to this block again, or it is evicted."""
    position = fleet.slots[r, place, POSITION]
    fleet.replicas[r, EVICTABLE] -= 1
    last = fleet.heap[r, fleet.replicas[r, EVICTABLE]]
    if last != place:
        fleet.heap[r, position] = last
        _settle(fleet, r, position)


@compiled
def rank_again(fleet: Fleet, r: int, place: int) -> None:
    """The next use of this block has changed."""
    fleet.order[r, place, 0] = _rank(fleet, r, place)
    _settle(fleet, r, fleet.slots[r, place, POSITION])
