"""Logs become calls: any mix of supported files, folders, globs or stdin to one table.

Token classes come out disjoint whatever the vendor's counters overlap; prompts come out as
chained hashes; rows that cannot be read are counted and named.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from llmops_cli.calls import CallsTable, arrow_schema, from_arrow
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import calls_parquet
from llmops_cli.traffic.json_lines import JsonLinesReader
from llmops_cli.traffic.quarantine import BadRow, Quarantine
from llmops_cli.traffic.sources import Source, resolve

__all__ = ["BadRow", "Reading", "Traffic", "read_calls"]


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was read.

    Attributes:
        calls: the calls table.
        bad_rows: the rows that could not be read.
        bad_count: how many those are.
        files: every file, in the order it was read.
        formats: calls by format.
    """

    calls: CallsTable
    bad_rows: tuple[BadRow, ...]
    bad_count: int
    files: tuple[str, ...]
    formats: dict[str, int] = field(default_factory=dict[str, int])


class Reading:
    """One pass over logs, batch by batch, for what is larger than memory.

    Args:
        paths: files, folders, globs, or ``-``.
        format: one of the log formats, or ``auto`` to tell line by line.
        max_bad_rows: how many unreadable rows are accepted.
        hash_key: key of the block hashes; the same key gives the same hashes.

    Raises:
        LlmopsError: ``traffic-not-found``, ``traffic-no-logs``, ``traffic-mixed-formats`` for
            raw logs beside calls Parquet (the same calls would count twice),
            ``traffic-unknown-format``.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        *,
        format: str = "auto",  # noqa: A002 - the public word for it
        max_bad_rows: int = 100,
        hash_key: bytes | None = None,
    ) -> None:
        self.quarantine = Quarantine(max_bad_rows)
        self._reader = JsonLinesReader(format, self.quarantine, hash_key)
        self.sources = resolve(paths)
        self.formats: Counter[str] = Counter()
        _refuse_mixture(self.sources)

    def tables(self) -> Iterator[pa.Table]:
        """Batches of the calls schema, in order.

        Raises:
            LlmopsError: what a file or the quarantine refuses; ``traffic-no-calls`` when
                nothing could be read at all.
        """
        rows = 0
        for source in self.sources:
            for table in self._tables(source):
                rows += table.num_rows
                if table.num_rows:
                    yield table
        self.formats.update(self._reader.formats)
        if rows == 0:
            raise _no_calls(self.quarantine, self.sources)

    def _tables(self, source: Source) -> Iterator[pa.Table]:
        if not source.is_parquet:
            yield from self._reader.tables(source)
            return
        for table in calls_parquet.tables(source):
            self.formats[calls_parquet.NAME] += table.num_rows
            yield table


def read_calls(
    paths: Iterable[str | Path],
    *,
    format: str = "auto",  # noqa: A002 - the public word for it
    max_bad_rows: int = 100,
    hash_key: bytes | None = None,
) -> Traffic:
    """Read logs into one calls table.

    Args:
        paths: files, folders, globs, or ``-`` for standard input.
        format: ``auto``, ``anthropic-messages``, ``openai-chat`` or ``openai-responses``;
            Parquet is told by its name.
        max_bad_rows: how many unreadable rows are accepted before the reading stops.
        hash_key: key of the block hashes.

    Raises:
        LlmopsError: as :class:`Reading` and :meth:`Reading.tables`.
    """
    reading = Reading(paths, format=format, max_bad_rows=max_bad_rows, hash_key=hash_key)
    table = pa.concat_tables([arrow_schema().empty_table(), *reading.tables()])
    return Traffic(
        calls=from_arrow(table.combine_chunks()),
        bad_rows=tuple(reading.quarantine.rows),
        bad_count=len(reading.quarantine.rows),
        files=tuple(source.name for source in reading.sources),
        formats=dict(sorted(reading.formats.items())),
    )


def _refuse_mixture(sources: tuple[Source, ...]) -> None:
    parquet = [source for source in sources if source.is_parquet]
    if parquet and len(parquet) < len(sources):
        other = next(source for source in sources if not source.is_parquet)
        raise LlmopsError(
            "traffic-mixed-formats",
            f"raw logs ({other.name}) lie beside calls Parquet ({parquet[0].name}): "
            "the same calls could count twice",
            hint="name the one or the other",
            file=parquet[0].name,
        )


def _no_calls(quarantine: Quarantine, sources: tuple[Source, ...]) -> LlmopsError:
    if not quarantine.rows:
        return LlmopsError("traffic-empty", "no calls in it", file=sources[0].name)
    first = quarantine.rows[0]
    return LlmopsError(
        "traffic-no-calls",
        f"none of {len(quarantine.rows)} rows can be read; the first: {first.message} "
        f"[{first.slug}]",
        hint="is it another format? --input-format names one",
        file=first.file,
        line=first.line,
        field=first.field,
    )
