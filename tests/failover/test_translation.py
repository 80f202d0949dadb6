"""Prompts moved between the two APIs: what arrives, what is flagged, what is refused."""

from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.failover.portability import (
    ANTHROPIC,
    OPENAI,
    WORDS,
    api_of,
    moved,
    portability,
)
from llmops_cli.failover.translation import Logged
from llmops_cli.failover.wording import logged_of

CALL = {"type": "tool_use", "id": "t1", "name": "find", "input": {"id": 7}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "found"}
FUNCTION = {"name": "find", "arguments": '{"id":7}'}
BROKEN = {"name": "f", "arguments": "{"}
PNG = {"type": "base64", "media_type": "image/png", "data": "AAAA"}


def user(content: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"role": "user", "content": content}


def assistant(content: Any, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"role": "assistant", "content": content, **more}


def slugs(api: str, *messages: dict[str, Any], tools: tuple[Any, ...] = ()) -> list[str]:
    found = moved(Logged(tools, (), messages), api)
    return [item.slug for item in found.problems]


def test_a_whole_agent_turn_moves_to_openai_and_back() -> None:
    tool = {"name": "find", "description": "d", "input_schema": {"type": "object"}}
    there = moved(
        Logged(
            (tool,),
            ({"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},),
            (
                user("Where is it?"),
                assistant([{"type": "text", "text": "Let me look."}, CALL]),
                user([RESULT, {"type": "text", "text": "And now?"}]),
            ),
        ),
        ANTHROPIC,
    )
    assert there.problems == ()
    assert there.body == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where is it?"},
            {
                "role": "assistant",
                "content": "Let me look.",
                "tool_calls": [{"id": "t1", "type": "function", "function": FUNCTION}],
            },
            {"role": "tool", "tool_call_id": "t1", "content": "found"},
            {"role": "user", "content": "And now?"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "find",
                    "description": "d",
                    "parameters": {"type": "object"},
                },
            }
        ],
    }
    back = moved(Logged(there.body["tools"], (), there.body["messages"]), OPENAI)
    assert back.problems == ()
    assert back.body == {
        "system": "Be brief.",
        "messages": [
            user([{"type": "text", "text": "Where is it?"}]),
            assistant([{"type": "text", "text": "Let me look."}, CALL]),
            user([RESULT, {"type": "text", "text": "And now?"}]),
        ],
        "tools": [tool],
    }


def test_images_move_both_ways() -> None:
    there = moved(Logged((), (), (user([{"type": "image", "source": PNG}]),)), ANTHROPIC)
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    assert there.body["messages"] == [user([url])]
    back = moved(Logged((), (), there.body["messages"]), OPENAI)
    assert back.body["messages"] == [user([{"type": "image", "source": PNG}])]


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        ([{"type": "document", "source": {}}], "document"),
        ([{"type": "image", "source": {"type": "file", "file_id": "f"}}], "file-of-provider"),
        ([{"type": "novelty"}], "content-unknown"),
        (7, "content-unreadable"),
        (["text"], "content-unreadable"),
        ([RESULT], "tool-call-without-result"),
    ],
)
def test_what_openai_cannot_take_is_refused(content: object, slug: str) -> None:
    found = moved(Logged((), (), (user(content),)), ANTHROPIC)
    assert found.refused
    assert slug in [item.slug for item in found.problems]


def test_thinking_is_dropped_and_said() -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    found = moved(
        Logged(
            (), (), (user("a"), assistant([thinking, {"type": "text", "text": "b"}]), user("c"))
        ),
        ANTHROPIC,
    )
    assert [item.slug for item in found.problems] == ["thinking-dropped"]
    assert not found.refused
    assert "hm" not in msgspec.json.encode(found.body).decode()


@pytest.mark.parametrize(
    ("messages", "slug"),
    [
        ((user("a"), assistant("The answer is")), "prefill"),
        (
            (
                user("a"),
                assistant([CALL]),
                user([{**RESULT, "content": [{"type": "image", "source": PNG}]}]),
            ),
            "text-expected",
        ),
        (
            (user("a"), assistant([{"type": "server_tool_use", "id": "s"}]), user("b")),
            "server-tool",
        ),
        ((user("a"), assistant([CALL]), user([{**RESULT, "is_error": True}])), "tool-error-flag"),
    ],
)
def test_more_that_does_not_move_to_openai(messages: tuple[dict[str, Any], ...], slug: str) -> None:
    assert slugs(ANTHROPIC, *messages) == [slug]


