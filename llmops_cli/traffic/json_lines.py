"""JSON lines to batches of staged rows; every line is read by its own format."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic import anthropic_messages
from llmops_cli.traffic.by_column import column_reader
from llmops_cli.traffic.halves import without_halves
from llmops_cli.traffic.otlp import json_format as otlp_json
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.refusals import REFUSALS, bad_row
from llmops_cli.traffic.rows import Found
from llmops_cli.traffic.sink import Batch, RowSink
from llmops_cli.traffic.sniff import FORMATS, sniff
from llmops_cli.traffic.streams import LINE_LIMIT, TOO_LONG, Slab, require_utf8

__all__ = ["JsonLinesReader", "Options"]

_LONG = 4 << 20
_GUESS = anthropic_messages.NAME
_EXPORT = b'{"resourceSpans"'
"""How an export begins; it is a line so long that trying another format first is a loss."""


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
        columns: those of the calls that are wanted, each in as few bytes as it needs (texts and
            hashes that repeat are Arrow dictionaries); None is all of them, as declared.
    """

    format: str = "auto"
    max_bad_rows: int = 100
    hash_key: bytes | None = None
    keep_content: bool = False
    spans: bool = False
    mapping: tuple[tuple[str, str], ...] = ()
    columns: frozenset[str] | None = None


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
        self._current = self._only or _GUESS
        self._decoders = {name: msgspec.json.Decoder(item.Line) for name, item in FORMATS.items()}
        self._together = {
            name: column_reader(name, options.hash_key, keep_content=options.keep_content)
            for name in FORMATS
        }

    def takes_slabs(self) -> bool:
        """Whether lines as the last one was are read faster many at once."""
        reader = self._together[self._current]
        return reader is not None and not reader.useless

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
        reader = self._together[name]
        found = reader.read(slab) if reader is not None else None
        if found is None:
            yield from self._read_each(slab, first, sink)
            return
        for columns, rows in found.columns:
            sink.add_columns(columns, first + rows, name)
        raw = list(slab) if len(found.others) else []
        before = -1
        for at in found.others.tolist():
            if at - 1 != before:
                # What a doubtful line is can depend on the last that was not.
                self._current = name
            before = at
            if found.lines is not None:
                _accept_row(found.lines[at], name, raw[at], first + at, sink)
            elif not raw[at].isspace():
                yield from self._read(raw[at], first + at, sink)
            if sink.choked:
                break
        if before < len(slab) - 1:
            self._current = name
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
            for found in _rows(line, number, name, sink):
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
        if self._only is None and self._current == _GUESS and raw.startswith(_EXPORT):
            self._current = otlp_json.NAME
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


def _rows(line: Any, number: int, name: str, sink: RowSink) -> Iterable[Found]:  # noqa: ANN401 - as typed by the format
    if name == otlp_json.NAME:
        return otlp_json.rows(line, sink.place(number))
    return FORMATS[name].rows(line)


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
