"""The visits of a trace in the two orders every replay walks: by prefix, and deepest first.

A visit is one block of one call: the call passes the prefix that ends there. Sorting the
visits once lets lifetimes be decided for whole arrays instead of one request at a time.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "Clock",
    "Ints",
    "Mask",
    "Visits",
    "counted",
    "last_of",
    "narrow",
    "order_visits",
    "runs",
    "segments",
]

Ints = npt.NDArray[np.signedinteger]
Mask = npt.NDArray[np.bool_]

_RADIX = 1 << 16
_WIDEST = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, eq=False)
class Visits:
    """Blocks of a trace, sorted; calls are in order of time, so a call's number is a moment.

    ``by_node`` has the visits of each prefix together, in time. ``deepest_first`` has the
    last positions of the longest prompts first, within a position by prefix and time; the
    visits of level ``i`` are ``levels[i]:levels[i + 1]``. ``call`` is the call of each block.
    """

    call: Ints
    by_node: Ints
    deepest_first: Ints
    levels: Ints


def order_visits(node: Ints, offsets: Ints) -> Visits:
    """Sort the blocks of calls that come in order of time."""
    call = np.repeat(narrow(np.arange(len(offsets) - 1)), np.diff(offsets))
    by_node = narrow(np.argsort(node, kind="stable"))
    level = (np.arange(len(node)) - offsets[call])[by_node]
    most = int(level.max(initial=0))
    falling = most - level
    # Sixteen bits are sorted by radix, several times faster; no real prompt has more blocks.
    short = falling.astype(np.uint16) if most < _RADIX else falling
    order = np.argsort(short, kind="stable")
    counts = np.bincount(falling, minlength=most + 1)
    levels = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]).astype(np.int64)
    return Visits(call, by_node, by_node[order], levels)


def runs(node: Ints, start: Ints, life_us: int) -> Mask:
    """Where a new run begins: another prefix, or a pause longer than a lifetime (R8)."""
    new = np.ones(len(node), np.bool_)
    new[1:] = (node[1:] != node[:-1]) | (start[1:] - start[:-1] > life_us)
    return new


def segments(new: Mask) -> tuple[Ints, Ints, Ints]:
    """First element of each segment, the segment of each element, and one past its end."""
    first = np.flatnonzero(new)
    segment = np.cumsum(new) - 1
    return first, segment, np.append(first[1:], len(new))[segment]


@dataclass(frozen=True, slots=True, eq=False)
class Clock:
    """R9 in whole numbers: moments at which responses begin, per call.

    ``begins`` is the rank of a call's own moment; a call can read what began at a rank below
    ``sees``. ``moments`` counts them.
    """

    begins: Ints
    sees: Ints
    moments: int

    @classmethod
    def of(cls, start: Ints, begins: Ints) -> "Clock":
        """Rank the moments of calls."""
        distinct, rank = np.unique(begins, return_inverse=True)
        return cls(rank, np.searchsorted(distinct, start, side="right"), len(distinct))

    def readable(self, call: Ints, new: Mask, segment: Ints) -> Mask:
        """Whether some earlier visit of the segment has begun to answer.

        A later segment is shifted below every earlier one, so one running minimum serves all.
        """
        shift = segment * (self.moments + 1)
        earliest = np.minimum.accumulate(self.begins[call] - shift) + shift
        before = np.append([self.moments], earliest[:-1])
        return ~new & (before < self.sees[call])


def narrow(values: Ints) -> Ints:
    """The same numbers in half the bytes, where none of them is too large; none is negative."""
    fits = values.dtype != np.int32 and values.max(initial=0) <= _WIDEST
    return values.astype(np.int32) if fits else values


def last_of(mask: Mask, offsets: Ints) -> Ints:
    """Flat position of the last true block of each call, or -1."""
    at, seen = np.flatnonzero(mask), counted(mask)
    last = np.append(at, -1)[seen[offsets[1:]] - 1]
    return np.where(last >= offsets[:-1], last, -1)


def counted(mask: Mask) -> Ints:
    """How many are true before each place, and before the end."""
    found = np.zeros(len(mask) + 1, np.int32)
    np.cumsum(mask, dtype=np.int32, out=found[1:])
    return found
