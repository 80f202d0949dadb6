"""LiteLLM payloads are read field by field, whatever their counters have meant over time."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmops_cli import read_calls
from llmops_cli.calls import COLUMNS, TOKEN_CLASSES, to_arrow, validate
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Traffic

Json = dict[str, Any]
PROMPT = "the launch code is swordfish"
START = datetime(2025, 2, 11, 0, 56, 19, 683053, tzinfo=UTC)
MESSAGES = [{"role": "system", "content": "be brief"}, {"role": "user", "content": PROMPT}]
CLAUDE = {"custom_llm_provider": "anthropic", "model": "anthropic/claude-opus-4-5-20251101"}
BEDROCK = {
    "custom_llm_provider": "bedrock",
    "model": "bedrock/eu.anthropic.claude-opus-4-5-20251101-v1:0",
}


def payload(**changes: Any) -> Json:  # noqa: ANN401 - JSON
    """A payload as LiteLLM's own loggers write it, of a call that was not streamed."""
    return {
        "id": "chatcmpl-9870a859d6df402795f75dc5fca5b2e0",
        "trace_id": "97311c60-9a61-4f48-a814-70139ee57868",
        "call_type": "acompletion",
        "cache_hit": None,
        "stream": False,
        "status": "success",
        "custom_llm_provider": "openai",
        "saved_cache_cost": 0.0,
        "startTime": START.timestamp(),
        "endTime": START.timestamp() + 1.75,
        "completionStartTime": START.timestamp() + 1.75,
        "response_time": 1.75,
        "model": "openai/gpt-4o",
        "metadata": {
            "user_api_key_hash": "88dc28d0f030c55ed4ab77ed8faf098196cb1c05df778539800c9f1243fe6b4b",
            "user_api_key_alias": None,
            "user_api_key_org_id": None,
            "user_api_key_team_id": "team-7",
            "user_api_key_user_id": "default_user_id",
            "user_api_key_end_user_id": None,
            "requester_ip_address": "127.0.0.1",
            "requester_metadata": {},
            "applied_guardrails": [],
        },
        "cache_key": None,
        "response_cost": 0.000225,
        "total_tokens": 30,
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "request_tags": [],
        "end_user": "",
        "api_base": "https://api.openai.com",
        "model_group": "fast",
        "model_id": "dep-1",
        "messages": MESSAGES,
        "response": {
            "id": "chatcmpl-9870a859d6df402795f75dc5fca5b2e0",
            "created": 1742855151,
            "model": "gpt-4o-2024-08-06",
            "object": "chat.completion",
            "choices": [
                {
                    "finish_reason": "stop",
                    "index": 0,
                    "message": {"content": PROMPT, "role": "assistant", "tool_calls": None},
                }
            ],
            "service_tier": "default",
            "usage": {"completion_tokens": 20, "prompt_tokens": 10, "total_tokens": 30},
        },
        "model_parameters": {},
        "hidden_params": {"model_id": None, "additional_headers": {}},
        "error_str": None,
        "error_information": {"error_code": "", "error_class": "", "error_message": ""},
        **changes,
    }


def counted(usage: Json, **changes: Any) -> Json:  # noqa: ANN401 - JSON
    """A payload with the usage object of its response and the counters LiteLLM copies of it."""
    own = {
        name: usage[name]
        for name in ("prompt_tokens", "completion_tokens", "total_tokens")
        if name in usage
    }
    return payload(**own, metadata={"usage_object": usage}, **changes)


def read(path: Path, *rows: object, raw: str = "", **options: Any) -> Traffic:  # noqa: ANN401
    log = path / "litellm.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + raw)
    return read_calls([log], **options)


def rows_of(traffic: Traffic) -> list[Json]:
    validate(traffic.calls)
    return to_arrow(traffic.calls).to_pylist()


def tokens_of(row: Json) -> tuple[int | None, ...]:
    return tuple(row[name] for name in TOKEN_CLASSES)


