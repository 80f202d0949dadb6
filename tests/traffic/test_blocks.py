"""Prompt blocks: the same prefix exactly where the hashes agree, and exact token sums."""

import json
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.calls import BlockKind, Marker
from llmops_cli.traffic import anthropic_messages, openai_chat, openai_responses
from llmops_cli.traffic.blocks import Prompt, apportion
from llmops_cli.traffic.prompt_reader import PromptReader
from llmops_cli.traffic.quarantine import RowError

EPHEMERAL = {"type": "ephemeral"}
SEE = {"type": "text", "text": "see"}
FORMATS = {module.NAME: module for module in (anthropic_messages, openai_chat, openai_responses)}


def prompt(request: dict[str, Any], name: str = "anthropic-messages", key: bytes = b"") -> Prompt:
    """The blocks of one request body."""
    line = json.dumps({"request": {"model": "m", **request}}).encode()
    parsed = msgspec.json.decode(line, type=FORMATS[name].Line)
    return PromptReader(key or None).read(FORMATS[name].parts(parsed.request))


def user(*texts: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text} for text in texts]


def said(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(parts)}


def hashes(found: Prompt) -> list[bytes]:
    return [found.hashes[at : at + 16] for at in range(0, len(found.hashes), 16)]


texts = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6)


@given(texts, texts)
def test_hashes_agree_exactly_on_the_common_prefix(one: list[str], other: list[str]) -> None:
    first, second = (hashes(prompt({"messages": user(*items)})) for items in (one, other))
    common = 0
    while common < min(len(one), len(other)) and one[common] == other[common]:
        common += 1
    assert first[:common] == second[:common]
    assert set(first[common:]).isdisjoint(second[common:])


@given(texts)
def test_one_reader_gives_what_a_fresh_one_gives(items: list[str]) -> None:
    # The reader remembers parts of prompts; remembering must not show.
    reader = PromptReader()
    for end in range(1, len(items) + 1):
        line = json.dumps({"request": {"model": "m", "messages": user(*items[:end])}}).encode()
        parsed = msgspec.json.decode(line, type=anthropic_messages.Line)
        assert reader.read(anthropic_messages.parts(parsed.request)) == prompt(
            {"messages": user(*items[:end])}
        )


def test_markers_do_not_change_hashes() -> None:
    plain = {"role": "user", "content": [{"type": "text", "text": "hello"}]}
    marked = {
        "role": "user",
        "content": [{"type": "text", "text": "hello", "cache_control": EPHEMERAL}],
    }
    short = {"role": "user", "content": "hello"}
    found = [prompt({"messages": [item]}) for item in (plain, marked, short)]
    assert len({item.hashes for item in found}) == 1
    assert [list(item.markers) for item in found] == [[0], [1], [0]]


def test_a_key_changes_every_hash_and_nothing_else() -> None:
    request = {"messages": user("hello", "again")}
    plain, one, other = prompt(request), prompt(request, key=b"k1"), prompt(request, key=b"k2")
    assert len({plain.hashes, one.hashes, other.hashes}) == 3
    assert plain.sizes == one.sizes == other.sizes
    assert one == prompt(request, key=b"k1")


def test_anthropic_blocks_come_in_prefix_order_with_their_kinds() -> None:
    found = prompt(
        {
            "tools": [{"name": "search", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "system": [{"type": "text", "text": "rules"}],
            "messages": [
                said("user", SEE, {"type": "image", "source": {"data": "x" * 99}}),
                said("assistant", {"type": "thinking", "thinking": "…"}, {"type": "tool_use"}),
                said("user", {"type": "tool_result", "content": "ok", "cache_control": EPHEMERAL}),
                {"role": "assistant", "content": "done"},
            ],
        }
    )  # fmt: skip
    assert [BlockKind(kind).name for kind in found.kinds] == [
        "TOOL", "SYSTEM", "USER", "MEDIA", "THINKING", "TOOL_USE", "TOOL_RESULT", "ASSISTANT",
    ]  # fmt: skip
    assert [Marker(marker).name for marker in found.markers] == [
        "ONE_HOUR", "NONE", "NONE", "NONE", "NONE", "NONE", "FIVE_MINUTES", "NONE",
    ]  # fmt: skip
    assert found.sizes[3] == 6400


def test_openai_blocks_come_in_prefix_order_with_their_kinds() -> None:
    found = prompt(
        {
            "tools": [{"type": "function", "function": {"name": "search"}}],
            "messages": [
                {"role": "developer", "content": "rules"},
                said("user", SEE, {"type": "image_url", "image_url": {}}),
                {"role": "assistant", "content": None, "tool_calls": [{"id": "1"}, {"id": "2"}]},
                {"role": "tool", "tool_call_id": "1", "content": "ok"},
            ],
        },
        "openai-chat",
    )  # fmt: skip
    assert [BlockKind(kind).name for kind in found.kinds] == [
        "TOOL", "SYSTEM", "USER", "MEDIA", "TOOL_USE", "TOOL_USE", "TOOL_RESULT",
    ]  # fmt: skip


def test_responses_items_come_in_prefix_order_with_their_kinds() -> None:
    request = {
        "instructions": "rules",
        "input": [
            {"role": "user", "content": "see"},
            {"type": "reasoning", "summary": []},
            {"type": "function_call", "name": "search"},
            {"type": "function_call_output", "output": "ok"},
        ],
    }
    found = prompt(request, "openai-responses")
    assert [BlockKind(kind).name for kind in found.kinds] == [
        "SYSTEM", "USER", "THINKING", "TOOL_USE", "TOOL_RESULT",
    ]  # fmt: skip
    assert prompt({**request, "previous_response_id": "r0"}, "openai-responses").sizes == ()


@pytest.mark.parametrize(
    "content",
    [5, [5], {"type": "text"}, [{"type": "text", "text": "x", "cache_control": {"ttl": "2h"}}]],
)
def test_content_no_api_sends_is_refused_without_quoting_it(content: object) -> None:
    with pytest.raises(RowError) as caught:
        prompt({"messages": [{"role": "user", "content": content}]})
    assert caught.value.slug == "calls-bad-content"
    assert "x" not in caught.value.message.split()


def test_empty_content_is_no_block() -> None:
    assert prompt({"messages": [*user("a", ""), {"role": "user", "content": None}]}).sizes == (1,)


@given(
    st.lists(
        st.tuples(st.integers(0, 10**7), st.lists(st.integers(0, 10**6), max_size=8)), max_size=8
    )
)
def test_block_tokens_add_up_to_the_call(calls: list[tuple[int, list[int]]]) -> None:
    offsets = np.cumsum([0, *(len(sizes) for _, sizes in calls)])
    sizes = np.array([size for _, item in calls for size in item], np.int64)
    totals = np.array([total for total, _ in calls], np.int64)
    tokens = apportion(totals, sizes, offsets)
    assert (tokens >= 0).all()
    for (total, item), first, last in zip(calls, offsets, offsets[1:], strict=False):
        if sum(item):
            assert tokens[first:last].sum() == total
            share = np.array(item) / sum(item) * total
            assert (abs(tokens[first:last] - share) <= 1).all()
