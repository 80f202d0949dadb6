"""Prompts in the message JSON of the conventions: nothing that a log may hold is a crash."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.traffic.kept import Kept
from llmops_cli.traffic.otlp.conventional import attributes

NAMES = [
    "type", "role", "content", "parts", "name", "function", "input_schema", "parameters", "source",
    "tool_calls", "tool_use_id", "call_id", "output", "image_url", "input_audio", "thinking",
]  # fmt: skip
WORDS = ["text", "tool_use", "image", "thinking", "function_call", "user", "custom", "{", "[1"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=12,
)


def told(where: str, said: object) -> dict[str, str]:
    return attributes(Kept(**{where: [msgspec.Raw(json.dumps(said).encode())]}))


@given(where=st.sampled_from(["tools", "system", "messages"]), said=ANYTHING)
def test_any_json_becomes_attributes_that_are_json(where: str, said: object) -> None:
    for text in told(where, said).values():
        assert isinstance(json.loads(text), list)


@pytest.mark.parametrize("kind", [[], {}, 7, None, "custom"])
def test_a_tool_keeps_its_name_whatever_its_type_is(kind: object) -> None:
    (text,) = told("tools", {"type": kind, "name": "find"}).values()
    assert json.loads(text)[0]["name"] == "find"
