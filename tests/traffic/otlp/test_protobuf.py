"""OTLP protobuf: the same export as protobuf and as JSON gives the same calls."""

import json
import resource
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.json_format import Parse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Traffic, read_calls

if TYPE_CHECKING:
    from .conftest import Otlp

Json = dict[str, Any]
CALL: Json = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "anthropic",
    "gen_ai.request.model": "claude-sonnet-4-6",
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.cache_read.input_tokens": 400,
    "gen_ai.response.time_to_first_chunk": 0.5,
    "gen_ai.request.stream": True,
}
PROMPT = [{"role": "user", "parts": [{"type": "text", "content": "Grüezi"}]}]


def exports(otlp: "Otlp") -> list[Json]:
    whole = {"gen_ai.input.messages": PROMPT}
    failed = otlp.span(CALL, 4, parent=9, status={"code": 2})
    return [
        otlp.traces(otlp.span(CALL | whole), otlp.span(CALL, 2)),
        otlp.logs(
            otlp.record("gen_ai.user.message", 2, body={"content": "hello"}),
            otlp.record(
                "gen_ai.evaluation.result",
                1,
                **{"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": 0.5},
            ),
        ),
        otlp.traces(otlp.span({"gen_ai.operation.name": "invoke_agent"}, 9), failed),
    ]


def encoded(line: Json) -> bytes:
    """An export as protobuf, whose own JSON mapping wants ids in base64."""
    kind = ExportTraceServiceRequest if "resourceSpans" in line else ExportLogsServiceRequest
    message = Parse(json.dumps(line), kind())
    scopes: Any
    for place in getattr(message, "resource_spans", ()) or getattr(message, "resource_logs", ()):
        scopes = getattr(place, "scope_spans", None) or place.scope_logs
        for scope in scopes:
            given_scope = line.get("resourceSpans") or line["resourceLogs"]
            items = getattr(scope, "spans", None) or scope.log_records
            originals = [
                item
                for res in given_scope
                for found in (res.get("scopeSpans") or res["scopeLogs"])
                for item in (found.get("spans") or found["logRecords"])
            ]
            for item, original in zip(items, originals, strict=True):
                item.trace_id = bytes.fromhex(original["traceId"])
                item.span_id = bytes.fromhex(original["spanId"])
                if original.get("parentSpanId"):
                    item.parent_span_id = bytes.fromhex(original["parentSpanId"])
    return message.SerializeToString()


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def collector(messages: list[bytes]) -> bytes:
    return b"".join(len(data).to_bytes(4, "big") + data for data in messages)


def delimited(messages: list[bytes]) -> bytes:
    return b"".join(varint(len(data)) + data for data in messages)


FRAMES = {"the collector's frames": collector, "protobuf's own frames": delimited}


def written(otlp: "Otlp", data: bytes, name: str = "log.pb") -> Path:
    path = otlp.folder / name
    path.write_bytes(data)
    return path


def comparable(path: Path) -> tuple[Any, ...]:
    traffic = read_calls([path])
    table = traffic.calls.drop(columns=["source_file"])
    return str(table.to_dict("records")), traffic.joins, traffic.skipped, traffic.bad_count


@pytest.mark.parametrize("frame", FRAMES)
def test_protobuf_and_json_of_the_same_exports_give_the_same_calls(
    otlp: "Otlp", frame: str
) -> None:
    lines = exports(otlp)
    binary = written(otlp, FRAMES[frame]([encoded(line) for line in lines]))
    assert comparable(binary) == comparable(otlp.write(*lines))
    assert read_calls([binary]).formats == {"otlp-protobuf": 3}


@pytest.mark.parametrize("which", [0, 2])
def test_a_bare_message_is_read(otlp: "Otlp", which: int) -> None:
    line = exports(otlp)[which]
    assert comparable(written(otlp, encoded(line))) == comparable(otlp.write(line))


def test_bare_logs_alone_are_no_traces(otlp: "Otlp") -> None:
    lines = exports(otlp)
    paths = [written(otlp, encoded(lines[1]), "logs.pb"), written(otlp, encoded(lines[0]))]
    call = read_calls(paths).calls
    assert call["evaluation_score"].tolist()[0] == 0.5


