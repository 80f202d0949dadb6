"""Calls written as OTLP: what everyone else reads in them, and what only we do."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest
from opentelemetry.semconv._incubating.attributes import (
    gen_ai_attributes,
    openai_attributes,
    user_attributes,
)
from opentelemetry.semconv.attributes import error_attributes

from llmops_cli.calls import COLUMNS, arrow_schema
from llmops_cli.traffic import Options, Reading
from llmops_cli.traffic.otlp.writer import SCHEMA_URL, export_lines

START = datetime(2026, 9, 1, 12, 0, 0, 1, tzinfo=UTC)
START_NS = "1788264000000001000"

CALL: dict[str, Any] = {
    "call_id": "msg_1",
    "start_time": START,
    "conversation_id": "c1",
    "agent_name": "helper",
    "user_id": "u1",
    "provider_name": "anthropic",
    "operation_name": "chat",
    "request_model": "claude-sonnet-4-5",
    "response_model": "claude-sonnet-4-5-20250929",
    "input_tokens": 5,
    "cache_read_tokens": 128_955,
    "cache_write_5m_tokens": 253,
    "cache_write_1h_tokens": 1000,
    "output_tokens": 40,
    "reasoning_tokens": 12,
    "tokens_estimated": False,
    "duration_s": 2.5,
    "ttft_s": 0.75,
    "finish_reason": "end_turn",
    "automatic_cache": 0,
    "source_file": "log.jsonl",
    "source_line": 7,
}


def table(*rows: dict[str, Any], content: bool = False) -> pa.Table:
    schema = arrow_schema()
    if content:
        schema = schema.append(pa.field("content", pa.string()))
    whole = [{field.name: {**CALL, **row}.get(field.name) for field in schema} for row in rows]
    return pa.Table.from_pylist(whole, schema=schema)


def spans(*tables: pa.Table) -> list[dict[str, Any]]:
    return [
        span
        for line in export_lines(tables)
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def said(span: dict[str, Any]) -> dict[str, Any]:
    """The attributes of a span that are not ours, as OTLP types them."""
    return {
        pair["key"]: pair["value"]
        for pair in span["attributes"]
        if not pair["key"].startswith("llmops.")
    }


def read(path: Path, *, keep_content: bool = False) -> tuple[pa.Table, Reading]:
    reading = Reading([path], Options(keep_content=keep_content))
    return pa.concat_tables(list(reading.tables())), reading


@pytest.fixture
def stripped(tmp_path: Path) -> Callable[..., pa.Table]:
    """Write, take our own attributes away, and read as anyone would."""

    def read_without_ours(*tables: pa.Table) -> pa.Table:
        path = tmp_path / "stripped.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for line in export_lines(tables):
                export = json.loads(line)
                for span in export["resourceSpans"][0]["scopeSpans"][0]["spans"]:
                    span["attributes"] = [
                        pair for pair in span["attributes"] if "llmops" not in pair["key"]
                    ]
                file.write(json.dumps(export) + "\n")
        return read(path)[0]

    return read_without_ours


def test_a_call_is_a_client_span_of_the_current_conventions() -> None:
    (line,) = export_lines([table({})])
    (resource,) = json.loads(line)["resourceSpans"]
    (scope,) = resource["scopeSpans"]
    (span,) = scope["spans"]
    assert scope["schemaUrl"] == SCHEMA_URL == "https://opentelemetry.io/schemas/1.41.1"
    assert (span["name"], span["kind"], span["status"]) == ("chat claude-sonnet-4-5", 3, {})
    assert span["startTimeUnixNano"] == START_NS
    assert int(span["endTimeUnixNano"]) - int(START_NS) == 2_500_000_000
    assert said(span) == {
        "gen_ai.operation.name": {"stringValue": "chat"},
        "gen_ai.provider.name": {"stringValue": "anthropic"},
        "gen_ai.request.model": {"stringValue": "claude-sonnet-4-5"},
        "gen_ai.response.model": {"stringValue": "claude-sonnet-4-5-20250929"},
        "gen_ai.response.id": {"stringValue": "msg_1"},
        "gen_ai.conversation.id": {"stringValue": "c1"},
        "gen_ai.agent.name": {"stringValue": "helper"},
        "user.id": {"stringValue": "u1"},
        "gen_ai.usage.input_tokens": {"intValue": "130213"},  # 5 + 128,955 + 253 + 1,000
        "gen_ai.usage.cache_read.input_tokens": {"intValue": "128955"},
        "gen_ai.usage.cache_creation.input_tokens": {"intValue": "1253"},
        "gen_ai.usage.output_tokens": {"intValue": "40"},
        "gen_ai.usage.reasoning.output_tokens": {"intValue": "12"},
        "gen_ai.response.finish_reasons": {"arrayValue": {"values": [{"stringValue": "end_turn"}]}},
        "gen_ai.request.stream": {"boolValue": True},
        "gen_ai.response.time_to_first_chunk": {"doubleValue": 0.75},
    }


def test_every_name_that_is_not_ours_is_one_of_the_conventions() -> None:
    modules = (gen_ai_attributes, openai_attributes, user_attributes, error_attributes)
    values = [value for module in modules for value in vars(module).values()]
    known = {value for value in values if isinstance(value, str)}
    row = {"provider_name": "openai", "service_tier": "flex", "error_type": "timeout"}
    (span,) = spans(table(row))
    assert said(span).keys() <= known


def test_a_failed_call_has_the_status_error_and_its_type() -> None:
    (span,) = spans(table({"error_type": "rate_limit_error", "output_tokens": None}))
    assert span["status"] == {"code": 2}
    assert said(span)["error.type"] == {"stringValue": "rate_limit_error"}
    assert "gen_ai.usage.output_tokens" not in said(span)


def test_a_score_is_an_evaluation_event_at_the_end_of_its_span() -> None:
    (span,) = spans(table({"evaluation_score": 0.25}))
    (event,) = span["events"]
    values = {pair["key"]: pair["value"] for pair in event["attributes"]}
    assert (event["name"], event["timeUnixNano"]) == (
        "gen_ai.evaluation.result",
        span["endTimeUnixNano"],
    )
    assert values["gen_ai.evaluation.score.value"] == {"doubleValue": 0.25}
    assert "gen_ai.evaluation.name" in values  # the conventions require it


@pytest.mark.parametrize(
    ("row", "absent"),
    [
        ({"call_id": "log.jsonl:7"}, "gen_ai.response.id"),
        ({"call_id": "00f067aa0ba902b7", "span_id": "00f067aa0ba902b7"}, "gen_ai.response.id"),
        ({"ttft_s": None}, "gen_ai.request.stream"),
        ({"ttft_s": None}, "gen_ai.response.time_to_first_chunk"),
        ({"input_tokens": None}, "gen_ai.usage.input_tokens"),
        ({"output_tokens": 2**63 - 1, "input_tokens": 2**63 - 1}, "gen_ai.usage.input_tokens"),
        ({"service_tier": "priority"}, "openai.response.service_tier"),
    ],
)
def test_nothing_is_said_that_is_not_known(row: dict[str, Any], absent: str) -> None:
    (span,) = spans(table(row))
    assert absent not in said(span)


@pytest.mark.parametrize(
    ("row", "start", "end"),
    [
        ({"start_time": None}, "0", "0"),
        ({"duration_s": None}, START_NS, START_NS),
        ({"duration_s": float("inf")}, START_NS, START_NS),
        ({"duration_s": 1e300}, START_NS, START_NS),
        ({"start_time": datetime(9999, 1, 1, tzinfo=UTC)}, "0", "0"),
        ({"start_time": datetime(1960, 1, 1, tzinfo=UTC)}, "0", "0"),
    ],
)
def test_no_span_ends_before_it_starts(row: dict[str, Any], start: str, end: str) -> None:
    (span,) = spans(table(row))
    assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == (start, end)


def test_trace_and_span_ids_of_the_log_are_kept() -> None:
    row = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}
    (span,) = spans(table(row))
    assert (span["traceId"], span["spanId"]) == (row["trace_id"], row["span_id"])


def test_made_ids_are_the_same_every_time_and_differ_by_place() -> None:
    rows = [{"source_line": line} for line in range(500)]
    made = [(span["traceId"], span["spanId"]) for span in spans(table(*rows))]
    again = [(span["traceId"], span["spanId"]) for span in spans(*(table(row) for row in rows))]
    assert made == again
    assert len(set(made)) == 500
    assert {(len(trace), len(span)) for trace, span in made} == {(32, 16)}
    assert all(int(trace, 16) and int(span, 16) for trace, span in made)


def test_a_trace_that_is_no_otlp_id_still_holds_its_calls_together() -> None:
    first, second, other = spans(
        table({"trace_id": "run 1"}, {"trace_id": "run 1", "source_line": 8}, {"trace_id": "run 2"})
    )
    assert first["traceId"] == second["traceId"] != other["traceId"]
    assert first["spanId"] != second["spanId"]
    assert len(first["traceId"]) == 32


def test_an_identifier_without_dashes_is_the_trace_it_names() -> None:
    (span,) = spans(table({"trace_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"}))
    assert span["traceId"] == "4bf92f3577b34da6a3ce929d0e0e4736"


def test_a_line_holds_some_hundred_spans() -> None:
    lines = list(export_lines([table(*[{}] * 600)]))
    assert [line.count(b'"traceId"') for line in lines] == [256, 256, 88]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in lines)


def test_a_line_of_large_spans_ends_earlier() -> None:
    content = json.dumps({"messages": [{"role": "user", "content": "x" * 5_000_000}]})
    lines = list(export_lines([table(*[{"content": content}] * 5, content=True)]))
    assert [line.count(b'"traceId"') for line in lines] == [2, 2, 1]


def test_no_calls_are_no_lines() -> None:
    assert list(export_lines([table()])) == []


TOKENS = ("input_tokens", "cache_read_tokens", "output_tokens", "reasoning_tokens")
ROWS: list[dict[str, Any]] = [
    {},
    {"cache_read_tokens": 0, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0},
    {"input_tokens": 0},
    {"provider_name": "openai", "request_model": "gpt-5.1", "reasoning_tokens": 40},
    {"input_tokens": 100_000_000, "cache_read_tokens": 300_000_000},
    {"response_model": None, "ttft_s": None, "conversation_id": None, "start_time": None},
]


def test_who_does_not_know_our_attributes_reads_the_same_tokens_and_models(
    stripped: Callable[..., pa.Table],
) -> None:
    rows = [{**row, "call_id": f"r{at}", "source_line": at} for at, row in enumerate(ROWS)]
    before = table(*rows)
    after = stripped(before)
    for name in (*TOKENS, "request_model", "response_model", "provider_name", "ttft_s", "call_id"):
        assert after[name].to_pylist() == before[name].to_pylist(), name
    # The conventions do not split what was written to the cache by lifetime.
    written = [
        (row["cache_write_5m_tokens"] or 0) + (row["cache_write_1h_tokens"] or 0)
        for row in before.to_pylist()
    ]
    assert after["cache_write_5m_tokens"].to_pylist() == written


ANTHROPIC = {
    "model": "claude-sonnet-4-5",
    "tools": [
        {
            "name": "find",
            "description": "Finds an order",
            "input_schema": {"type": "object", "properties": {"id": {"type": "string"}}},
        },
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 3},
    ],
    "system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {"role": "user", "content": "Where is it? cachePoint"},
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "find", "input": {"id": "7"}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "x"}]},
    ],
}
ANTHROPIC_MEDIA = [
    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
    {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
    {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
    {"type": "document", "source": {"type": "content", "content": []}},
    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
    {"type": "redacted_thinking", "data": "xx"},
]
OPENAI = {
    "model": "gpt-5.1",
    "tools": [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}],
    "messages": [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Where?"}], "name": "ann"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "find", "arguments": '{"id": "7"}'},
                }
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "found"},
    ],
}
OPENAI_MEDIA = [
    {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
    {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}},
    {"type": "file", "file": {"file_id": "file_1"}},
    {"type": "refusal", "refusal": "No."},
]
RESPONSES = {
    "model": "gpt-5.1",
    "instructions": "Be kind.",
    "tools": [{"type": "function", "name": "find", "parameters": {"type": "object"}}],
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Where?"}]},
        {"type": "function_call", "call_id": "c1", "name": "find", "arguments": '{"id": "7"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "found"},
    ],
}
RESPONSES_TEXT = {"model": "gpt-5.1", "instructions": "Be kind.", "input": "Where?"}


def anthropic(request: dict[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": 100, "output_tokens": 5}
    return {
        "request": request,
        "response": {"type": "message", "id": "m1", "model": request["model"], "usage": usage},
    }


def openai(request: dict[str, Any]) -> dict[str, Any]:
    usage = {"prompt_tokens": 100, "completion_tokens": 5}
    response = {"object": "chat.completion", "id": "m1", "model": request["model"], "usage": usage}
    return {"request": request, "response": response}


def responses(request: dict[str, Any]) -> dict[str, Any]:
    usage = {"input_tokens": 100, "output_tokens": 5}
    response = {"object": "response", "id": "m1", "model": request["model"], "usage": usage}
    return {"request": request, "response": response}


def with_parts(request: dict[str, Any], parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {**request, "messages": [{"role": "user", "content": parts}]}


LINES = {
    "anthropic": anthropic(ANTHROPIC),
    "openai": openai(OPENAI),
    "responses": responses(RESPONSES),
    "responses-text": responses(RESPONSES_TEXT),
}
MEDIA_LINES = {
    "anthropic-media": anthropic(with_parts(ANTHROPIC, ANTHROPIC_MEDIA)),
    "openai-media": openai(with_parts(OPENAI, OPENAI_MEDIA)),
}


def logged(folder: Path, line: dict[str, Any]) -> Path:
    path = folder / "log.jsonl"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    return path


SCHEMAS = {
    "gen_ai.tool.definitions": "gen-ai-tool-definitions.json",
    "gen_ai.system_instructions": "gen-ai-system-instructions.json",
    "gen_ai.input.messages": "gen-ai-input-messages.json",
}


def content_of(span: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in said(span).items():
        if name in SCHEMAS:
            yield name, json.loads(value["stringValue"])


@pytest.mark.parametrize("name", [*LINES, *MEDIA_LINES])
def test_kept_prompts_fit_the_conventions_schemas(
    name: str, tmp_path: Path, public_data: Path
) -> None:
    calls, _ = read(logged(tmp_path, (LINES | MEDIA_LINES)[name]), keep_content=True)
    (span,) = spans(calls)
    found = dict(content_of(span))
    assert "gen_ai.input.messages" in found
    for attribute, content in found.items():
        path = public_data / "semconv" / "v1.41.1" / SCHEMAS[attribute]
        jsonschema.validate(content, json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("name", "tools", "system", "roles"),
    [
        ("anthropic", ["find", "web_search"], ["Be kind."], ["user", "assistant", "user"]),
        ("openai", ["find"], [], ["developer", "user", "assistant", "tool"]),
        ("responses", ["find"], ["Be kind."], ["user", "assistant", "tool"]),
        ("responses-text", [], ["Be kind."], ["user"]),
    ],
)
def test_tools_system_and_messages_stay_apart(
    name: str, tools: list[str], system: list[str], roles: list[str], tmp_path: Path
) -> None:
    calls, _ = read(logged(tmp_path, LINES[name]), keep_content=True)
    (span,) = spans(calls)
    found = dict(content_of(span))
    assert [tool["name"] for tool in found.get("gen_ai.tool.definitions", [])] == tools
    assert [part["content"] for part in found.get("gen_ai.system_instructions", [])] == system
    assert [message["role"] for message in found["gen_ai.input.messages"]] == roles


@pytest.mark.parametrize("name", LINES)
def test_the_same_prompt_has_the_same_blocks_for_who_does_not_know_our_attributes(
    name: str, tmp_path: Path, stripped: Callable[..., pa.Table]
) -> None:
    calls, _ = read(logged(tmp_path, LINES[name]), keep_content=True)
    after = stripped(calls)
    assert calls["block_hashes"].to_pylist() == after["block_hashes"].to_pylist() != [[]]
    assert calls["block_kinds"].to_pylist() == after["block_kinds"].to_pylist()


@pytest.mark.parametrize("name", [*LINES, *MEDIA_LINES])
def test_kept_prompts_are_kept_again_when_they_are_read_back(name: str, tmp_path: Path) -> None:
    calls, _ = read(logged(tmp_path, (LINES | MEDIA_LINES)[name]), keep_content=True)
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"".join(export_lines([calls])))
    back, _ = read(path, keep_content=True)
    again = tmp_path / "again.jsonl"
    again.write_bytes(b"".join(export_lines([back])))
    assert back["content"].null_count == 0
    assert read(again, keep_content=True)[0]["content"].equals(back["content"])


@pytest.mark.parametrize("name", [*LINES, *MEDIA_LINES])
def test_without_content_no_word_of_a_prompt_is_written(name: str, tmp_path: Path) -> None:
    calls, _ = read(logged(tmp_path, (LINES | MEDIA_LINES)[name]))
    written = b"".join(export_lines([calls]))
    for word in (b"Be kind", b"Where", b"find", b"found", b"look", b"example.org", b"aGk=", b"Hm."):
        assert word not in written


EXACT = [column.name for column in COLUMNS if not column.name.startswith("source_")]


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("input_tokens", {"stringValue": "many"}),
        ("input_tokens", {"intValue": "-1"}),
        ("input_tokens", {"intValue": str(2**63)}),
        ("input_tokens", {"arrayValue": {"values": []}}),
        ("attempts", {"intValue": str(2**31)}),
        ("automatic_cache", {"intValue": "256"}),
        ("duration_s", {"stringValue": "long"}),
        ("duration_s", {"intValue": "1" + "0" * 400}),
        ("tokens_estimated", {"stringValue": "true"}),
        ("call_id", {"intValue": "7"}),
        ("block_hashes", {"stringValue": "a"}),
        ("block_hashes", {"stringValue": "AAAA"}),
        ("block_kinds", {"stringValue": "AAAA"}),
        ("block_kinds", {"intValue": "7"}),
    ],
)
def test_what_is_not_as_we_write_it_is_quarantined(
    attribute: str, value: dict[str, Any], tmp_path: Path
) -> None:
    (line,) = export_lines([table({"block_hashes": [bytes(16)], "block_kinds": [2]}, {})])
    export = json.loads(line)
    bad, _ = export["resourceSpans"][0]["scopeSpans"][0]["spans"]
    name = f"llmops.call.{attribute}"
    bad["attributes"] = [pair for pair in bad["attributes"] if pair["key"] != name]
    bad["attributes"].append({"key": name, "value": value})
    calls, reading = read(logged(tmp_path, export))
    assert calls.num_rows == 1
    assert [row.slug for row in reading.quarantine.rows] == ["calls-bad-value"]


def test_an_absent_attribute_is_a_null_column(tmp_path: Path) -> None:
    (line,) = export_lines([table({})])
    export = json.loads(line)
    (span,) = export["resourceSpans"][0]["scopeSpans"][0]["spans"]
    span["attributes"] = [{"key": "llmops.call", "value": {"stringValue": "1"}}]
    calls, _ = read(logged(tmp_path, export))
    (row,) = calls.select([name for name in EXACT if name != "call_id"]).to_pylist()
    assert set(row.values()) == {None}


def test_our_spans_are_known_again_when_a_collector_renamed_their_library(tmp_path: Path) -> None:
    (line,) = export_lines([table({"cache_write_1h_tokens": 1000})])
    export = json.loads(line)
    del export["resourceSpans"][0]["scopeSpans"][0]["scope"]
    calls, _ = read(logged(tmp_path, export))
    assert calls["cache_write_1h_tokens"].to_pylist() == [1000]


def test_spans_that_share_an_id_or_follow_an_error_are_all_read_back(tmp_path: Path) -> None:
    same = {"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "span_id": "00f067aa0ba902b7"}
    before = table({**same, "error_type": "overloaded"}, same, {**same, "attempts": None})
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"".join(export_lines([before])))
    after, _ = read(path)
    assert after.select(EXACT).equals(before.select(EXACT))
