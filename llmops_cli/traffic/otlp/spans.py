"""Spans and events become rows: calls, their context, their content, their evaluation.

Attribute meanings: OpenTelemetry semantic conventions for generative AI, spans and events.
"""

from collections.abc import Iterable
from typing import Any

import msgspec

from llmops_cli.traffic.blocks import Part
from llmops_cli.traffic.otlp import exact
from llmops_cli.traffic.otlp.content import Pieces, event_pieces, whole_parts
from llmops_cli.traffic.otlp.facts import Facts, facts, role_of
from llmops_cli.traffic.otlp.messages import Event, LogRecord, Span
from llmops_cli.traffic.otlp.names import (
    CONTENT,
    OPERATIONS,
    PROVIDERS,
)
from llmops_cli.traffic.otlp.values import identifier, micros
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Found, Skipped
from llmops_cli.traffic.table import Role
from llmops_cli.traffic.usage import Counters, disjoint

__all__ = [
    "CALLS",
    "EVALUATION",
    "Facts",
    "facts",
    "log_rows",
    "operation_of",
    "provider_of",
    "role_of",
    "span_rows",
    "token_columns",
]

CALLS = {"inference", "embeddings"}
"""The roles of spans that are calls of a model."""

EVALUATION = "gen_ai.evaluation.result"
_FIRST_TOKEN = {
    "First Token Stream Event",
    "gen_ai.content.completion.chunk",
    "llm.content.completion.chunk",
}
_ERROR = {2, "2", "STATUS_CODE_ERROR"}
_UNREADABLE = "prompts that are cut off or no JSON, left out of their calls"


def span_rows(span: Span, scope: str) -> list[Found]:
    """The rows of one span: itself, and what its events carry.

    Args:
        span: the span.
        scope: name and version of the library that wrote it.

    Raises:
        RowError: what cannot be read of the span.
    """
    # First, because our own attributes hold what the others cannot: any time, any counter.
    if scope.startswith(exact.SCOPE) and exact.is_exact(span.attributes):
        return [_written_by_us(span)]
    found = facts(span.attributes)
    if found.exact and exact.is_exact(span.attributes):
        return [_written_by_us(span)]
    row = _placed(span)
    role = role_of(found.known)
    rows: list[Found]
    if role in CALLS:
        rows = _call(span, found, scope, row)
    else:
        rows = [(_context(found.known, role, row), [])]
    if span.events:
        rows += _evaluations(span.events, row)
    return rows


def _written_by_us(span: Span) -> tuple[dict[str, Any], list[Part]]:
    content = {pair.key: pair.value for pair in span.attributes if pair.key in CONTENT}
    parts = whole_parts({key: value for key, value in content.items() if value is not None})
    return exact.row(exact.values(span.attributes)), parts


def _placed(span: Span) -> dict[str, Any]:
    start = micros(span.start_time_unix_nano, "startTimeUnixNano")
    end = micros(span.end_time_unix_nano, "endTimeUnixNano")
    row: dict[str, Any] = {
        "start_time": start,
        "trace_id": identifier(span.trace_id, 32),
        "span_id": identifier(span.span_id, 16),
        "parent_span_id": identifier(span.parent_span_id, 16) if span.parent_span_id else None,
    }
    if start is not None and end is not None:
        if end < start:
            raise RowError(
                "calls-negative-duration", "the span ends before it starts", "endTimeUnixNano"
            )
        row["duration_s"] = (end - start) / 1e6
    return row


def _context(known: dict[str, Any], role: str, row: dict[str, Any]) -> dict[str, Any]:
    filled = row | {"role": Role.CONTEXT, "operation_name": known.get("operation_name")}
    for name in ("conversation_id", "user_id", "task"):
        filled[name] = known.get(name)
    if role == "agent":
        named = known.get("agent_name") or known.get("workflow_name") or known.get("entity_name")
        filled["agent_name"] = named
    if role == "tool":
        filled["tool_name"] = known.get("tool_name") or known.get("entity_name")
    return filled


def _call(span: Span, found: Facts, scope: str, row: dict[str, Any]) -> list[Found]:
    known = found.known
    provider = known.get("provider_name")
    provider = provider_of(provider) if provider else None
    filled: dict[str, Any] = {
        **row,
        "call_id": known.get("response_id") or row["span_id"],
        "provider_name": provider,
        "operation_name": operation_of(known),
        "error_type": known.get("error_type") or _failed(span),
        "ttft_s": _first_token(span, row, known.get("ttft_s")),
        # One library may count one provider's tokens so and another's so.
        **token_columns(known, f"{scope} {provider}"),
    }
    for name in _SAME:
        if name in known:
            filled[name] = known[name]
    _say_models(known, filled)
    if filled["operation_name"] == "embeddings":
        return [(filled, [])]
    try:
        pieces = _pieces(found, span.events, known.get("conversation_id") or span.trace_id)
    except (msgspec.DecodeError, UnicodeError):
        # An exporter's limit of length cuts JSON in two: the prompt is lost, not the call.
        return [(filled, []), Skipped(_UNREADABLE)]
    if pieces.messages or not (pieces.tools or pieces.instructions) or row["span_id"] is None:
        return [(filled, pieces.parts())]
    # The messages may come as log records: what stands before them waits for them.
    head = {"role": Role.CONTENT, "trace_id": row["trace_id"], "span_id": row["span_id"]}
    return [(filled, []), (head, pieces.parts())]


