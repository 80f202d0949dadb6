"""The calls table as Parquet: our own format, read and written in batches."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from llmops_cli.calls import COLUMNS, arrow_schema
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import open_packed

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["CONTENT", "NAME", "tables", "writer"]

NAME = "calls-parquet"

CONTENT = pa.field("content", pa.string())
"""The column behind the calls schema that holds prompts and answers where they are kept."""


def tables(source: Source) -> Iterator[pa.Table]:
    """The row groups of one file as tables of the calls schema, and kept content behind it.

    Columns that a later version added are ignored; none of ours may be absent.

    Raises:
        LlmopsError: ``traffic-not-parquet``, ``calls-missing-column``, ``calls-bad-column``,
            ``traffic-empty``.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - other formats are read without

    try:
        file = pq.ParquetFile(open_packed(source) if source.is_remote else source.name)
        _check(file.schema_arrow, source)
        if file.metadata.num_rows == 0:
            raise LlmopsError(
                "traffic-empty",
                "there is nothing in it",
                hint="an empty log answers nothing; check the export that made it",
                file=source.name,
            )
        known = [*(column.name for column in COLUMNS), CONTENT.name]
        present = [name for name in known if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            yield _completed(file.read_row_group(group, columns=present))
    except (pa.ArrowInvalid, OSError) as error:
        raise LlmopsError(
            "traffic-not-parquet",
            "this is not a Parquet file, or it is damaged",
            hint="write it again with llmops ingest",
            file=source.name,
        ) from error


def _completed(table: pa.Table) -> pa.Table:
    schema = arrow_schema()
    if CONTENT.name in table.schema.names:
        schema = schema.append(CONTENT)
    arrays = [
        table[field.name].cast(field.type)
        if field.name in table.schema.names
        else pa.nulls(table.num_rows, field.type)
        for field in schema
    ]
    return pa.table(arrays, schema=schema)


def writer(path: str, *, content: bool = False) -> "pq.ParquetWriter":
    """A Parquet file of the calls schema that batches are appended to.

    With ``content`` there is a column of that name behind it, for prompts that are kept.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - as above

    schema = arrow_schema()
    schema = schema.append(CONTENT) if content else schema
    return pq.ParquetWriter(path, schema, compression="zstd")


def _check(schema: pa.Schema, source: Source) -> None:
    for column in COLUMNS:
        if column.name not in schema.names:
            if column.optional:
                continue
            raise LlmopsError(
                "calls-missing-column",
                f"'{column.name}' is not in it",
                hint="this Parquet is not a calls table; llmops ingest writes one",
                file=source.name,
                field=column.name,
            )
        found = schema.field(column.name).type
        if not _compatible(found, column.type):
            raise LlmopsError(
                "calls-bad-column",
                f"'{column.name}' holds {found}, not {column.type}",
                file=source.name,
                field=column.name,
            )


def _compatible(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_list(wanted) or pa.types.is_large_list(wanted):
        return (pa.types.is_list(found) or pa.types.is_large_list(found)) and _compatible(
            found.value_type, wanted.value_type
        )
    same_family = (pa.types.is_integer, pa.types.is_floating, pa.types.is_timestamp)
    if any(family(found) and family(wanted) for family in same_family):
        return True
    if pa.types.is_string(wanted):
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    return found.equals(wanted)
