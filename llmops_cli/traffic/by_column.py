"""Lines that are read many at once, where their format has columns for the simple ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.traffic import (
    anthropic_columns,
    anthropic_messages,
    litellm,
    litellm_columns,
    openai_chat,
    openai_columns,
    openai_responses,
)
from llmops_cli.traffic.alike import Found, Marked
from llmops_cli.traffic.blocks import key_of
from llmops_cli.traffic.filled import Columns, alike, filled
from llmops_cli.traffic.layouts import Layout
from llmops_cli.traffic.streams import Slab, require_utf8
from llmops_cli.traffic.templates import Template, template

__all__ = [
    "BY_COLUMN",
    "ColumnReader",
    "Together",
    "column_reader",
    "decoded_together",
    "learned",
]

Rows = npt.NDArray[np.int64]

_OPEN, _CLOSE = b"{}"
_ASCII = 0x7F
_SHORT = 4096
"""Longer lines are mostly prompts that grow, and of those the row reader remembers the most."""

_TEMPLATES = 16
_VAIN = 3
_ALIKE = 16
"""Lines that one template should be worth among those of a slab."""
_MANY = 256
"""In so many lines a value that was the same is looked upon as part of the template."""


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """What some lines say.

    Attributes:
        columns: of simple lines, and which lines those are.
        others: lines that are left to the row reader.
        lines: all of them as typed by the format, where they were decoded.
    """

    columns: list[tuple[Columns, Rows]]
    others: Rows
    lines: list[Any] | None = None


class ColumnReader(Protocol):
    """Reads lines of a format many at once."""

    @property
    def useless(self) -> bool:
        """Whether lines as those before are read faster one by one."""
        ...

    def read(self, slab: Slab) -> Together | None:
        """What the lines of a slab say; None where each of them needs a look of its own."""
        ...


def column_reader(name: str, hash_key: bytes | None, *, keep_content: bool) -> ColumnReader | None:
    """The reader of a format's simple lines; None where it has none.

    Args:
        name: of the format.
        hash_key: key of the block hashes.
        keep_content: whether prompts are kept: they are taken from each line then.
    """
    if name not in BY_COLUMN:
        return None
    known = BY_COLUMN[name]
    if not isinstance(known, Layout):
        return _Decoded(known)
    return None if keep_content else _Templates(known, learned(name, key_of(hash_key)))


BY_COLUMN: dict[str, Layout | Callable[[list[Any]], tuple[Columns, Any] | None]] = {
    litellm.NAME: litellm_columns.columns,
    anthropic_messages.NAME: anthropic_columns.LAYOUT,
    openai_chat.NAME: openai_columns.CHAT,
    openai_responses.NAME: openai_columns.RESPONSES,
}
"""Formats of short lines that are mostly alike: what may differ in them, or the columns of the
simple ones of some lines, and which those are; None where a line is not of the format. What the
columns hold is what the format's ``rows`` would make of each line."""


class _Decoded:
    """Decodes all lines, and makes columns of what it finds."""

    useless = False

    def __init__(
        self, columns_of: Callable[[list[Any]], tuple[Columns, npt.NDArray[np.bool_]] | None]
    ) -> None:
        self._columns_of = columns_of
        self._decode = msgspec.json.Decoder(litellm.Line).decode_lines

    def read(self, slab: Slab) -> Together | None:
        lines = decoded_together(slab, self._decode)
        found = self._columns_of(lines) if lines else None
        if found is None:
            return None
        _, simple = found
        return Together([_those(*found)], np.flatnonzero(~simple), lines)


def _those(columns: Columns, simple: npt.NDArray[np.bool_]) -> tuple[Columns, Rows]:
    rows = np.flatnonzero(simple)
    if len(rows) < len(simple):
        mask = pa.array(simple)
        columns = {name: values.filter(mask) for name, values in columns.items()}
    return columns, rows


class _Learned:
    """The templates of the lines read so far, the ones of use last first.

    Attributes:
        key: of the block hashes.
        known: those that are tried.
        narrower: by a template the one that says more, or itself where none does.
    """

    def __init__(self, key: bytes) -> None:
        self.key = key
        self.known = list[Template]()
        self.narrower = dict[Template, Template]()


