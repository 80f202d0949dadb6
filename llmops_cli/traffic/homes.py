"""Rows that may be joined have one home: homes are planned one by one, so that memory stays small.

Every join is inside one trace or under one join key, and no row names both; only scores reach
further.
"""

# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa

from llmops_cli.traffic.apart import APART_COLUMNS, Apart, Texts, one_array
from llmops_cli.traffic.keys import CONTEXT_COLUMNS, KEY_COLUMNS, Keys, gather, mixed, once
from llmops_cli.traffic.parted import Numbers, Parted
from llmops_cli.traffic.table import Role, staged_schema

__all__ = ["HOME_COLUMNS", "Home", "Homes"]

HOME_COLUMNS = frozenset((*KEY_COLUMNS, *CONTEXT_COLUMNS, *APART_COLUMNS))
"""What is needed of a staged table."""

HOMES_BITS = 6
"""So many times less memory, up to a power of two, than for all rows at once."""

_APART = (Role.CONTENT, Role.REQUEST, Role.EVALUATION)
_NUMBER = pa.field("row", pa.int64())
_SMALL = {"role": pa.uint8()}
_LARGE = dict.fromkeys(("start", "end", "output"), pa.int64())
_MASKS = dict.fromkeys(
    ("half", "bare", "failed", "hopeless", "counted", "embeds", "score"), pa.bool_()
)
_KEYS = {
    field.name: (_SMALL | _LARGE | _MASKS).get(field.name, pa.uint64()) for field in fields(Keys)
}
_CONTEXT = [staged_schema().field(name) for name in CONTEXT_COLUMNS]


@dataclass(frozen=True, slots=True)
class Home:
    """Rows of one home, in the order of the log.

    Attributes:
        rows: their numbers among all rows.
        keys: theirs.
        texts: their context.
        apart: those of them that are no calls but give something to one.
    """

    rows: Numbers
    keys: Keys
    texts: Texts
    apart: Apart


class Homes:
    """The keys of rows that may be joined, by homes.

    Args:
        folder: where what memory should not hold may lie; None is memory only.
    """

    def __init__(self, folder: Path | None) -> None:
        self._seen = 0
        self._stack = ExitStack()
        key_fields = [pa.field(name, kind) for name, kind in _KEYS.items()]
        # Context columns come behind keys that may have the same names.
        context = [field.with_name(f"context_{field.name}") for field in _CONTEXT]
        self._keys = self._opened(folder, pa.schema([_NUMBER, *key_fields, *context]))
        aside = [staged_schema().field(name) for name in APART_COLUMNS]
        self._apart = self._opened(folder, pa.schema([_NUMBER, *aside]))

    def _opened(self, folder: Path | None, schema: pa.Schema) -> Parted:
        return self._stack.enter_context(Parted(folder, schema))

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the files."""
        self._stack.close()

    def see(self, table: pa.Table, rows: Numbers) -> None:
        """Take in some rows; later ones have higher numbers.

        Args:
            table: of its columns those of ``HOME_COLUMNS`` are enough.
            rows: their numbers among all rows.
        """
        keys = gather(table)
        self._seen += len(keys)
        homes = _homes(keys, rows)
        columns = [pa.array(getattr(keys, name), kind) for name, kind in _KEYS.items()]
        columns += [table[name] for name in CONTEXT_COLUMNS]
        names = [_NUMBER.name, *_KEYS, *(f"context_{name}" for name in CONTEXT_COLUMNS)]
        self._keys.add(pa.table([pa.array(rows), *columns], names), homes)
        aside = np.flatnonzero(np.isin(keys.role, _APART))
        if len(aside):
            taken = table.select(APART_COLUMNS).take(pa.array(aside))
            self._apart.add(taken.add_column(0, _NUMBER, pa.array(rows[aside])), homes[aside])

    def __iter__(self) -> Iterator[Home]:
        """All homes, each once; rows that fit in memory are one home."""
        if not (self._keys.spilled or self._apart.spilled):
            if self._seen:
                yield _home(self._keys.whole(), self._apart.whole())
            return
        for number in range(1 << HOMES_BITS):
            keys = self._keys.part(number)
            if keys.num_rows:
                yield _home(keys, self._apart.part(number))


def _homes(keys: Keys, rows: Numbers) -> Numbers:
    shared = np.where(keys.joined != 0, keys.joined, keys.trace)
    # A row that names nothing of others is at home anywhere.
    alone = (shared == 0) & (keys.span == 0) & (keys.parent == 0)
    shared = np.where(alone, rows.astype(np.uint64), shared)
    return (mixed(shared, shared) >> np.uint64(64 - HOMES_BITS)).astype(np.int64)


def _home(keys: pa.Table, apart: pa.Table) -> Home:
    arrays = {name: once(_numpy(keys[name])) for name in _KEYS}
    texts = Texts()
    texts.see(
        keys.select([f"context_{n}" for n in CONTEXT_COLUMNS]).rename_columns(CONTEXT_COLUMNS)
    )
    rows = _numpy(keys[_NUMBER.name])
    at = np.searchsorted(rows, _numpy(apart[_NUMBER.name]))
    return Home(rows, Keys(**arrays), texts, Apart(at, apart))


def _numpy(column: pa.ChunkedArray) -> Any:  # noqa: ANN401 - an array of any type
    return one_array(column).to_numpy(zero_copy_only=False)
