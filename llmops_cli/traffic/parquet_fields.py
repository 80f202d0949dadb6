"""Fields of a Parquet file, batch by batch; only the columns that are asked for are read."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.coerced import UNREADABLE
from llmops_cli.traffic.fields import ABSENT, FieldRow, missing_field, paths_of, value_at
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import open_bytes

__all__ = ["parquet_rows"]

_BATCH_ROWS = 4096


def parquet_rows(
    source: Source, fields: tuple[str, ...], content: str
) -> Iterator[tuple[int, FieldRow]]:
    """The fields of every row, numbered from 1.

    Args:
        source: the file.
        fields: what is wanted of each row.
        content: the field that is cut into blocks.

    Raises:
        LlmopsError: ``traffic-not-parquet``, ``traffic-empty``, ``mapping-missing-field``.
    """
    import pyarrow.parquet as pq  # noqa: PLC0415 - other formats are read without

    number = 0
    try:
        with open_bytes(source) as stream:
            file = pq.ParquetFile(stream)
            places = {field: _place(file.schema_arrow, field, source) for field in fields}
            for batch in file.iter_batches(_BATCH_ROWS, columns=sorted(_names(places))):
                for number, row in enumerate(_rows(batch, places), number + 1):  # noqa: B020 - goes on
                    if content in row:
                        row[content] = _pruned(row[content])
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        raise LlmopsError(
            "traffic-not-parquet", "this is not a Parquet file, or it is damaged", file=source.name
        ) from error
    if not number:
        raise LlmopsError("traffic-empty", "there is nothing in it", file=source.name)


def _names(places: dict[str, tuple[str, str]]) -> set[str]:
    return {name for name, _ in places.values()}


def _rows(batch: pa.RecordBatch, places: dict[str, tuple[str, str]]) -> Iterator[dict[str, Any]]:
    columns = {name: _values(batch.column(name)) for name in _names(places)}
    for at in range(batch.num_rows):
        row = {field: value_at(columns[name][at], rest) for field, (name, rest) in places.items()}
        yield {field: value for field, value in row.items() if value is not ABSENT}


def _values(column: pa.Array) -> list[Any]:
    try:
        return column.to_pylist()
    except (ValueError, OverflowError):
        # One time past the year 9999 must not take its neighbours with it.
        return [_one(scalar) for scalar in column]


def _one(scalar: pa.Scalar) -> object:
    try:
        return scalar.as_py()
    except (ValueError, OverflowError):
        return UNREADABLE


def _pruned(value: Any) -> Any:  # noqa: ANN401 - nested columns
    """Arrow's objects have every field that any of them has; what is null was not there."""
    if isinstance(value, dict):
        return {name: _pruned(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_pruned(inner) for inner in value]
    return value


def _place(schema: pa.Schema, field: str, source: Source) -> tuple[str, str]:
    for name, rest in paths_of(field):
        if name in schema.names and _has(schema.field(name).type, rest):
            return name, rest
    raise missing_field(field, _known(schema), source)


def _has(kind: pa.DataType, path: str) -> bool:
    if not path:
        return True
    for name, rest in paths_of(path):
        if pa.types.is_struct(kind) and kind.get_field_index(name) >= 0:
            if _has(kind.field(name).type, rest):
                return True
        elif _is_list(kind) and name.isdecimal() and _has(kind.value_type, rest):
            return True
    return False


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def _known(schema: pa.Schema) -> Iterable[str]:
    for field in schema:
        yield field.name
        if pa.types.is_struct(field.type):
            yield from (f"{field.name}.{inner.name}" for inner in field.type)
