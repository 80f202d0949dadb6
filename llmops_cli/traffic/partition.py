"""Calls into Parquet files by day, provider and model, as other tools expect to find them."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

__all__ = ["write_parts"]

_UNKNOWN = "unknown"
_OPEN_FILES = 100
_GROUP_ROWS = 100_000
_KEYS = pa.schema([("day", pa.string()), ("provider", pa.string()), ("model", pa.string())])


def write_parts(tables: Iterable[pa.Table], folder: Path, name: str) -> tuple[list[str], int]:
    """Write tables under ``folder`` in Hive's layout.

    Args:
        tables: of the calls schema, all with the same columns.
        folder: need not be there yet.
        name: beginning of every file's name.

    Returns:
        The files, relative to ``folder`` and sorted, and how many calls are in them.

    Raises:
        OSError: what the file system says.
    """
    written, rows = list[str](), 0

    given = iter(tables)
    first = next(given, None)
    if first is None:
        return [], 0

    def counted() -> Iterator[pa.RecordBatch]:
        nonlocal rows
        for table in chain((first,), given):
            rows += table.num_rows
            yield from _keyed(table).to_batches()

    schema = _keyed(first.slice(0, 0)).schema
    format_ = ds.ParquetFileFormat()
    ds.write_dataset(
        pa.RecordBatchReader.from_batches(schema, counted()),
        folder,
        format=format_,
        file_options=format_.make_write_options(compression="zstd"),
        partitioning=ds.partitioning(_KEYS, flavor="hive"),
        basename_template=f"{name}-{{i}}.parquet",
        use_threads=False,
        max_partitions=1 << 20,
        max_open_files=_OPEN_FILES,
        max_rows_per_group=_GROUP_ROWS,
        existing_data_behavior="overwrite_or_ignore",
        file_visitor=lambda file: written.append(_relative(file, folder)),
    )
    return sorted(written), rows


def _relative(file: Any, folder: Path) -> str:  # noqa: ANN401 - Arrow's WrittenFile
    return Path(file.path).relative_to(folder).as_posix()


def _keyed(table: pa.Table) -> pa.Table:
    day: Any = pc.strftime(table["start_time"], format="%Y-%m-%d")  # pyright: ignore[reportAttributeAccessIssue]
    model = pc.coalesce(table["response_model"], table["request_model"])  # pyright: ignore[reportAttributeAccessIssue]
    for key, column in (("day", day), ("provider", table["provider_name"]), ("model", model)):
        filled = pc.fill_null(column, _UNKNOWN)
        table = table.append_column(pa.field(key, pa.string()), filled)
    return table