NOTHING: Json = dict.fromkeys(column.name for column in COLUMNS)
PLAIN: Json = NOTHING | {
    "call_id": "chatcmpl-9870a859d6df402795f75dc5fca5b2e0",
    "start_time": START,
    "trace_id": "97311c60-9a61-4f48-a814-70139ee57868",
    "user_id": "default_user_id",
    "isolation_domain": "team-7",
    "provider_name": "openai",
    "operation_name": "chat",
    "request_model": "gpt-4o",
    "response_model": "gpt-4o-2024-08-06",
    "service_tier": "default",
    "input_tokens": 10,
    "cache_read_tokens": 0,
    "cache_write_5m_tokens": 0,
    "cache_write_1h_tokens": 0,
    "output_tokens": 20,
    "tokens_estimated": False,
    "duration_s": 1.75,
    "finish_reason": "stop",
    "attempts": 1,
    "automatic_cache": 0,
    "source_line": 1,
}
FAILED = {
    "id": "d3b0c1a2",
    "status": "failure",
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "total_tokens": 0,
    "response": {},
    "error_str": f"litellm.RateLimitError: {PROMPT}",
    "error_information": {
        "error_code": "429",
        "error_class": "RateLimitError",
        "llm_provider": "openai",
        "traceback": PROMPT,
        "error_message": PROMPT,
    },
}
NO_TOKENS = dict.fromkeys((*TOKEN_CLASSES, "reasoning_tokens"))

CASES: dict[str, tuple[Json, Json]] = {
    "a plain call": (payload(), {}),
    "streamed: the first token came before the end": (
        payload(stream=True, completionStartTime=START.timestamp() + 0.25),
        {"ttft_s": 0.25},
    ),
    "an end user before the key's user": (payload(end_user="ada"), {"user_id": "ada"}),
    "the organisation before the team": (
        payload(
            metadata={
                "user_api_key_org_id": "org-1",
                "user_api_key_team_id": "team-7",
                "user_api_key_user_id": "u",
                "user_api_key_end_user_id": "e",
            }
        ),
        {"isolation_domain": "org-1", "user_id": "e"},
    ),
    "the client's session": (
        payload(
            metadata={"requester_metadata": {"session_id": "chat-5", "deep": {"any": ["thing"]}}}
        ),
        {"conversation_id": "chat-5", "isolation_domain": None, "user_id": None},
    ),
    "a session id that is no text is none": (
        payload(metadata={"requester_metadata": {"session_id": {"a": 1}}}),
        {"isolation_domain": None, "user_id": None},
    ),
    "a spend log's session": (payload(session_id="s-1"), {"conversation_id": "s-1"}),
    "another vendor's name": (
        payload(custom_llm_provider="vertex_ai", model="vertex_ai/gemini-2.5-pro"),
        {"provider_name": "gcp.vertex_ai", "request_model": "gemini-2.5-pro"},
    ),
    "the model only by its group": (payload(model=""), {"request_model": "fast"}),
    "no model at all": (payload(model=None, model_group=""), {"request_model": None}),
    "embeddings have no prompt": (
        payload(call_type="aembedding", messages=[{"role": "user", "content": [1, 2]}]),
        {"operation_name": "embeddings"},
    ),
    "an operation of its own name": (
        payload(call_type="arerank", messages="anything"),
        {"operation_name": "arerank"},
    ),
    "a failure has an error and no counters": (
        payload(**FAILED),
        NO_TOKENS
        | {
            "call_id": "d3b0c1a2",
            "error_type": "RateLimitError",
            "response_model": None,
            "service_tier": None,
            "finish_reason": None,
        },
    ),
    "a failure known by its code": (
        payload(**FAILED | {"error_information": {"error_code": "503", "error_class": ""}}),
        NO_TOKENS
        | {
            "call_id": "d3b0c1a2",
            "error_type": "503",
            "response_model": None,
            "service_tier": None,
            "finish_reason": None,
        },
    ),
    "a failure known by nothing": (
        payload(**FAILED | {"error_information": None}),
        NO_TOKENS
        | {
            "call_id": "d3b0c1a2",
            "error_type": "failure",
            "response_model": None,
            "service_tier": None,
            "finish_reason": None,
        },
    ),
    "times as text, as in spend logs": (
        payload(
            startTime="2025-02-11T00:56:19.683053+00:00",
            endTime="2025-02-11 00:56:21.433053",
            completionStartTime=None,
        ),
        {},
    ),
    "no times": (
        payload(startTime=None, endTime=None, completionStartTime=None),
        {"start_time": None, "duration_s": None},
    ),
    "no end": (payload(endTime=None), {"duration_s": None}),
    "a response that is a list": (
        payload(response=[{"any": "thing"}]),
        {"response_model": None, "service_tier": None, "finish_reason": None},
    ),
    "a response that is text": (
        payload(response="redacted-by-litellm"),
        {"response_model": None, "service_tier": None, "finish_reason": None},
    ),
    "the service tier of the usage": (
        counted(
            {"prompt_tokens": 10, "completion_tokens": 20, "service_tier": "standard"},
            total_tokens=30,
        ),
        {"service_tier": "standard", "isolation_domain": None, "user_id": None},
    ),
}


