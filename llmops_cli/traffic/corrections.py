"""What the joins change of calls, call by call, until the calls come past."""

# pyright: reportAttributeAccessIssue=false

from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.traffic.apart import APART_COLUMNS
from llmops_cli.traffic.homes import Home
from llmops_cli.traffic.joins import Plan
from llmops_cli.traffic.keys import CONTEXT_COLUMNS
from llmops_cli.traffic.parted import Parted
from llmops_cli.traffic.table import staged_schema

__all__ = ["Corrections"]

STRETCH_ROWS = 1 << 14
"""Rows whose corrections are read back together."""

_CHANGES = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("attempts", pa.int32()),
        pa.field("begun", pa.int64()),
        *(staged_schema().field(name) for name in CONTEXT_COLUMNS),
    ]
)
_PIECES = pa.schema(
    [
        pa.field("row", pa.int64()),
        pa.field("whole", pa.bool_()),
        *(staged_schema().field(name) for name in APART_COLUMNS),
    ]
)


class Corrections:
    """Corrections of all calls that need some, by their row.

    Args:
        folder: where what memory should not hold may lie; None is memory only.
    """

    def __init__(self, folder: Path | None) -> None:
        self._stack = ExitStack()
        self._changes = self._stack.enter_context(Parted(folder, _CHANGES))
        self._pieces = self._stack.enter_context(Parted(folder, _PIECES))
        self._near: dict[int, tuple[pa.Table, pa.Table]] = {}
        self._all: tuple[pa.Table, pa.Table] | None = None

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

    def add(self, home: Home, joins: Plan) -> None:
        """Note what the joins of one home change."""
        for parted, table in (
            (self._changes, _changes(home, joins)),
            (self._pieces, _pieces(home, joins)),
        ):
            if table.num_rows:
                parted.add(table, table["row"].to_numpy() // STRETCH_ROWS)

    def between(self, begin: int, end: int) -> tuple[pa.Table, pa.Table]:
        """Changes, and pieces of prompts, of the calls of some rows, in their order.

        Rows are asked for from first to last.
        """
        if not (self._changes.spilled or self._pieces.spilled):
            if self._all is None:
                self._all = _sorted(self._changes.whole()), _sorted(self._pieces.whole())
            return _cut(self._all[0], begin, end), _cut(self._all[1], begin, end)
        stretches = range(begin // STRETCH_ROWS, (end - 1) // STRETCH_ROWS + 1)
        self._near = {n: self._near.get(n) or self._stretch(n) for n in stretches}
        changes, pieces = zip(*self._near.values(), strict=True)
        return _cut(pa.concat_tables(changes), begin, end), _cut(
            pa.concat_tables(pieces), begin, end
        )

    def _stretch(self, number: int) -> tuple[pa.Table, pa.Table]:
        return _sorted(self._changes.part(number)), _sorted(self._pieces.part(number))


def _sorted(table: pa.Table) -> pa.Table:
    order = np.argsort(table["row"].to_numpy(), kind="stable")
    return table.take(pa.array(order)).combine_chunks()


def _cut(table: pa.Table, begin: int, end: int) -> pa.Table:
    first, last = np.searchsorted(table["row"].to_numpy(), (begin, end))
    return table.slice(first, last - first)


def _changes(home: Home, joins: Plan) -> pa.Table:
    """Calls that other rows say something about."""
    again = joins.keep & (joins.first != np.arange(len(joins.first)))
    changed = (joins.keep & (joins.attempts != 1)) | again
    context = {name: _inherited(home.texts.codes(name), joins) for name in CONTEXT_COLUMNS}
    for found in context.values():
        changed |= found >= 0
    rows = np.flatnonzero(changed)
    columns = [
        pa.array(home.rows[rows]),
        pa.array(joins.attempts[rows]),
        pa.array(home.keys.start[joins.first[rows]], mask=~again[rows]),
        *(home.texts.column(name, found[rows]) for name, found in context.items()),
    ]
    return pa.table(columns, schema=_CHANGES)


def _inherited(codes: npt.NDArray[np.int32], joins: Plan) -> npt.NDArray[np.int32]:
    """For rows that say nothing the word of the nearest span around that does, else -1."""
    found = np.full_like(codes, -1)
    rows = np.flatnonzero(joins.keep & (codes < 0) & (joins.parent >= 0))
    above = joins.parent[rows]
    while len(rows):
        found[rows] = codes[above]
        missing = codes[above] < 0
        rows, above = rows[missing], joins.parent[above[missing]]
        rows, above = rows[above >= 0], above[above >= 0]
    return found


def _pieces(home: Home, joins: Plan) -> pa.Table:
    """Prompts that were logged apart; pieces of one prompt are in its order."""
    pairs = np.concatenate([joins.contents, joins.requests])
    whole = np.arange(len(pairs)) >= len(joins.contents)
    order = np.argsort(pairs[:, 1], kind="stable")
    rows, calls = pairs[order].T
    columns = [pa.array(home.rows[calls]), pa.array(whole[order])]
    columns += [home.apart.take(rows, name) for name in APART_COLUMNS]
    return pa.table(columns, schema=_PIECES)
