"""The least recently used blocks of a replica make room, compiled.

A word for each block says it all: it is not cached, it is unused since a place in a ring of
releases, or it is held by so many running sequences. A block used again leaves its place in the
ring behind, which its word no longer names: such places are skipped. So of every block one word
is touched, and the ring is read and written in order, where a list linked both ways would miss
the processor's caches three times for each block that comes or goes.

Counts are kept in local variables along a prompt: in the fleet's rows each step would wait for
the one before it to be stored. These functions take the few arrays they need and not the fleet:
its hundreds of numbers are copied for every call, and in line they are compiled at every call.
"""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import compiled
from llmops_cli.serving.state import BACK, CACHED, FRONT, HELD, HELD_BY, NONE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Wholes = NDArray[np.int64]
    Words = NDArray[np.int32]

__all__ = ["drop_oldest", "release", "share", "unused"]


@compiled
def unused(words: "Words", blocks: "Wholes", start: int, cached: int) -> int:
    """How many of these cached blocks no running sequence holds."""
    n = 0
    for i in range(start, start + cached):
        n += int(words[blocks[i]] < HELD_BY)
    return n


@compiled
def share(words: "Words", replica: "Wholes", blocks: "Wholes", start: int, end: int) -> None:
    """One more running sequence holds these blocks of the trace, cached before or not."""
    held, cached = replica[HELD], replica[CACHED]
    for i in range(start, end):
        block = blocks[i]
        word = words[block]
        if word < HELD_BY:
            held += 1
            cached += word == NONE
            word = HELD_BY
        words[block] = word + 1
    replica[HELD], replica[CACHED] = held, cached


@compiled
def release(
    words: "Words", ring: "Words", replica: "Wholes", blocks: "Wholes", start: int, end: int
) -> None:
    """One running sequence less holds these blocks; the last of them is the first to make room."""
    held, back = replica[HELD], replica[BACK]
    for i in range(end - 1, start - 1, -1):
        block = blocks[i]
        words[block] -= 1
        if words[block] > HELD_BY:
            continue
        held -= 1
        ring[back], words[block] = block, back
        back = back + 1 if back + 1 < len(ring) else 0
        if back == replica[FRONT]:
            back = _close_up(words, ring, back)
    replica[HELD], replica[BACK] = held, back


@compiled
def _close_up(words: "Words", ring: "Words", front: int) -> int:
    """Drop the places left behind from a full ring; where it ends then."""
    back = front
    for n in range(len(ring)):
        at = (front + n) % len(ring)
        block = ring[at]
        if words[block] == at:
            ring[back], words[block] = block, back
            back = (back + 1) % len(ring)
    return back


@compiled
def drop_oldest(words: "Words", ring: "Words", replica: "Wholes", many: int) -> int:
    """Evict so many blocks, as many as are unused or fewer; the last one evicted."""
    front, block = replica[FRONT], NONE
    replica[CACHED] -= many
    while many > 0:
        block = ring[front]
        if words[block] == front:
            words[block] = NONE
            many -= 1
        front = front + 1 if front + 1 < len(ring) else 0
    replica[FRONT] = front
    return block
