"""Compiled: what a cache keeps. Stack distances of LRU, and hits of the best replacement.

Everything else asks :mod:`llmops_cli.serving.reuse`.
"""

import numpy as np
import numpy.typing as npt

from llmops_cli.serving.compiled import compiled, entry

__all__ = ["play_ahead", "stack_distances"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def stack_distances(blocks: Ints, distinct: int) -> Ints:
    """Per visit, how many other blocks were visited since the last visit of this one; -1: none.

    Args:
        blocks: ``(n,)`` block of each visit, dense from 0.
        distinct: how many blocks there are.

    Source:
        Mattson, Gecsei, Slutz and Traiger (1970), IBM Systems Journal 9:78-117; counted with a
        Fenwick tree in O(n log n): Bennett and Kruskal (1975), IBM J. Res. Dev. 19:353-357.
    """
    tree, found = np.zeros(len(blocks) + 1, np.int64), np.empty(len(blocks), np.int64)
    _count_distances(blocks, tree, np.full(distinct, -1, np.int64), found)
    return found


def play_ahead(blocks: Ints, following: Ints, capacity: int) -> Mask:
    """Which visits hit when the block that is needed last, or never again, always makes room.

    A block may leave as soon as it came: nothing that keeps ``capacity`` blocks between two
    visits has more hits.

    Args:
        blocks: ``(n,)`` block of each visit, dense from 0; at least one.
        following: ``(n,)`` next visit of the same block; n where there is none.
        capacity: blocks.

    Source:
        Belady (1966), IBM Systems Journal 5:78-101.
    """
    due, heap = np.full(int(blocks.max()) + 1, -1, np.int64), np.empty(len(blocks) + 1, np.int64)
    hits = np.zeros(len(blocks), np.bool_)
    _play_ahead(blocks, following, capacity, (due, heap, hits))
    return hits


@entry
def _count_distances(blocks: Ints, tree: Ints, last: Ints, found: Ints) -> None:
    # The tree counts marks, one per block at its last visit: those behind the last visit of a
    # block are the blocks visited since.
    marked = 0
    for at in range(len(blocks)):
        before = int(last[blocks[at]])
        found[at] = -1
        if before >= 0:
            count = 0
            place = before + 1
            while place > 0:
                count += tree[place]
                place -= place & -place
            found[at] = marked - count
            _mark(tree, before, -1)
            marked -= 1
        _mark(tree, at, 1)
        marked += 1
        last[blocks[at]] = at


@compiled
def _mark(tree: Ints, at: int, step: int) -> None:
    place = at + 1
    while place < len(tree):
        tree[place] += step
        place += place & -place


@entry
def _play_ahead(
    blocks: Ints, following: Ints, capacity: int, room: tuple[Ints, Ints, Mask]
) -> None:
    # Of each kept block, its next visit: in `due` by block, in `heap` the farthest on top.
    due, heap, hits = room
    size, held = 0, 0
    for at in range(len(blocks)):
        block = blocks[at]
        if due[block] == at:
            hits[at] = True
            held -= 1
        due[block] = -1
        if following[at] >= len(blocks):
            continue
        due[block] = following[at]
        held += 1
        size += 1
        _push(heap, size, following[at])
        while held > capacity:
            top = _pop(heap, size)
            size -= 1
            # What was visited meanwhile is due at another time: that entry means nothing.
            if due[blocks[top]] == top:
                due[blocks[top]] = -1
                held -= 1


@compiled
def _push(heap: Ints, size: int, value: int) -> None:
    """Add a value to a heap, largest on top at 1, that has ``size`` with it."""
    child = size
    heap[child] = value
    while child > 1 and heap[child >> 1] < heap[child]:
        heap[child], heap[child >> 1] = heap[child >> 1], heap[child]
        child >>= 1


@compiled
def _pop(heap: Ints, size: int) -> int:
    """Take the largest of ``size`` values."""
    top = heap[1]
    heap[1] = heap[size]
    parent = 1
    while 2 * parent < size:
        larger = 2 * parent
        if larger + 1 < size and heap[larger + 1] > heap[larger]:
            larger += 1
        if heap[larger] <= heap[parent]:
            break
        heap[parent], heap[larger] = heap[larger], heap[parent]
        parent = larger
    return top