def test_metrics_hold_no_calls_and_are_counted(otlp: "Otlp") -> None:
    metric = {"name": "gen_ai.client.token.usage", "description": "x", "unit": "{token}"}
    metrics = {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}
    data = Parse(json.dumps(metrics), ExportMetricsServiceRequest()).SerializeToString()
    path = written(otlp, collector([data, encoded(exports(otlp)[0])]))
    traffic = read_calls([path])
    assert traffic.skipped["metrics"] == 1
    assert len(traffic.calls) == 2


def test_numbers_of_any_kind_survive(otlp: "Otlp") -> None:
    odd = CALL | {
        "a": [1, 2.5, True, "x"],
        "b": {"c": {"d": [1]}},
        "gen_ai.usage.output_tokens": "7",
    }
    line = otlp.traces(otlp.span(odd))
    assert comparable(written(otlp, encoded(line))) == comparable(otlp.write(line))


def refusal(path: Path) -> LlmopsError:
    with pytest.raises(LlmopsError) as caught:
        read_calls([path])
    return caught.value


def attempted(path: Path) -> Traffic | None:
    """What was read, or None for a file that is refused by its name."""
    with suppress(LlmopsError):
        return read_calls([path])
    assert refusal(path).file == str(path)
    return None


def test_an_empty_file_is_refused_by_name(otlp: "Otlp") -> None:
    error = refusal(written(otlp, b""))
    assert (error.slug, error.file) == ("traffic-empty", str(otlp.folder / "log.pb"))


@pytest.mark.parametrize("left", [1, 3, 4, 5, 40, -1])
def test_a_file_cut_off_inside_a_message_is_refused_by_name(otlp: "Otlp", left: int) -> None:
    lines = [encoded(line) for line in exports(otlp)]
    whole = collector(lines)
    after_first = 4 + len(lines[0])
    path = written(otlp, whole[:left] if left < 0 else whole[: after_first + left])
    error = refusal(path)
    assert (error.slug, error.file) == ("traffic-not-protobuf", str(path))


@pytest.mark.parametrize(
    "garbage",
    [
        b"hello world, this is not protobuf at all",
        b"\x00\x00\x00\x05hello",
        b"{}",
        b"\x00" * 64,
        b"\xff" * 64,
        b"PAR1" + b"\x00" * 40,
        bytes(range(256)),
    ],
)
def test_garbage_is_refused_by_name(otlp: "Otlp", garbage: bytes) -> None:
    path = written(otlp, garbage)
    error = refusal(path)
    assert error.slug in {"traffic-not-protobuf", "traffic-no-calls", "traffic-empty"}
    assert error.file == str(path)


@pytest.mark.parametrize("length", [0x0F_FF_FF_FF, 0x07_FF_FF_FF, 0xFF_FF_FF_FF, 0x01_00_00_00])
def test_a_huge_declared_length_is_refused_without_the_memory_for_it(
    otlp: "Otlp", length: int
) -> None:
    path = written(otlp, length.to_bytes(4, "big") + b"\x0a" + b"x" * 100)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(path).slug == "traffic-not-protobuf"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64_000  # KiB


def test_a_bad_record_does_not_end_the_others(otlp: "Otlp") -> None:
    good = encoded(exports(otlp)[0])
    traffic = read_calls([written(otlp, collector([good, b"\x0a\xff\xff", good]))])
    assert [(row.line, row.slug) for row in traffic.bad_rows] == [(2, "traffic-not-protobuf")]
    assert traffic.joins["duplicate-span"] == 2
    assert len(traffic.calls) == 2


@given(data=st.binary(max_size=300), framed=st.booleans())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_end_in_calls_bad_rows_or_one_refusal(
    otlp: "Otlp", data: bytes, *, framed: bool
) -> None:
    traffic = attempted(written(otlp, collector([data]) if framed else data))
    assert traffic is None or len(traffic.calls) + traffic.bad_count


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_changed_byte_never_breaks_the_reading(otlp: "Otlp", data: st.DataObject) -> None:
    whole = bytearray(collector([encoded(line) for line in exports(otlp)]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    traffic = attempted(written(otlp, bytes(whole)))
    assert traffic is None or len(traffic.calls) + traffic.bad_count
