"""Calls become OTLP JSON lines by the current conventions, whatever log they were read from.

Each call is one span: the conventions' attributes for everyone, ours beside them for a
reading to the last digit (see ``exact``). Nothing of a prompt is written but its hashes,
unless the table carries ``content``.
"""

import math
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from typing import Any

import msgspec
import pyarrow as pa
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.attributes import openai_attributes as openai
from opentelemetry.semconv._incubating.attributes import user_attributes as user
from opentelemetry.semconv.attributes import error_attributes as error
from opentelemetry.semconv.attributes import service_attributes as service
from opentelemetry.semconv.schemas import Schemas

from llmops_cli import __version__
from llmops_cli.calls import COLUMNS
from llmops_cli.traffic.kept import Kept
from llmops_cli.traffic.otlp import conventional, exact
from llmops_cli.traffic.otlp.spans import EVALUATION

__all__ = ["SCHEMA_URL", "export_lines"]

SCHEMA_URL = Schemas.V1_41_1.value
"""The version of the conventions that is written."""

_CHAT = "chat"
_OPENAI = "openai"
_LAYOUT = "1"
_CLIENT = 3
_ERROR = 2
_LINE_SPANS = 256
_LINE_BYTES = 8 << 20
"""A line ends here, far below what any reader takes."""
_LIMIT = 1 << 63
_EVALUATION_NAME = "llmops.evaluation_score"

# Our column to the attribute that means the same.
_TEXTS = {
    "provider_name": gen_ai.GEN_AI_PROVIDER_NAME,
    "request_model": gen_ai.GEN_AI_REQUEST_MODEL,
    "response_model": gen_ai.GEN_AI_RESPONSE_MODEL,
    "conversation_id": gen_ai.GEN_AI_CONVERSATION_ID,
    "agent_name": gen_ai.GEN_AI_AGENT_NAME,
    "user_id": user.USER_ID,
    "error_type": error.ERROR_TYPE,
}
_INPUT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")

_Row = dict[str, Any]
_Value = dict[str, Any]


def export_lines(batches: Iterable[pa.Table]) -> Iterator[bytes]:
    """The calls as lines of one export each, as the collector's file exporter writes them.

    Args:
        batches: tables of the calls schema, ``content`` behind it where prompts are kept.

    Yields:
        Lines with their end of line.
    """
    spans, size = list[bytes](), 0
    for batch in batches:
        for row in _rows(batch):
            spans.append(msgspec.json.encode(_span(row)))
            size += len(spans[-1])
            if len(spans) >= _LINE_SPANS or size >= _LINE_BYTES:
                yield _line(spans)
                spans, size = [], 0
    if spans:
        yield _line(spans)


def _rows(batch: pa.Table) -> Iterator[_Row]:
    at = batch.schema.get_field_index("start_time")
    # Microseconds as they are: Python's own instants end with the year 9999.
    plain = batch.set_column(at, "start_time", batch["start_time"].cast(pa.int64()))
    for piece in plain.to_batches(max_chunksize=_LINE_SPANS):
        yield from piece.to_pylist()


def _line(spans: list[bytes]) -> bytes:
    export = {
        "resourceSpans": [
            {
                "resource": {"attributes": [_pair(service.SERVICE_NAME, _text("unknown_service"))]},
                "scopeSpans": [
                    {
                        "scope": {"name": exact.SCOPE, "version": __version__},
                        "spans": [msgspec.Raw(span) for span in spans],
                        "schemaUrl": SCHEMA_URL,
                    }
                ],
            }
        ]
    }
    return msgspec.json.encode(export) + b"\n"


def _span(row: _Row) -> _Value:
    trace, span = _ids(row)
    start, end = _times(row)
    operation = row["operation_name"] or _CHAT
    return {
        "traceId": trace,
        "spanId": span,
        "parentSpanId": "",
        "name": f"{operation} {row['request_model']}" if row["request_model"] else operation,
        "kind": _CLIENT,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(end),
        "attributes": [
            _pair(name, value)
            for name, value in (*_conventional(row, operation, span), *_ours(row))
            if value is not None
        ],
        "events": _events(row, end),
        "status": {"code": _ERROR} if row["error_type"] is not None else {},
    }


