"""Where staged rows wait for their joins: in memory, or on disk where memory must stay small."""

# pyright: reportAttributeAccessIssue=false

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

import pyarrow as pa

from llmops_cli.traffic.handed import Handed, moved, read, write
from llmops_cli.traffic.table import staged_schema, unsaid

__all__ = ["Spool"]

_COPIED = 1 << 20


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a table begins in the file.

    Attributes:
        at: in bytes.
        names: of its columns that say something.
        lines: lines of its log before the first that it was read from.
    """

    at: int
    names: list[str]
    lines: int


class Spool:
    """Tables of the staged schema, written once and read any number of times.

    Args:
        folder: where the file may lie; None keeps everything in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._tables: list[pa.Table] = []
        self._file: IO[bytes] | None = None
        self._places = list[_Place]()
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
        file = self._end(self._folder)
        at = file.tell()
        self._places.append(_Place(at, write(file, table), 0))

    def adopt(self, handed: Handed, lines: int) -> None:
        """Keep a table that some process has written already.

        Args:
            handed: the table; its file is not needed afterwards.
            lines: lines of its log before the first that it was read from.
        """
        if self._folder is None:
            self._tables.append(moved(_whole(handed.table), lines))
            return
        file = self._end(self._folder)
        self._places.append(_Place(file.tell(), handed.names, lines))
        # As it lies there: packing it was work, and whoever wrote it has done that.
        with handed.path.open("rb") as written:
            handed.path.unlink()
            shutil.copyfileobj(written, file, _COPIED)

    def tables(self, names: Collection[str] | None = None) -> Iterator[pa.Table]:
        """Every table in order.

        Args:
            names: the columns that are wanted; None is all of them.
        """
        wanted = [name for name in staged_schema().names if names is None or name in names]
        for table in self._tables:
            yield table.select(wanted)
        for place in self._places:
            assert self._file is not None  # noqa: S101 - whatever has a place is in it
            self._file.seek(place.at)
            said = read(self._file, place.names, wanted)
            yield moved(_whole(said, wanted), place.lines)

    def _end(self, folder: Path) -> IO[bytes]:
        if self._file is None:
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as this
        self._file.seek(0, 2)
        return self._file


def _whole(said: pa.Table, names: list[str] | None = None) -> pa.Table:
    schema = staged_schema()
    names = schema.names if names is None else names
    columns = [
        said[name] if name in said.schema.names else unsaid(name, said.num_rows) for name in names
    ]
    return pa.table(columns, schema=pa.schema([schema.field(name) for name in names]))
