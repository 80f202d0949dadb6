"""Calls as small as one question needs them, made so while they are read."""

# pyright: reportAttributeAccessIssue=false

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.calls import COLUMNS, HASH_BYTES, fixed_width
from llmops_cli.traffic.table import zeros

__all__ = ["in_one_piece", "narrowed"]

_OWN = {"call_id", "trace_id", "span_id", "conversation_id", "user_id"}
"""Texts that few calls share: as codes they would be longer."""
_REPEATED = {each.name for each in COLUMNS if pa.types.is_string(each.type)} - _OWN
_HASHES = pa.list_(pa.binary(HASH_BYTES))
_CODED_HASHES = pa.list_(pa.dictionary(pa.int32(), pa.binary(HASH_BYTES)))
_CODES = pa.dictionary(pa.int32(), pa.string())
_SMALL = 1 << 27
"""Whole numbers up to here take half the bytes; a dozen of them still add up to no more than 32
bits hold."""


def narrowed(table: pa.Table, columns: Collection[str]) -> pa.Table:
    """Some columns of a calls table, each in as few bytes as it needs.

    Texts and hashes that repeat are codes, whole numbers may have 32 bits; what is the same in
    all rows takes next to nothing. Narrow columns stay as they are.

    Raises:
        LlmopsError: ``calls-bad-column`` for a block hash that is none.
    """
    found = table.select([name for name in table.schema.names if name in columns])
    for at, name in enumerate(found.schema.names):
        column = found[name]
        if name == "block_hashes" and column.type != _CODED_HASHES:
            found = found.set_column(at, name, _coded_hashes(column))
        elif column.type == pa.string() and name in _REPEATED:
            found = found.set_column(at, name, _coded(column))
        elif column.type == pa.int64():
            found = found.set_column(at, name, _whole(column))
        elif column.type == pa.float64() and column.null_count == len(found):
            found = found.set_column(at, name, _nothing(pa.float64(), len(found)))
    return found


def _coded_hashes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    lists = fixed_width(column, _HASHES)
    return pa.chunked_array(
        [
            pa.ListArray.from_arrays(
                _from_zero(each),
                each.flatten().dictionary_encode(null_encoding="encode"),
                mask=each.is_null() if each.null_count else None,
            )
            for each in lists.chunks
        ],
        _CODED_HASHES,
    )


def _from_zero(lists: pa.ListArray) -> pa.Array:
    """Where each list begins among the values of all."""
    counts = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(lists) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    return pa.array(offsets)


def _coded(column: pa.ChunkedArray) -> Any:  # noqa: ANN401 - an array, chunked or not
    rows = len(column)
    if column.null_count == rows:
        return _same(rows, None)
    coded = column.cast(_CODES).unify_dictionaries()
    words = coded.chunk(0).dictionary
    return _same(rows, words[0]) if len(words) == 1 and not column.null_count else coded


def _same(rows: int, word: pa.Scalar | None) -> pa.DictionaryArray:
    """A column of codes that says the same all along, or nothing."""
    words = pa.array([] if word is None else [word], pa.string())
    buffers = [zeros(rows) if word is None else None, zeros(rows)]
    return pa.DictionaryArray.from_buffers(_CODES, rows, buffers, words)


def _whole(column: pa.ChunkedArray) -> Any:  # noqa: ANN401 - an array, chunked or not
    if column.null_count == len(column):
        return _nothing(pa.int32(), len(column))
    ends = pc.min_max(column).as_py()
    if ends["min"] == ends["max"] == 0 and not column.null_count:
        return pa.Array.from_buffers(pa.int32(), len(column), [None, zeros(len(column))])
    fits = ends["min"] >= -_SMALL and ends["max"] <= _SMALL
    return column.cast(pa.int32()) if fits else column


def _nothing(kind: pa.DataType, rows: int) -> pa.Array:
    return pa.Array.from_buffers(kind, rows, [zeros(rows), zeros(rows)])


def in_one_piece(table: pa.Table) -> pa.Table:
    """A table whose columns are one chunk each; no more than one column is there twice.

    The caller keeps none of the tables it was put together from.
    """
    schema, whole = table.schema, list[pa.Array]()
    while table.num_columns:
        whole.append(table.column(0).combine_chunks())
        table = table.remove_column(0)
    return pa.Table.from_arrays(whole, schema=schema)
