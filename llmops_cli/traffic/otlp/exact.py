"""Our own attributes: calls that llmops wrote as OTLP are read back to the last digit.

The conventions' attributes stand beside them for everyone else; they lack the split of cache
writes by lifetime, block hashes and the like. An absent attribute is a null column.
"""

import base64
import binascii
import math
import struct
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from llmops_cli.calls import COLUMNS, HASH_BYTES, CallColumn, arrow_schema
from llmops_cli.traffic.otlp.messages import AnyValue, KeyValue
from llmops_cli.traffic.otlp.values import plain
from llmops_cli.traffic.quarantine import RowError

__all__ = ["BLOCKS", "MARK", "PREFIX", "SCOPE", "ExactRows", "is_exact", "packed", "row", "values"]

PREFIX = "llmops.call."
MARK = "llmops.call"
"""The attribute that every such span has; its value is the version of this layout."""
SCOPE = "llmops"
"""The instrumentation library that these spans are said to be of."""

BLOCKS: dict[str, int] = {
    "block_hashes": HASH_BYTES,
    "block_tokens": 4,
    "block_kinds": 1,
    "block_markers": 1,
}
"""Columns that are lists, with the bytes of one element."""

_FOUND_ANEW = {"source_file", "source_line"}
_PLAIN = tuple(
    column for column in COLUMNS if column.name not in BLOCKS and column.name not in _FOUND_ANEW
)
_BATCH_ROWS = 50_000
_BATCH_BLOCKS = 500_000


def is_exact(attributes: Iterable[KeyValue]) -> bool:
    """Whether llmops wrote this span."""
    return any(pair.key == MARK for pair in attributes)


def values(attributes: Iterable[KeyValue]) -> dict[str, AnyValue]:
    """Our attributes among all of a span's."""
    return {
        pair.key: pair.value
        for pair in attributes
        if pair.value is not None and pair.key.startswith(PREFIX)
    }


def row(found: dict[str, AnyValue]) -> dict[str, Any]:
    """The row that these attributes say, whatever else the span says.

    Block columns come as bytes, for :class:`ExactRows`.

    Raises:
        RowError: ``calls-bad-value`` for an attribute that is not as we write it.
    """
    try:
        filled: dict[str, Any] = {
            column.name: _typed(column, plain(found.get(PREFIX + column.name))) for column in _PLAIN
        }
        filled |= {name: _unpacked(name, plain(found.get(PREFIX + name))) for name in BLOCKS}
    except (TypeError, ValueError, OverflowError, binascii.Error):
        raise _not_ours() from None
    counts = {len(filled[name] or b"") // size for name, size in BLOCKS.items()}
    if len(counts) > 1:
        raise _not_ours()
    return filled


def _not_ours() -> RowError:
    return RowError("calls-bad-value", "not as llmops writes it", PREFIX + "*")


def _typed(column: CallColumn, value: object) -> object:
    if value is None:
        return None
    made = _READERS[str(column.type)](value)
    if column.invariant == "non-negative" and made < 0:
        raise ValueError
    return made


def _integer(bits: int, *, signed: bool) -> Callable[[Any], int]:
    least = -(1 << bits - 1) if signed else 0
    limit = 1 << (bits - 1 if signed else bits)

    def read(value: Any) -> int:  # noqa: ANN401 - JSON
        made = int(value)
        if not least <= made < limit:
            raise ValueError
        return made

    return read


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "string": _string,
    "bool": _boolean,
    "double": float,
    "int64": _integer(64, signed=True),
    "int32": _integer(32, signed=True),
    "uint8": _integer(8, signed=False),
    "timestamp[us, tz=UTC]": _integer(64, signed=True),
}


def _unpacked(name: str, value: object) -> bytes | None:
    if value is None:
        return None
    data = base64.b64decode(_string(value), validate=True)
    if len(data) % BLOCKS[name]:
        raise ValueError
    return data


def packed(name: str, items: list[Any]) -> str:
    """A block column of one call as base64.

    Raises:
        ValueError: a hash that is not 16 bytes long.
    """
    if name == "block_hashes":
        data = b"".join(items)
        if any(len(item) != HASH_BYTES for item in items):
            raise ValueError(name)
    elif name == "block_tokens":
        data = struct.pack(f"<{len(items)}i", *items)
    else:
        data = bytes(items)
    return base64.b64encode(data).decode()


class ExactRows:
    """Collects such rows until a batch is worth building; nothing is joined to them."""

    def __init__(self) -> None:
        self._rows: list[dict[str, Any]] = []
        self._blocks = 0

    def __len__(self) -> int:
        """How many rows wait."""
        return len(self._rows)

    def add(self, columns: dict[str, Any], file: str, line: int, content: str | None) -> None:
        """Append one row with its place and, where it is kept, its content."""
        place = {"source_file": file, "source_line": line, "content": content}
        self._rows.append(columns | place)
        self._blocks += len(columns["block_kinds"] or b"")

    @property
    def full(self) -> bool:
        """Whether the batch should be taken now."""
        return len(self._rows) >= _BATCH_ROWS or self._blocks >= _BATCH_BLOCKS

    def take(self) -> pa.Table:
        """The rows since the last take: the calls schema, ``content`` behind it."""
        schema = arrow_schema().append(pa.field("content", pa.string()))
        rows, self._rows, self._blocks = self._rows, [], 0
        return pa.table([_column(field, rows) for field in schema], schema=schema)


def _column(field: pa.Field, rows: list[dict[str, Any]]) -> pa.Array:
    found = [row[field.name] for row in rows]
    if field.name not in BLOCKS:
        return pa.array(found, field.type)
    lengths = [len(data or b"") // BLOCKS[field.name] for data in found]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    items = _items(field.name, b"".join(data or b"" for data in found), int(offsets[-1]))
    absent = pa.array([data is None for data in found], pa.bool_())
    lists = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, mask=absent)
    return lists.cast(field.type)


def _items(name: str, data: bytes, count: int) -> pa.Array:
    if name == "block_hashes":
        kind = pa.binary(HASH_BYTES)
        return pa.FixedSizeBinaryArray.from_buffers(kind, count, [None, pa.py_buffer(data)])
    if name == "block_tokens":
        return pa.array(np.frombuffer(data, np.dtype("<i4")), pa.int32())
    return pa.array(np.frombuffer(data, np.uint8), pa.uint8())


def written(column: CallColumn, value: Any) -> dict[str, Any] | None:  # noqa: ANN401 - a cell
    """The attribute value of one cell in OTLP JSON; None for a null."""
    if value is None:
        return None
    kind = str(column.type)
    if column.name in BLOCKS:
        return {"stringValue": packed(column.name, value)}
    if kind == "string":
        return {"stringValue": value}
    if kind == "bool":
        return {"boolValue": value}
    if kind == "double":
        return {"doubleValue": value if math.isfinite(value) else _SPECIAL[str(value)]}
    return {"intValue": str(value)}


# What JSON cannot spell; the names are those of protobuf's JSON mapping.
_SPECIAL = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
