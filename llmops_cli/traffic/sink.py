"""Where every reader of logs puts what it finds: rows into batches, the rest into counts."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.traffic.answers import answered
from llmops_cli.traffic.blocks import Part
from llmops_cli.traffic.kept import kept
from llmops_cli.traffic.otlp.exact import ExactRows
from llmops_cli.traffic.otlp.observe import Observer
from llmops_cli.traffic.prompt_reader import PromptReader
from llmops_cli.traffic.quarantine import BadRow, RowError
from llmops_cli.traffic.refusals import REFUSALS, bad_row
from llmops_cli.traffic.rows import Calls, Found, Place, Skipped
from llmops_cli.traffic.sniff import FORMATS
from llmops_cli.traffic.table import Role, StagedRow, TableBuilder
from llmops_cli.traffic.values import repeated

if TYPE_CHECKING:
    from llmops_cli.traffic.json_lines import Options

__all__ = ["Batch", "RowSink"]

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: whole calls, rows that still have to be joined, or spans."""

    kind: Literal["calls", "staged", "spans"]
    table: pa.Table


class RowSink:
    """What is found in one file.

    Args:
        options: how logs are read.
        file: the file the rows are of.
    """

    def __init__(self, options: "Options", file: str) -> None:
        self.formats: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.bad: list[BadRow] = []
        self.file = file
        self.observer = Observer(file) if options.spans else None
        self._limit = options.max_bad_rows
        self._keep = options.keep_content
        self._prompts = PromptReader(options.hash_key)
        self._whole = TableBuilder()
        self._staged = TableBuilder()
        self._exact = ExactRows()

    @property
    def choked(self) -> bool:
        """Whether there are more bad rows than the reading accepts: nothing more is needed."""
        return len(self.bad) > self._limit

    def add(
        self, columns: dict[str, Any], parts: Sequence[Part], line: int, name: str, raw: bytes = b""
    ) -> None:
        """One row of the format ``name``.

        A row that comes with its blocks is whole: it is what llmops wrote, to the last digit.

        Raises:
            RowError: ``calls-bad-content``; ``calls-missing-field`` for a row that says nothing.
            msgspec.DecodeError: a part is not what its format says, or a column not of its type.
        """
        content = kept(parts, answered(name, raw)) if self._keep and parts else None
        if "block_hashes" in columns:
            self._exact.add(columns, self.file, line, content)
            self.formats[name] += 1
            return
        row = msgspec.convert(columns, StagedRow)
        if row.empty:
            raise RowError("calls-missing-field", "it names no model, time, token or error", "")
        row.source_file, row.source_line, row.content = self.file, line, content
        prompt = self._prompts.read(parts, chained=row.role != Role.CONTENT)
        # A mapped log has no format of its own; its rows are whole.
        staged = name in FORMATS and FORMATS[name].STAGED
        (self._staged if staged else self._whole).add(row, prompt)
        if row.role:
            self.skipped["rows joined to calls"] += 1
        else:
            self.formats[name] += 1

    def add_columns(self, columns: dict[str, pa.Array], lines: Rows, name: str) -> None:
        """Rows of the format ``name``, each of a line of its own, that are columns already."""
        columns["source_file"] = repeated(self.file, pa.string(), len(lines))
        columns["source_line"] = pa.array(lines)
        (self._staged if FORMATS[name].STAGED else self._whole).extend(columns)
        self.formats[name] += len(lines)

    def place(self, line: int) -> Place | None:
        """Where a line stands, for calls that may come as whole rows: content needs all parts."""
        return None if self._keep else (self.file, line)

    def accept(self, found: Found, line: int, name: str, raw: bytes = b"") -> None:
        """Whatever a reader found: a row, a row that is rightly no call, or a bad one.

        A bad row never takes its neighbours with it.
        """
        if isinstance(found, Skipped):
            self.skipped[found.name] += 1
            return
        if isinstance(found, Calls):
            self._accept_calls(found, line, name, raw)
            return
        try:
            if isinstance(found, RowError):
                raise found
            self.add(*found, line, name, raw)
        except REFUSALS as error:
            self.bad.append(bad_row(error, raw, self.file, line, inside=True))

    def _accept_calls(self, found: Calls, line: int, name: str, raw: bytes) -> None:
        read, add = self._prompts.read_runs, self._staged.add_whole
        count = 0
        for row, runs in zip(found.rows, found.prompts, strict=True):
            try:
                add(row, read(runs))
            except REFUSALS as error:
                self.bad.append(bad_row(error, raw, self.file, line, inside=True))
            else:
                count += 1
        self.formats[name] += count

    @property
    def ready(self) -> bool:
        """Whether any batch is worth building now."""
        return (
            self._whole.full
            or self._staged.full
            or self._exact.full
            or (self.observer is not None and self.observer.full)
        )

    def full(self) -> Iterator[Batch]:
        """Batches that are worth building now."""
        if self._whole.full:
            yield Batch("calls", self._whole.take())
        if self._exact.full:
            yield Batch("calls", self._exact.take())
        if self._staged.full:
            yield Batch("staged", self._staged.take())
        if self.observer is not None and self.observer.full:
            yield Batch("spans", self.observer.take())

    def rest(self) -> Iterator[Batch]:
        """Everything not yet in a batch."""
        if len(self._whole):
            yield Batch("calls", self._whole.take())
        if len(self._exact):
            yield Batch("calls", self._exact.take())
        if len(self._staged):
            yield Batch("staged", self._staged.take())
        if self.observer is not None and len(self.observer):
            yield Batch("spans", self.observer.take())
