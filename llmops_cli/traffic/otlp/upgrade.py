"""Telemetry of older conventions and other dialects, upgraded to the current conventions.

Every span and every attribute that nobody renamed stays as it is, HTTP spans and metrics
included. Reading what comes out gives the same calls as reading what went in; upgrading it
again changes nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from llmops_cli.traffic.otlp.json_format import library
from llmops_cli.traffic.otlp.messages import Scope
from llmops_cli.traffic.otlp.upgraded_records import upgrade_record
from llmops_cli.traffic.otlp.upgraded_spans import as_span, call_of, upgrade_span
from llmops_cli.traffic.otlp.writer import SCHEMA_URL
from llmops_cli.traffic.quarantine import BadRow
from llmops_cli.traffic.streams import LINE_LIMIT, TOO_LONG

__all__ = ["Upgrade", "counted_outside", "upgraded"]

_SCHEMA = re.compile(r"https://opentelemetry\.io/schemas/1\.(\d+)\.\d+")
_SIGNALS = {"resourceSpans", "resourceLogs", "resourceMetrics"}

_Object = dict[str, Any]


@dataclass(slots=True)
class Upgrade:
    """How telemetry is upgraded, and what came of it.

    Attributes:
        file: the file it is of, for messages.
        keep_content: whether prompts and answers are carried over; else they are left out.
        outside: who is proven to count cached tokens beside the input counter, as
            :func:`counted_outside` finds them.
        renamed: how often each old name gave way to which.
        bad: lines that are no telemetry, and are left out.
    """

    file: str = "-"
    keep_content: bool = False
    outside: frozenset[str] = frozenset()
    renamed: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    bad: list[BadRow] = field(default_factory=list[BadRow])


def upgraded(lines: Iterable[tuple[int, bytes]], upgrade: Upgrade) -> Iterator[bytes]:
    """The lines of an OTLP JSON log by the current conventions, one for one.

    Args:
        lines: numbered lines, as ``streams.lines`` gives them.
        upgrade: how; it receives what was renamed, and the lines that cannot be read.

    Yields:
        Lines with their end of line.
    """
    for number, raw in lines:
        export = _decoded(number, raw, upgrade)
        if export is not None:
            _upgrade_export(export, upgrade)
            yield msgspec.json.encode(export) + b"\n"


def _upgrade_export(export: _Object, upgrade: Upgrade) -> None:
    for scope, name in _scopes(export, "resourceSpans", "scopeSpans"):
        spoke = [
            upgrade_span(span, name, upgrade.outside, upgrade.renamed, keep=upgrade.keep_content)
            for span in _objects(scope, "spans")
        ]
        _mark(scope, spoke=any(spoke))
    for scope, _ in _scopes(export, "resourceLogs", "scopeLogs"):
        records, kept = _objects(scope, "logRecords"), list[_Object]()
        spoke = [
            upgrade_record(record, kept, upgrade.renamed, keep=upgrade.keep_content)
            for record in records
        ]
        if records:
            scope["logRecords"] = kept
        _mark(scope, spoke=any(spoke))


def counted_outside(lines: Iterable[tuple[int, bytes]]) -> frozenset[str]:
    """Who is proven, by any of these lines, to count cached tokens beside the input counter.

    One proof decides the doubtful spans of the same library, as it does in a reading; so all
    lines of all files that belong together are looked at before the first is upgraded.
    """
    found = set[str]()
    for number, raw in lines:
        # Every name of a counter of cached tokens has this in it.
        export = _decoded(number, raw, Upgrade()) if b"cache" in raw else None
        for scope, name in _scopes(export or {}, "resourceSpans", "scopeSpans"):
            for span in _objects(scope, "spans"):
                columns = call_of(as_span(span), name)[0]
                if columns.get("cached_outside") and columns.get("counted_by"):
                    found.add(columns["counted_by"])
    return frozenset(found)


def _decoded(number: int, raw: bytes, upgrade: Upgrade) -> _Object | None:
    if raw is TOO_LONG:
        message = f"longer than {LINE_LIMIT >> 20} MiB: not read"
        upgrade.bad.append(BadRow(upgrade.file, number, "", "traffic-line-too-long", message))
        return None
    try:
        export = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        upgrade.bad.append(
            BadRow(upgrade.file, number, "", "traffic-not-json", "the line is not JSON")
        )
        return None
    if isinstance(export, dict) and _SIGNALS & export.keys():
        return export
    message = "no OTLP export: neither resourceSpans nor resourceLogs"
    upgrade.bad.append(BadRow(upgrade.file, number, "", "traffic-unknown-format", message))
    return None


def _scopes(export: _Object, resources: str, scopes: str) -> Iterator[tuple[_Object, str]]:
    for resource in _objects(export, resources):
        for scope in _objects(resource, scopes):
            try:
                by = msgspec.convert(scope.get("scope"), Scope | None)
            except msgspec.ValidationError:
                by = None
            yield scope, library(by)


def _objects(parent: _Object, name: str) -> list[_Object]:
    """The objects of a list; empty where a log has something else in its place."""
    found = parent.get(name)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        return []
    return found


def _mark(scope: _Object, *, spoke: bool) -> None:
    """Say which conventions these are, unless they are newer ones already."""
    if not spoke:
        return
    said = scope.get("schemaUrl") or ""
    older = _SCHEMA.fullmatch(said) if isinstance(said, str) else None
    newest = _SCHEMA.fullmatch(SCHEMA_URL)
    if not said or (older and newest and int(older[1]) <= int(newest[1])):
        scope["schemaUrl"] = SCHEMA_URL