@pytest.mark.parametrize(("row", "expected"), CASES.values(), ids=CASES)
def test_every_column_of_a_call(tmp_path: Path, row: Json, expected: Json) -> None:
    traffic = read(tmp_path, row)
    (found,) = rows_of(traffic)
    blocks = {name: found[name] for name in found if name.startswith("block_")}
    whole = PLAIN | expected | blocks | {"source_file": str(tmp_path / "litellm.jsonl")}
    assert found == whole
    assert traffic.formats == {"litellm": 1}


# Each names its source; the five figures are fresh, read, 5m write, 1h write, output.
COUNTED: dict[str, tuple[Json, tuple[int, ...], int | None]] = {
    "litellm 11364: 10 + 66,360 + 32,435 = 98,805": (
        counted(
            {
                "total_tokens": 103_925,
                "prompt_tokens": 98_805,
                "completion_tokens": 5120,
                "prompt_tokens_details": {
                    "text_tokens": None,
                    "cached_tokens": 66_360,
                    "cache_creation_tokens": 32_435,
                },
                "cache_read_input_tokens": 66_360,
                "completion_tokens_details": {"text_tokens": None, "reasoning_tokens": 1710},
                "cache_creation_input_tokens": 32_435,
            },
            **BEDROCK,
        ),
        (10, 66_360, 32_435, 0, 5120),
        1710,
    ),
    "litellm 9812: 3 + 12,304 = 12,307": (
        counted(
            {
                "prompt_tokens": 12_307,
                "completion_tokens": 550,
                "total_tokens": 12_857,
                "cache_creation_input_tokens": 12_304,
                "cache_read_input_tokens": 0,
            },
            custom_llm_provider="anthropic",
            model="claude-3-7-sonnet-20250219",
        ),
        (3, 0, 12_304, 0, 550),
        None,
    ),
    "litellm 13207: what was written stands beside 88 + 120,269": (
        counted(
            {
                "prompt_tokens": 120_357,
                "completion_tokens": 4156,
                "total_tokens": 124_513,
                "cache_read_input_tokens": 120_269,
                "cache_creation_input_tokens": 21_002,
            },
            **CLAUDE,
        ),
        (88, 120_269, 21_002, 0, 4156),
        None,
    ),
    "langfuse 12306, as LiteLLM counts it": (
        counted(
            {
                "prompt_tokens": 130_213,
                "completion_tokens": 7,
                "total_tokens": 130_220,
                "cache_read_input_tokens": 128_955,
                "cache_creation_input_tokens": 1253,
            },
            **CLAUDE,
        ),
        (5, 128_955, 1253, 0, 7),
        None,
    ),
    "langsmith-sdk 2519: Anthropic's 19 exclude 39,000": (
        counted(
            {
                "prompt_tokens": 19,
                "completion_tokens": 4,
                "total_tokens": 23,
                "cache_read_input_tokens": 39_000,
                "cache_creation_input_tokens": 0,
            },
            **CLAUDE,
        ),
        (19, 39_000, 0, 0, 4),
        None,
    ),
    "a total that adds what was cached": (
        counted(
            {
                "prompt_tokens": 500,
                "completion_tokens": 4,
                "total_tokens": 904,
                "cache_read_input_tokens": 400,
            },
            **CLAUDE,
        ),
        (500, 400, 0, 0, 4),
        None,
    ),
    "anthropic's own endpoint, all of it beside": (
        counted(
            {
                "prompt_tokens": 500,
                "completion_tokens": 4,
                "total_tokens": 504,
                "cache_read_input_tokens": 400,
                "cache_creation_input_tokens": 2000,
            },
            **CLAUDE,
            call_type="anthropic_messages",
            messages=[],
        ),
        (500, 400, 2000, 0, 4),
        None,
    ),
    "writes by lifetime": (
        counted(
            {
                "prompt_tokens": 2058,
                "completion_tokens": 503,
                "total_tokens": 2561,
                "prompt_tokens_details": {
                    "cached_tokens": 1800,
                    "cache_creation_tokens": 248,
                    "cache_write_tokens": 248,
                    "cache_creation_token_details": {
                        "ephemeral_5m_input_tokens": 148,
                        "ephemeral_1h_input_tokens": 100,
                    },
                },
                "cache_read_input_tokens": 1800,
                "cache_creation_input_tokens": 248,
            },
            **CLAUDE,
        ),
        (10, 1800, 148, 100, 503),
        None,
    ),
    "writes by lifetime, beside the details as once": (
        counted(
            {
                "prompt_tokens": 2058,
                "completion_tokens": 503,
                "cache_creation_token_details": {
                    "ephemeral_5m_input_tokens": 148,
                    "ephemeral_1h_input_tokens": 100,
                },
                "cache_read_input_tokens": 1800,
            },
            **CLAUDE,
        ),
        (10, 1800, 148, 100, 503),
        None,
    ),
    "the same in anthropic's words, of the response": (
        payload(
            **CLAUDE,
            call_type="anthropic_messages",
            messages=[],
            prompt_tokens=10,
            completion_tokens=503,
            total_tokens=513,
            metadata={},
            response={
                "usage": {
                    "input_tokens": 10,
                    "output_tokens": 503,
                    "cache_read_input_tokens": 1800,
                    "cache_creation_input_tokens": 248,
                    "cache_creation": {
                        "ephemeral_5m_input_tokens": 148,
                        "ephemeral_1h_input_tokens": 100,
                    },
                }
            },
        ),
        (10, 1800, 148, 100, 503),
        None,
    ),
    "openai, cached inside": (
        counted(
            {
                "prompt_tokens": 2006,
                "completion_tokens": 300,
                "total_tokens": 2306,
                "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
                "completion_tokens_details": {"reasoning_tokens": 256},
            }
        ),
        (86, 1920, 0, 0, 300),
        256,
    ),
    "openai since 5.6, writes inside as well": (
        counted(
            {
                "prompt_tokens": 2600,
                "completion_tokens": 9,
                "prompt_tokens_details": {"cached_tokens": 2000, "cache_write_tokens": 400},
            }
        ),
        (200, 2000, 400, 0, 9),
        None,
    ),
    "openai's responses, in their words": (
        counted(
            {
                "prompt_tokens": 100,
                "completion_tokens": 9,
                "input_tokens_details": {"cached_tokens": 64},
                "output_tokens_details": {"reasoning_tokens": 5},
            }
        ),
        (36, 64, 0, 0, 9),
        5,
    ),
    "xai, cached inside": (
        counted(
            {
                "prompt_tokens": 125,
                "completion_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 98},
            },
            custom_llm_provider="xai",
            model="xai/grok-4",
        ),
        (27, 98, 0, 0, 8),
        None,
    ),
    "xai, reasoning beside the completion": (
        counted(
            {
                "prompt_tokens": 32,
                "completion_tokens": 9,
                "total_tokens": 135,
                "completion_tokens_details": {"reasoning_tokens": 94},
            },
            custom_llm_provider="xai",
            model="xai/grok-3-mini",
        ),
        (32, 0, 0, 0, 103),
        94,
    ),
    "details only in the response, as in 2024": (
        payload(
            prompt_tokens=2006,
            completion_tokens=300,
            total_tokens=2306,
            response={
                "usage": {
                    "prompt_tokens": 2006,
                    "completion_tokens": 300,
                    "prompt_tokens_details": {"cached_tokens": 1920},
                }
            },
        ),
        (86, 1920, 0, 0, 300),
        None,
    ),
    "counters only in the usage object": (
        payload(
            prompt_tokens=None,
            completion_tokens=None,
            total_tokens=None,
            metadata={"usage_object": {"prompt_tokens": 200, "completion_tokens": 80}},
        ),
        (200, 0, 0, 0, 80),
        None,
    ),
    "a null for every detail": (
        counted(
            {
                "prompt_tokens": 5,
                "completion_tokens": 1,
                "prompt_tokens_details": None,
                "completion_tokens_details": None,
                "cache_read_input_tokens": None,
                "cache_creation_input_tokens": None,
            }
        ),
        (5, 0, 0, 0, 1),
        None,
    ),
}


