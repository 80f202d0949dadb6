"""Tables that one process hands to another: in files, for a pipe stands still while both work.

A pipe holds 64 KB: a worker that sends megabytes waits again and again until its reader, busy
with lines of its own, has a moment for the next piece.
"""

# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.traffic.sink import Batch
from llmops_cli.traffic.table import says

__all__ = ["Handed", "hand", "moved", "read", "write"]

_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
_LINE = "source_line"


@dataclass(frozen=True, slots=True)
class Handed:
    """A batch in a file.

    Attributes:
        kind: of the batch.
        path: the file.
        names: the columns in it; of staged rows only those that say something.
    """

    kind: str
    path: Path
    names: list[str]

    @property
    def table(self) -> pa.Table:
        """What is in the file; nobody else reads it."""
        with self.path.open("rb") as file:
            self.path.unlink()
            return read(file, self.names, self.names)


def hand(batch: Batch, folder: Path) -> Handed:
    """Write a batch into a new file of a folder."""
    with NamedTemporaryFile(dir=folder, delete=False) as file:
        names = write(file, batch.table, all_of_it=batch.kind != "staged")
        return Handed(batch.kind, Path(file.name), names)


def write(file: IO[bytes], table: pa.Table, *, all_of_it: bool = False) -> list[str]:
    """Write what a table says where the file stands.

    Returns:
        The columns that were written: in most logs half of them say nothing.
    """
    names = [n for n in table.schema.names if all_of_it or any(map(says, table[n].chunks))]
    said = table.select(names)
    with pa.ipc.new_stream(file, said.schema, options=_OPTIONS) as writer:
        writer.write_table(said)
    return names


def read(file: IO[bytes], names: list[str], wanted: list[str]) -> pa.Table:
    """The wanted ones of the columns that were written where the file stands.

    Args:
        file: opened.
        names: of what was written there.
        wanted: those that are not there are left out; one column is always read.
    """
    among = set(wanted)
    chosen = [at for at, name in enumerate(names) if name in among] or [0]
    options = pa.ipc.IpcReadOptions(included_fields=chosen)
    return pa.ipc.open_stream(file, options=options).read_all()


def moved(table: pa.Table, lines: int) -> pa.Table:
    """A table whose lines are counted from the beginning of their log, so many before its own."""
    if not lines or _LINE not in table.schema.names:
        return table
    at = table.schema.get_field_index(_LINE)
    return table.set_column(at, _LINE, pc.add(table[_LINE], pa.scalar(lines, pa.int64())))
