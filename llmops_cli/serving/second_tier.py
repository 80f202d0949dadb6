"""What becomes of an evicted block, compiled: the second tier takes it, the router hears of it.

The second tier is a ring of places linked both ways, oldest first.
"""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import compiled, inlined
from llmops_cli.serving.state import (
    BLOCK,
    LOG_FROM,
    LOG_TO,
    NEXT,
    NONE,
    PREVIOUS,
    TIER_CAPACITY,
    TIER_USED,
    Fleet,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["believe_oldest", "found_in_tier", "into_tier", "tell_index"]


@inlined
def found_in_tier(fleet: Fleet, r: int, q: int, cached: int, most: int) -> int:
    """How many blocks after the cached ones are in the second tier."""
    if fleet.settings[TIER_CAPACITY] == 0:
        return 0
    start = fleet.starts[q]
    n = cached
    while n < most and fleet.tier_places[r, fleet.blocks[start + n]] >= 0:
        n += 1
    return n - cached


@compiled
def believe_oldest(fleet: Fleet) -> None:
    """Apply the oldest entry of the log to the router's index."""
    what = fleet.log[fleet.counters[LOG_FROM] % len(fleet.log)]
    block, r = what // 2 // len(fleet.ends), what // 2 % len(fleet.ends)
    fleet.believed[r, block] = what % 2 - 1
    fleet.counters[LOG_FROM] += 1


@compiled
def tell_index(fleet: Fleet, block: int, r: int, now: float, change: int) -> None:
    """Tell a late index: 1 stored, 0 evicted. A full log has its oldest entry believed early."""
    at = fleet.counters[LOG_TO] % len(fleet.log)
    if fleet.counters[LOG_TO] - fleet.counters[LOG_FROM] == len(fleet.log):
        believe_oldest(fleet)
    fleet.log_times[at] = now
    fleet.log[at] = 2 * (block * len(fleet.ends) + r) + change
    fleet.counters[LOG_TO] += 1


@compiled
def into_tier(fleet: Fleet, r: int, block: int) -> None:
    """Make this block the newest of the second tier."""
    tier = fleet.tier[r]
    place = fleet.tier_places[r, block]
    if place >= 0:
        _unlink(tier, place)
    elif fleet.replicas[r, TIER_USED] < fleet.settings[TIER_CAPACITY]:
        place = fleet.replicas[r, TIER_USED]
        fleet.replicas[r, TIER_USED] += 1
    else:
        place = tier[len(tier) - 1, NEXT]
        _unlink(tier, place)
        fleet.tier_places[r, tier[place, BLOCK]] = NONE
    tier[place, BLOCK] = block
    fleet.tier_places[r, block] = place
    _link_last(tier, place)


@inlined
def _unlink(ring: "NDArray[np.int32]", place: int) -> None:
    before, after = ring[place, PREVIOUS], ring[place, NEXT]
    ring[before, NEXT] = after
    ring[after, PREVIOUS] = before


@inlined
def _link_last(ring: "NDArray[np.int32]", place: int) -> None:
    """Put a place at the end of the ring, whose first and last meet in its last row."""
    end = len(ring) - 1
    last = ring[end, PREVIOUS]
    ring[last, NEXT] = place
    ring[place, PREVIOUS] = last
    ring[place, NEXT] = end
    ring[end, PREVIOUS] = place
