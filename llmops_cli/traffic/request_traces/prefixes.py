"""Block hashes become dense numbers of distinct prefixes.

Two requests share a number exactly where their prompts agree from the first token to the end
of that block. Most traces hash so already; where one hashes each block by itself, or gives a
block that is not full the hash of a full one, the numbers are made so here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Prefixes", "dense", "prefixes"]

Ints = npt.NDArray[np.int64]

_SPARE = 4
"""Numbers at most so many times as large as there are blocks are counted, not sorted."""


@dataclass(frozen=True, slots=True, eq=False)
class Prefixes:
    """Numbers of all blocks of a trace.

    Attributes:
        blocks: one number per visit, dense from 0.
        split: visits whose hash stood behind another prefix, or for another length, elsewhere:
            they got a number of their own.
    """

    blocks: Ints
    split: int


def dense(ids: Ints) -> Ints:
    """Numbers from 0 without gaps: equal ones stay equal."""
    if not len(ids):
        return ids.copy()
    least, most = int(ids.min()), int(ids.max())
    if least < 0 or most > _SPARE * len(ids):
        return np.unique(ids, return_inverse=True)[1].astype(np.int64, copy=False)
    seen = np.zeros(most + 1, np.int64)
    seen[ids] = 1
    return (np.cumsum(seen) - 1)[ids]


def prefixes(ids: Ints, starts: Ints, fill: Ints) -> Prefixes:
    """Number the prefixes of a trace.

    Args:
        ids: block hashes of all requests, one behind the other.
        starts: one more than requests: where those of each begin.
        fill: tokens in each block.
    """
    known = dense(ids)
    before = np.empty(len(ids), np.int64)
    before[1:] = known[:-1]
    before[starts[:-1][starts[:-1] < starts[1:]]] = -1
    odd = _odd(known, before) | _odd(known, fill)
    if not odd.any():
        return Prefixes(known, 0)
    return Prefixes(_chained(known, starts, fill), int(odd.sum()))


def _odd(known: Ints, value: Ints) -> npt.NDArray[np.bool_]:
    """Visits at which a block has another value than at its first."""
    if not len(known):
        return np.zeros(0, np.bool_)
    first = np.empty(int(known.max()) + 1, np.int64)
    first[known[::-1]] = value[::-1]
    return first[known] != value


def _chained(known: Ints, starts: Ints, fill: Ints) -> Ints:
    """A number per prefix: of what stands before, the hash and the length, depth by depth."""
    numbers, made = np.empty(len(known), np.int64), 0
    rows = np.flatnonzero(starts[:-1] < starts[1:])
    parent = np.zeros(len(rows), np.int64)
    depth = 0
    while len(rows):
        at = starts[rows] + depth
        _, own = np.unique(known[at] * (int(fill.max()) + 1) + fill[at], return_inverse=True)
        _, own = np.unique(parent * (int(own.max()) + 1) + own, return_inverse=True)
        numbers[at] = made + own
        made += int(own.max()) + 1
        depth += 1
        more = starts[rows] + depth < starts[rows + 1]
        rows, parent = rows[more], own[more]
    return numbers
