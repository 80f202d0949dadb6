"""Where staged rows wait for their joins: in memory, or on disk where memory must stay small."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import pyarrow as pa

from llmops_cli.traffic.table import staged_schema

__all__ = ["Spool"]


class Spool:
    """Tables of the staged schema, written once and read any number of times.

    Args:
        folder: where the file may lie; None keeps everything in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._tables: list[pa.Table] = []
        self._file: IO[bytes] | None = None
        self._writer: Any = None
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
            self._close_writer()
            self._file.close()

    def add(self, table: pa.Table) -> None:
        """Keep a table."""
        if self._folder is None:
            self._tables.append(table)
            return
        if self._file is None:
            self._file = TemporaryFile(dir=self._folder)  # noqa: SIM115 - lives as long as this
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_stream(self._file, staged_schema(), options=options)
        self._writer.write_table(table)

    def tables(self) -> Iterator[pa.Table]:
        """Every table in order."""
        if self._file is None:
            yield from self._tables
            return
        self._close_writer()
        self._file.seek(0)
        for batch in pa.ipc.open_stream(self._file):
            yield pa.Table.from_batches([batch])

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