@pytest.mark.parametrize(("row", "tokens", "reasoning"), COUNTED.values(), ids=COUNTED)
def test_counters_become_disjoint_classes(
    tmp_path: Path, row: Json, tokens: tuple[int, ...], reasoning: int | None
) -> None:
    (found,) = rows_of(read(tmp_path, row))
    assert (tokens_of(found), found["reasoning_tokens"]) == (tokens, reasoning)
    assert not found["tokens_estimated"]


def test_a_proof_of_exclusion_decides_the_doubtful_rows_of_the_same_model_only(
    tmp_path: Path,
) -> None:
    proven = {"prompt_tokens": 19, "completion_tokens": 1, "cache_read_input_tokens": 39_000}
    doubtful = {"prompt_tokens": 900, "completion_tokens": 1, "cache_read_input_tokens": 600}
    rows = [
        counted(proven, **CLAUDE, id="1"),
        counted(doubtful, **CLAUDE, id="2"),
        counted(doubtful, **BEDROCK, id="3"),
        counted(
            {
                "prompt_tokens": 900,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": 600},
            },
            id="4",
        ),
    ]
    traffic = read(tmp_path, *rows)
    assert [row["input_tokens"] for row in rows_of(traffic)] == [19, 900, 300, 300]
    assert traffic.joins["cached-tokens-outside"] == 2