def _say_models(known: dict[str, Any], filled: dict[str, Any]) -> None:
    asked = known.get("asked_model")
    if asked is not None:
        filled.setdefault("response_model", known.get("request_model"))
        filled["request_model"] = asked
    elif "request_model" not in filled:
        filled["request_model"] = known.get("response_model")


_SAME = (
    "request_model",
    "response_model",
    "conversation_id",
    "user_id",
    "task",
    "agent_name",
    "service_tier",
    "finish_reason",
)


def provider_of(name: str) -> str:
    """A provider as OpenTelemetry calls it now."""
    lower = name.lower()
    return PROVIDERS.get(lower, lower)


def operation_of(known: dict[str, Any]) -> str:
    """What was asked for, as OpenTelemetry calls it."""
    operation = known.get("operation_name") or known.get("span_kind") or "chat"
    operation = operation.lower()
    return OPERATIONS.get(operation, operation)


def _failed(span: Span) -> str | None:
    if span.status is None or span.status.code not in _ERROR:
        return None
    for event in span.events:
        if event.name == "exception":
            for pair in event.attributes:
                if pair.key == "exception.type" and pair.value and pair.value.string_value:
                    return pair.value.string_value
    return "error"


def _first_token(span: Span, row: dict[str, Any], logged: float | None) -> float | None:
    if logged is not None and logged >= 0:
        return logged
    start = row["start_time"]
    for event in span.events:
        if event.name in _FIRST_TOKEN and start is not None:
            at = micros(event.time_unix_nano, "events.timeUnixNano")
            return None if at is None or at < start else (at - start) / 1e6
    return None


def token_columns(known: dict[str, Any], counted_by: str) -> dict[str, Any]:
    """The token columns of a call.

    Raises:
        RowError: ``calls-contradiction``.
    """
    if "given" not in known:
        return {"output_tokens": known["output"]} if "output" in known else {}
    counters = Counters(
        given=known["given"],
        read=known.get("read", 0),
        written=known.get("written", 0),
        output=known.get("output", 0),
        reasoning=known.get("reasoning"),
        total=known.get("total"),
        field="gen_ai.usage",
    )
    return disjoint(counters, cached_inside=None, counted_by=counted_by)


def _pieces(found: Facts, events: list[Event], of: str) -> Pieces:
    """The prompt: each of its pieces from the first place that has it."""
    pieces = Pieces()
    if found.content:
        pieces.add_whole(found.content, of)
    if found.flattened:
        pieces.add_flattened(found.flattened)
    if events and not pieces.messages:
        for event in events:
            pieces += event_pieces(event.name, None, event.attributes)
    return pieces


def _evaluations(events: Iterable[Event], row: dict[str, Any]) -> list[Found]:
    found = list[Found]()
    for event in events:
        if event.name == EVALUATION:
            try:
                found.append((_evaluation(facts(event.attributes).known, row), []))
            except RowError as error:
                found.append(error)
    return found


def _evaluation(known: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    return {
        "role": Role.EVALUATION,
        "start_time": row.get("start_time"),
        "trace_id": row.get("trace_id"),
        "parent_span_id": row.get("span_id"),
        "call_id": known.get("response_id"),
        "evaluation_name": known.get("evaluation_name"),
        "evaluation_score": known.get("score"),
    }


def log_rows(record: LogRecord) -> list[Found]:
    """The rows of one log record: a prompt's content, an evaluation, or nothing.

    Raises:
        RowError: what cannot be read of the record.
        msgspec.DecodeError: content is not JSON.
    """
    name = record.event_name or _event_name(record)
    if not name.startswith("gen_ai."):
        return []
    row: dict[str, Any] = {
        "start_time": micros(record.time_unix_nano, "timeUnixNano")
        or micros(record.observed_time_unix_nano, "observedTimeUnixNano"),
        "trace_id": identifier(record.trace_id, 32) if record.trace_id else None,
        "span_id": identifier(record.span_id, 16) if record.span_id else None,
    }
    if name == EVALUATION:
        return [(_evaluation(facts(record.attributes).known, row), [])]
    parts = event_pieces(name, record.body, record.attributes).parts()
    return [(row | {"role": Role.CONTENT}, parts)] if parts else []


def _event_name(record: LogRecord) -> str:
    for pair in record.attributes:
        if pair.key == "event.name" and pair.value is not None:
            return pair.value.string_value or ""
    return ""
