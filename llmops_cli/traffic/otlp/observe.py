"""Spans as they were logged become the spans table, for judging the telemetry itself."""

from typing import Any

import pyarrow as pa

from llmops_cli.spans import spans_schema
from llmops_cli.traffic.otlp.messages import (
    AnyValue,
    Event,
    ExportRequest,
    KeyValue,
    LogRecord,
    Span,
)
from llmops_cli.traffic.otlp.shape import event_holds_content, sensitive, shape
from llmops_cli.traffic.otlp.spans import EVALUATION, facts, role_of
from llmops_cli.traffic.otlp.values import identifier, micros, plain, text
from llmops_cli.traffic.quarantine import RowError

__all__ = ["Observer"]

BATCH_SPANS = 50_000

_SCHEMA = spans_schema()
_KINDS = ("internal", "server", "client", "producer", "consumer")
_NAMESPACE = "gen_ai."
_OF_A_SPAN = (
    "trace_id", "span_id", "parent_span_id", "start_time", "end_time", "service_name",
    "scope_name", "scope_version", "schema_url", "source_file", "source_line",
)  # fmt: skip


class Observer:
    """Collects spans as rows of the spans table.

    Args:
        file: the file they are of.
    """

    def __init__(self, file: str) -> None:
        self._file = file
        self._rows: list[dict[str, Any]] = []

    def __len__(self) -> int:
        """How many spans wait."""
        return len(self._rows)

    @property
    def full(self) -> bool:
        """Whether a batch should be taken now."""
        return len(self._rows) >= BATCH_SPANS

    def take(self) -> pa.Table:
        """The spans since the last take."""
        table = pa.Table.from_pylist(self._rows, schema=_SCHEMA)
        self._rows = []
        return table

    def add(self, request: ExportRequest, line: int) -> None:
        """Every span, and every event of the GenAI conventions, of one export.

        What cannot be read of a span is null here; that it cannot be read is said elsewhere.
        """
        for resource in request.resource_spans or ():
            service = _service(resource.resource.attributes if resource.resource else [])
            for scope in resource.scope_spans:
                shared = _scope(scope, resource.schema_url, service)
                for span in scope.spans:
                    self._span(span, shared, line)
        for logs in request.resource_logs or ():
            service = _service(logs.resource.attributes if logs.resource else [])
            for scope in logs.scope_logs:
                shared = _scope(scope, logs.schema_url, service)
                for record in scope.log_records:
                    self._record(record, shared, line)

    def _span(self, span: Span, shared: dict[str, Any], line: int) -> None:
        row = _observed(span.attributes)
        seen = sensitive(span.attributes)
        for event in span.events:
            seen |= sensitive(event.attributes)
        parent = identifier(span.parent_span_id, 16) if span.parent_span_id else None
        self._rows.append(
            shared
            | row
            | {
                "trace_id": identifier(span.trace_id, 32),
                "span_id": identifier(span.span_id, 16),
                "parent_span_id": parent,
                "name": span.name,
                "kind": _kind(span.kind),
                "start_time": _moment(span.start_time_unix_nano),
                "end_time": _moment(span.end_time_unix_nano),
                "status": _status(span.status.code if span.status else 0),
                "events": " ".join(sorted({event.name for event in span.events})),
                "has_content": row["has_content"] or any(map(event_holds_content, span.events)),
                "sensitive": " ".join(sorted(seen)),
                "source_file": self._file,
                "source_line": line,
            }
        )
        judged = [event for event in span.events if event.name == EVALUATION]
        if judged:
            place = {name: self._rows[-1].get(name) for name in _OF_A_SPAN}
            for event in judged:
                self._event(event, None, place)

    def _record(self, record: LogRecord, shared: dict[str, Any], line: int) -> None:
        named = [pair.value for pair in record.attributes if pair.key == "event.name"]
        name = record.event_name or (text(named[0]) if named and named[0] else None) or ""
        if not name.startswith(_NAMESPACE):
            return
        at = _moment(record.time_unix_nano or record.observed_time_unix_nano)
        place = {
            "trace_id": identifier(record.trace_id, 32) if record.trace_id else None,
            "span_id": identifier(record.span_id, 16) if record.span_id else None,
            "start_time": at,
            "end_time": at,
            "source_file": self._file,
            "source_line": line,
        }
        event = Event(name=name, attributes=record.attributes)
        self._event(event, record.body, shared | place)

    def _event(self, event: Event, body: AnyValue | None, place: dict[str, Any]) -> None:
        seen = sensitive(event.attributes)
        if body is not None:
            seen |= sensitive([KeyValue("body", body)])
        self._rows.append(
            _observed(event.attributes)
            | place
            | {
                "name": event.name,
                "role": "evaluation" if event.name == EVALUATION else "event",
                "status": "unset",
                "events": "",
                "has_content": event_holds_content(event, body),
                "sensitive": " ".join(sorted(seen)),
            }
        )


