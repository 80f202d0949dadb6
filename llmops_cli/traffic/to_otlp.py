"""Logs of any format as OTLP JSON lines by the current conventions.

OTLP JSON is upgraded span by span, so that spans that are no calls stay; every other format is
read to calls, and each call becomes a span.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from llmops_cli.traffic.ingestion import first_format
from llmops_cli.traffic.json_lines import Options
from llmops_cli.traffic.otlp import json_format
from llmops_cli.traffic.otlp.upgrade import Upgrade, counted_outside, upgraded
from llmops_cli.traffic.otlp.writer import export_lines
from llmops_cli.traffic.quarantine import Quarantine
from llmops_cli.traffic.reading import Reading, given_sources
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import lines

__all__ = ["otlp_lines"]


def otlp_lines(
    paths: Iterable[str | Path],
    options: Options,
    quarantine: Quarantine,
    *,
    jobs: int = 1,
    spool: Path | None = None,
) -> Iterator[bytes]:
    """Lines of OTLP JSON, spans of the upgraded files first.

    Args:
        paths: files, folders or globs; standard input must be a file by now, because telemetry
            is read twice: one span may tell how another's tokens were counted.
        options: how logs are read.
        quarantine: receives the rows that could not be read.
        jobs: worker processes for what is not OTLP.
        spool: folder where rows that still have to be joined may wait.

    Raises:
        LlmopsError: as :class:`~llmops_cli.traffic.reading.Reading`.
    """
    sources = given_sources(paths, options)
    telemetry = [source for source in sources if _is_otlp_json(source, options)]
    outside = frozenset[str]().union(*(counted_outside(lines(source)) for source in telemetry))
    for source in telemetry:
        upgrade = Upgrade(source.name, options.keep_content, outside)
        yield from upgraded(lines(source), upgrade)
        for row in upgrade.bad:
            quarantine.add(row)
    others = [source.name for source in sources if source not in telemetry]
    if others:
        reading = Reading(others, options, jobs=jobs, spool=spool, quarantine=quarantine)
        yield from export_lines(reading.tables())


def _is_otlp_json(source: Source, options: Options) -> bool:
    if options.mapping or source.is_parquet or source.is_protobuf:
        return False
    name = first_format(source) if options.format == "auto" else options.format
    return name == json_format.NAME
