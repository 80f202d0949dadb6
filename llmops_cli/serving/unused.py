"""The unused blocks of a prefix cache in the order they make room, compiled.

LRU is a ring of places, oldest first: adding at the end is all it needs. The other orders are a
binary heap of places with the position of each kept, so that a block used again leaves it.
"""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import compiled, inlined
from llmops_cli.serving.state import (
    BLOCK,
    DEPTH,
    EVICTABLE,
    EVICTION,
    NEXT,
    PREVIOUS,
    TICK,
    USES,
    Fleet,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["LRU", "add_ranked", "link_last", "rank_again", "remove_ranked", "unlink"]

LRU, LFU, LENGTH_AWARE = 0, 1, 2
DEEPEST = 1 << 20
"""More blocks than a prompt has, so that the next use decides before the depth."""


@inlined
def unlink(ring: "NDArray[np.int32]", place: int) -> None:
    """Take a place out of the ring."""
    before, after = ring[place, PREVIOUS], ring[place, NEXT]
    ring[before, NEXT] = after
    ring[after, PREVIOUS] = before


@inlined
def link_last(ring: "NDArray[np.int32]", place: int) -> None:
    """Put a place at the end of the ring, whose first and last meet in its last row."""
    end = len(ring) - 1
    last = ring[end, PREVIOUS]
    ring[last, NEXT] = place
    ring[place, PREVIOUS] = last
    ring[place, NEXT] = end
    ring[end, PREVIOUS] = place


@compiled
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
        slots[heap[position], PREVIOUS] = position
        position = (position - 1) // 2
    while True:
        child = 2 * position + 1
        if child + 1 < size and _before(order, heap[child + 1], heap[child]):
            child += 1
        if child >= size or not _before(order, heap[child], place):
            break
        heap[position] = heap[child]
        slots[heap[position], PREVIOUS] = position
        position = child
    heap[position] = place
    slots[place, PREVIOUS] = position


@compiled
def _rank(fleet: Fleet, r: int, place: int) -> int:
    """The lower, the sooner evicted."""
    slot = fleet.slots[r, place]
    if fleet.settings[EVICTION] == LFU:
        return slot[USES]
    if fleet.settings[EVICTION] == LENGTH_AWARE:
        return -slot[DEPTH]
    return -fleet.next_use[slot[BLOCK]] * DEEPEST - slot[DEPTH]


@compiled
def add_ranked(fleet: Fleet, r: int, place: int) -> None:
    """No running sequence refers to this block any more."""
    replica = fleet.replicas[r]
    fleet.order[r, place, 0] = _rank(fleet, r, place)
    fleet.order[r, place, 1] = replica[TICK]
    replica[TICK] += 1
    fleet.heap[r, replica[EVICTABLE]] = place
    replica[EVICTABLE] += 1
    _settle(fleet, r, replica[EVICTABLE] - 1)


@compiled
def remove_ranked(fleet: Fleet, r: int, place: int) -> None:
    """A running sequence refers to this block again, or it is evicted."""
    position = fleet.slots[r, place, PREVIOUS]
    fleet.replicas[r, EVICTABLE] -= 1
    last = fleet.heap[r, fleet.replicas[r, EVICTABLE]]
    if last != place:
        fleet.heap[r, position] = last
        _settle(fleet, r, position)


@compiled
def rank_again(fleet: Fleet, r: int, place: int) -> None:
    """The next use of this block has changed."""
    fleet.order[r, place, 0] = _rank(fleet, r, place)
    _settle(fleet, r, fleet.slots[r, place, PREVIOUS])
