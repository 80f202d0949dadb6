"""The same prompt gives the same blocks in whatever shape telemetry carries it."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from llmops_cli.calls import BlockKind
from llmops_cli.traffic import Options, Reading

if TYPE_CHECKING:
    from .conftest import Otlp

Json = dict[str, Any]
Hashes = Callable[..., list[bytes]]

CALL: Json = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-5.1",
    "gen_ai.usage.input_tokens": 100,
}
MESSAGES: list[Json] = [
    {"role": "system", "content": "You plan trips."},
    {"role": "user", "content": "Weather in Bern?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "t1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Bern"}'},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "t1", "content": "rain"},
    {"role": "user", "content": "And tomorrow?"},
]
TOOL: Json = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}


def new_messages() -> list[Json]:
    """MESSAGES in the parts of 1.37 and later."""
    return [
        {"role": "system", "parts": [{"type": "text", "content": "You plan trips."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Weather in Bern?"}]},
        {
            "role": "assistant",
            "parts": [
                {"type": "text", "content": ""},
                {"type": "tool_call", "id": "t1", "name": "weather", "arguments": {"city": "Bern"}},
            ],
        },
        {
            "role": "tool",
            "parts": [{"type": "tool_call_response", "id": "t1", "response": "rain"}],
        },
        {"role": "user", "parts": [{"type": "text", "content": "And tomorrow?"}]},
    ]


def new_tool() -> Json:
    return {"type": "function", **TOOL["function"]}


def flattened(prefix: str, messages: list[Json], infix: str = "", call: str = "") -> Json:
    found: Json = {}
    for at, message in enumerate(messages):
        place = f"{prefix}.{at}{infix}"
        for name in ("role", "content", "tool_call_id"):
            if message.get(name) is not None:
                found[f"{place}.{name}"] = message[name]
        for nth, tool in enumerate(message.get("tool_calls", ())):
            under = f"{place}.tool_calls.{nth}{call}"
            function = f"{under}.function" if call else under
            found |= {
                f"{under}.id": tool["id"],
                f"{function}.name": tool["function"]["name"],
                f"{function}.arguments": tool["function"]["arguments"],
            }
    return found


def events_of(otlp: "Otlp", messages: list[Json]) -> list[Json]:
    """The per-message events of 1.36; the body as attributes, as span events have it."""
    return [
        otlp.event(
            f"gen_ai.{message['role']}.message",
            {
                key: value
                for key, value in (
                    ("content", message.get("content")),
                    (
                        "tool_calls",
                        json.dumps(message["tool_calls"]) if "tool_calls" in message else None,
                    ),
                    ("id", message.get("tool_call_id")),
                )
                if value is not None
            },
        )
        for message in messages
    ]


def wholly(messages: object) -> Json:
    return {"gen_ai.input.messages": messages}


SHAPES: dict[str, tuple[Json, bool]] = {
    "1.37 as JSON text": (wholly(json.dumps(new_messages())), False),
    "1.37 as structured values": (wholly(new_messages()), False),
    "1.37, the system prompt apart": (
        wholly(json.dumps(new_messages()[1:]))
        | {
            "gen_ai.system_instructions": json.dumps(
                [{"type": "text", "content": "You plan trips."}]
            )
        },
        False,
    ),
    "1.38 with tools": (
        wholly(json.dumps(new_messages())) | {"gen_ai.tool.definitions": json.dumps([new_tool()])},
        True,
    ),
    "chat messages under the new name": (wholly(json.dumps(MESSAGES)), False),
    "before 1.28, whole": ({"gen_ai.prompt": json.dumps(MESSAGES)}, False),
    "OpenLLMetry": (flattened("gen_ai.prompt", MESSAGES), False),
    "OpenLLMetry with tools": (
        flattened("gen_ai.prompt", MESSAGES)
        | {
            "llm.request.functions.0.name": "weather",
            "llm.request.functions.0.description": "the weather of a city",
            "llm.request.functions.0.parameters": json.dumps(TOOL["function"]["parameters"]),
        },
        True,
    ),
    "OpenLLMetry, tools flattened, messages whole": (
        wholly(json.dumps(new_messages()))
        | {
            "llm.request.functions.0.name": "weather",
            "llm.request.functions.0.description": "the weather of a city",
            "llm.request.functions.0.input_schema": json.dumps(TOOL["function"]["parameters"]),
        },
        True,
    ),
    "OpenInference": (
        flattened("llm.input_messages", MESSAGES, ".message", ".tool_call"),
        False,
    ),
    "OpenInference with tools": (
        flattened("llm.input_messages", MESSAGES, ".message", ".tool_call")
        | {"llm.tools.0.tool.json_schema": json.dumps(TOOL)},
        True,
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_prompt_has_the_blocks_it_has_in_a_log_of_the_api(
    otlp: "Otlp", chat: Hashes, shape: str
) -> None:
    attributes, has_tools = SHAPES[shape]
    call = otlp.call(otlp.traces(otlp.span(CALL | attributes)))
    assert list(call["block_hashes"]) == chat(MESSAGES, [TOOL] if has_tools else None)
    assert sum(call["block_tokens"]) == 100


def test_message_events_of_a_span_are_its_prompt(otlp: "Otlp", chat: Hashes) -> None:
    tools = {"gen_ai.tool.definitions": json.dumps([new_tool()])}
    span = otlp.span(CALL | tools, 1, events=events_of(otlp, MESSAGES))
    assert list(otlp.call(otlp.traces(span))["block_hashes"]) == chat(MESSAGES, [TOOL])


def test_an_old_event_holds_the_whole_prompt(otlp: "Otlp", chat: Hashes) -> None:
    event = otlp.event("gen_ai.content.prompt", {"gen_ai.prompt": json.dumps(MESSAGES)})
    call = otlp.call(otlp.traces(otlp.span(CALL, 1, events=[event])))
    assert list(call["block_hashes"]) == chat(MESSAGES)


def test_a_list_of_one_item_per_key_is_put_in_the_order_of_its_numbers(
    otlp: "Otlp", chat: Hashes
) -> None:
    many = [{"role": "user", "content": f"question {number}"} for number in range(12)]
    attributes = dict(sorted(flattened("gen_ai.prompt", many).items()))
    assert list(otlp.call(otlp.traces(otlp.span(CALL | attributes)))["block_hashes"]) == chat(many)


RECORDS: dict[str, Callable[["Otlp"], list[Json]]] = {
    "1.36, the body is the message": lambda otlp: [
        otlp.record(
            f"gen_ai.{message['role']}.message",
            body={
                key: value
                for key, value in (message | {"id": message.get("tool_call_id")}).items()
                if value is not None and key not in {"role", "tool_call_id"}
            },
        )
        for message in MESSAGES
    ],
    "1.36, the body is JSON text": lambda otlp: [
        otlp.record(
            f"gen_ai.{message['role']}.message",
            body=json.dumps(message | {"id": message.get("tool_call_id")}),
        )
        for message in MESSAGES
    ],
    "1.37, one event": lambda otlp: [
        otlp.record(
            "gen_ai.client.inference.operation.details",
            **{"gen_ai.input.messages": json.dumps(new_messages())},
        )
    ],
    "1.37, one event, structured body": lambda otlp: [
        otlp.record(
            "gen_ai.client.inference.operation.details",
            body={"gen_ai.input.messages": new_messages()},
        )
    ],
    "named by an attribute": lambda otlp: [
        otlp.record("", **{"event.name": f"gen_ai.{message['role']}.message"})
        | {
            "body": otlp.record("", body=message | {"id": message.get("tool_call_id") or ""})[
                "body"
            ]
        }
        for message in MESSAGES[:2]
    ],
}


@pytest.mark.parametrize("logs_first", [False, True])
@pytest.mark.parametrize("shape", RECORDS)
def test_content_logged_apart_joins_its_span(
    otlp: "Otlp", chat: Hashes, shape: str, *, logs_first: bool
) -> None:
    records = RECORDS[shape](otlp)
    lines = [otlp.traces(otlp.span(CALL)), otlp.logs(*records)]
    call = otlp.call(*(reversed(lines) if logs_first else lines))
    expected = chat(MESSAGES[:2] if shape == "named by an attribute" else MESSAGES)
    assert list(call["block_hashes"]) == expected
    assert sum(call["block_tokens"]) == 100


def test_tools_on_the_span_stand_before_messages_logged_apart(otlp: "Otlp", chat: Hashes) -> None:
    tools = {"gen_ai.tool.definitions": json.dumps([new_tool()])}
    records = RECORDS["1.37, one event"](otlp)
    call = otlp.call(otlp.logs(*records), otlp.traces(otlp.span(CALL | tools)))
    assert list(call["block_hashes"]) == chat(MESSAGES, [TOOL])
    assert sum(call["block_tokens"]) == 100


def test_tools_without_messages_are_the_prompt_that_is_known(otlp: "Otlp", chat: Hashes) -> None:
    tools = {"gen_ai.tool.definitions": json.dumps([new_tool()])}
    call = otlp.call(otlp.traces(otlp.span(CALL | tools)))
    assert list(call["block_hashes"]) == chat(MESSAGES, [TOOL])[:1]
    assert list(call["block_tokens"]) == [100]


def test_without_counters_content_logged_apart_is_estimated_like_any_other(otlp: "Otlp") -> None:
    uncounted = {key: value for key, value in CALL.items() if "usage" not in key}
    whole = wholly(json.dumps(new_messages()))
    inside = otlp.call(otlp.traces(otlp.span(uncounted | whole)))
    records = RECORDS["1.37, one event"](otlp)
    apart = otlp.call(otlp.traces(otlp.span(uncounted)), otlp.logs(*records))
    names = ("input_tokens", "tokens_estimated", "block_tokens", "block_hashes")
    assert [str(apart[name]) for name in names] == [str(inside[name]) for name in names]
    assert inside["tokens_estimated"] is True
    assert inside["input_tokens"] > 10


@pytest.mark.parametrize("shape", RECORDS)
def test_content_that_is_kept_is_kept_wherever_it_was_logged(otlp: "Otlp", shape: str) -> None:
    def kept(*lines: Json) -> Json:
        reading = Reading([otlp.write(*lines)], Options(keep_content=True))
        (found,) = [row for table in reading.tables() for row in table["content"].to_pylist()]
        return json.loads(found)

    tools = {"gen_ai.tool.definitions": json.dumps([new_tool()])}
    apart = kept(otlp.logs(*RECORDS[shape](otlp)), otlp.traces(otlp.span(CALL | tools)))
    assert apart["tools"] == [new_tool()]
    texts = [text for text in ("Weather in Bern?", "And tomorrow?") if text in str(apart)]
    assert len(apart["messages"]) == (2 if shape == "named by an attribute" else len(MESSAGES))
    assert texts[0] in str(apart["messages"][1])


def test_content_exported_twice_with_its_span_counts_once(otlp: "Otlp", chat: Hashes) -> None:
    lines = [otlp.traces(otlp.span(CALL)), otlp.logs(*RECORDS["1.36, the body is JSON text"](otlp))]
    traffic = otlp.read(*lines, *lines)
    assert list(traffic.calls["block_hashes"].iloc[0]) == chat(MESSAGES)
    assert traffic.joins == {"duplicate-span": 1}


def test_a_message_said_twice_in_one_prompt_stays_twice(otlp: "Otlp", chat: Hashes) -> None:
    twice = [MESSAGES[1], MESSAGES[1]]
    records = [otlp.record("gen_ai.user.message", body={"content": m["content"]}) for m in twice]
    call = otlp.call(otlp.traces(otlp.span(CALL)), otlp.logs(*records))
    assert list(call["block_hashes"]) == chat(twice)


def test_messages_apart_follow_each_other_in_time(otlp: "Otlp", chat: Hashes) -> None:
    records = [
        otlp.record("gen_ai.user.message", body={"content": str(number)})
        | {"timeUnixNano": str(otlp.START + number * otlp.SECOND)}
        for number in (3, 1, 2)
    ]
    call = otlp.call(otlp.logs(*records), otlp.traces(otlp.span(CALL)))
    assert list(call["block_hashes"]) == chat(
        [{"role": "user", "content": str(number)} for number in (1, 2, 3)]
    )


def test_content_of_a_span_that_is_not_there_is_counted(otlp: "Otlp") -> None:
    records = RECORDS["1.37, one event"](otlp)
    traffic = otlp.read(otlp.traces(otlp.span(CALL, 2)), otlp.logs(*records))
    assert traffic.joins == {"content-without-call": 1}


def test_answers_and_other_events_are_no_prompt(otlp: "Otlp") -> None:
    records = [
        otlp.record("gen_ai.choice", body={"message": {"content": "rain"}, "index": 0}),
        otlp.record("http.request", body={"content": "x"}),
        otlp.record("gen_ai.client.operation.exception", body={"content": "x"}),
    ]
    output = {"gen_ai.output.messages": json.dumps(new_messages())}
    traffic = otlp.read(otlp.traces(otlp.span(CALL | output)), otlp.logs(*records))
    assert list(traffic.calls["block_hashes"].iloc[0]) == []
    assert traffic.joins == {}


@pytest.mark.parametrize(
    "cut", ['[{"role": "user", "parts": [{"type": "te', '{"role": "user"', '["a", ', '"abc']
)
def test_a_prompt_cut_off_by_an_exporter_is_lost_but_not_its_call(otlp: "Otlp", cut: str) -> None:
    traffic = otlp.read(otlp.traces(otlp.span(CALL | wholly(cut))))
    assert traffic.calls["input_tokens"].tolist() == [100]
    assert list(traffic.calls["block_hashes"].iloc[0]) == []
    assert traffic.skipped == {"prompts that are cut off or no JSON, left out of their calls": 1}


@pytest.mark.parametrize("prompt", ["hello", "[INST] hello [/INST]", "{name}, hello", "['a']"])
def test_a_prompt_of_plain_text_is_one_block(otlp: "Otlp", chat: Hashes, prompt: str) -> None:
    call = otlp.call(otlp.traces(otlp.span(CALL | {"gen_ai.prompt": prompt})))
    assert list(call["block_hashes"]) == chat([{"role": "user", "content": prompt}])


STRANGE: dict[str, object] = {
    "a number": [5],
    "a message without a role": [{"parts": []}],
    "an unknown role": [{"role": "boss", "parts": []}],
    "parts that are no list": [{"role": "user", "parts": 5}],
    "a part that is a number": [{"role": "user", "parts": [5]}],
}


@pytest.mark.parametrize("case", STRANGE)
def test_messages_of_no_known_shape_are_quarantined_without_their_text(
    otlp: "Otlp", case: str
) -> None:
    spans = (otlp.span(CALL | wholly(json.dumps(STRANGE[case]))), otlp.span(CALL, 2))
    traffic = otlp.read(otlp.traces(*spans))
    (row,) = traffic.bad_rows
    assert row.slug in {"calls-bad-content", "calls-bad-value"}
    assert "boss" not in row.message
    assert len(traffic.calls) == 1


VENDOR_PARTS: list[Json] = [
    {"role": "user", "content": [{"type": "text", "text": "look"}]},
    {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Bern"}},
        ],
    },
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "rain"}],
    },
]


def test_parts_of_anthropic_inside_flattened_messages_keep_their_kinds(otlp: "Otlp") -> None:
    # OpenLLMetry writes content that is a list as JSON text.
    as_text = [message | {"content": json.dumps(message["content"])} for message in VENDOR_PARTS]
    call = otlp.call(otlp.traces(otlp.span(CALL | flattened("gen_ai.prompt", as_text))))
    assert list(call["block_kinds"]) == [
        BlockKind.USER,
        BlockKind.ASSISTANT,
        BlockKind.TOOL_USE,
        BlockKind.TOOL_RESULT,
    ]


def test_parts_of_a_flattened_message_are_its_blocks(otlp: "Otlp", chat: Hashes) -> None:
    attributes = {
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.0.message_content.type": "text",
        "llm.input_messages.0.message.contents.0.message_content.text": "one",
        "llm.input_messages.0.message.contents.1.message_content.type": "text",
        "llm.input_messages.0.message.contents.1.message_content.text": "two",
    }
    call = otlp.call(otlp.traces(otlp.span(CALL | attributes)))
    parts = [{"type": "text", "text": text} for text in ("one", "two")]
    assert list(call["block_hashes"]) == chat([{"role": "user", "content": parts}])


def test_media_and_reasoning_are_blocks_of_their_kind(otlp: "Otlp") -> None:
    parts: list[Json] = [
        {"type": "blob", "modality": "image", "content": "aGk="},
        {"type": "uri", "modality": "image", "uri": "image:1"},
        {"type": "file", "modality": "image", "file_id": "f"},
        {"type": "reasoning", "content": "hm"},
        {"type": "of_our_own", "content": "x"},
    ]
    messages = [{"role": "user", "parts": parts}]
    call = otlp.call(otlp.traces(otlp.span(CALL | wholly(json.dumps(messages)))))
    assert list(call["block_kinds"]) == [
        BlockKind.MEDIA,
        BlockKind.MEDIA,
        BlockKind.MEDIA,
        BlockKind.THINKING,
        BlockKind.USER,
    ]


def test_embeddings_have_no_prompt(otlp: "Otlp") -> None:
    operation = {"gen_ai.operation.name": "embeddings"}
    call = otlp.call(otlp.traces(otlp.span(CALL | operation | wholly(json.dumps(MESSAGES)))))
    assert list(call["block_hashes"]) == []


def test_a_key_of_ten_thousand_dots_is_no_crash(otlp: "Otlp") -> None:
    deep = {"gen_ai.prompt.0" + ".a" * 10_000: "x"}
    traffic = otlp.read(otlp.traces(otlp.span(CALL | deep), otlp.span(CALL, 2)))
    assert len(traffic.calls) + traffic.bad_count == 2
    assert len(traffic.calls) >= 1
