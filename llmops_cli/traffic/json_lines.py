"""JSON lines to batches of staged rows; every line is read by its own format."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.answers import answered
from llmops_cli.traffic.blocks import Part, PromptReader
from llmops_cli.traffic.by_column import BY_COLUMN, decoded_together
from llmops_cli.traffic.halves import without_halves
from llmops_cli.traffic.kept import kept
from llmops_cli.traffic.otlp.exact import ExactRows
from llmops_cli.traffic.otlp.observe import Observer
from llmops_cli.traffic.quarantine import BadRow, RowError
from llmops_cli.traffic.refusals import REFUSALS, bad_row
from llmops_cli.traffic.rows import Found, Skipped
from llmops_cli.traffic.sniff import FORMATS, sniff
from llmops_cli.traffic.streams import LINE_LIMIT, TOO_LONG, Slab, require_utf8
from llmops_cli.traffic.table import Role, StagedRow, TableBuilder

__all__ = ["Batch", "JsonLinesReader", "Options", "RowSink"]

_LONG = 4 << 20

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Options:
    """How logs are read.

    Attributes:
        format: one of ``FORMATS``, or ``auto``: a gateway's log may mix providers.
        max_bad_rows: how many unreadable rows are accepted.
        hash_key: key of the block hashes.
        keep_content: whether prompts are kept beside their hashes, and answers with them.
        spans: whether the spans table is wanted too.
        mapping: column of the calls table to field of the log, for a log of the team's own.
    """

    format: str = "auto"
    max_bad_rows: int = 100
    hash_key: bytes | None = None
    keep_content: bool = False
    spans: bool = False
    mapping: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows: whole calls, rows that still have to be joined, or spans."""

    kind: Literal["calls", "staged", "spans"]
    table: pa.Table


class RowSink:
    """Where every reader puts what it finds: rows into batches, the rest into counts.

    Args:
        options: how logs are read.
        file: the file the rows are of.
    """

    def __init__(self, options: Options, file: str) -> None:
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
        columns["source_file"] = pa.repeat(self.file, len(lines))
        columns["source_line"] = pa.array(lines)
        (self._staged if FORMATS[name].STAGED else self._whole).extend(columns)
        self.formats[name] += len(lines)

    def accept(self, found: Found, line: int, name: str, raw: bytes = b"") -> None:
        """Whatever a reader found: a row, a row that is rightly no call, or a bad one.

        A bad row never takes its neighbours with it.
        """
        if isinstance(found, Skipped):
            self.skipped[found.name] += 1
            return
        try:
            if isinstance(found, RowError):
                raise found
            self.add(*found, line, name, raw)
        except REFUSALS as error:
            self.bad.append(bad_row(error, raw, self.file, line, inside=True))

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


