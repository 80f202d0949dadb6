"""Responses that were logged as the events of their stream read as the bodies they built."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.calls import TOKEN_CLASSES
from llmops_cli.traffic import Traffic, read_calls
from llmops_cli.traffic.streamed import events

Line = dict[str, Any]
Events = list[Line]

PRIVATE = "the patient is called Quux"
CLAUDE: Line = {
    "model": "claude-sonnet-4-6",
    "stream": True,
    "messages": [{"role": "user", "content": "hello"}],
}
CHAT: Line = {**CLAUDE, "model": "gpt-5.1", "stream_options": {"include_usage": True}}
RESPONSES: Line = {"model": "gpt-5.6", "stream": True, "input": "hello"}


def start(**usage: object) -> Line:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6-20260101",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 25, "output_tokens": 1} | usage,
    }
    return {"type": "message_start", "message": message}


def delta(stop_reason: str | None = "end_turn", **usage: object) -> Line:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": usage}


SAID: Line = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "text_delta", "text": PRIVATE},
}
PING: Line = {"type": "ping"}
STOP: Line = {"type": "message_stop"}
SPLIT: Line = {
    "cache_creation_input_tokens": 70,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 50},
}
ITERATIONS: Events = [
    {
        "type": "compaction",
        "input_tokens": 180_000,
        "output_tokens": 3_500,
        "cache_read_input_tokens": 7,
        "cache_creation_input_tokens": 5,
    },
    {"type": "advisor_message", "model": "claude-opus-4-6", "input_tokens": 9, "output_tokens": 9},
    {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
]

ANTHROPIC: list[tuple[str, Events, tuple[int, ...], Line]] = [
    (
        "the last delta is the count, not one more",
        [start(), PING, SAID, delta(None, output_tokens=8), SAID, delta(output_tokens=15), STOP],
        (25, 0, 0, 0, 15),
        {"call_id": "msg_1", "finish_reason": "end_turn"},
    ),
    (
        "cached input of the start, not repeated by the delta",
        [start(**SPLIT, cache_read_input_tokens=200), delta(output_tokens=15), STOP],
        (25, 200, 20, 50, 15),
        {},
    ),
    (
        "cached input of the start, repeated by the delta",
        [
            start(**SPLIT, cache_read_input_tokens=200),
            delta(
                input_tokens=25,
                cache_creation_input_tokens=70,
                cache_read_input_tokens=200,
                output_tokens=15,
            ),
            STOP,
        ],
        (25, 200, 20, 50, 15),
        {},
    ),
    (
        "a server tool reads and writes more while the stream runs",
        [
            start(**SPLIT, cache_read_input_tokens=200),
            delta(
                input_tokens=40,
                cache_creation_input_tokens=100,
                cache_read_input_tokens=500,
                output_tokens=15,
            ),
            STOP,
        ],
        (40, 500, 50, 50, 15),
        {},
    ),
    (
        "cut off before any delta",
        [start(), SAID],
        (25, 0, 0, 0, 1),
        {"finish_reason": None},
    ),
    (
        "an error in the middle",
        [
            start(),
            SAID,
            {"type": "error", "error": {"type": "overloaded_error", "message": PRIVATE}},
        ],
        (25, 0, 0, 0, 1),
        {"error_type": "overloaded_error"},
    ),
    (
        "a compaction is billed beside the message, an advisor is another model's",
        [
            start(),
            delta(
                input_tokens=23_000,
                cache_read_input_tokens=0,
                output_tokens=1_000,
                iterations=ITERATIONS,
            ),
            STOP,
        ],
        (203_000, 7, 5, 0, 4_500),
        {},
    ),
    (
        "thinking",
        [start(), delta(output_tokens=15, output_tokens_details={"thinking_tokens": 9}), STOP],
        (25, 0, 0, 0, 15),
        {"reasoning_tokens": 9},
    ),
]


def chunk(**more: object) -> Line:
    known = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_788_249_600,
        "model": "gpt-5.1-2026-01-01",
        "service_tier": "default",
        "choices": [],
    }
    return known | more


def choice(reason: str | None = None) -> Events:
    return [{"index": 0, "delta": {"content": PRIVATE}, "finish_reason": reason}]


COUNTED: Line = {
    "prompt_tokens": 100,
    "completion_tokens": 9,
    "total_tokens": 109,
    "prompt_tokens_details": {"cached_tokens": 64},
    "completion_tokens_details": {"reasoning_tokens": 5},
}
OPENAI_CHAT: list[tuple[str, Events, tuple[int, ...], Line]] = [
    (
        "a final chunk with the usage and no choice",
        [
            chunk(choices=choice(), usage=None),
            chunk(choices=choice("tool_calls"), usage=None),
            chunk(usage=COUNTED),
        ],
        (36, 64, 0, 0, 9),
        {
            "call_id": "chatcmpl-1",
            "finish_reason": "tool_calls",
            "response_model": "gpt-5.1-2026-01-01",
            "service_tier": "default",
            "reasoning_tokens": 5,
            "start_time": pd.Timestamp("2026-09-01T08:00:00Z"),
        },
    ),
    (
        "a server that counts on in every chunk",
        [
            chunk(choices=choice(), usage=COUNTED | {"completion_tokens": 5}),
            chunk(choices=choice("stop"), usage=COUNTED),
        ],
        (36, 64, 0, 0, 9),
        {"finish_reason": "stop"},
    ),
    (
        "an error instead of the rest",
        [chunk(choices=choice()), {"error": {"type": "server_error", "message": PRIVATE}}],
        (),
        {"error_type": "server_error"},
    ),
]

WHOLE: Line = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1_788_249_600,
    "model": "gpt-5.6-2026-01-01",
    "status": "in_progress",
    "usage": None,
}
DONE: Line = {
    "status": "completed",
    "usage": {
        "input_tokens": 100,
        "output_tokens": 9,
        "input_tokens_details": {"cached_tokens": 64},
    },
}
OPENAI_RESPONSES: list[tuple[str, Events, tuple[int, ...], Line]] = [
    (
        "the last event holds the body",
        [
            {"type": "response.created", "sequence_number": 0, "response": WHOLE},
            {"type": "response.output_text.delta", "sequence_number": 1, "delta": PRIVATE},
            {"type": "response.completed", "sequence_number": 2, "response": WHOLE | DONE},
        ],
        (36, 64, 0, 0, 9),
        {"call_id": "resp_1", "finish_reason": "completed"},
    ),
    (
        "failed",
        [
            {"type": "response.created", "response": WHOLE},
            {
                "type": "response.failed",
                "response": WHOLE
                | {"status": "failed", "error": {"code": "server_error", "message": PRIVATE}},
            },
        ],
        (),
        {"error_type": "server_error", "finish_reason": "failed"},
    ),
]
Case = tuple[str, Line, str, Events, tuple[int, ...], Line]
CASES: list[Case] = [
    *(("anthropic-messages", CLAUDE, *case) for case in ANTHROPIC),
    *(("openai-chat", CHAT, *case) for case in OPENAI_CHAT),
    *(("openai-responses", RESPONSES, *case) for case in OPENAI_RESPONSES),
]


def text_of(stream: Events) -> str:
    """The stream as it came over the wire."""
    named = [f"event: {item.get('type', 'x')}\ndata: {json.dumps(item)}\n\n" for item in stream]
    return ": comment\n\n" + "".join(named) + "data: [DONE]\n\n"


def read(path: Path, *lines: Line) -> Traffic:
    log = path / "log.jsonl"
    log.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return read_calls([log])


@pytest.mark.parametrize("as_text", [False, True], ids=["list", "text"])
@pytest.mark.parametrize("case", CASES, ids=[case[2] for case in CASES])
def test_a_stream_reads_as_the_body_it_built(
    tmp_path: Path,
    case: Case,
    as_text: bool,  # noqa: FBT001 - a parameter of the table
) -> None:
    name, request_body, _, stream, counts, columns = case
    response = text_of(stream) if as_text else stream
    found = read(tmp_path, {"request": request_body, "response": response})
    row = found.calls.iloc[0]
    assert (found.formats, found.bad_count) == ({name: 1}, 0)
    told = tuple(int(row[kind]) for kind in TOKEN_CLASSES if not pd.isna(row[kind]))
    assert told == counts
    assert {key: None if pd.isna(row[key]) else row[key] for key in columns} == columns
    assert row.request_model == request_body["model"]


def test_streams_of_all_vendors_and_bodies_may_take_turns(tmp_path: Path) -> None:
    lines = [
        {"request": body, "response": stream}
        for name, body, _, stream, counts, _ in CASES
        if counts
        for _ in range(2)
    ]
    plain = {"request": CHAT, "response": chunk(object="chat.completion", usage=COUNTED)}
    found = read(tmp_path, *lines, plain, *reversed(lines))
    assert found.bad_count == 0
    assert found.formats == {
        "anthropic-messages": 4 * len(ANTHROPIC),
        "openai-chat": 4 * (len(OPENAI_CHAT) - 1) + 1,
        "openai-responses": 4 * (len(OPENAI_RESPONSES) - 1),
    }


@pytest.mark.parametrize(
    ("model", "stream", "name"),
    [
        ("claude-sonnet-4-6", [chunk(usage=COUNTED)], "openai-chat"),
        ("my-own-alias", [start(), delta(output_tokens=2)], "anthropic-messages"),
    ],
)
def test_the_stream_tells_the_api_whatever_the_model_is_called(
    tmp_path: Path, model: str, stream: Events, name: str
) -> None:
    asked = CLAUDE | {"model": model}
    for response in (stream, text_of(stream)):
        assert read(tmp_path, {"request": asked, "response": response}).formats == {name: 1}


def test_a_stream_of_responses_needs_no_input_beside_it(tmp_path: Path) -> None:
    done = {"type": "response.completed", "response": WHOLE | DONE}
    template = {"model": "gpt-5.6", "prompt": {"id": "pmpt_1"}}
    found = read(tmp_path, {"request": template, "response": [done]})
    assert found.formats == {"openai-responses": 1}
    assert found.calls["input_tokens"].to_list() == [36]


def test_compactions_count_in_a_body_that_was_not_streamed(tmp_path: Path) -> None:
    usage = {"input_tokens": 23_000, "output_tokens": 1_000, "iterations": ITERATIONS}
    body = start(**usage)["message"] | {"stop_reason": "end_turn"}
    row = read(tmp_path, {"request": CLAUDE, "response": body}).calls.iloc[0]
    assert [int(row[kind]) for kind in TOKEN_CLASSES] == [203_000, 7, 5, 0, 4_500]
    assert sum(row.block_tokens) == 203_012


BAD: list[tuple[str, Line, object, str, str]] = [
    ("plain text", CLAUDE, PRIVATE, "calls-bad-value", "response"),
    ("an event that is no JSON", CLAUDE, f"data: {PRIVATE}\n\n", "calls-bad-value", "response"),
    (
        "negative counter",
        CLAUDE,
        [start(), delta(output_tokens=-1)],
        "calls-bad-value",
        "response[1].usage.output_tokens",
    ),
    (
        "2^63",
        CHAT,
        [chunk(usage=COUNTED | {"prompt_tokens": 2**63})],
        "calls-bad-value",
        "response[0].usage.prompt_tokens",
    ),
    (
        "fewer written in the end than for an hour",
        CLAUDE,
        [start(**SPLIT), delta(cache_creation_input_tokens=40, output_tokens=2)],
        "calls-contradiction",
        "response.usage.cache_creation_input_tokens",
    ),
    (
        "more thought than said",
        CLAUDE,
        [start(), delta(output_tokens=3, output_tokens_details={"thinking_tokens": 9})],
        "calls-contradiction",
        "response.usage.output_tokens_details.thinking_tokens",
    ),
    (
        "more compacted than any model reads",
        CLAUDE,
        [start(), delta(iterations=[{"type": "compaction", "input_tokens": 400_000_000}] * 2)],
        "calls-bad-value",
        "response.usage",
    ),
    ("a list of text", CLAUDE, [PRIVATE], "calls-bad-value", "response[0]"),
]


@pytest.mark.parametrize(
    ("request_body", "response", "slug", "field"),
    [case[1:] for case in BAD],
    ids=[case[0] for case in BAD],
)
def test_a_bad_stream_is_named_and_takes_nothing_with_it(
    tmp_path: Path, request_body: Line, response: object, slug: str, field: str
) -> None:
    good = {"request": CLAUDE, "response": [start(), delta(output_tokens=2)]}
    found = read(tmp_path, good, {"request": request_body, "response": response}, good)
    (bad,) = found.bad_rows
    assert (bad.line, bad.slug, bad.field) == (2, slug, field)
    assert PRIVATE not in bad.message
    assert len(found.calls) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@given(
    st.lists(
        st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), st.integers()),
        min_size=1,
    )
)
def test_events_survive_the_wire_whatever_ends_its_lines(end: str, sent: Events) -> None:
    text = "".join(f"data: {json.dumps(item, ensure_ascii=False)}{end}{end}" for item in sent)
    assert events(text, dict) == sent


def test_an_event_may_run_over_several_lines() -> None:
    assert events('data: {"a":\ndata: 1}\n\ndata: {"b": 2}', dict) == [{"a": 1}, {"b": 2}]
