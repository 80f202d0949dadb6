"""Lines that are the same JSON but for some of their values, found many at once.

Where one line has been read, another whose bytes agree with it outside of known values has the
same keys, the same nesting and the same other values: nothing of it has to be parsed again.
Only what JSON lets stand between two quotes, or in place of a number, is still to be checked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.places import Place
from llmops_cli.traffic.streams import Bytes, Slab

__all__ = ["Found", "Marked", "Shape", "stands"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_QUOTE, _BACKSLASH, _NEWLINE, _SPACE = 0x22, 0x5C, 0x0A, 0x20
_WORD = 8


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """The lines of a slab and what divides them.

    Attributes:
        data: the bytes.
        words: eight bytes from each place on, as one number.
        starts: of the lines.
        ends: of the lines, their newlines outside.
        quotes: those that begin or end a text, in all lines.
        first: the number of each line's first quote, and of quotes at all behind them.
        escapes: every backslash.
        controls: bytes that no text may hold, newlines at the ends aside.
    """

    data: Bytes
    words: npt.NDArray[np.uint64]
    starts: Ints
    ends: Ints
    quotes: Ints
    first: Ints
    escapes: Ints
    controls: Ints

    @classmethod
    def of(cls, slab: Slab) -> "Marked":
        """Mark all lines."""
        data, ends = slab.data, slab.ends
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
        escapes = _places_of(data == _BACKSLASH)
        quotes = np.flatnonzero(data == _QUOTE)
        if len(escapes):
            quotes = quotes[~_escaped(quotes, escapes)]
        control = data < _SPACE
        controls = np.zeros(0, np.int64)
        if np.count_nonzero(control) > len(ends):
            controls = np.flatnonzero(control & (data != _NEWLINE))
        return cls(
            data,
            np.ndarray(max(len(data) - _WORD + 1, 0), "<u8", data, strides=(1,)),
            starts,
            ends,
            quotes,
            np.append(np.searchsorted(quotes, starts), len(quotes)),
            escapes,
            controls,
        )

    def texts(self, begins: Ints, size: int) -> Bytes:
        """``(places, size)`` bytes from each place on."""
        windows = np.ndarray(max(len(self.data) - size + 1, 0), f"V{size}", self.data, strides=(1,))
        return windows[begins].view(np.uint8).reshape(-1, size)


def _places_of(found: Mask) -> Ints:
    # To see that there is nothing takes a third of the time of a search.
    return np.flatnonzero(found) if found.any() else np.zeros(0, np.int64)


def _escaped(quotes: Ints, escapes: Ints) -> Mask:
    """Quotes behind an odd number of backslashes."""
    opens = np.ones(len(escapes), np.bool_)
    opens[1:] = np.diff(escapes) > 1
    run = escapes[opens][np.cumsum(opens) - 1]
    before = np.searchsorted(escapes, quotes) - 1
    touches = (before >= 0) & (escapes[before] == quotes - 1)
    return touches & ((quotes - run[before]) % 2 == 1)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Lines of a shape, and where each of its values stands in each of them.

    Attributes:
        rows: the numbers of the lines in their slab.
        begins: ``(values, lines)`` the first byte of each value.
        ends: the byte behind its last.
    """

    rows: Ints
    begins: Ints
    ends: Ints


class Shape:
    """What lines have in common.

    Args:
        raw: one of them, without its newline.
        varying: the values that may differ, in their order.

    Raises:
        ValueError: nothing divides two of the values.
    """

    def __init__(self, raw: bytes, varying: Sequence[Place]) -> None:
        slab = Slab(np.frombuffer(raw + b"\n", np.uint8), np.array([len(raw)]))
        quotes = Marked.of(slab).quotes
        self.quotes = len(quotes)
        stops = [0, *quotes.tolist(), len(raw)]
        begins = [_edge(stops, place.begin, behind=True) for place in varying]
        ends = [_edge(stops, place.end, behind=False) for place in varying]
        for end, begin in zip(ends, begins[1:], strict=False):
            if begin[0] < end[0]:
                raise ValueError("two numbers stand between the same two quotes")
        edges = [*begins, *ends]
        self._anchors, self._past = [anchor for anchor, _ in edges], [past for _, past in edges]
        cuts = [0, *(at for place in varying for at in (place.begin, place.end)), len(raw)]
        self._between = [raw[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
        self._sizes = [len(text) for text in self._between]

    def find(self, marked: Marked, rows: Ints) -> Found:
        """Which of some lines have this shape, and their values."""
        counts = marked.first[rows + 1] - marked.first[rows]
        rows = rows[counts == self.quotes]
        # A word that ends where the first value begins must lie inside the data.
        rows = rows[marked.starts[rows] + self._sizes[0] >= _WORD]
        begins, ends = self._places(marked, rows)
        lefts = np.concatenate([marked.starts[rows][None], ends])
        rights = np.concatenate([begins, marked.ends[rows][None]])
        same = (begins <= ends).all(axis=0)
        same &= (rights - lefts == np.array(self._sizes)[:, None]).all(axis=0)
        # Now every place is inside its line, and texts can be compared.
        fits = np.flatnonzero(same)
        rights = rights if len(fits) == len(rows) else rights[:, fits]
        same = np.ones(len(fits), np.bool_)
        for right, text in zip(rights, self._between, strict=True):
            same &= stands(marked, right, text)
        fits = fits[same]
        if len(fits) < len(rows):
            rows, begins, ends = rows[fits], begins[:, fits], ends[:, fits]
        return Found(rows, begins, ends)

    def _places(self, marked: Marked, rows: Ints) -> tuple[Ints, Ints]:
        """Where values begin and end, a row per value."""
        found = np.empty((len(self._anchors), len(rows)), np.int64)
        starts, first = marked.starts[rows], marked.first[rows]
        for place, anchor, past in zip(found, self._anchors, self._past, strict=True):
            if 0 < anchor <= self.quotes:
                np.add(marked.quotes.take(first + (anchor - 1), mode="clip"), past, out=place)
            else:
                np.add(starts if anchor == 0 else marked.ends[rows], past, out=place)
        half = len(found) // 2
        return found[:half], found[half:]


def _edge(stops: list[int], at: int, *, behind: bool) -> tuple[int, int]:
    """A place told from the nearest stop that never lies inside the value that it bounds.

    Stops are the start of the line (0), its quotes (from 1), and its end.
    """
    if behind:
        anchor = max(number for number, stop in enumerate(stops) if stop < at or number == 0)
    else:
        anchor = min(number for number, stop in enumerate(stops) if stop >= at and number)
    return anchor, at - stops[anchor]


def stands(marked: Marked, ends: Ints, text: bytes) -> Mask:
    """Whether a text ends at each place; none of them is nearer to the data's start than that."""
    if not text or not len(ends):
        return np.ones(len(ends), np.bool_)
    found = marked.texts(ends - len(text), len(text))
    # Mostly all of them are the same: two pieces of memory are compared faster than each byte.
    if found.tobytes() == text * len(ends):
        return np.ones(len(ends), np.bool_)
    return (found == np.frombuffer(text, np.uint8)).all(axis=1)