class JsonLinesReader:
    """Reads lines into a sink.

    Args:
        options: how logs are read.

    Raises:
        LlmopsError: ``traffic-unknown-format``.
    """

    def __init__(self, options: Options) -> None:
        if options.format != "auto" and options.format not in FORMATS:
            raise LlmopsError(
                "traffic-unknown-format",
                f"'{options.format}' is not a log format",
                hint=f"one of auto, {', '.join(FORMATS)}",
                exit_code=ExitCode.USAGE,
            )
        self._only = None if options.format == "auto" else options.format
        self._current = self._only or "anthropic-messages"
        self._decoders = {name: msgspec.json.Decoder(item.Line) for name, item in FORMATS.items()}

    def takes_slabs(self) -> bool:
        """Whether lines as the last one was are read faster many at once."""
        return self._current in BY_COLUMN

    def batches(self, pieces: Iterable[tuple[int, bytes | Slab]], sink: RowSink) -> Iterator[Batch]:
        """The rows of all lines; stops early when there are too many bad ones.

        Args:
            pieces: a line, or where they are taken several, with the number of the first.
            sink: where the rows go.

        Raises:
            LlmopsError: what the source refuses.
        """
        for number, piece in pieces:
            if isinstance(piece, Slab):
                yield from self._read_slab(piece, number, sink)
            else:
                yield from self._read(piece, number, sink)
            if sink.choked:
                break
        yield from sink.rest()

    def _read_slab(self, slab: Slab, first: int, sink: RowSink) -> Iterator[Batch]:
        name = self._current
        lines = decoded_together(slab, self._decoders[name].decode_lines)
        found = BY_COLUMN[name](lines) if lines else None
        if lines is None or found is None:
            yield from self._read_each(slab, first, sink)
            return
        columns, simple = found
        others = np.flatnonzero(~simple)
        if len(others):
            columns = {each: values.filter(pa.array(simple)) for each, values in columns.items()}
        sink.add_columns(columns, first + np.flatnonzero(simple), name)
        raw = list(slab) if len(others) else []
        for at in others.tolist():
            _accept_row(lines[at], name, raw[at], first + at, sink)
            if sink.choked:
                break
        yield from sink.full()

    def _read_each(self, slab: Slab, first: int, sink: RowSink) -> Iterator[Batch]:
        for number, raw in enumerate(slab, first):
            if not raw.isspace():
                yield from self._read(raw, number, sink)
            if sink.choked:
                return

    def _read(self, raw: bytes, number: int, sink: RowSink) -> Iterator[Batch]:
        try:
            line, name = self._decoded(raw)
            found = None
            for found in FORMATS[name].rows(line):
                sink.accept(found, number, name, raw)
                if sink.ready:
                    yield from sink.full()
            if found is None and not line.fits():
                raise _unknown()
            if sink.observer is not None and name.startswith("otlp"):
                sink.observer.add(line, number)
        except REFUSALS as error:
            sink.bad.append(bad_row(error, raw, sink.file, number))

    def _decoded(self, raw: bytes) -> tuple[Any, str]:
        try:
            return self._decode(raw)
        except msgspec.DecodeError:
            mended = without_halves(raw)
            if mended == raw:
                raise
            return self._decode(mended)

    def _decode(self, raw: bytes) -> tuple[Any, str]:
        if raw is TOO_LONG:
            raise RowError(
                "traffic-line-too-long", f"longer than {LINE_LIMIT >> 20} MiB: not read", ""
            )
        if not raw.isascii():
            # The decoder skips over content without looking at its bytes.
            require_utf8(raw)
        if len(raw) > _LONG and self._long(raw):
            return self._lenient(raw)
        try:
            line = self._decoders[self._current].decode(raw)
        except msgspec.ValidationError:
            name = self._other(raw)
            if name is None:
                return self._lenient(raw)
            return self._retry(raw, name)
        except (msgspec.DecodeError, RecursionError):
            return self._lenient(raw)
        if self._only is None and not line.fits():
            name = self._other(raw)
            if name is not None:
                return self._retry(raw, name)
        return line, self._current

    def _retry(self, raw: bytes, name: str) -> tuple[Any, str]:
        try:
            return self._decoders[name].decode(raw), name
        except (msgspec.DecodeError, RecursionError):
            return self._lenient(raw)

    def _long(self, raw: bytes) -> bool:
        """Whether a long line is of many rows, which need not all be in memory at once."""
        self._other(raw)
        return hasattr(FORMATS[self._current], "decode_leniently")

    def _lenient(self, raw: bytes) -> tuple[Any, str]:
        """A line of many rows, decoded row by row: one that is wrong does not spoil the others."""
        module = FORMATS[self._current]
        decode = getattr(module, "decode_leniently", None) or self._decoders[self._current].decode
        return decode(raw), self._current

    def _other(self, raw: bytes) -> str | None:
        # Remembered: the lines of one log mostly agree, so one decode per line is enough.
        if self._only is not None:
            return None
        name = sniff(raw)
        if name is None:
            raise _unknown()
        if name == self._current:
            return None
        self._current = name
        return name


def _accept_row(line: Any, name: str, raw: bytes, number: int, sink: RowSink) -> None:  # noqa: ANN401 - as typed by the format
    try:
        for found in FORMATS[name].rows(line):
            sink.accept(found, number, name, raw)
    except REFUSALS as error:
        sink.bad.append(bad_row(error, raw, sink.file, number))


def _unknown() -> RowError:
    return RowError(
        "traffic-unknown-format",
        "no known format: neither a request and response nor a trace",
        "",
    )
