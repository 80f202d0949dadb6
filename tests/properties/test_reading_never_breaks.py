"""Whatever a log holds, reading it ends in calls, in named bad rows, or in one refusal."""

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmops_cli import read_calls
from llmops_cli.calls import block_trace, validate
from llmops_cli.errors import LlmopsError

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
)
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=6,
)
ANTHROPIC = {
    "timestamp": "2026-09-01T08:00:00Z",
    "duration_s": 1.5,
    "evaluation_score": 0.5,
    "conversation_id": "c",
    "error": None,
    "request": {
        "model": "claude-sonnet-4-6",
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "tools": [{"name": "t"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}],
        "metadata": {"user_id": "u"},
    },
    "response": {
        "type": "message",
        "id": "m",
        "usage": {
            "input_tokens": 1,
            "cache_creation_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0},
            "output_tokens": 2,
        },
    },
}
CHAT = {
    "request": {"model": "gpt-5.1", "messages": [{"role": "user", "content": "x"}]},
    "response": {
        "object": "chat.completion",
        "created": 1_788_249_600,
        "choices": [{"finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}},
    },
}
RESPONSES = {
    "request": {
        "model": "gpt-5.6",
        "instructions": "i",
        "input": [{"role": "user", "content": "x"}],
    },
    "response": {"object": "response", "created_at": 1, "usage": {"input_tokens": 3}},
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:  # noqa: ANN401 - JSON
    """The path of every value inside a JSON value."""
    found = [path] if path else []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*path, key))
    return found


def changed(line: dict[str, Any], path: tuple[Any, ...], value: object) -> dict[str, Any]:
    copy: Any = json.loads(json.dumps(line))
    inner = copy
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return copy


def outcome(data: bytes) -> tuple[int, int]:
    """Calls read and rows quarantined; both 0 for a refusal."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.jsonl"
        path.write_bytes(data)
        try:
            traffic = read_calls([path])
        except LlmopsError:
            return 0, 0
        validate(traffic.calls)
        block_trace(traffic.calls)
        return len(traffic.calls), traffic.bad_count


thorough = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("line", [ANTHROPIC, CHAT, RESPONSES])
@thorough
@given(data=st.data(), value=values)
def test_any_value_in_any_place_is_a_call_or_a_bad_row(
    line: dict[str, Any], data: st.DataObject, value: object
) -> None:
    path = data.draw(st.sampled_from(places(line)))
    odd = json.dumps(changed(line, path, value))
    calls, bad = outcome(f"{json.dumps(line)}\n{odd}\n".encode())
    assert calls + bad == 2


@thorough
@given(st.binary(max_size=60))
@example(b"[" * 20_000)
@example(b'{"request":' * 5_000)
@example(b"\x00" * 10)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    line = json.dumps(ANTHROPIC).encode()
    rows = [row for row in data.split(b"\n") if row.strip()]
    if data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return
    calls, bad = outcome(line + b"\n" + data)
    assert calls + bad in {1 + len(rows), 0}


@pytest.mark.parametrize("counter", [2**31, 2**63, 2**64, 10**30])
def test_counters_beyond_reason_are_bad_rows(counter: int) -> None:
    odd = changed(ANTHROPIC, ("response", "usage", "input_tokens"), counter)
    assert outcome(f"{json.dumps(ANTHROPIC)}\n{json.dumps(odd)}\n".encode()) == (1, 1)


@pytest.mark.parametrize("moment", [1e300, -1, 10**25, "0000-00-00", "9999-12-31T23:59:59-23:59"])
def test_times_beyond_reason_are_bad_rows(moment: object) -> None:
    odd = changed(ANTHROPIC, ("timestamp",), moment)
    assert outcome(f"{json.dumps(ANTHROPIC)}\n{json.dumps(odd)}\n".encode()) == (1, 1)