@pytest.mark.parametrize("hit", [True, "True", "true"])
def test_a_hit_in_the_proxys_own_cache_is_no_call(tmp_path: Path, hit: object) -> None:
    traffic = read(tmp_path, payload(), payload(id="2", cache_hit=hit))
    assert len(traffic.calls) == 1
    assert traffic.skipped == {"answers from the proxy's cache": 1}


@pytest.mark.parametrize("miss", [False, "False", "None", None])
def test_a_miss_is_a_call(tmp_path: Path, miss: object) -> None:
    assert len(read(tmp_path, payload(cache_hit=miss)).calls) == 1


def test_a_retry_and_a_fallback_of_one_trace_are_one_call(tmp_path: Path) -> None:
    at = START.timestamp()
    failed = payload(**FAILED | {"startTime": at, "endTime": at + 1, "completionStartTime": None})
    again = failed | {"id": "d3b0c1a3", "startTime": at + 2, "endTime": at + 3}
    fallback = payload(**CLAUDE, startTime=at + 4, endTime=at + 6, completionStartTime=at + 5)
    other = payload(id="x", trace_id="another", startTime=at - 4)
    traffic = read(tmp_path, failed, again, fallback, other)
    first, second = rows_of(traffic)
    assert (first["attempts"], second["attempts"]) == (3, 1)
    assert (first["start_time"], first["duration_s"], first["ttft_s"]) == (START, 6.0, 5.0)
    assert first["error_type"] is None
    assert traffic.joins["retries-grouped"] == 2


