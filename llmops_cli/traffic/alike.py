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
        escapes = np.flatnonzero(data == _BACKSLASH)
        quotes = np.flatnonzero(data == _QUOTE)
        if len(escapes):
            quotes = quotes[~_escaped(quotes, escapes)]
        controls = np.flatnonzero(data < _SPACE)
        if len(controls) > len(ends):
            controls = controls[data[controls] != _NEWLINE]
        else:
            controls = controls[:0]
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
        self._anchors, self._past = np.array([*begins, *ends], np.int64).reshape(-1, 2).T
        cuts = [0, *(at for place in varying for at in (place.begin, place.end)), len(raw)]
        between = [raw[a:b] for a, b in zip(cuts[::2], cuts[1::2], strict=True)]
        self._sizes = [len(text) for text in between]
        self._words = [_words(text) for text in between]

    def find(self, marked: Marked, rows: Ints) -> Found:
        """Which of some lines have this shape, and their values."""
        counts = marked.first[rows + 1] - marked.first[rows]
        rows = rows[counts == self.quotes]
        # A word before the first value must lie inside the data.
        rows = rows[marked.starts[rows] + self._sizes[0] >= _WORD]
        begins, ends = self._places(marked, rows)
        lefts = np.concatenate([marked.starts[rows][None], ends])
        rights = np.concatenate([begins, marked.ends[rows][None]])
        same = (begins <= ends).all(axis=0)
        same &= (rights - lefts == np.array(self._sizes)[:, None]).all(axis=0)
        # Now every place is inside its line, and words can be compared.
        fits = np.flatnonzero(same)
        rights = rights if len(fits) == len(rows) else rights[:, fits]
        same = np.ones(len(fits), np.bool_)
        for right, words in zip(rights, self._words, strict=True):
            same &= _agree(marked, right, words)
        fits = fits[same]
        if len(fits) < len(rows):
            rows, begins, ends = rows[fits], begins[:, fits], ends[:, fits]
        return Found(rows, begins, ends)

    def _places(self, marked: Marked, rows: Ints) -> tuple[Ints, Ints]:
        """Where values begin and end, a row per value."""
        anchors = self._anchors[:, None]
        inside = np.clip(marked.first[rows] + anchors - 1, 0, max(len(marked.quotes) - 1, 0))
        found = marked.quotes[inside] if len(marked.quotes) else np.zeros_like(inside)
        for at in np.flatnonzero(self._anchors == 0).tolist():
            found[at] = marked.starts[rows]
        for at in np.flatnonzero(self._anchors > self.quotes).tolist():
            found[at] = marked.ends[rows]
        found += self._past[:, None]
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


@dataclass(frozen=True, slots=True, eq=False)
class _Words:
    # How far before the end of a text each of its words begins, what is in it, and how many of
    # its bits stand before the text.
    before: Ints
    holds: npt.NDArray[np.uint64]
    bits: int


def _words(text: bytes) -> _Words:
    size = len(text)
    if size < _WORD:
        held = [int.from_bytes(text, "little")] if size else []
        return _Words(
            np.full(len(held), _WORD), np.array(held, np.uint64), 8 * (_WORD - size) if size else 0
        )
    begins = [*range(0, size - _WORD, _WORD), size - _WORD]
    held = [int.from_bytes(text[begin : begin + _WORD], "little") for begin in begins]
    return _Words(size - np.array(begins), np.array(held, np.uint64), 0)


def _agree(marked: Marked, ends: Ints, words: _Words) -> Mask:
    found = marked.words[ends - words.before[:, None]]
    if words.bits:
        found >>= np.uint64(words.bits)
    return (found == words.holds[:, None]).all(axis=0)


def stands(marked: Marked, ends: Ints, text: bytes) -> Mask:
    """Whether a text ends at each place; no end is nearer to the data's start than a word."""
    return _agree(marked, ends, _words(text))
