"""A log of calls as a request trace, against prompts whose shared lengths are known."""

import json
from pathlib import Path

import numpy as np
import pytest

from llmops_cli.calls import CallsTable
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import read_calls
from llmops_cli.traffic.request_traces.of_calls import trace_of_calls


def call(
    second: int, messages: list[str], tokens: int, *, output: int = 10, error: str = ""
) -> dict[str, object]:
    """One logged request; the first text is the system prompt."""
    return {
        "timestamp": f"2026-09-01T08:00:{second:02d}Z",
        "conversation_id": f"c{second % 2}",
        "request": {
            "model": "claude-sonnet-4-6",
            "max_tokens": 100,
            "system": messages[0],
            "messages": [
                {"role": "user" if place % 2 == 0 else "assistant", "content": text}
                for place, text in enumerate(messages[1:])
            ],
        },
        "response": None
        if error
        else {"type": "message", "id": f"m{second}", "model": "claude-sonnet-4-6",
              "usage": {"input_tokens": tokens, "output_tokens": output}},
        **({"error": {"type": error}} if error else {}),
    }  # fmt: skip


def table(folder: Path, calls: list[dict[str, object]]) -> CallsTable:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in calls))
    return read_calls([path]).calls


SYSTEM, FIRST, ANSWER, SECOND = "s" * 400, "u" * 200, "a" * 100, "v" * 100


def test_a_turn_shares_the_blocks_of_the_turn_before(tmp_path: Path) -> None:
    calls = [
        call(20, [SYSTEM, FIRST, ANSWER, SECOND], 200),
        call(10, [SYSTEM, FIRST], 150),
        call(30, [SYSTEM, "w" * 200], 150),
    ]
    found = trace_of_calls(table(tmp_path, calls), block_tokens=16)
    trace = found.trace
    # In the order of time, not of the file.
    assert trace.arrival_s.tolist() == [0, 10, 20]
    assert trace.input_tokens.tolist() == [150, 200, 150]
    assert np.diff(trace.starts).tolist() == [10, 13, 10]
    first, second, third = np.split(trace.blocks, trace.starts[1:-1])
    # 150 tokens are nine full blocks and a rest that the next turn fills up.
    assert first[:9].tolist() == second[:9].tolist()
    assert not set(first[9:].tolist()) & set(second.tolist())
    # The system prompt is 100 tokens: six full blocks.
    assert third[:6].tolist() == first[:6].tolist()
    assert not set(third[6:].tolist()) & set(first.tolist())
    assert trace.session.tolist() == [0, 0, 0]


def test_calls_that_cannot_be_replayed_are_counted(tmp_path: Path) -> None:
    calls = [
        call(1, [SYSTEM, FIRST], 150),
        call(2, [SYSTEM, FIRST], 150, output=0),
        call(3, [SYSTEM, FIRST], 150, error="overloaded_error"),
        call(4, [SYSTEM, FIRST], 150),
    ]
    found = trace_of_calls(table(tmp_path, calls))
    assert len(found.trace) == 2
    assert dict(found.skipped) == {"failed": 1, "without output tokens": 1}


def test_a_log_of_failures_alone_is_no_trace(tmp_path: Path) -> None:
    calls = table(tmp_path, [call(3, [SYSTEM, FIRST], 150, error="overloaded_error")])
    with pytest.raises(LlmopsError, match="1 failed") as caught:
        trace_of_calls(calls)
    assert caught.value.slug == "trace-empty"


def test_a_log_without_prompts_shares_nothing(tmp_path: Path) -> None:
    calls = table(tmp_path, [call(1, [SYSTEM, FIRST], 150), call(2, [SYSTEM, FIRST], 150)])
    for name in ("block_hashes", "block_tokens", "block_kinds", "block_markers"):
        calls[name] = calls[name].map(lambda _: []).astype(calls[name].dtype)
    found = trace_of_calls(calls)
    assert (found.trace.block_tokens, found.without_content) == (0, 2)
    assert found.trace.starts.tolist() == [0, 0, 0]


def test_a_prompt_that_is_not_logged_shares_nothing_with_those_that_are(tmp_path: Path) -> None:
    calls = table(tmp_path, [call(second, [SYSTEM, FIRST], 150) for second in (1, 2, 3)])
    for name in ("block_hashes", "block_tokens", "block_kinds", "block_markers"):
        rows = calls[name].tolist()
        calls[name] = type(calls[name])([rows[0], [], rows[2]], dtype=calls[name].dtype)
    found = trace_of_calls(calls)
    first, bare, third = np.split(found.trace.blocks, found.trace.starts[1:-1])
    assert found.without_content == 1
    assert first.tolist() == third.tolist()
    assert len(bare) == 10
    assert not set(bare.tolist()) & set(first.tolist())


def test_the_agents_log_shares_at_most_what_every_prompt_repeats(datasets: Path) -> None:
    calls = read_calls([datasets / "agent.jsonl.gz"]).calls
    trace = trace_of_calls(calls).trace
    distinct = int(trace.blocks.max()) + 1
    assert (len(trace), trace.block_tokens) == (len(calls), 16)
    assert int(trace.starts[-1]) == int((-(-trace.input_tokens // 16)).sum())
    # A growing conversation resends everything, so most of it is a repetition.
    assert 0.6 < 1 - distinct / len(trace.blocks) < 0.9
