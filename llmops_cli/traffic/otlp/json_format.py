"""OTLP JSON lines, as the collector's file exporter writes them: one export per line.

Layout: OTLP specification, JSON protobuf encoding.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from llmops_cli.traffic.otlp import messages
from llmops_cli.traffic.otlp.alike import calls_together
from llmops_cli.traffic.otlp.messages import (
    ExportRequest,
    LogRecord,
    ResourceLogs,
    ResourceSpans,
    Scope,
    ScopeLogs,
    ScopeSpans,
    Span,
)
from llmops_cli.traffic.otlp.spans import log_rows, span_rows
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Calls, Found, Place, Skipped

__all__ = ["NAME", "SIGNATURES", "STAGED", "Line", "decode_leniently", "library", "rows"]

NAME = "otlp-json"
STAGED = True
SIGNATURES = (
    frozenset({"resourceSpans"}),
    frozenset({"resourceLogs"}),
    frozenset({"resourceMetrics"}),
)

Line = ExportRequest

_AT_ONCE, _MOST_BYTES = 256, 1 << 20
"""Spans that are looked at together: an export may hold a million of them, or long ones."""


def rows(line: ExportRequest, place: Place | None = None) -> Iterator[Found]:
    """The rows of every span and log record of one export; a bad one does not end the others.

    Args:
        line: the export.
        place: where it stands, if calls may come as rows that know it.
    """
    for resource in line.resource_spans or ():
        for scope in resource.scope_spans:
            by = library(scope.scope)
            for spans in _several(scope.spans):
                yield from _spanned(spans, by, place)
    for logs in line.resource_logs or ():
        for scope_logs in logs.scope_logs:
            yield from _recorded(scope_logs)
    for field in line.refused:
        yield RowError("calls-bad-value", "a span or log record is not what OTLP says", field)
    if line.resource_metrics is not None:
        yield Skipped("metrics")


def _several(spans: "list[Span] | _Each") -> Iterator[list[Span]]:
    if isinstance(spans, _Each):
        return spans.together()
    return (spans[at : at + _AT_ONCE] for at in range(0, len(spans), _AT_ONCE))


def _spanned(spans: list[Span], by: str, place: Place | None) -> Iterator[Found]:
    found = {} if place is None else calls_together(spans, by, place)
    waiting = Calls([], [])
    for at, span in enumerate(spans):
        call = found.get(at)
        if call is not None:
            waiting.rows.append(call[0])
            waiting.prompts.append(call[1])
            continue
        if waiting.rows:
            yield waiting
            waiting = Calls([], [])
        try:
            yield from span_rows(span, by)
        except _BAD as error:
            yield _bad(error)
    if waiting.rows:
        yield waiting


def _recorded(logs: ScopeLogs) -> Iterator[Found]:
    for record in logs.log_records:
        try:
            yield from log_rows(record)
        except _BAD as error:
            yield _bad(error)


_BAD = (RowError, msgspec.DecodeError, UnicodeError, RecursionError)


def _bad(error: Exception) -> RowError:
    if isinstance(error, RowError):
        return error
    if isinstance(error, RecursionError):
        return RowError("traffic-too-deep", "objects are nested too deeply", "attributes")
    return RowError("calls-bad-content", "content is not the JSON that it should be", "attributes")


def library(scope: Scope | None) -> str:
    """Name and version of an instrumentation library."""
    return f"{scope.name}@{scope.version}" if scope is not None else ""


class _LooseScope(msgspec.Struct, rename="camel"):
    scope: Any = None
    spans: list[msgspec.Raw] = []
    log_records: list[msgspec.Raw] = []
    schema_url: Any = ""


class _LooseResource(msgspec.Struct, rename="camel"):
    resource: Any = None
    scope_spans: list[_LooseScope] = []
    scope_logs: list[_LooseScope] = []
    schema_url: Any = ""


class _LooseRequest(msgspec.Struct, rename="camel"):
    resource_spans: list[_LooseResource] = []
    resource_logs: list[_LooseResource] = []
    resource_metrics: msgspec.Raw | None = None


def decode_leniently(raw: bytes) -> ExportRequest:
    """Decode span by span, counting those that are not what OTLP says.

    Raises:
        msgspec.DecodeError: the frame around the spans is wrong already.
    """
    loose = msgspec.json.decode(raw, type=_LooseRequest)
    made = ExportRequest([], [], loose.resource_metrics)
    for resource in loose.resource_spans:
        of = _converted(resource.resource, messages.Resource)
        scopes = [
            ScopeSpans(_converted(s.scope, Scope), _each(s.spans, Span, made), str(s.schema_url))
            for s in resource.scope_spans
        ]
        made.resource_spans.append(ResourceSpans(of, scopes, str(resource.schema_url)))  # type: ignore[union-attr]
    for resource in loose.resource_logs:
        of = _converted(resource.resource, messages.Resource)
        logs = [
            ScopeLogs(
                _converted(s.scope, Scope), _each(s.log_records, LogRecord, made), str(s.schema_url)
            )
            for s in resource.scope_logs
        ]
        made.resource_logs.append(ResourceLogs(of, logs, str(resource.schema_url)))  # type: ignore[union-attr]
    return made


def _each(raws: list[msgspec.Raw], kind: type[Any], made: ExportRequest) -> Any:  # noqa: ANN401
    return _Each(raws, kind, made)


class _Each:
    """Spans or records, decoded when it is their turn: an export may hold a million of them."""

    def __init__(self, raws: list[msgspec.Raw], kind: type[Any], made: ExportRequest) -> None:
        self._raws = raws
        self._decode = msgspec.json.Decoder(kind).decode
        self._refused: list[str] | None = made.refused

    def __iter__(self) -> Iterator[Any]:
        for some in self.together():
            yield from some

    def together(self) -> Iterator[list[Any]]:
        """Several at a time, but never much of a long line."""
        some, size = list[Any](), 0
        for raw in self._raws:
            try:
                some.append(self._decode(raw))
            except (msgspec.DecodeError, RecursionError) as error:
                if self._refused is not None:
                    self._refused.append(_field(error))
            size += memoryview(raw).nbytes
            if len(some) >= _AT_ONCE or size >= _MOST_BYTES:
                yield some
                some, size = [], 0
        if some:
            yield some
        self._refused = None  # whoever looks again need not be told again


def _field(error: Exception) -> str:
    """Where in the span or record; the decoder never quotes values."""
    _, _, path = str(error).rpartition(" - at `$")
    return path.removesuffix("`").removeprefix(".")


def _converted(value: Any, kind: type[Any]) -> Any:  # noqa: ANN401 - one of two message types
    try:
        return msgspec.convert(value, kind) if value is not None else None
    except msgspec.ValidationError:
        return None
