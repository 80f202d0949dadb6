"""Rows dealt out to numbered parts, each read back alone: on disk once they are many."""

from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Numbers", "Parted"]

Numbers = npt.NDArray[np.int64]

WAITING_BYTES = 16 << 20
"""What waits in memory until it is dealt out: pieces of a part shall not be crumbs."""


class Parted:
    """Tables of one schema, by parts; rows of a part keep the order they came in.

    Args:
        folder: where the file may lie; None keeps everything in memory.
        schema: of every table.
    """

    def __init__(self, folder: Path | None, schema: pa.Schema) -> None:
        self._folder, self._schema = folder, schema
        self._waiting: list[pa.Table] = []
        self._numbers: list[Numbers] = []
        self._bytes = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None
        self._places: dict[int, list[int]] = {}

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

    @property
    def spilled(self) -> bool:
        """Whether there was more than memory should hold."""
        return self._file is not None

    def add(self, table: pa.Table, numbers: Numbers) -> None:
        """Keep the rows of a table, each in the part of its number."""
        self._waiting.append(table)
        self._numbers.append(numbers)
        self._bytes += table.nbytes
        if self._folder is not None and self._bytes >= WAITING_BYTES:
            self._spill(self._folder)

    def whole(self) -> pa.Table:
        """All rows in order, where they are few."""
        return pa.concat_tables([self._schema.empty_table(), *self._waiting])

    def part(self, number: int) -> pa.Table:
        """The rows of one part in order."""
        found = [self._schema.empty_table()]
        if self._file is not None:
            found += [
                _piece(self._file, place, self._schema) for place in self._places.get(number, ())
            ]
        for table, numbers in zip(self._waiting, self._numbers, strict=True):
            rows = np.flatnonzero(numbers == number)
            if len(rows):
                found.append(table.take(pa.array(rows)))
        return pa.concat_tables(found)

    def _spill(self, folder: Path) -> None:
        if self._file is None:
            self._file = TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as this
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            self._writer = pa.ipc.new_stream(self._file, self._schema, options=options)
            # The schema is written with the first batch: no piece shall begin with it.
            self._writer.write_batch(pa.RecordBatch.from_pylist([], self._schema))
        numbers = np.concatenate(self._numbers)
        order = np.argsort(numbers, kind="stable")
        table = self.whole().take(pa.array(order)).combine_chunks()
        self._waiting, self._numbers, self._bytes = [], [], 0
        begins = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        for begin, end in zip(begins, [*begins[1:], len(order)], strict=True):
            places = self._places.setdefault(int(numbers[order[begin]]), [])
            for batch in table.slice(begin, end - begin).to_batches():
                places.append(self._file.tell())
                self._writer.write_batch(batch)


def _piece(file: IO[bytes], place: int, schema: pa.Schema) -> pa.Table:
    file.seek(place)
    batch = pa.ipc.read_record_batch(pa.ipc.read_message(file), schema)
    return pa.Table.from_batches([batch])
