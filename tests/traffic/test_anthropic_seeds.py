"""R12 of prompt caching: parameters that make another prefix of the same prompt."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmops_cli.traffic import read_calls

TOOLS = [{"name": "search", "input_schema": {"type": "object"}}]
BODY: dict[str, Any] = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 9,
    "tools": TOOLS,
    "system": "be brief",
    "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}],
}
USAGE = {"input_tokens": 30, "output_tokens": 4}


def hashes(folder: Path, *bodies: dict[str, Any]) -> list[list[bytes]]:
    """The chained hashes of tool, system prompt and two messages, per request."""
    lines = [
        {
            "timestamp": f"2026-09-01T09:00:{second:02d}Z",
            "request": body,
            "response": {"id": f"m{second}", "type": "message", "usage": USAGE},
        }
        for second, body in enumerate(bodies)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [list(each) for each in read_calls([folder / "log.jsonl"]).calls["block_hashes"]]


def agreeing(folder: Path, **changed: Any) -> int:  # noqa: ANN401 - JSON
    """How many blocks of the prefix survive the change."""
    before, after = hashes(folder, BODY, BODY | changed)
    assert len(before) == len(after) == 4
    return next((at for at in range(4) if before[at] != after[at]), 4)


@pytest.mark.parametrize(
    ("changed", "kept"),
    [
        ({"speed": "fast"}, 1),
        ({"tool_choice": {"type": "any"}}, 2),
        ({"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}, 2),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, 2),
        ({"output_config": {"effort": "low"}}, 2),
        ({"max_tokens": 4096, "temperature": 0.2}, 4),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_a_parameter_invalidates_its_tiers_and_no_other(
    tmp_path: Path, changed: dict[str, Any], kept: int
) -> None:
    assert agreeing(tmp_path, **changed) == kept


@pytest.mark.parametrize(
    "said",
    [
        {"speed": "standard"},
        {"speed": None},
        {"tool_choice": {"type": "auto"}},
        {"tool_choice": {"type": "auto", "disable_parallel_tool_use": False}},
        {"thinking": {"type": "disabled"}},
        {"output_config": {"effort": "high"}},
        {"output_config": {"format": {"type": "json_schema"}}},
    ],
    ids=json.dumps,
)
def test_an_explicit_default_is_as_good_as_nothing(tmp_path: Path, said: dict[str, Any]) -> None:
    assert agreeing(tmp_path, **said) == 4


@pytest.mark.parametrize(
    "odd",
    [
        {"speed": []},
        {"speed": {"a": 1}},
        {"tool_choice": [1]},
        {"tool_choice": {"type": {"a": []}}},
        {"thinking": {"budget_tokens": 10**30}},
        {"output_config": {"effort": ["x"]}},
        {"output_config": 7},
    ],
    ids=json.dumps,
)
def test_a_parameter_of_another_shape_never_stops_the_reading(
    tmp_path: Path, odd: dict[str, Any]
) -> None:
    assert agreeing(tmp_path, **odd) in {1, 2, 4}


def test_another_budget_is_another_prefix(tmp_path: Path) -> None:
    small, large, again = hashes(
        tmp_path,
        *(
            BODY | {"thinking": {"type": "enabled", "budget_tokens": tokens}}
            for tokens in (1024, 2048, 1024)
        ),
    )
    assert small[2:] != large[2:]
    assert small == again


def test_without_a_system_prompt_the_messages_carry_the_seed_of_its_tier(tmp_path: Path) -> None:
    bare = {name: value for name, value in BODY.items() if name != "system"}
    slow, fast = hashes(tmp_path, bare, bare | {"speed": "fast"})
    assert slow[0] == fast[0]
    assert not set(slow[1:]) & set(fast[1:])


def test_lines_read_by_column_are_seeded_alike(tmp_path: Path) -> None:
    fast = {"speed": "fast", "thinking": {"type": "enabled", "budget_tokens": 1024}}
    many = [
        BODY | fast | {"messages": [{"role": "user", "content": f"question {number}"}]}
        for number in range(40)
    ]
    together = hashes(tmp_path, *many)
    assert together == [hashes(tmp_path, one)[0] for one in many]
