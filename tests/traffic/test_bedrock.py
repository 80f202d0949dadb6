"""Bedrock invocation logs: each API and vendor field by field, and equal prompts made equal."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from llmops_cli.calls import TOKEN_CLASSES, BlockKind, Marker, validate
from llmops_cli.traffic import Options, Reading, Traffic, read_calls

Line = dict[str, Any]

PRIVATE = "the patient is called Quux"
CLAUDE = "us.anthropic.claude-sonnet-4-20250514-v1:0"
PROFILE = "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-x-v1:0"
PIXEL = "iVBORw0KGgo="


def invocation(
    asked: object = None,
    answer: object = None,
    *,
    operation: str = "InvokeModel",
    model: str = CLAUDE,
    given: Line | None = None,
    output: int | None = None,
    **more: Any,  # noqa: ANN401 - JSON
) -> Line:
    said: Line = {"inputContentType": "application/json"} | (given or {})
    told: Line = {"outputContentType": "application/json", "outputTokenCount": output}
    return {
        "timestamp": "2026-09-01T08:00:00Z",
        "accountId": "123456789012",
        "identity": {"arn": "arn:aws:sts::123456789012:assumed-role/app/i-1"},
        "region": "us-east-1",
        "requestId": "req-1",
        "operation": operation,
        "modelId": model,
        "input": said | ({} if asked is None else {"inputBodyJson": asked}),
        "output": told | ({} if answer is None else {"outputBodyJson": answer}),
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
    } | more


USAGE: Line = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 70,
    "cache_read_input_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 36,
}
ASKED: Line = {
    "anthropic_version": "bedrock-2023-05-31",
    "max_tokens": 1024,
    "messages": [{"role": "user", "content": "hello"}],
    "metadata": {"user_id": "u1"},
}
ANSWER: Line = {
    "id": "msg_bdrk_1",
    "type": "message",
    "model": "claude-sonnet-4-20250514",
    "content": [{"type": "text", "text": PRIVATE}],
    "stop_reason": "end_turn",
    "usage": USAGE,
}
STREAM: list[Line] = [
    {
        "type": "message_start",
        "message": ANSWER
        | {"stop_reason": None, "content": [], "usage": USAGE | {"output_tokens": 1}},
    },
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": PRIVATE}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 20}},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 36}},
    {
        "type": "message_stop",
        "amazon-bedrock-invocationMetrics": {
            "inputTokenCount": 11,
            "outputTokenCount": 36,
            "invocationLatency": 2500,
            "firstByteLatency": 400,
        },
    },
]
CONVERSE: Line = {
    "messages": [{"role": "user", "content": [{"text": "hello"}]}],
    "inferenceConfig": {"maxTokens": 512, "temperature": 0.7},
    "additionalModelRequestFields": {},
}
CONVERSED: Line = {
    "output": {"message": {"role": "assistant", "content": [{"text": PRIVATE}]}},
    "stopReason": "end_turn",
    "metrics": {"latencyMs": 302},
    "usage": {"inputTokens": 4, "outputTokens": 38, "totalTokens": 42},
}
CACHED: Line = CONVERSED | {
    "usage": {
        "inputTokens": 4,
        "outputTokens": 38,
        "totalTokens": 312,
        "cacheReadInputTokens": 200,
        "cacheWriteInputTokens": 70,
        "cacheDetails": [
            {"ttl": "5m", "inputTokens": 20},
            {"ttl": "1h", "inputTokens": 50},
        ],
    },
}
EVENTS: list[Line] = [
    {"messageStart": {"role": "assistant"}},
    {"contentBlockDelta": {"delta": {"text": PRIVATE}, "contentBlockIndex": 0}},
    {"contentBlockStop": {"contentBlockIndex": 0}},
    {"messageStop": {"stopReason": "max_tokens"}},
    {"metadata": {"usage": CACHED["usage"], "metrics": {"latencyMs": 302}}},
]

ALWAYS: Line = {
    "call_id": "req-1",
    "start_time": pd.Timestamp("2026-09-01T08:00:00Z"),
    "isolation_domain": "123456789012/us-east-1",
    "provider_name": "aws.bedrock",
    "operation_name": "chat",
    "request_model": CLAUDE,
    "tokens_estimated": False,
    "automatic_cache": 0,
}
TOLD: Line = {"response_model": "claude-sonnet-4-20250514", "user_id": "u1"}


def tokens(fresh: int, read: int, five: int, hour: int, output: int) -> Line:
    return dict(zip(TOKEN_CLASSES, (fresh, read, five, hour, output), strict=True))


CASES: list[tuple[str, Line, Line, list[BlockKind]]] = [
    (
        "Anthropic body",
        invocation(ASKED, ANSWER, given={"inputTokenCount": 11}, output=36),
        TOLD | tokens(11, 200, 20, 50, 36) | {"finish_reason": "end_turn"},
        [BlockKind.USER],
    ),
    (
        "Anthropic stream: the last delta counts everything, nothing is added up",
        invocation(ASKED, STREAM, operation="InvokeModelWithResponseStream", output=36),
        TOLD
        | tokens(11, 200, 20, 50, 36)
        | {"finish_reason": "end_turn", "duration_s": 2.5, "ttft_s": 0.4},
        [BlockKind.USER],
    ),
    (
        "Anthropic stream that writes more to the cache while it runs",
        invocation(
            ASKED,
            [
                *STREAM[:4],
                {
                    "type": "message_delta",
                    "delta": {"stop_reason": "end_turn"},
                    "usage": {"cache_creation_input_tokens": 100, "output_tokens": 36},
                },
            ],
        ),
        TOLD | tokens(11, 200, 50, 50, 36) | {"finish_reason": "end_turn"},
        [BlockKind.USER],
    ),
    (
        "behind an inference profile",
        invocation(ASKED, ANSWER, model=PROFILE),
        TOLD
        | tokens(11, 200, 20, 50, 36)
        | {"finish_reason": "end_turn", "request_model": "eu.anthropic.claude-x-v1:0"},
        [BlockKind.USER],
    ),
    (
        "Claude 2 text completion",
        invocation(
            {"prompt": f"\n\nHuman: {PRIVATE}\n\nAssistant:", "max_tokens_to_sample": 200},
            {"completion": PRIVATE, "stop_reason": "stop_sequence"},
            model="anthropic.claude-v2",
            given={"inputTokenCount": 12},
            output=7,
        ),
        tokens(12, 0, 0, 0, 7)
        | {"request_model": "anthropic.claude-v2", "finish_reason": "stop_sequence"},
        [],
    ),
    (
        "Converse of another vendor",
        invocation(
            CONVERSE,
            CONVERSED,
            operation="Converse",
            model="amazon.nova-lite-v1:0",
            given={
                "inputTokenCount": 4,
                "cacheReadInputTokenCount": 0,
                "cacheWriteInputTokenCount": 0,
            },
            output=38,
        ),
        tokens(4, 0, 0, 0, 38)
        | {
            "request_model": "amazon.nova-lite-v1:0",
            "finish_reason": "end_turn",
            "duration_s": 0.302,
        },
        [BlockKind.USER],
    ),
    (
        "Converse with a cache",
        invocation(CONVERSE, CACHED, operation="Converse"),
        tokens(4, 200, 20, 50, 38) | {"finish_reason": "end_turn", "duration_s": 0.302},
        [BlockKind.USER],
    ),
    (
        "ConverseStream, counters of the record",
        invocation(
            CONVERSE,
            {"stopReason": "end_turn"},
            operation="ConverseStream",
            given={
                "inputTokenCount": 4,
                "cacheReadInputTokenCount": 200,
                "cacheWriteInputTokenCount": 70,
            },
            output=38,
        ),
        tokens(4, 200, 70, 0, 38) | {"finish_reason": "end_turn"},
        [BlockKind.USER],
    ),
    (
        "ConverseStream, events",
        invocation(CONVERSE, EVENTS, operation="ConverseStream"),
        tokens(4, 200, 20, 50, 38) | {"finish_reason": "max_tokens", "duration_s": 0.302},
        [BlockKind.USER],
    ),
    (
        "another vendor's own body: tokens only",
        invocation(
            {"prompt": PRIVATE, "max_gen_len": 64},
            {"generation": PRIVATE, "prompt_token_count": 9, "stop_reason": "stop"},
            model="meta.llama3-70b-instruct-v1:0",
            given={"inputTokenCount": 9},
            output=3,
        ),
        tokens(9, 0, 0, 0, 3) | {"request_model": "meta.llama3-70b-instruct-v1:0"},
        [],
    ),
    (
        "Nova's own body is that of Converse",
        invocation(
            CONVERSE | {"schemaVersion": "messages-v1"},
            CONVERSED,
            model="amazon.nova-lite-v1:0",
        ),
        tokens(4, 0, 0, 0, 38)
        | {
            "request_model": "amazon.nova-lite-v1:0",
            "finish_reason": "end_turn",
            "duration_s": 0.302,
        },
        [BlockKind.USER],
    ),
    (
        "embeddings",
        invocation(
            {"inputText": PRIVATE},
            {"embedding": [0.5], "inputTextTokenCount": 6},
            model="amazon.titan-embed-text-v2:0",
            given={"inputTokenCount": 6},
        ),
        tokens(6, 0, 0, 0, 0)
        | {"request_model": "amazon.titan-embed-text-v2:0", "operation_name": "embeddings"},
        [],
    ),
    (
        "large bodies in S3",
        invocation(
            given={
                "inputBodyS3Path": "s3://logs/in.json.gz",
                "inputTokenCount": 90_000,
                "cacheReadInputTokenCount": 60_000,
                "cacheWriteInputTokenCount": 500,
            },
            output=800,
        ),
        tokens(90_000, 60_000, 500, 0, 800),
        [],
    ),
    (
        "refused",
        invocation(ASKED, {"message": PRIVATE}, errorCode="ThrottlingException"),
        {"user_id": "u1", "error_type": "ThrottlingException"},
        [BlockKind.USER],
    ),
    (
        "refused, nothing but the record",
        invocation(operation="Converse", errorCode="ValidationException") | {"output": None},
        {"error_type": "ValidationException"},
        [],
    ),
]


def log(path: Path, *lines: Line) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read(path: Path, *lines: Line) -> Traffic:
    return read_calls([log(path / "bedrock.jsonl", *lines)])


def filled(row: pd.Series) -> Line:
    """The columns of a row that hold anything, blocks and place aside."""
    return {
        name: value
        for name, value in row.items()
        if not str(name).startswith(("block_", "source_")) and not pd.isna(value)
    }


@pytest.mark.parametrize(
    ("line", "columns", "kinds"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_every_column_of_an_invocation(
    tmp_path: Path, line: Line, columns: Line, kinds: list[BlockKind]
) -> None:
    found = read(tmp_path, line)
    row = found.calls.iloc[0]
    assert filled(row) == ALWAYS | columns
    assert list(row.block_kinds) == kinds
    assert (found.formats, found.bad_count) == ({"bedrock-invocation": 1}, 0)
    validate(found.calls)


CACHE = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
TURNS: Line = {
    "tools": [
        {"name": "now", "description": "the time", "input_schema": {"type": "object"}},
        {"name": "sky", "description": "weather", "input_schema": SCHEMA, "cache_control": HOUR},
    ],
    "system": [{"type": "text", "text": "be brief", "cache_control": CACHE}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "is it warm?"},
                {
                    "type": "image",
                    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                },
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "ask the sky", "signature": "c2ln"},
                {"type": "redacted_thinking", "data": "cmVk"},
                {"type": "text", "text": "one moment"},
                {"type": "tool_use", "id": "t1", "name": "sky", "input": {"city": "Oslo"}},
                {"type": "tool_use", "id": "t2", "name": "now", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": "9 degrees"},
                {
                    "type": "tool_result",
                    "tool_use_id": "t2",
                    "is_error": True,
                    "content": [
                        {"type": "text", "text": "no"},
                        {"type": "text", "text": "clock"},
                    ],
                },
                {"type": "text", "text": "well?", "cache_control": CACHE},
            ],
        },
    ],
}
POINT = {"cachePoint": {"type": "default"}}
CONVERSE_TURNS: Line = {
    "toolConfig": {
        "tools": [
            {
                "toolSpec": {
                    "name": "now",
                    "description": "the time",
                    "inputSchema": {"json": {"type": "object"}},
                }
            },
            {
                "toolSpec": {
                    "name": "sky",
                    "description": "weather",
                    "inputSchema": {"json": SCHEMA},
                }
            },
            {"cachePoint": {"type": "default", "ttl": "1h"}},
        ]
    },
    "system": [{"text": "be brief"}, POINT],
    "messages": [
        {
            "role": "user",
            "content": [
                {"text": "is it warm?"},
                {"image": {"format": "png", "source": {"bytes": PIXEL}}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {
                    "reasoningContent": {
                        "reasoningText": {"text": "ask the sky", "signature": "c2ln"}
                    }
                },
                {"reasoningContent": {"redactedContent": "cmVk"}},
                {"text": "one moment"},
                {"toolUse": {"toolUseId": "t1", "name": "sky", "input": {"city": "Oslo"}}},
                {"toolUse": {"toolUseId": "t2", "name": "now", "input": {}}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"toolResult": {"toolUseId": "t1", "content": [{"text": "9 degrees"}]}},
                {
                    "toolResult": {
                        "toolUseId": "t2",
                        "status": "error",
                        "content": [{"text": "no"}, {"text": "clock"}],
                    }
                },
                {"text": "well?"},
                POINT,
            ],
        },
    ],
}
CONVERSE_ANSWER: Line = CONVERSED | {
    "usage": {
        "inputTokens": 11,
        "outputTokens": 36,
        "totalTokens": 317,
        "cacheReadInputTokens": 200,
        "cacheWriteInputTokens": 70,
        "cacheDetails": [{"ttl": "5m", "inputTokens": 20}, {"ttl": "1h", "inputTokens": 50}],
    }
}
SAME: dict[str, Line] = {
    "InvokeModel": invocation({"anthropic_version": "bedrock-2023-05-31", **TURNS}, ANSWER),
    "its stream": invocation(
        {"anthropic_version": "bedrock-2023-05-31", **TURNS},
        STREAM,
        operation="InvokeModelWithResponseStream",
    ),
    "Converse": invocation(CONVERSE_TURNS, CONVERSE_ANSWER, operation="Converse"),
    "ConverseStream": invocation(
        CONVERSE_TURNS,
        [*EVENTS[:-1], {"metadata": {"usage": CONVERSE_ANSWER["usage"]}}],
        operation="ConverseStream",
    ),
}


@pytest.mark.parametrize("line", SAME.values(), ids=SAME)
def test_one_conversation_is_the_same_blocks_and_tokens_through_every_api(
    tmp_path: Path, line: Line
) -> None:
    live = {"request": {"model": "claude-sonnet-4", **TURNS}, "response": ANSWER}
    one = read_calls([log(tmp_path / "live.jsonl", live)]).calls.iloc[0]
    other = read(tmp_path, line).calls.iloc[0]
    assert list(one.block_kinds) == [
        *(BlockKind.TOOL, BlockKind.TOOL, BlockKind.SYSTEM, BlockKind.USER, BlockKind.MEDIA),
        *(BlockKind.THINKING, BlockKind.THINKING, BlockKind.ASSISTANT),
        *(BlockKind.TOOL_USE, BlockKind.TOOL_USE),
        *(BlockKind.TOOL_RESULT, BlockKind.TOOL_RESULT, BlockKind.USER),
    ]
    assert list(one.block_markers) == [
        *(Marker.NONE, Marker.ONE_HOUR, Marker.FIVE_MINUTES),
        *[Marker.NONE] * 9,
        Marker.FIVE_MINUTES,
    ]
    names = ("block_hashes", "block_tokens", "block_kinds", "block_markers")
    assert {name: list(one[name]) for name in names} == {name: list(other[name]) for name in names}
    assert one[list(TOKEN_CLASSES)].to_dict() == other[list(TOKEN_CLASSES)].to_dict()


def test_a_changed_tool_result_is_another_prompt(tmp_path: Path) -> None:
    text = json.dumps(CONVERSE_TURNS)
    changed = json.loads(text.replace("9 degrees", "8 degrees"))
    lines = [
        invocation(body, CONVERSED, operation="Converse") for body in (CONVERSE_TURNS, changed)
    ]
    one, other = read(tmp_path, *lines).calls["block_hashes"]
    assert list(one[:10]) == list(other[:10])
    assert not set(one[10:]) & set(other[10:])


def test_a_tool_result_of_json_is_that_json(tmp_path: Path) -> None:
    said = {"toolUseId": "t", "content": [{"json": {"degrees": 9}}]}
    converse = {"messages": [{"role": "user", "content": [{"toolResult": said}]}]}
    other = {"type": "tool_result", "tool_use_id": "t", "content": {"degrees": 9}}
    plain = ASKED | {"messages": [{"role": "user", "content": [other]}]}
    lines = (invocation(converse, CONVERSED, operation="Converse"), invocation(plain, ANSWER))
    one, two = read(tmp_path, *lines).calls["block_hashes"]
    assert list(one) == list(two)


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (
            {"document": {"format": "pdf", "name": "d", "source": {"bytes": "eA=="}}},
            BlockKind.MEDIA,
        ),
        ({"video": {"format": "mp4", "source": {"s3Location": {}}}}, BlockKind.MEDIA),
        ({"guardContent": {"text": {"text": "judge this"}}}, BlockKind.USER),
        ({"somethingNew": {"a": 1}}, BlockKind.USER),
        (
            {"toolResult": {"toolUseId": "t", "content": [{"json": {"a": 1}}]}},
            BlockKind.TOOL_RESULT,
        ),
    ],
)
def test_every_block_of_converse_has_a_kind(tmp_path: Path, item: Line, kind: BlockKind) -> None:
    body = {"messages": [{"role": "user", "content": [item, {"text": "?"}]}]}
    row = read(tmp_path, invocation(body, CONVERSED, operation="Converse")).calls.iloc[0]
    assert list(row.block_kinds) == [kind, BlockKind.USER]


def said(**usage: Any) -> Line:  # noqa: ANN401 - JSON
    return ANSWER | {"usage": USAGE | usage}


BAD: list[tuple[str, Line, str, str]] = [
    ("time", invocation(timestamp=PRIVATE), "calls-bad-time", "timestamp"),
    (
        "negative counter of the record",
        invocation(given={"inputTokenCount": -1}),
        "calls-bad-value",
        "input.inputTokenCount",
    ),
    (
        "2^63 in the body",
        invocation(ASKED, said(input_tokens=2**63)),
        "calls-bad-value",
        "output.outputBodyJson.usage.input_tokens",
    ),
    (
        "negative counter in an event",
        invocation(ASKED, [*STREAM, {"type": "message_delta", "usage": {"output_tokens": -3}}]),
        "calls-bad-value",
        "output.outputBodyJson[7].usage.output_tokens",
    ),
    (
        "split that does not add up",
        invocation(ASKED, said(cache_creation_input_tokens=49)),
        "calls-contradiction",
        "output.outputBodyJson.usage.cache_creation_input_tokens",
    ),
    (
        "more for an hour than written",
        invocation(
            CONVERSE,
            CONVERSED
            | {
                "usage": {
                    "inputTokens": 4,
                    "outputTokens": 1,
                    "cacheWriteInputTokens": 5,
                    "cacheDetails": [{"ttl": "1h", "inputTokens": 6}],
                }
            },
            operation="Converse",
        ),
        "calls-contradiction",
        "output.outputBodyJson.usage",
    ),
    (
        "negative latency",
        invocation(CONVERSE, CONVERSED | {"metrics": {"latencyMs": -1}}, operation="Converse"),
        "calls-bad-value",
        "output.outputBodyJson.metrics.latencyMs",
    ),
    (
        "messages that are text",
        invocation(ASKED | {"messages": PRIVATE}, ANSWER),
        "calls-bad-value",
        "input.inputBodyJson.messages",
    ),
    (
        "message of no role",
        invocation(
            {"messages": [{"role": PRIVATE, "content": [{"text": PRIVATE}]}]}, operation="Converse"
        ),
        "calls-bad-content",
        "messages.role",
    ),
    (
        "content that is text",
        invocation({"messages": [{"role": "user", "content": PRIVATE}]}, operation="Converse"),
        "calls-bad-content",
        "",
    ),
    (
        "unknown lifetime",
        invocation(
            {"system": [{"text": PRIVATE}, {"cachePoint": {"type": "default", "ttl": PRIVATE}}]},
            operation="Converse",
        ),
        "calls-bad-content",
        "request.cache_control.ttl",
    ),
]


@pytest.mark.parametrize(
    ("line", "slug", "field"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_bad_row_is_named_and_takes_nothing_with_it(
    tmp_path: Path, line: Line, slug: str, field: str
) -> None:
    found = read(tmp_path, invocation(ASKED, ANSWER), line, invocation(CONVERSE, CONVERSED))
    (bad,) = found.bad_rows
    assert (bad.line, bad.slug, bad.field) == (2, slug, field)
    assert PRIVATE not in bad.message
    assert len(found.calls) + found.bad_count + sum(found.skipped.values()) == 3


def test_records_of_older_logs_are_told_by_their_fields(tmp_path: Path) -> None:
    old = {k: v for k, v in invocation(ASKED, ANSWER).items() if not k.startswith("schema")}
    assert read(tmp_path, old).formats == {"bedrock-invocation": 1}


def test_content_is_kept_where_it_is_asked_for_and_only_there(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", invocation(CONVERSE_TURNS, CONVERSED, operation="Converse"))
    (kept,) = Reading([path], Options(keep_content=True)).tables()
    (bare,) = Reading([path]).tables()
    assert "is it warm?" in kept["content"][0].as_py()
    assert "is it warm?" not in str(bare.to_pylist())
