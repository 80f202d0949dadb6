"""Who is sent which prompt: by the API that can take it, and by the context window."""

import json
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.failover.policy import Deployment
from llmops_cli.live.prompted import CONTEXT_WINDOW, Wanted, prompts_of

APIS = ("openai", "anthropic")
DOCUMENT = [{"type": "document", "source": {"type": "text", "data": "x"}}]


def calls(*rows: tuple[Any, float | None]) -> pd.DataFrame:
    """Calls of Anthropic, by the content of their message and their logged input tokens."""
    return pd.DataFrame(
        {
            "call_id": [f"c{at}" for at in range(len(rows))],
            "conversation_id": None,
            "task": None,
            "provider_name": "anthropic",
            "request_model": "claude-sonnet-4-5",
            "content": [
                json.dumps({"messages": [{"role": "user", "content": content}]})
                for content, _ in rows
            ],
            "input_tokens": [tokens for _, tokens in rows],
            "cache_read_tokens": [None if tokens is None else 100 for _, tokens in rows],
            "cache_write_5m_tokens": None,
            "cache_write_1h_tokens": None,
        }
    )


def chain(*windows: int | None) -> tuple[Deployment, ...]:
    return tuple(
        Deployment(name=str(at), provider=APIS[at % 2], model="m", context_window_tokens=window)
        for at, window in enumerate(windows)
    )


@settings(max_examples=40)
@given(
    windows=st.lists(st.none() | st.integers(1, 2000), min_size=1, max_size=4),
    tokens=st.none() | st.integers(0, 2000),
    document=st.booleans(),
    most=st.integers(1, 500),
)
def test_a_prompt_goes_to_all_that_can_take_it_and_to_no_other(
    windows: list[int | None],
    tokens: int | None,
    document: bool,  # noqa: FBT001
    most: int,
) -> None:
    content = DOCUMENT if document else "x" * 400
    prompts = prompts_of(calls((content, tokens)), Wanted(chain(*windows), None, most))
    size = len(json.dumps({"messages": [{"role": "user", "content": content}]},
                          separators=(",", ":")))  # fmt: skip
    length = -(-size // 4) if tokens is None else tokens + 100
    able = [at for at in range(len(windows)) if not document or APIS[at % 2] == "anthropic"]
    short = {at for at in able if windows[at] is not None and length + most > windows[at]}
    assert [item.places for item in prompts.found] == (
        [tuple(at for at in able if at not in short)] if set(able) - short else []
    )
    reasons = ({CONTEXT_WINDOW} if short else set()) | ({"document"} if document else set())
    told = prompts.shortened if prompts.found else prompts.refused
    assert set(told) == reasons
    assert set(told.values()) <= {1}
    assert not (prompts.refused and prompts.shortened)
    if prompts.found and tokens is not None:
        assert prompts.found[0].tokens == length


@pytest.mark.parametrize(("system", "tokens"), [(None, 600), ("s" * 4000, 1600)])
def test_another_system_prompt_is_counted_by_its_bytes(system: str | None, tokens: int) -> None:
    prompts = prompts_of(calls(("x", 500)), Wanted(chain(None, None), system, 10))
    assert prompts.found[0].tokens == pytest.approx(tokens, abs=10)
