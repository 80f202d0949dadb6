"""Calls as small as one question needs them, made so while they are read."""

# pyright: reportAttributeAccessIssue=false

from collections.abc import Collection

import pyarrow as pa

from llmops_cli.calls import COLUMNS, HASH_BYTES, fixed_width

__all__ = ["in_one_piece", "narrowed"]

_OWN = {"call_id", "trace_id", "span_id", "conversation_id", "user_id"}
"""Texts that few calls share: as codes they would be longer."""
_REPEATED = {each.name for each in COLUMNS if pa.types.is_string(each.type)} - _OWN
_HASHES = pa.list_(pa.binary(HASH_BYTES))
_CODES = pa.dictionary(pa.int32(), pa.string())


def narrowed(table: pa.Table, columns: Collection[str]) -> pa.Table:
    """Some columns of a calls table, texts that repeat as codes, hashes without their lengths.

    Raises:
        LlmopsError: ``calls-bad-column`` for a block hash that is none.
    """
    found = table.select([name for name in table.schema.names if name in columns])
    for at, name in enumerate(found.schema.names):
        if name in _REPEATED:
            found = found.set_column(at, name, found[name].cast(_CODES))
        elif name == "block_hashes":
            found = found.set_column(at, name, fixed_width(found[name], _HASHES))
    return found


def in_one_piece(table: pa.Table) -> pa.Table:
    """A table whose columns are one chunk each; no more than one column is there twice.

    The caller keeps none of the tables it was put together from.
    """
    schema, whole = table.schema, list[pa.Array]()
    while table.num_columns:
        whole.append(table.column(0).combine_chunks())
        table = table.remove_column(0)
    return pa.Table.from_arrays(whole, schema=schema)