@pytest.mark.parametrize(
    ("messages", "slug"),
    [
        ((user("a"), assistant("The answer is")), "prefill"),
        ((assistant("Hello"), user("a")), "user-not-first"),
        ((user("a"), {"role": "system", "content": "s"}, user("b")), "system-hoisted"),
        ((user([{"type": "file", "file": {}}]),), "document"),
        ((user([{"type": "input_audio"}]),), "content-unknown"),
        (({**user("a"), "name": "Ann"},), "name-dropped"),
        (({"role": "critic", "content": "a"},), "role-unknown"),
        (
            (
                user("a"),
                assistant(
                    None,
                    tool_calls=[
                        {
                            "id": "t1",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{"},
                        }
                    ],
                ),
                {"role": "tool", "tool_call_id": "t1", "content": "r"},
            ),
            "arguments-not-json",
        ),
        (
            (user("a"), {"role": "tool", "tool_call_id": "t1", "content": "r"}),
            "tool-call-without-result",
        ),
    ],
)
def test_what_does_not_move_to_anthropic(messages: tuple[dict[str, Any], ...], slug: str) -> None:
    assert slugs(OPENAI, *messages) == [slug]


@pytest.mark.parametrize(
    ("api", "tool", "slug"),
    [
        (ANTHROPIC, {"type": "web_search_20250305", "name": "web_search"}, "server-tool"),
        (OPENAI, {"type": "custom", "custom": {}}, "server-tool"),
        (OPENAI, {"type": "function", "function": {"name": "f", "strict": True}},
         "strict-not-enforced"),
    ],
)  # fmt: skip
def test_tools_that_do_not_move(api: str, tool: dict[str, Any], slug: str) -> None:
    assert slugs(api, user("a"), tools=(tool,)) == [slug]


def content(*messages: dict[str, Any]) -> str:
    return msgspec.json.encode({"messages": list(messages)}).decode()


def test_the_audit_counts_every_prompt_once() -> None:
    calls = pd.DataFrame(
        {
            "provider_name": ["anthropic", "anthropic", "anthropic", "openai", "azure", None],
            "content": [
                content(user("a")),
                content(user("a"), assistant("b")),
                "no json",
                content({**user("a"), "name": "Ann"}),
                content(user("b")),
                None,
            ],
        }
    )
    first, second = portability(calls)
    assert (first.api, first.target, first.requests) == (ANTHROPIC, OPENAI, 3)
    assert (first.unchanged, first.flagged, first.refused) == (1, 0, 2)
    assert (second.unchanged, second.flagged, second.refused) == (1, 1, 0)
    assert dict(second.reasons) == {second.reasons[0][0]: 1}
    assert {item.slug for item, _ in (*first.reasons, *second.reasons)} <= WORDS.keys()


def test_a_log_without_prompts_is_refused() -> None:
    with pytest.raises(LlmopsError) as caught:
        portability(pd.DataFrame({"provider_name": ["openai"], "content": [None]}))
    assert caught.value.slug == "failover-no-content"


def test_what_is_no_prompt_is_of_no_api() -> None:
    assert logged_of(content({"role": "user", "parts": []}), OPENAI) is None
    assert logged_of("[1]", OPENAI) is None
    assert logged_of(content(), OPENAI) is None


@pytest.mark.parametrize(
    ("provider", "api"),
    [("anthropic", ANTHROPIC), ("azure.ai.openai", OPENAI), ("", OPENAI), ("x_ai", OPENAI)],
)
def test_whose_words_a_provider_speaks(provider: str, api: str) -> None:
    assert api_of(provider) == api


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["type", "text", "role", "content", "source", "id", "tool_use_id", "tool_calls",
             "function", "arguments", "image_url", "url", "name", "input", "tool_call_id"]
        ),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
roles = st.sampled_from(["user", "assistant", "system", "tool", "developer"])


@settings(max_examples=300, deadline=None)
@given(
    api=st.sampled_from([ANTHROPIC, OPENAI]),
    messages=st.lists(
        st.fixed_dictionaries({"role": roles, "content": json_values}), min_size=1, max_size=4
    ),
    tools=st.lists(st.dictionaries(st.sampled_from(["type", "name", "function"]), json_values,
                                   max_size=2), max_size=2),
)  # fmt: skip
def test_whatever_was_logged_becomes_a_prompt_or_a_named_problem(
    api: str, messages: list[dict[str, Any]], tools: list[dict[str, Any]]
) -> None:
    found = moved(Logged(tools, (), messages), api)
    assert found.refused or found.body["messages"]
    assert all(item.slug in WORDS for item in found.problems)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "input_text", "text": "hello"}]},
        {"role": "user", "content": [{"text": "hello"}]},
        {"role": "user", "parts": [{"type": "text", "content": "hello"}]},
    ],
    ids=["responses", "converse", "opentelemetry"],
)
def test_text_of_every_reader_is_sent_in_the_form_both_apis_take(message: dict[str, Any]) -> None:
    kept = {"system": [{"type": "text", "content": "brief"}], "messages": [message]}
    found = logged_of(msgspec.json.encode(kept).decode(), OPENAI)
    assert found is not None
    block = {"type": "text", "text": "hello"}
    assert list(found.messages) == [{"role": "user", "content": [block]}]
    assert list(found.system) == [{"type": "text", "text": "brief"}]