def chat_hashes(path: Path, request: Json) -> tuple[list[bytes], list[int], list[int]]:
    log = path / "chat.jsonl"
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    response = {"object": "chat.completion", "usage": usage}
    log.write_text(json.dumps({"request": {"model": "m", **request}, "response": response}) + "\n")
    return blocks_of(rows_of(read_calls([log]))[0])


def blocks_of(row: Json) -> tuple[list[bytes], list[int], list[int]]:
    return row["block_hashes"], row["block_kinds"], row["block_markers"]


TOOL = {
    "type": "function",
    "function": {"name": "look", "parameters": {"type": "object", "properties": {}}},
}
TOOL_TURN = [
    *MESSAGES,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "seen"},
]
MARKED = {
    "role": "system",
    "content": [{"type": "text", "text": "be brief", "cache_control": {"type": "ephemeral"}}],
}


@pytest.mark.parametrize(
    ("messages", "parameters"),
    [
        (MESSAGES, {}),
        (TOOL_TURN, {"tools": [TOOL], "temperature": 0}),
        ([MARKED, MESSAGES[1]], {"tools": None}),
    ],
)
def test_prompts_have_the_blocks_of_a_chat_log(
    tmp_path: Path, messages: list[Json], parameters: Json
) -> None:
    (row,) = rows_of(read(tmp_path, payload(messages=messages, model_parameters=parameters)))
    tools = {"tools": parameters["tools"]} if parameters.get("tools") else {}
    assert blocks_of(row) == chat_hashes(tmp_path, {"messages": messages, **tools})
    assert len(row["block_hashes"]) >= 2
    assert sum(row["block_tokens"]) == row["input_tokens"]


@pytest.mark.parametrize(
    ("asked", "same"),
    [
        (PROMPT, [{"role": "user", "content": PROMPT}]),
        (MESSAGES, MESSAGES),
        (
            [
                {"role": "user", "content": [{"type": "input_text", "text": PROMPT}]},
                {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "c1", "output": "seen"},
            ],
            [{"role": "user", "content": PROMPT}, *TOOL_TURN[2:]],
        ),
    ],
)
def test_items_of_the_responses_api_have_the_blocks_of_a_chat_log(
    tmp_path: Path, asked: object, same: list[Json]
) -> None:
    (row,) = rows_of(read(tmp_path, payload(call_type="aresponses", messages=asked)))
    assert blocks_of(row) == chat_hashes(tmp_path, {"messages": same})


def test_a_prompt_of_the_messages_api_keeps_its_system_and_its_markers(tmp_path: Path) -> None:
    row = payload(
        **CLAUDE,
        call_type="anthropic_messages",
        messages=[{"role": "user", "content": PROMPT}],
        model_parameters={"system": MARKED["content"], "max_tokens": 5},
    )
    (found,) = rows_of(read(tmp_path, row))
    expected = chat_hashes(tmp_path, {"messages": [MARKED, MESSAGES[1]]})
    assert blocks_of(found) == expected
    assert found["block_markers"] == [1, 0]


