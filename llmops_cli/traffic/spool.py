"""Where staged rows wait for their joins: in memory, or on disk where memory must stay small."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

import pyarrow as pa

from llmops_cli.traffic.table import says, staged_schema, unsaid

__all__ = ["Spool"]

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")


class Spool:
    """Tables of the staged schema, written once and read any number of times.

    Args:
        folder: where the file may lie; None keeps everything in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._tables: list[pa.Table] = []
        self._file: IO[bytes] | None = None
        self._places = list[int]()
        self._folder = folder

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file, if there is one."""
        if self._file is not None:
            self._file.close()

    def add(self, table: pa.Table) -> None:
        """Keep a table."""
        if self._folder is None:
            self._tables.append(table)
            return
        if self._file is None:
            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as long as this
        self._places.append(self._file.tell())
        names = [n for n in table.schema.names if any(map(says, table[n].chunks))]
        said = table.select(names)
        with pa.ipc.new_stream(self._file, said.schema, options=_OPTIONS) as writer:
            writer.write_table(said)

    def tables(self) -> Iterator[pa.Table]:
        """Every table in order."""
        if self._file is None:
            yield from self._tables
            return
        for place in self._places:
            self._file.seek(place)
            yield _whole(pa.ipc.open_stream(self._file).read_all())


def _whole(said: pa.Table) -> pa.Table:
    schema = staged_schema()
    columns = [
        said[name] if name in said.schema.names else unsaid(name, said.num_rows)
        for name in schema.names
    ]
    return pa.table(columns, schema=schema)
