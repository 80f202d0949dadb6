"""OTLP protobuf: one export message, or many with their lengths before them.

The collector's file exporter writes four bytes of length, big endian, before each message;
others write a varint, as protobuf's own delimited format does; a bare message has neither.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.frames import FIRST_FIELD, LENGTH_BYTES, MOST_BYTES, opening
from llmops_cli.traffic.otlp import json_format, messages
from llmops_cli.traffic.quarantine import BadRow
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import open_bytes

if TYPE_CHECKING:
    from llmops_cli.traffic.sink import Batch, RowSink

__all__ = ["NAME", "export_requests", "exports"]

NAME = "otlp-protobuf"

_PIECE = 4 << 20
_TRACE_ID_DIGITS = 32

Decode = Callable[[bytes], messages.ExportRequest | None]


def export_requests(source: Source, sink: "RowSink") -> Iterator["Batch"]:
    """The rows of every export in a file; records are numbered as lines are.

    Raises:
        LlmopsError: ``traffic-not-protobuf``, ``traffic-empty``.
    """
    number = 0
    for number, request in exports(source):
        if request is None:
            bad = BadRow(source.name, number, "", "traffic-not-protobuf", "not an OTLP export")
            sink.bad.append(bad)
        else:
            for found in json_format.rows(request, sink.place(number)):
                sink.accept(found, number, json_format.NAME)
            if sink.observer is not None:
                sink.observer.add(request, number)
        yield from sink.full()
        if sink.choked:
            break
    if not number:
        raise LlmopsError("traffic-empty", "there is nothing in it", file=source.name)
    yield from sink.rest()
    sink.formats[NAME] += sink.formats.pop(json_format.NAME, 0)


def exports(source: Source) -> Iterator[tuple[int, messages.ExportRequest | None]]:
    """Every export of a file with its number, from 1; None for what is no export.

    Raises:
        LlmopsError: ``traffic-not-protobuf`` where what is left is cut off or no protobuf.
    """
    decode = _decoder()
    for number, data in enumerate(_records(source), 1):
        yield number, decode(data)


def _decoder() -> Decode:
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - heavy, and only here
    from opentelemetry.proto.collector.logs.v1 import logs_service_pb2  # noqa: PLC0415
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: PLC0415
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415

    # The three share their field numbers: what parses as the one may be another.
    kinds: tuple[tuple[Any, Callable[[Any], messages.ExportRequest | None]], ...] = (
        (trace_service_pb2.ExportTraceServiceRequest, _traces),
        (logs_service_pb2.ExportLogsServiceRequest, _logs),
        (metrics_service_pb2.ExportMetricsServiceRequest, _metrics),
    )

    def decode(data: bytes) -> messages.ExportRequest | None:
        for kind, convert in kinds:
            try:
                request = convert(kind.FromString(data))
            except (DecodeError, UnicodeError):
                continue
            if request is not None:
                return request
        return None

    return decode


def _records(source: Source) -> Iterator[bytes]:
    with open_bytes(source) as stream:
        head = stream.read(LENGTH_BYTES + 1)
        if not head:
            return
        if length := opening(head):
            yield from _framed(source, stream, length, head[LENGTH_BYTES:])
            return
        whole = head + _up_to(stream, MOST_BYTES)
        if stream.read(1):
            raise _cut(source)
        yield from _delimited(whole) or [_plausible(source, whole)]


def _framed(source: Source, stream: BinaryIO, length: int, begun: bytes) -> Iterator[bytes]:
    while True:
        data = begun + _up_to(stream, length - len(begun))
        if len(data) < length:
            raise _cut(source)
        yield data
        head, begun = stream.read(LENGTH_BYTES), b""
        if not head:
            return
        length = int.from_bytes(head, "big")
        if len(head) < LENGTH_BYTES or length > MOST_BYTES:
            raise _cut(source)


def _up_to(stream: BinaryIO, length: int) -> bytes:
    """At most so many bytes, read in pieces: what a file says of its length may be wrong."""
    found, size = list[bytes](), 0
    while size < length and (piece := stream.read(min(_PIECE, length - size))):
        found.append(piece)
        size += len(piece)
    return b"".join(found)


def _plausible(source: Source, whole: bytes) -> bytes:
    if whole[0] != FIRST_FIELD:
        raise _cut(source)
    return whole


def _cut(source: Source) -> LlmopsError:
    return LlmopsError(
        "traffic-not-protobuf",
        "not OTLP protobuf, or cut off in the middle of a message",
        hint="OTLP JSON lines are told by the name .json or .jsonl",
        file=source.name,
    )


def _delimited(data: bytes) -> list[bytes]:
    """Messages with a varint of length before each; empty if that does not come out even."""
    found, at = list[bytes](), 0
    while at < len(data):
        length = shift = 0
        while True:
            if at >= len(data) or shift > 28:  # noqa: PLR2004 - five bytes at most
                return []
            byte = data[at]
            at += 1
            length |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
                break
        if not length or at + length > len(data) or data[at] != FIRST_FIELD:
            return []
        found.append(data[at : at + length])
        at += length
    return found


def _traces(request: Any) -> messages.ExportRequest | None:  # noqa: ANN401 - generated message types
    resources = [
        messages.ResourceSpans(
            messages.Resource(_pairs(resource.resource.attributes)),
            [
                messages.ScopeSpans(
                    messages.Scope(scope.scope.name, scope.scope.version),
                    [_span(span) for span in scope.spans],
                    scope.schema_url,
                )
                for scope in resource.scope_spans
            ],
            resource.schema_url,
        )
        for resource in request.resource_spans
    ]
    spans = [s for r in resources for scope in r.scope_spans for s in scope.spans]
    # A span without a trace id of 16 bytes is a log record read by the wrong message.
    if spans and not any(
        len(span.trace_id) == _TRACE_ID_DIGITS and span.start_time_unix_nano for span in spans
    ):
        return None
    return messages.ExportRequest(resource_spans=resources)


def _logs(request: Any) -> messages.ExportRequest | None:  # noqa: ANN401
    resources = [
        messages.ResourceLogs(
            messages.Resource(_pairs(resource.resource.attributes)),
            [
                messages.ScopeLogs(
                    messages.Scope(scope.scope.name, scope.scope.version),
                    [_record(record) for record in scope.log_records],
                    scope.schema_url,
                )
                for scope in resource.scope_logs
            ],
            resource.schema_url,
        )
        for resource in request.resource_logs
    ]
    records = [r for logs in resources for scope in logs.scope_logs for r in scope.log_records]
    if records and not any(map(_is_told, records)):
        return None
    return messages.ExportRequest(resource_logs=resources)


def _is_told(record: messages.LogRecord) -> bool:
    return bool(record.time_unix_nano or record.observed_time_unix_nano or record.event_name)


def _metrics(request: Any) -> messages.ExportRequest | None:  # noqa: ANN401
    named = [
        metric.name
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    ]
    return messages.ExportRequest(resource_metrics=msgspec.Raw(b"[]")) if any(named) else None


def _span(span: Any) -> messages.Span:  # noqa: ANN401
    return messages.Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex(),
        name=span.name,
        kind=span.kind,
        start_time_unix_nano=span.start_time_unix_nano,
        end_time_unix_nano=span.end_time_unix_nano,
        attributes=_pairs(span.attributes),
        events=[
            messages.Event(event.name, event.time_unix_nano, _pairs(event.attributes))
            for event in span.events
        ],
        status=messages.Status(span.status.code),
    )


def _record(record: Any) -> messages.LogRecord:  # noqa: ANN401
    return messages.LogRecord(
        time_unix_nano=record.time_unix_nano,
        observed_time_unix_nano=record.observed_time_unix_nano,
        event_name=record.event_name,
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        body=_value(record.body),
        attributes=_pairs(record.attributes),
    )


def _pairs(pairs: Any) -> list[messages.KeyValue]:  # noqa: ANN401
    # Nearly all are texts: what is set is not asked before what there is.
    return [
        messages.KeyValue(
            pair.key,
            messages.AnyValue(text)
            if (text := (value := pair.value).string_value)
            else _value(value),
        )
        for pair in pairs
    ]


def _value(value: Any) -> messages.AnyValue | None:  # noqa: ANN401
    number = value.int_value
    if number:
        return messages.AnyValue(None, number)
    kind = value.WhichOneof("value")
    return None if kind is None else _other(kind, getattr(value, kind))


def _other(kind: str, inner: Any) -> messages.AnyValue:  # noqa: ANN401
    if kind == "array_value":
        items = [_value(item) or messages.AnyValue() for item in inner.values]
        return messages.AnyValue(array_value=messages.ArrayValue(items))
    if kind == "kvlist_value":
        return messages.AnyValue(kvlist_value=messages.KeyValueList(_pairs(inner.values)))
    if kind == "bytes_value":
        return messages.AnyValue(bytes_value=inner.hex())
    return messages.AnyValue(**{kind: inner})