@pytest.mark.parametrize(
    "messages",
    [
        None,
        [],
        {},
        "redacted-by-litellm",
        [{"role": "user", "content": "redacted-by-litellm"}],
        [{"content": "redacted-by-litellm", "role": "user"}],
    ],
)
def test_a_prompt_that_was_not_kept_is_none(tmp_path: Path, messages: object) -> None:
    (row,) = rows_of(read(tmp_path, payload(messages=messages, prompt_tokens=None, response=None)))
    assert row["block_hashes"] == []
    assert row["input_tokens"] is None
    assert not row["tokens_estimated"]


def test_a_prompt_that_speaks_of_redaction_is_one(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "what does redacted-by-litellm mean? " * 9}]
    (row,) = rows_of(read(tmp_path, payload(messages=messages)))
    assert len(row["block_hashes"]) == 1


def test_without_counters_the_prompt_is_estimated(tmp_path: Path) -> None:
    row = payload(prompt_tokens=None, completion_tokens=None, total_tokens=None, response=None)
    (found,) = rows_of(read(tmp_path, row))
    assert found["tokens_estimated"]
    assert found["input_tokens"] == 2 + 7
    assert found["output_tokens"] is None


BAD: dict[str, tuple[Json, str, str]] = {
    "a counter below zero": (payload(prompt_tokens=-1), "calls-bad-value", "prompt_tokens"),
    "a counter of 2^63": (payload(prompt_tokens=2**63), "calls-bad-value", "prompt_tokens"),
    "a counter of 2^64": (payload(total_tokens=2**64), "calls-bad-value", "total_tokens"),
    "a counter of text": (payload(prompt_tokens="10"), "calls-bad-value", "prompt_tokens"),
    "a counter of a fraction": (payload(prompt_tokens=1.5), "calls-bad-value", "prompt_tokens"),
    "a cached counter below zero": (
        payload(metadata={"usage_object": {"cache_read_input_tokens": -1}}),
        "calls-bad-value",
        "metadata.usage_object.cache_read_input_tokens",
    ),
    "a counter of the response below zero": (
        payload(response={"usage": {"cache_read_input_tokens": -1}}),
        "calls-bad-value",
        "response.usage.cache_read_input_tokens",
    ),
    "metadata that is text": (payload(metadata=PROMPT), "calls-bad-value", "metadata"),
    "metadata that is a list": (payload(metadata=[PROMPT]), "calls-bad-value", "metadata"),
    "a model that is a number": (payload(model=4), "calls-bad-value", "model"),
    "choices that are an object": (
        payload(response={"choices": {}}),
        "calls-bad-value",
        "response.choices",
    ),
    "an end before the start": (
        payload(endTime=START.timestamp() - 0.5),
        "calls-negative-duration",
        "endTime",
    ),
    "a first token before the start": (
        payload(completionStartTime=START.timestamp() - 0.5),
        "calls-negative-duration",
        "completionStartTime",
    ),
    "a time that is none": (payload(startTime=PROMPT), "calls-bad-time", "startTime"),
    "an end that is none": (payload(endTime=PROMPT), "calls-bad-time", "endTime"),
    "a time below zero": (payload(startTime=-5), "calls-bad-time", "startTime"),
    "a time in an object": (payload(startTime={}), "calls-bad-value", "startTime"),
    "more cached than openai's counter includes": (
        counted({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 11}}),
        "calls-contradiction",
        "metadata.usage_object",
    ),
    "more reasoning than output": (
        counted(
            {
                "prompt_tokens": 1,
                "completion_tokens": 2,
                "total_tokens": 3,
                "completion_tokens_details": {"reasoning_tokens": 3},
            }
        ),
        "calls-contradiction",
        "metadata.usage_object",
    ),
    "more for one hour than written": (
        counted(
            {
                "prompt_tokens": 100,
                "cache_creation_input_tokens": 5,
                "cache_creation_token_details": {"ephemeral_1h_input_tokens": 6},
            },
            **CLAUDE,
        ),
        "calls-contradiction",
        "metadata.usage_object",
    ),
    "a message without a role": (
        payload(messages=[{"content": PROMPT}]),
        "calls-bad-content",
        "request.messages.role",
    ),
    "content of no shape": (
        payload(messages=[{"role": "user", "content": 7}]),
        "calls-bad-content",
        "",
    ),
}