@lru_cache(maxsize=8)
def learned(name: str, key: bytes) -> _Learned:
    """Those of a format, kept in this process: the next part of a log is mostly like the last.

    What a line says does not depend on them, only how fast it is read.
    """
    del name
    return _Learned(key)


class _Templates:
    """Reads lines by templates that it takes from them."""

    def __init__(self, layout: Layout, learned: _Learned) -> None:
        self._layout, self._learned = layout, learned
        self._vain = 0

    @property
    def useless(self) -> bool:
        return self._vain >= _VAIN

    def read(self, slab: Slab) -> Together | None:
        if len(slab.data) > _SHORT * len(slab):
            self._vain = _VAIN
            return None
        whole = slab.data.tobytes()
        try:
            if slab.data.max() > _ASCII:
                require_utf8(whole)
        except UnicodeDecodeError:
            return None
        found = list(self._found(Marked.of(slab), whole))
        read = np.zeros(len(slab), np.bool_)
        for _, rows in found:
            read[rows] = True
        self._vain = 0 if 2 * np.count_nonzero(read) > len(slab) else self._vain + 1
        return Together(found, np.flatnonzero(~read))

    def _found(self, marked: Marked, whole: bytes) -> Iterator[tuple[Columns, Rows]]:
        left = np.arange(len(marked.ends))
        for known in [*self._learned.known]:
            if len(left):
                before = len(left)
                left, columns = self._taken(known, marked, left, whole)
                yield from columns
                if before - len(left) < _ALIKE:
                    self._widen(known)
        tries = _VAIN
        while len(left) >= _ALIKE and tries:
            new = template(self._layout, whole[marked.starts[left[0]] : marked.ends[left[0]]])
            before, left = len(left), left[1:] if new is None else left
            if new is not None:
                self._learned.known.insert(0, new)
                left, columns = self._taken(new, marked, left, whole)
                yield from columns
            if new is None or before - len(left) < _ALIKE:
                self._learned.known = [each for each in self._learned.known if each is not new]
                tries -= 1
            del self._learned.known[_TEMPLATES:]

    def _taken(
        self, known: Template, marked: Marked, left: Rows, whole: bytes
    ) -> tuple[Rows, list[tuple[Columns, Rows]]]:
        """The lines that are not of a template, and the columns of those that are."""
        found = known.shape.find(marked, left)
        if not len(found.rows):
            return left, []
        self._narrow(known, marked, found, whole)
        columns, simple = filled(self._layout, known, marked, found, whole, self._learned.key)
        chosen, rows = _those(columns, simple)
        all_of_them = len(found.rows) == len(left)
        others = left[:0] if all_of_them else np.setdiff1d(left, found.rows, assume_unique=True)
        return others, [(chosen, found.rows[rows])] if len(rows) else []

    def _narrow(self, known: Template, marked: Marked, found: Found, whole: bytes) -> None:
        """Look for lines that agree in more: model and workspace are mostly the same in all."""
        if (
            len(found.rows) < _MANY
            or known in self._learned.narrower
            or known in self._learned.narrower.values()
        ):
            return
        same = alike(known, marked, found, whole)
        first = found.rows[0]
        raw = whole[marked.starts[first] : marked.ends[first]]
        new = template(self._layout, raw, same) if same else None
        self._learned.narrower[known] = new or known
        if new is not None:
            self._learned.known.insert(0, new)

    def _widen(self, known: Template) -> None:
        """Forget a template that was narrower than another, and now fits no lines any more."""
        wider = next((w for w, narrow in self._learned.narrower.items() if narrow is known), known)
        if wider is not known:
            del self._learned.narrower[wider]
            self._learned.known = [each for each in self._learned.known if each is not known]


def decoded_together(slab: Slab, decode_lines: Callable[[Any], list[Any]]) -> list[Any] | None:
    """One value for each line of a slab, or None where some line needs a look of its own."""
    data, ends = slab.data, slab.ends
    opened = data[0] == _OPEN and bool((data[ends[:-1] + 1] == _OPEN).all())
    if not (opened and bool((data[ends - 1] == _CLOSE).all())):
        return None
    try:
        if data.max() > _ASCII:
            # The decoder skips over content without looking at its bytes.
            require_utf8(data.tobytes())
        found = decode_lines(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    # In no JSON value does an object follow on another without a comma, so every line ends
    # where a value does: as many values as lines means one on each.
    return found if len(found) == len(slab) else None