def _observed(attributes: list[KeyValue]) -> dict[str, Any]:
    known = _known(attributes)
    seen = shape(attributes)
    ttft = known.get("ttft_s")
    return {
        "role": role_of(known),
        "dialect": seen.dialect,
        "attributes": seen.text,
        "operation_name": _logged(attributes, "gen_ai.operation.name"),
        "provider_name": _logged(attributes, "gen_ai.provider.name")
        or _logged(attributes, "gen_ai.system"),
        "request_model": known.get("request_model"),
        "output_type": known.get("output_type"),
        "finish_reasons": _joined(attributes, "gen_ai.response.finish_reasons"),
        "response_id": known.get("response_id"),
        "conversation_id": known.get("conversation_id"),
        "error_type": known.get("error_type"),
        "streaming": True if ttft is not None else known.get("streaming"),
        "ttft_s": ttft,
        "logged_input_tokens": known.get("given"),
        "logged_output_tokens": known.get("output"),
        "logged_cache_read_tokens": known.get("read"),
        "logged_cache_write_tokens": known.get("written"),
        "logged_reasoning_tokens": known.get("reasoning"),
        "logged_total_tokens": known.get("total"),
        "has_content": seen.content,
    }


def _known(attributes: list[KeyValue]) -> dict[str, Any]:
    try:
        return facts(attributes).known
    except RowError:
        return facts([pair for pair in attributes if _readable(pair)]).known


def _readable(pair: KeyValue) -> bool:
    try:
        facts([pair])
    except RowError:
        return False
    return True


def _moment(nanoseconds: str | int) -> int | None:
    try:
        return micros(nanoseconds, "")
    except RowError:
        return None


def _service(attributes: list[KeyValue]) -> str | None:
    return _logged(attributes, "service.name")


def _scope(scope: Any, schema_url: str, service: str | None) -> dict[str, Any]:  # noqa: ANN401 - of spans or logs
    return {
        "service_name": service,
        "scope_name": scope.scope.name if scope.scope else None,
        "scope_version": scope.scope.version if scope.scope else None,
        "schema_url": scope.schema_url or schema_url or None,
    }


def _logged(attributes: list[KeyValue], name: str) -> str | None:
    return next((text(p.value) for p in attributes if p.key == name and p.value), None)


def _joined(attributes: list[KeyValue], name: str) -> str | None:
    found = next((plain(pair.value) for pair in attributes if pair.key == name), None)
    if found is None:
        return None
    return ",".join(str(item) for item in found) if isinstance(found, list) else str(found)


def _kind(kind: int | str) -> str | None:
    if isinstance(kind, str):
        name = kind.removeprefix("SPAN_KIND_").lower()
        return name if name in _KINDS else None
    return _KINDS[kind - 1] if 1 <= kind <= len(_KINDS) else None


def _status(code: int | str) -> str:
    return {1: "ok", 2: "error", "STATUS_CODE_OK": "ok", "STATUS_CODE_ERROR": "error"}.get(
        code, "unset"
    )