@pytest.mark.parametrize(("row", "slug", "field"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_named(tmp_path: Path, row: Json, slug: str, field: str) -> None:
    traffic = read(tmp_path, payload(), row, payload(id="3", cache_hit=True))
    (bad,) = traffic.bad_rows
    assert (bad.slug, bad.field, bad.line) == (slug, field, 2)
    assert PROMPT not in bad.message
    assert (len(traffic.calls), sum(traffic.skipped.values())) == (1, 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_a_counter_that_json_does_not_know_is_no_json(tmp_path: Path, number: str) -> None:
    line = json.dumps(payload()).replace('"prompt_tokens": 10', f'"prompt_tokens": {number}')
    (bad,) = read(tmp_path, payload(), raw=line + "\n").bad_rows
    assert (bad.slug, bad.line) == ("traffic-not-json", 2)


@pytest.mark.parametrize("factor", [1, 1e3, 1e6, 1e9])
def test_epochs_of_every_unit_are_told_apart(tmp_path: Path, factor: float) -> None:
    start = datetime(2025, 2, 11, tzinfo=UTC)
    row = payload(startTime=start.timestamp() * factor, endTime=(start.timestamp() + 2) * factor)
    (found,) = rows_of(read(tmp_path, row | {"completionStartTime": None}))
    assert (found["start_time"], found["duration_s"]) == (start, 2.0)


def test_a_row_of_nulls_but_for_its_model_is_a_call(tmp_path: Path) -> None:
    nulls = dict.fromkeys(payload()) | {"call_type": "completion", "unknown": {"extra": [1]}}
    traffic = read(tmp_path, nulls | {"model": "gpt-4o"}, nulls)
    (found,) = rows_of(traffic)
    place = {"source_file": str(tmp_path / "litellm.jsonl"), "source_line": 1}
    known = {name: value for name, value in found.items() if value not in (None, [], False, 0)}
    assert known == place | {
        "call_id": f"{place['source_file']}:1",
        "operation_name": "chat",
        "request_model": "gpt-4o",
        "attempts": 1,
    }
    assert [bad.slug for bad in traffic.bad_rows] == ["calls-missing-field"]


def test_a_named_format_refuses_what_is_no_payload(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(tmp_path, {"messages": MESSAGES}, format="litellm", max_bad_rows=0)
    assert (caught.value.slug, caught.value.field) == ("calls-missing-field", "call_type")


def test_no_prompt_reaches_the_table(tmp_path: Path) -> None:
    rows = [
        payload(),
        payload(**FAILED),
        payload(messages=[{"role": "user", "content": [{"type": "text", "text": PROMPT}]}]),
        payload(call_type="aresponses", messages=PROMPT),
        payload(response=PROMPT),
    ]
    traffic = read(tmp_path, *(row | {"id": str(at)} for at, row in enumerate(rows)))
    assert "swordfish" not in repr(rows_of(traffic))
    assert sum(len(row["block_hashes"]) for row in rows_of(traffic)) >= 5


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
broken = st.builds(
    lambda name, value: payload(id="broken") | {name: value},
    st.sampled_from(sorted(payload())),
    anything,
)


@pytest.mark.slow
@given(st.lists(broken, min_size=1, max_size=4))
@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_row_is_lost_and_nothing_breaks(tmp_path: Path, rows: list[Json]) -> None:
    # Rows that fail and are tried again become one call; that is counted as well.
    traffic = read(tmp_path, payload(id="sound", trace_id="another"), *rows, max_bad_rows=9)
    grouped = traffic.joins.get("retries-grouped", 0)
    skipped = sum(traffic.skipped.values())
    assert len(traffic.calls) + grouped + skipped + traffic.bad_count == len(rows) + 1
    validate(traffic.calls)
