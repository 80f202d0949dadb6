"""Logs become calls: any mix of supported files, folders, globs or stdin to one table.

Token classes come out disjoint whatever the vendor's counters overlap; prompts come out as
chained hashes; rows that cannot be read are counted and named. What reads calls loads on first
use: a table of decisions is read without it, in less time than it takes to load.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_cli.traffic.quarantine import BadRow

if TYPE_CHECKING:
    import pyarrow as pa

    from llmops_cli.calls import CallsTable
    from llmops_cli.spans import SpansTable
    from llmops_cli.traffic.json_lines import Options
    from llmops_cli.traffic.reading import Reading
    from llmops_cli.traffic.sniff import FORMATS

__all__ = [
    "FORMATS",
    "BadRow",
    "Options",
    "Reading",
    "Traffic",
    "read_calls",
    "read_telemetry",
    "read_traffic",
]

_LATER = {
    "FORMATS": "llmops_cli.traffic.sniff",
    "Options": "llmops_cli.traffic.json_lines",
    "Reading": "llmops_cli.traffic.reading",
}


def __getattr__(name: str) -> object:
    """Import what reads calls when it is first asked for."""
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was read.

    Attributes:
        calls: the calls table.
        bad_rows: the rows that could not be read.
        bad_count: how many those are.
        files: every file, in the order it was read.
        formats: calls by format.
        skipped: rows that are rightly no calls, by what they are.
        joins: what joining spans and halves to calls came upon, by slug.
        spans: the spans table, where it was asked for.
    """

    calls: "CallsTable"
    bad_rows: tuple[BadRow, ...]
    bad_count: int
    files: tuple[str, ...]
    formats: dict[str, int] = field(default_factory=dict[str, int])
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    joins: dict[str, int] = field(default_factory=dict[str, int])
    spans: "SpansTable | None" = None


def read_calls(
    paths: Iterable[str | Path],
    *,
    format: str = "auto",  # noqa: A002 - the public word for it
    max_bad_rows: int = 100,
    hash_key: bytes | None = None,
    jobs: int = 1,
) -> Traffic:
    """Read logs into one calls table.

    Args:
        paths: files, folders, globs, or ``-`` for standard input.
        format: ``auto`` or the name of a format in ``FORMATS``; Parquet and OTLP protobuf are
            told by the file's name.
        max_bad_rows: how many unreadable rows are accepted before the reading stops.
        hash_key: key of the block hashes.
        jobs: worker processes.

    Raises:
        LlmopsError: as :class:`Reading` and :meth:`Reading.tables`.
    """
    from llmops_cli.traffic.json_lines import Options  # noqa: PLC0415 - on first use

    options = Options(format=format, max_bad_rows=max_bad_rows, hash_key=hash_key)
    return read_traffic(paths, options, jobs=jobs)


def read_traffic(
    paths: Iterable[str | Path],
    options: "Options",
    *,
    jobs: int = 1,
    advance: Callable[[int], None] | None = None,
    columns: Collection[str] | None = None,
    each: Callable[["pa.Table"], "pa.Table"] | None = None,
) -> Traffic:
    """Read logs into one calls table; with ``options.spans``, spans into the table beside it.

    Args:
        paths: files, folders, globs, or ``-`` for standard input.
        options: how logs are read.
        jobs: worker processes.
        advance: told how many bytes have been read since it was last told.
        columns: those of the calls that are wanted, in as little memory as they take: texts
            that repeat are codes (Arrow dictionaries). All of them, as declared, where absent.
        each: what becomes of every table of calls as it comes, ``columns`` chosen.

    Raises:
        LlmopsError: as :class:`Reading` and :meth:`Reading.tables`; a log without calls is no
            error where it has spans and they are asked for.
    """
    from dataclasses import replace  # noqa: PLC0415 - on first use

    from llmops_cli.traffic.reading import Reading  # noqa: PLC0415

    if columns is not None:
        options = replace(options, columns=frozenset(columns))
    return _whole(Reading(paths, options, jobs=jobs, advance=advance), each)


def read_telemetry(
    paths: Iterable[str | Path], options: "Options | None" = None, *, jobs: int = 1
) -> Traffic:
    """Read logs into calls, and spans into the spans table beside them.

    Args:
        paths: files, folders, globs, or ``-`` for standard input.
        options: how logs are read; ``spans`` is always on.
        jobs: worker processes.

    Raises:
        LlmopsError: as :class:`Reading` and :meth:`Reading.tables`; a log without calls is no
            error here, as long as it has spans.
    """
    from dataclasses import replace  # noqa: PLC0415 - once per run

    from llmops_cli.traffic.json_lines import Options  # noqa: PLC0415 - on first use
    from llmops_cli.traffic.reading import Reading  # noqa: PLC0415

    return _whole(Reading(paths, replace(options or Options(), spans=True), jobs=jobs))


def _whole(reading: "Reading", each: Callable[["pa.Table"], "pa.Table"] | None = None) -> Traffic:
    import pyarrow as pa  # noqa: PLC0415 - on first use

    from llmops_cli.calls import from_arrow  # noqa: PLC0415
    from llmops_cli.spans import spans_from_arrow, spans_schema  # noqa: PLC0415

    calls = from_arrow(_calls(reading, each))
    spans = None
    if reading.options.spans:
        spans = spans_from_arrow(pa.concat_tables([spans_schema().empty_table(), *reading.spans]))
    return Traffic(
        calls=calls,
        bad_rows=tuple(reading.quarantine.rows),
        bad_count=len(reading.quarantine.rows),
        files=tuple(source.name for source in reading.sources),
        formats=dict(sorted(reading.formats.items())),
        skipped=dict(sorted(reading.skipped.items())),
        joins=dict(sorted(reading.joins.items())),
        spans=spans,
    )


def _calls(reading: "Reading", each: Callable[["pa.Table"], "pa.Table"] | None) -> "pa.Table":
    import pyarrow as pa  # noqa: PLC0415 - on first use

    from llmops_cli.traffic.narrow import in_one_piece  # noqa: PLC0415

    tables = chain([reading.none()], reading.tables())
    parts = list(tables if each is None else map(each, tables))
    if reading.options.columns is None:
        return in_one_piece(pa.concat_tables(parts))
    # Batches stay apart: put together they would leave holes in memory as long as they were.
    return pa.concat_tables(parts, promote_options="permissive").unify_dictionaries()
