"""Logs become calls: any mix of supported files, folders, globs or stdin to one table.

Token classes come out disjoint whatever the vendor's counters overlap; prompts come out as
chained hashes; rows that cannot be read are counted and named.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from llmops_cli.calls import CallsTable, arrow_schema, from_arrow
from llmops_cli.spans import SpansTable, spans_from_arrow, spans_schema
from llmops_cli.traffic.calls_parquet import CONTENT
from llmops_cli.traffic.json_lines import Options
from llmops_cli.traffic.quarantine import BadRow
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

    calls: CallsTable
    bad_rows: tuple[BadRow, ...]
    bad_count: int
    files: tuple[str, ...]
    formats: dict[str, int] = field(default_factory=dict[str, int])
    skipped: dict[str, int] = field(default_factory=dict[str, int])
    joins: dict[str, int] = field(default_factory=dict[str, int])
    spans: SpansTable | None = None


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
    options = Options(format=format, max_bad_rows=max_bad_rows, hash_key=hash_key)
    return read_traffic(paths, options, jobs=jobs)


def read_traffic(
    paths: Iterable[str | Path],
    options: Options,
    *,
    jobs: int = 1,
    advance: Callable[[int], None] | None = None,
) -> Traffic:
    """Read logs into one calls table; with ``options.spans``, spans into the table beside it.

    Args:
        paths: files, folders, globs, or ``-`` for standard input.
        options: how logs are read.
        jobs: worker processes.
        advance: told how many bytes have been read since it was last told.

    Raises:
        LlmopsError: as :class:`Reading` and :meth:`Reading.tables`; a log without calls is no
            error where it has spans and they are asked for.
    """
    return _whole(Reading(paths, options, jobs=jobs, advance=advance))


def read_telemetry(
    paths: Iterable[str | Path], options: Options | None = None, *, jobs: int = 1
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

    return _whole(Reading(paths, replace(options or Options(), spans=True), jobs=jobs))


def _whole(reading: Reading) -> Traffic:
    schema = arrow_schema()
    schema = schema.append(CONTENT) if reading.options.keep_content else schema
    table = pa.concat_tables([schema.empty_table(), *reading.tables()])
    spans = None
    if reading.options.spans:
        spans = spans_from_arrow(pa.concat_tables([spans_schema().empty_table(), *reading.spans]))
    return Traffic(
        calls=from_arrow(table.combine_chunks()),
        bad_rows=tuple(reading.quarantine.rows),
        bad_count=len(reading.quarantine.rows),
        files=tuple(source.name for source in reading.sources),
        formats=dict(sorted(reading.formats.items())),
        skipped=dict(sorted(reading.skipped.items())),
        joins=dict(sorted(reading.joins.items())),
        spans=spans,
    )
