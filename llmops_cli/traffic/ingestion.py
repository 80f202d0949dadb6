"""Logs are added to a dataset, unit by unit: what is there already is not read again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.dataset import Dataset
from llmops_cli.traffic.fingerprints import look
from llmops_cli.traffic.json_lines import Options
from llmops_cli.traffic.quarantine import Quarantine
from llmops_cli.traffic.reading import Reading, given_sources, no_calls
from llmops_cli.traffic.sniff import FORMATS, sniff
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import lines

__all__ = ["Ingested", "first_format", "ingest_into"]


@dataclass(slots=True)
class Ingested:
    """What one run added.

    Attributes:
        rows: calls that were written.
        read: files that were read.
        known: files whose content was there already.
        quarantine: the rows that could not be read.
    """

    quarantine: Quarantine
    rows: int = 0
    read: list[str] = field(default_factory=list[str])
    known: list[str] = field(default_factory=list[str])


def ingest_into(
    folder: Path,
    paths: Iterable[str | Path],
    options: Options,
    *,
    jobs: int = 1,
    advance: Callable[[int], None] | None = None,
) -> Ingested:
    """Add logs to a dataset.

    Every file is committed on its own, so that a run that is cut off goes on where it stood;
    only files whose rows join with one another (spans of a trace, halves of a batch) are read
    and committed together.

    Args:
        folder: the dataset; made where it is not there yet.
        paths: files, folders or globs.
        options: how logs are read.
        jobs: worker processes.
        advance: told how many bytes have been dealt with since it was last told.

    Raises:
        LlmopsError: as :class:`~llmops_cli.traffic.reading.Reading` and
            :class:`~llmops_cli.traffic.dataset.Dataset`; ``traffic-no-calls``.
    """
    sources = given_sources(paths, options)
    done = Ingested(Quarantine(options.max_bad_rows))
    report = advance or (lambda _: None)
    with Dataset(folder, options) as dataset:
        for unit in _units(sources, options):
            seen = [look(source, dataset.lengths) for source in unit]
            missing = dataset.missing(seen)
            for item in seen:
                if item not in missing.read:
                    done.known.append(item.source.name)
                    report(item.source.bytes)
            if not missing.read:
                continue
            reading = Reading(
                [item.source.name for item in missing.read],
                options,
                jobs=jobs,
                spool=dataset.books,
                quarantine=done.quarantine,
                advance=report,
            )
            commit = dataset.add(missing, reading.tables(required=False))
            done.rows += commit.rows
            done.read += [item.source.name for item in missing.read]
        if not dataset.rows:
            raise no_calls(done.quarantine, sources)
    return done


def _units(sources: tuple[Source, ...], options: Options) -> list[tuple[Source, ...]]:
    """Sources that are read together: whole calls file by file, what is joined all at once."""
    joined = tuple(source for source in sources if _is_joined(source, options))
    alone = [(source,) for source in sources if source not in joined]
    return [*alone, joined] if joined else alone


def _is_joined(source: Source, options: Options) -> bool:
    if source.is_parquet or options.mapping:
        return False
    if source.is_protobuf:
        return True
    name = options.format if options.format in FORMATS else first_format(source)
    return name is not None and FORMATS[name].STAGED


def first_format(source: Source) -> str | None:
    """The format of the first line; a file that has none is refused when it is read."""
    try:
        return next((sniff(line) for _, line in lines(source)), None)
    except (LlmopsError, msgspec.DecodeError, UnicodeError, RecursionError):
        return None
