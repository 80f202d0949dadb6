"""R13: past thinking is dropped by older models when the user speaks again, and only then."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.cache.estimate import estimate_calls
from llmops_cli.cache.model import CacheParameters
from llmops_cli.cache.rules import load_rules, provider_rules
from llmops_cli.calls import BlockKind, CallsTable
from llmops_cli.prices import PriceBook

Build = Callable[..., CallsTable]
Block = tuple[str, int, str, BlockKind]

USER, SAID, THOUGHT = BlockKind.USER, BlockKind.ASSISTANT, BlockKind.THINKING
CALLED, RESULT, SYSTEM = BlockKind.TOOL_USE, BlockKind.TOOL_RESULT, BlockKind.SYSTEM

QUESTION = ("question", 5000, "5m", USER)
LOOP = [("thought", 900, "", THOUGHT), ("call", 200, "", CALLED)]
ANSWERED = [*LOOP, ("result", 400, "5m", RESULT)]
NEXT = [("said", 100, "", SAID), ("next question", 50, "5m", USER)]


def logged(calls: CallsTable) -> list[list[int]]:
    figures = estimate_calls(calls, CacheParameters(policy="as-logged"), PriceBook())
    return figures.outcomes["as-logged"].tokens[:, :4].tolist()


@pytest.mark.parametrize(
    ("model", "drops"),
    [
        ("claude-sonnet-4-5", True),
        ("claude-haiku-4-5", True),
        ("claude-opus-4-1-20250805", True),
        ("claude-3-7-sonnet-20250219", True),
        ("claude-opus-4-5", False),
        ("claude-sonnet-4-6", False),
        ("claude-haiku-5-5", False),
        ("claude-opus-5", False),
    ],
)
def test_the_next_question_reads_only_up_to_the_first_dropped_thought(
    log: Build, model: str, *, drops: bool
) -> None:
    turns = [[QUESTION], [QUESTION, *ANSWERED], [QUESTION, *ANSWERED, *NEXT]]
    calls = log(*({"at": 30 * n, "blocks": b, "request_model": model} for n, b in enumerate(turns)))
    rows = logged(calls)
    # A turn of tool results keeps the thought of its own loop.
    assert rows[1] == [0, 5000, 1500, 0]
    # The total is what the usage counts, whatever of it is read.
    assert rows[2] == ([0, 5000, 1650, 0] if drops else [0, 6500, 150, 0])


def test_without_usage_a_dropped_thought_costs_nothing(log: Build) -> None:
    turns = [[QUESTION, *ANSWERED], [QUESTION, *ANSWERED, *NEXT]]
    calls = log(
        *({"at": 30 * n, "blocks": b, "tokens_estimated": True} for n, b in enumerate(turns))
    )
    # Of 6,650 tokens 900 are dropped; the question before them was written.
    assert logged(calls) == [[0, 0, 6500, 0], [0, 5000, 750, 0]]


def test_the_miss_is_named_at_the_dropped_thought(log: Build) -> None:
    turns = [[QUESTION, *ANSWERED], [QUESTION, *ANSWERED, *NEXT]]
    calls = log(*({"at": 30 * n, "blocks": blocks} for n, blocks in enumerate(turns)))
    figures = estimate_calls(calls, CacheParameters(policy="as-logged"), PriceBook())
    (leak,) = [leak for leak in figures.leaks if leak.reason == "messages_changed"]
    assert (leak.block, leak.kind) == (1, "thinking")


def test_a_log_without_past_thinking_is_left_alone(log: Build) -> None:
    calls = log({"blocks": [QUESTION, ("thought", 900, "", THOUGHT)]})
    assert logged(calls) == [[900, 0, 5000, 0]]


@pytest.mark.parametrize(
    ("model", "drops"),
    [
        ("claude-opus-4-20250514", True),
        ("claude-sonnet-4.5", True),
        ("claude-3-5-haiku-20241022", True),
        ("claude-opus-4-5-20251101", False),
        ("claude-opus-4-8", False),
        ("claude-sonnet-5", False),
        ("claude-fable-5", False),
        ("claude-mythos-5-1", False),
    ],
)
def test_which_models_drop_it(model: str, *, drops: bool) -> None:
    assert load_rules().drops(model) is drops
    assert not provider_rules("bedrock").drops(model)


@st.composite
def conversation(draw: st.DrawFn) -> list[list[Block]]:
    """A chat that grows: thoughts, tool loops and questions in any order, marked at its end."""
    blocks: list[Block] = [("system", 1500, "", SYSTEM)]
    prompts = list[list[Block]]()
    for turn in range(draw(st.integers(1, 4))):
        kind = USER if turn == 0 else draw(st.sampled_from([USER, RESULT]))
        blocks = [*blocks, (f"turn {turn}", draw(st.integers(1, 900)), "", kind)]
        name, size, _, last = blocks[-1]
        prompts.append([*blocks[:-1], (name, size, "5m", last)])
        for thought in range(draw(st.integers(0, 2))):
            blocks = [*blocks, (f"thought {turn}.{thought}", 300, "", THOUGHT)]
        blocks = [*blocks, (f"said {turn}", 100, "", draw(st.sampled_from([SAID, CALLED])))]
    return prompts


def by_hand(prompt: list[Block]) -> list[Block]:
    last = max(number for number, block in enumerate(prompt) if block[3] == USER)
    return [block for n, block in enumerate(prompt) if n > last or block[3] != THOUGHT]


@pytest.mark.slow
@settings(max_examples=80)
@given(conversation())
def test_it_is_as_if_the_thoughts_were_taken_out_of_the_log(
    log: Build, prompts: list[list[Block]]
) -> None:
    def calls(each: list[list[Block]]) -> list[dict[str, Any]]:
        return [
            {"at": 30 * n, "blocks": blocks, "tokens_estimated": True}
            for n, blocks in enumerate(each)
        ]

    dropped = logged(log(*calls(prompts)))
    assert dropped == logged(log(*calls([by_hand(prompt) for prompt in prompts])))