def _conventional(row: _Row, operation: str, span: str) -> Iterator[tuple[str, _Value | None]]:
    yield gen_ai.GEN_AI_OPERATION_NAME, _text(operation)
    yield from ((name, _text(row[column])) for column, name in _TEXTS.items())
    yield gen_ai.GEN_AI_RESPONSE_ID, _text(_response_id(row, span))
    if row["provider_name"] == _OPENAI:
        yield openai.OPENAI_RESPONSE_SERVICE_TIER, _text(row["service_tier"])
    yield from _usage(row)
    if row["finish_reason"] is not None:
        reasons = {"arrayValue": {"values": [_text(row["finish_reason"])]}}
        yield gen_ai.GEN_AI_RESPONSE_FINISH_REASONS, reasons
    if row["ttft_s"] is not None and math.isfinite(row["ttft_s"]):
        yield gen_ai.GEN_AI_REQUEST_STREAM, {"boolValue": True}
        yield gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, {"doubleValue": row["ttft_s"]}
    if row.get("content") is not None:
        kept = msgspec.json.decode(row["content"], type=Kept)
        yield from ((n, _text(text)) for n, text in conventional.attributes(kept).items())


def _usage(row: _Row) -> Iterator[tuple[str, _Value | None]]:
    """The counters as the conventions want them: the input includes what was cached."""
    if row["input_tokens"] is not None:
        yield gen_ai.GEN_AI_USAGE_INPUT_TOKENS, _count(sum(row[name] or 0 for name in _INPUT))
    yield gen_ai.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, _count(row["cache_read_tokens"])
    written = [row["cache_write_5m_tokens"], row["cache_write_1h_tokens"]]
    if written != [None, None]:
        total = sum(tokens or 0 for tokens in written)
        yield gen_ai.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, _count(total)
    yield gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS, _count(row["output_tokens"])
    yield gen_ai.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, _count(row["reasoning_tokens"])


def _ours(row: _Row) -> Iterator[tuple[str, _Value | None]]:
    yield exact.MARK, _text(_LAYOUT)
    for column in COLUMNS:
        if column.name not in {"source_file", "source_line"}:
            yield exact.PREFIX + column.name, exact.written(column, row[column.name])


def _events(row: _Row, end: int) -> list[_Value]:
    score = row["evaluation_score"]
    if score is None or not math.isfinite(score):
        return []
    said = (
        (gen_ai.GEN_AI_EVALUATION_NAME, _text(_EVALUATION_NAME)),
        (gen_ai.GEN_AI_EVALUATION_SCORE_VALUE, {"doubleValue": score}),
    )
    attributes = [_pair(name, value) for name, value in said]
    return [{"timeUnixNano": str(end), "name": EVALUATION, "attributes": attributes}]


def _pair(key: str, value: _Value | None) -> _Value:
    return {"key": key, "value": value}


def _text(value: str | None) -> _Value | None:
    return None if value is None else {"stringValue": value}


def _count(tokens: int | None) -> _Value | None:
    # 64-bit integers are text in protobuf's JSON mapping; a sum may not fit into them.
    return None if tokens is None or tokens >= _LIMIT else {"intValue": str(tokens)}


def _times(row: _Row) -> tuple[int, int]:
    """Start and end in nanoseconds; 0 is unknown, and no span ends before it starts."""
    start = (row["start_time"] or 0) * 1000
    if not 0 < start < _LIMIT:
        return 0, 0
    duration = (row["duration_s"] or 0.0) * 1e9
    end = start + round(duration) if math.isfinite(duration) else start
    return start, end if end < _LIMIT else start


def _response_id(row: _Row, span: str) -> str | None:
    """The provider's id of the answer, where the call's id is neither its place nor its span."""
    place = f"{row['source_file']}:{row['source_line']}"
    return None if row["call_id"] in {place, row["span_id"], span} else row["call_id"]


def _ids(row: _Row) -> tuple[str, str]:
    """Trace and span id: the log's own where they are such ids, else made from what is there."""
    last = (row["block_hashes"] or [b""])[-1]
    place = (row["call_id"], row["source_file"], row["source_line"], row["start_time"], last)
    # What shares a trace in the log shares it here, whatever its name was there.
    trace = _hexadecimal(row["trace_id"], 32) or _made(16, row["trace_id"] or place)
    return trace, _hexadecimal(row["span_id"], 16) or _made(8, row["span_id"], place)


def _hexadecimal(text: str | None, length: int) -> str | None:
    found = (text or "").replace("-", "").lower()
    valid = len(found) == length and set(found) <= set("0123456789abcdef") and found.strip("0")
    return found if valid else None


def _made(size: int, *of: object) -> str:
    return blake2b(repr(of).encode(), digest_size=size, person=b"llmops-otlp").hexdigest()
