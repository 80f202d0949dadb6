"""Answers kept beside their prompts: the same text whether it came whole or as a stream."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic import FORMATS, Options, Reading
from llmops_cli.traffic.answers import answered
from llmops_cli.traffic.kept import kept

MESSAGE = [
    {"type": "thinking", "thinking": "hmm"},
    {"type": "text", "text": "Two miles."},
    {"type": "tool_use", "id": "t1", "name": "find", "input": {"b": 1, "a": [2]}},
]
MESSAGE_STREAM = [
    {"type": "message_start", "message": {"id": "m", "content": []}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking"}},
    {"type": "content_block_delta", "index": 0, "delta": {"thinking": "hmm"}},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"text": "Two "}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 1, "delta": {"text": "miles."}},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "name": "find", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"partial_json": '{"b":1,'}},
    {"type": "content_block_delta", "index": 2, "delta": {"partial_json": '"a":[2]}'}},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}},
]
CALL = {"type": "function", "function": {"name": "find", "arguments": '{"b":1,"a":[2]}'}}
CHAT = {
    "role": "assistant",
    "reasoning_content": "hmm",
    "content": "Two miles.",
    "tool_calls": [CALL],
}
CHAT_STREAM: list[dict[str, Any]] = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"content": "Two "}}]},
    {"choices": [{"index": 1, "delta": {"content": "ANOTHER CHOICE"}}]},
    {"choices": [{"index": 0, "delta": {"content": "miles."}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "find"}}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '{"b":1,'}}]}}]},
    {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": '"a":[2]}'}}]}}]},
    {"choices": [], "usage": {"prompt_tokens": 1}},
]
OUTPUT = [
    {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hmm"}]},
    {"type": "message", "content": [{"type": "output_text", "text": "Two miles."}]},
    {"type": "function_call", "name": "find", "arguments": '{"b":1,"a":[2]}'},
]
OUTPUT_STREAM = [
    {"type": "response.created", "response": {"output": []}},
    {"type": "response.output_text.delta", "delta": "Two "},
    {"type": "response.completed", "response": {"output": OUTPUT}},
]
BROKEN = {"type": "function", "function": {"name": "f", "arguments": "{"}}
ANSWER = 'Two miles.\nfind({"a":[2],"b":1})'


def text_of(stream: list[Any]) -> str:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in stream) + "data: [DONE]\n\n"


CASES = [
    ("anthropic-messages", {"content": MESSAGE}),
    ("anthropic-messages", MESSAGE_STREAM),
    ("anthropic-messages", text_of(MESSAGE_STREAM)),
    ("openai-chat", {"choices": [{"message": CHAT}, {"message": {"content": "ANOTHER CHOICE"}}]}),
    ("openai-chat", CHAT_STREAM),
    ("openai-chat", text_of(CHAT_STREAM)),
    ("openai-responses", {"output": OUTPUT}),
    ("openai-responses", OUTPUT_STREAM),
    ("openai-responses", text_of(OUTPUT_STREAM)),
]


@pytest.mark.parametrize(("name", "response"), CASES)
def test_an_answer_is_its_text_and_calls_however_it_was_logged(name: str, response: object) -> None:
    assert answered(name, json.dumps({"response": response}).encode()) == ANSWER


@pytest.mark.parametrize(
    ("name", "response", "expected"),
    [
        ("openai-chat", {"choices": [{"message": {"content": None, "refusal": "No."}}]}, "No."),
        ("openai-chat", {"choices": []}, ""),
        ("openai-chat", {"choices": [{"message": {"tool_calls": [BROKEN]}}]}, "f({)"),
        ("anthropic-messages", {"type": "error", "error": {"type": "overloaded"}}, ""),
        ("anthropic-messages", {"content": [{"text": "a"}, {"text": "b"}]}, "a\nb"),
        ("openai-responses", [{"type": "response.failed"}], ""),
        ("anthropic-messages", None, ""),
        ("anthropic-messages", "no stream", ""),
        ("langfuse", {"content": MESSAGE}, ""),
    ],
)
def test_what_has_no_answer_keeps_none(name: str, response: object, expected: str) -> None:
    assert answered(name, json.dumps({"response": response}).encode()) == expected


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "content",
                    "text",
                    "type",
                    "choices",
                    "delta",
                    "index",
                    "message",
                    "name",
                    "function",
                ]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(FORMATS)), json_values)
def test_no_response_is_more_than_no_answer(name: str, response: object) -> None:
    found = answered(name, json.dumps({"response": response}).encode())
    assert isinstance(json.loads(kept([], found)), dict)


REQUESTS: dict[str, dict[str, Any]] = {
    "anthropic-messages": {"model": "c", "messages": [{"role": "user", "content": "How far?"}]},
    "openai-chat": {"model": "g", "messages": [{"role": "user", "content": "How far?"}]},
    "openai-responses": {"model": "g", "input": "How far?"},
}
BODIES: dict[str, dict[str, Any]] = {
    "anthropic-messages": {"type": "message", "content": MESSAGE},
    "openai-chat": {"object": "chat.completion", "choices": [{"message": CHAT}]},
    "openai-responses": {"object": "response", "output": OUTPUT},
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("keep", [True, False])
def test_answers_are_kept_with_prompts_and_not_without(
    name: str, tmp_path: Path, *, keep: bool
) -> None:
    path = tmp_path / "log.jsonl"
    line = {"request": REQUESTS[name], "response": BODIES[name], "timestamp": 1_790_000_000}
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    (table,) = Reading([path], Options(keep_content=keep)).tables()
    if keep:
        (content,) = table["content"].to_pylist()
        assert json.loads(content)["answer"] == ANSWER
    else:
        assert "content" not in table.schema.names


def test_a_prompt_without_an_answer_is_kept_as_before() -> None:
    assert kept([]) == "{}"
