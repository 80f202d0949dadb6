"""Request traces become one :class:`~llmops_cli.request_trace.RequestTrace`.

Arrival times, lengths and, where a trace has them, hashes of the blocks that prompts share; one
file per format. A trace that contradicts itself is refused, with what contradicts what.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.request_trace import RequestTrace
from llmops_cli.traffic.quarantine import BadRow, Quarantine, RowError
from llmops_cli.traffic.refusals import REFUSALS, bad_row
from llmops_cli.traffic.request_traces import azure, bailian, block_hashes, burstgpt, mooncake
from llmops_cli.traffic.request_traces.assembly import assembled
from llmops_cli.traffic.request_traces.block_size import Usual
from llmops_cli.traffic.request_traces.columns import rows
from llmops_cli.traffic.request_traces.staging import MOST_TOKENS, Staged
from llmops_cli.traffic.sources import STDIN, Source, resolve
from llmops_cli.traffic.streams import TOO_LONG, lines

__all__ = [
    "TRACE_FORMATS",
    "TraceOptions",
    "TraceRead",
    "looks_like_request_trace",
    "read_request_trace",
]

_JSON: dict[str, ModuleType] = {module.NAME: module for module in (mooncake, bailian, block_hashes)}
"""Formats of JSON lines: each has ``Line``, the typed row; ``fits(keys)``; ``USUAL``, its
blocks; ``stage(row, line, into)``."""

_CSV: dict[str, ModuleType] = {module.NAME: module for module in (azure, burstgpt)}
"""Formats of CSV: each has ``COLUMNS``, the names that tell it, and ``stage``."""

TRACE_FORMATS: tuple[str, ...] = (*_JSON, *_CSV)
"""What a trace may be; anything else that llmops reads is a log of calls."""


@dataclass(frozen=True, slots=True)
class TraceOptions:
    """How a trace is read.

    Attributes:
        format: one of :data:`TRACE_FORMATS`, or ``auto``.
        block_tokens: tokens in a block; None to tell it from lengths and hashes.
        max_bad_rows: how many unreadable rows are accepted.
    """

    format: str = "auto"
    block_tokens: int | None = None
    max_bad_rows: int = 100


@dataclass(frozen=True, slots=True, eq=False)
class TraceRead:
    """What was read.

    Attributes:
        trace: the requests.
        files: every file, in order.
        format: what they were.
        bad_rows: rows left out.
        split: blocks whose hash was not that of one prefix; they were numbered apart.
        skipped: rows that are rightly no requests, by what they are.
    """

    trace: RequestTrace
    files: tuple[str, ...]
    format: str
    bad_rows: tuple[BadRow, ...] = ()
    split: int = 0
    skipped: tuple[tuple[str, int], ...] = ()


def looks_like_request_trace(paths: Sequence[str | Path]) -> bool:
    """Whether the first file is a trace and not a log of calls; standard input is a trace."""
    if paths and str(paths[0]) == STDIN:
        return True
    try:
        source = resolve(paths[:1], (".csv",))[0]
        return not source.is_parquet and _told(next(lines(source), (1, b""))[1]) is not None
    except LlmopsError:
        return False  # the reading of logs says best what is wrong


def read_request_trace(
    paths: Iterable[str | Path], options: TraceOptions | None = None
) -> TraceRead:
    """Read a trace of one format from one or more files, in the order they are given.

    Args:
        paths: JSON lines or CSV, compressed or not: files, folders, globs, or ``-``.
        options: how it is read.

    Raises:
        LlmopsError: ``trace-unknown-format``, ``trace-bad-block-size``, ``trace-unsorted``,
            ``trace-block-size``, ``trace-block-size-unknown``, ``trace-empty``,
            ``traffic-too-many-bad-rows`` and what the sources refuse.
    """
    given = options or TraceOptions()
    if given.format not in {"auto", *TRACE_FORMATS}:
        raise _unknown(given.format)
    if given.block_tokens is not None and not 0 < given.block_tokens < MOST_TOKENS:
        raise LlmopsError(
            "trace-bad-block-size",
            f"a block cannot have {given.block_tokens:,} tokens",
            hint="--block-size 16",
            exit_code=ExitCode.USAGE,
        )
    quarantine, staged = Quarantine(given.max_bad_rows), Staged()
    sources = resolve(paths, (".csv",))
    name = given.format
    for source in sources:
        name = _stage(source, name, staged, quarantine)
    if not len(staged):
        raise _empty(sources[0], quarantine)
    usual: Usual = _JSON[name].USUAL if name in _JSON else Usual(0, partial=True)
    found = assembled(staged, given.block_tokens, usual, quarantine)
    return TraceRead(
        found.trace,
        tuple(staged.files),
        name,
        tuple(quarantine.rows),
        found.split,
    )


def _stage(source: Source, name: str, staged: Staged, quarantine: Quarantine) -> str:
    numbered = lines(source, blank=True)
    first = next(numbered, (1, b""))
    if name == "auto":
        found = _told(first[1])
        if found is None:
            raise _no_trace(source)
        name = found
    staged.begin(source.name)
    again = chain([first], numbered)
    read = _json_rows if name in _JSON else _csv_rows
    for number, row in read(source, name, again):
        _keep(row, number, (source.name, name), staged, quarantine)
    return name


def _keep(
    row: Any,  # noqa: ANN401 - as typed by the format
    number: int,
    where: tuple[str, str],
    staged: Staged,
    quarantine: Quarantine,
) -> None:
    file, name = where
    try:
        if isinstance(row, RowError):
            raise row
        (_JSON | _CSV)[name].stage(row, number, staged)
    except RowError as error:
        quarantine.add(BadRow(file, number, error.field, error.slug, error.message))


def _csv_rows(
    source: Source, name: str, numbered: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[int, Any]]:
    columns: tuple[str, ...] = _CSV[name].COLUMNS
    for number, row in rows(source, numbered):
        absent = [] if isinstance(row, RowError) else [each for each in columns if each not in row]
        if absent:
            raise LlmopsError(
                "trace-missing-column",
                f"'{absent[0]}' is not in it",
                hint=f"a trace of {name} has {', '.join(columns)}",
                file=source.name,
                line=1,
                field=absent[0],
            )
        yield number, row


def _json_rows(
    source: Source, name: str, numbered: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[int, Any]]:
    decode: Callable[[bytes], Any] = msgspec.json.Decoder(_JSON[name].Line).decode
    for number, raw in numbered:
        if raw is not TOO_LONG and raw.isspace():
            continue
        try:
            yield number, decode(raw)
        except REFUSALS as error:
            bad = bad_row(error, raw, source.name, number)
            yield number, RowError(bad.slug, bad.message, bad.field)


def _told(raw: bytes) -> str | None:
    """The format of a first line, or None."""
    try:
        keys = frozenset(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        names = {field.strip() for field in raw.decode(errors="replace").split(",")}
        return next((name for name, each in _CSV.items() if names >= {*each.COLUMNS}), None)
    return next((name for name, each in _JSON.items() if each.fits(keys)), None)


def _unknown(name: str) -> LlmopsError:
    return LlmopsError(
        "trace-unknown-format",
        f"'{name}' is no format of a request trace",
        hint=f"one of auto, {', '.join(TRACE_FORMATS)}",
        exit_code=ExitCode.USAGE,
    )


def _no_trace(source: Source) -> LlmopsError:
    return LlmopsError(
        "trace-unknown-format",
        "no request trace: its first line has neither the fields nor the columns of one",
        hint="a line of JSON with timestamp, input_length, output_length and hash_ids, or the CSV "
        "of Azure or BurstGPT; logs of calls are read from files",
        file=source.name,
        line=1,
    )


def _empty(source: Source, quarantine: Quarantine) -> LlmopsError:
    if quarantine.rows:
        return quarantine.nothing_read("trace-empty")
    return LlmopsError("trace-empty", "there is no request in it", file=source.name)
