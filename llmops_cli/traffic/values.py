"""The values of lines of one shape: texts and numbers, each for all lines at once.

Whatever JSON would not let stand there, or a row reader might understand in another way, makes a
line not simple.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.traffic.alike import Found, Marked, stands

__all__ = ["Each", "Values", "repeated"]

Ints = npt.NDArray[np.int64]
Words = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]

_Value = TypeVar("_Value")

_DIGITS = 8
_ZEROS = np.uint64(0x3030303030303030)
_HIGH = np.uint64(0x8080808080808080)
_OVER = np.uint64(0x7676767676767676)
_PAIRS = (
    (np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(2561), np.uint64(8)),
    (np.uint64(0x00FF00FF00FF00FF), np.uint64(6553601), np.uint64(16)),
    (np.uint64(0x0000FFFF0000FFFF), np.uint64(42949672960001), np.uint64(32)),
)
"""Steps that add up eight digits in one word: pairs, then fours, then all."""

_SAMPLE = 256
_FEW = 4
"""So many times fewer texts than lines, and each is looked at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Each:
    """A text for each line.

    Attributes:
        which: the number of each line's among the distinct ones; None where each has its own.
        texts: those.
    """

    which: Ints | None
    texts: list[bytes]

    def spread(self, values: list[_Value]) -> Iterable[_Value]:
        """A value for each line out of one for each text."""
        if self.which is None:
            return values
        if len(values) == 1:
            return repeat(values[0], len(self.which))
        return map(values.__getitem__, self.which.tolist())


@dataclass(slots=True, eq=False)
class Values:
    """Where the values stand, and which lines are simple so far.

    Attributes:
        marked: the slab that the lines are in.
        found: the lines, and their values.
        whole: the bytes of the slab.
        simple: of each line.
    """

    marked: Marked
    found: Found
    whole: bytes
    simple: Mask

    def __len__(self) -> int:
        """How many lines."""
        return len(self.found.rows)

    def pieces(self, at: int) -> list[bytes]:
        """The bytes of one value in each line."""
        begins, ends = self.found.begins[at].tolist(), self.found.ends[at].tolist()
        whole = self.whole
        return [whole[begin:end] for begin, end in zip(begins, ends, strict=True)]

    def texts(self, at: int) -> list[bytes]:
        """A text in each line, its escapes resolved; an empty one is not simple."""
        found = self.pieces(at)
        self.simple &= self.found.begins[at] < self.found.ends[at]
        for line in self._escaped(at):
            found[line] = self._resolved(found[line], line)
        return found

    def said(self, at: int) -> Each:
        """As :meth:`texts`, the same ones only once where they are few."""
        step = max(len(self) // _SAMPLE, 1)
        begins, ends = self.found.begins[at, ::step], self.found.ends[at, ::step]
        some = {
            self.whole[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)
        }
        if len(some) * _FEW > len(begins):
            return Each(None, self.texts(at))
        found = self.strings(at).dictionary_encode()
        return Each(
            found.indices.to_numpy(), [text.encode() for text in found.dictionary.to_pylist()]
        )

    def sizes(self, at: int, texts: Each) -> Ints:
        """How long the texts of one value are, as :meth:`said` gave them."""
        if self._escaped(at):
            sizes = np.fromiter(map(len, texts.texts), np.int64, len(texts.texts))
            return sizes if texts.which is None else sizes[texts.which]
        return self.found.ends[at] - self.found.begins[at]

    def strings(self, at: int) -> pa.Array:
        """As :meth:`texts`, as Arrow has them."""
        if self._escaped(at):
            return pa.array(self.texts(at), pa.string())
        begins, ends = self.found.begins[at], self.found.ends[at]
        sizes = ends - begins
        self.simple &= sizes > 0
        if self.same(at):
            first = self.whole[begins[0] : ends[0]]
            return repeated(first.decode(), pa.string(), len(self))
        offsets = np.zeros(len(self) + 1, np.int32)
        np.cumsum(sizes, out=offsets[1:])
        if sizes[0] and bool((sizes == sizes[0]).all()):
            data = self.marked.texts(begins, int(sizes[0]))
        else:
            places = np.arange(offsets[-1]) + np.repeat(begins - offsets[:-1], sizes)
            data = self.marked.data[places]
        return pa.StringArray.from_buffers(len(self), pa.py_buffer(offsets), pa.py_buffer(data))

    def same(self, at: int) -> bool:
        """Whether a value is spelled alike in all lines."""
        begins, ends = self.found.begins[at], self.found.ends[at]
        first = self.whole[begins[0] : ends[0]]
        return bool((ends - begins == len(first)).all()) and bool(
            stands(self.marked, ends, first).all()
        )

    def check(self, at: int, *, is_text: bool) -> None:
        """See that a value which nobody reads is one."""
        if not is_text:
            if self._short_counts(at) is None:
                self._numbers(at, int | float)
            return
        begins, ends = self.found.begins[at], self.found.ends[at]
        for line in self._escaped(at):
            self._resolved(self.whole[begins[line] : ends[line]], line)

    def _escaped(self, at: int) -> list[int]:
        """Lines in which a text has escapes; one with control characters is no text."""
        begins, ends = self.found.begins[at], self.found.ends[at]
        if len(self.marked.controls):
            self.simple &= ~_holds(self.marked.controls, begins, ends)
        if not len(self.marked.escapes):
            return []
        return np.flatnonzero(_holds(self.marked.escapes, begins, ends)).tolist()

    def _resolved(self, text: bytes, line: int) -> bytes:
        try:
            return msgspec.json.decode(b'"' + text + b'"', type=str).encode()
        except (msgspec.DecodeError, UnicodeError):
            self.simple[line] = False
            return b""

    def seconds(self, at: int) -> npt.NDArray[np.float64]:
        """A number in each line; 0 where there is something else."""
        return np.array(self._numbers(at, float), np.float64)

    def _numbers(self, at: int, kind: Any) -> list[Any]:  # noqa: ANN401 - a type, or several
        found = self.pieces(at)
        try:
            values = msgspec.json.decode(b"[" + b",".join(found) + b"]", type=list[kind])
        except msgspec.DecodeError:
            values = []
        if len(values) == len(found):
            return values
        return [self._number(text, line, kind) for line, text in enumerate(found)]

    def _number(self, text: bytes, line: int, kind: Any) -> int | float:  # noqa: ANN401 - as above
        try:
            return msgspec.json.decode(text, type=kind)
        except msgspec.DecodeError:
            self.simple[line] = False
            return 0

    def counts(self, at: int, most: int) -> Ints:
        """A whole number from 0 in each line; another one, or none, is not simple."""
        found = self._short_counts(at)
        if found is None:
            told = [each if type(each) is int else -1 for each in self._numbers(at, int | float)]
            found = np.array([max(min(each, most + 1), -1) for each in told], np.int64)
        self.simple &= (found >= 0) & (found <= most)
        return np.clip(found, 0, most)

    def _short_counts(self, at: int) -> Ints | None:
        """Where all of them are a few digits, eight bytes at a time; else None."""
        ends = self.found.ends[at]
        sizes = ends - self.found.begins[at]
        if not ((sizes > 0) & (sizes <= _DIGITS)).all():
            return None
        aside = ((_DIGITS - sizes) * 8).astype(np.uint64)
        words = self.marked.words[ends - _DIGITS]
        first = (words >> aside).astype(np.uint8)
        # What stands before the number counts as leading zeros; a shift by 64 never happens.
        before = (np.uint64(1) << aside) - np.uint64(1)
        words = (words & ~before) | (_ZEROS & before)
        digits = words ^ _ZEROS
        if ((digits | (digits + _OVER)) & _HIGH).any() or ((sizes > 1) & (first == ord("0"))).any():
            return None
        for kept, factor, shift in _PAIRS:
            words = ((words & kept) * factor) >> shift
        return words.astype(np.int64)


def repeated(value: object, kind: pa.DataType, times: int) -> pa.Array:
    """A column that says the same all along."""
    return _repeated(value, kind, 1 << times.bit_length()).slice(0, times)


@lru_cache(maxsize=256)
def _repeated(value: object, kind: pa.DataType, times: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, kind), times)


def _holds(some: Ints, begins: Ints, ends: Ints) -> Mask:
    """Between which begin and end there is any of some places."""
    return np.searchsorted(some, begins) < np.searchsorted(some, ends)
