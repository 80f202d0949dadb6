"""The first differing character of two prompts, as their log keeps them."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from llmops_cli.cache.differences import Difference, block_texts, first_difference
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import CallsTable, from_arrow
from llmops_cli.traffic.json_lines import Options
from llmops_cli.traffic.reading import Reading

Trace = Callable[..., CacheTrace]

MARK = {"cache_control": {"type": "ephemeral"}}
NAME = "Ada Lovelace"


def request(system: object, *messages: object, tools: Iterable[object] = ()) -> dict[str, Any]:
    return {
        "request": {
            "model": "claude-sonnet-4-6",
            "tools": list(tools),
            "system": system,
            "messages": list(messages),
        },
        "response": {"type": "message", "usage": {"input_tokens": 5000, "output_tokens": 5}},
    }


@pytest.fixture
def compared(tmp_path: Path, traced: Trace) -> Callable[..., Difference | None]:
    def compare(*requests: dict[str, Any], show: bool = False) -> Difference | None:
        path = tmp_path / "log.jsonl"
        rows = [{"timestamp": f"2026-09-01T08:0{n}:00Z", **row} for n, row in enumerate(requests)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
        reading = Reading([path], Options(keep_content=True))
        table = next(iter(reading.tables()))
        content = table.column("content").to_pylist()
        calls: CallsTable = from_arrow(table.drop_columns(["content"]))
        return first_difference(traced(calls), (0, 1), (content[0], content[1]), show=show)

    return compare


HELLO = {"role": "user", "content": "hello"}
TOOL = {"name": "find", "description": "finds", "input_schema": {"type": "object"}}
OTHER = {"name": "send", "description": "sends", "input_schema": {"type": "object"}}


@pytest.mark.parametrize(
    ("first", "second", "block", "character"),
    [
        (request("It is 08:00. Help.", HELLO), request("It is 08:07. Help.", HELLO), 0, 10),
        (request("Help.", HELLO), request("Help. ", HELLO), 0, 5),
        (
            request([{"type": "text", "text": "a"}, {"type": "text", "text": "bc", **MARK}], HELLO),
            request([{"type": "text", "text": "a", **MARK}, {"type": "text", "text": "bd"}], HELLO),
            1,
            1,
        ),
        (
            request("s", HELLO, tools=[TOOL, OTHER]),
            request("s", HELLO, tools=[TOOL, {**OTHER, "description": "sends it"}]),
            1,
            len('{"name": "send", "description": "sends'),
        ),
        (
            request("s", {"role": "user", "content": [{"type": "text", "text": "one two"}]}),
            request("s", {"role": "user", "content": "one 2"}),
            1,
            4,
        ),
    ],
    ids=["a clock", "a space", "a part", "a tool", "a string for a list"],
)
def test_the_place_where_prompts_part(
    compared: Callable[..., Difference | None],
    first: dict[str, Any],
    second: dict[str, Any],
    block: int,
    character: int,
) -> None:
    assert compared(first, second) == Difference(block, character)


def test_text_is_shown_only_when_it_was_asked_for(
    compared: Callable[..., Difference | None],
) -> None:
    calls = (request(f"User {NAME} 1", HELLO), request(f"User {NAME} 2", HELLO))
    quiet, shown = compared(*calls), compared(*calls, show=True)
    assert NAME not in repr(quiet)
    assert shown is not None
    assert (shown.before, shown.after) == (f"User {NAME} 1", f"User {NAME} 2")


@pytest.mark.parametrize("content", ["", "null", "not json", "[1]", '{"system": 3}'])
def test_content_of_another_form_gives_no_texts(content: str) -> None:
    assert block_texts(content) == []


def test_prompts_that_are_cut_in_another_way_are_not_compared(
    compared: Callable[..., Difference | None], traced: Trace, log: Callable[..., CallsTable]
) -> None:
    assert compared(request("s", HELLO), request("s", HELLO)) is None
    trace = traced(log({"blocks": [("a", 9), ("b", 9)]}, {"at": 1, "blocks": [("a", 9)]}))
    two, one = '{"system": ["a", "b"]}', '{"system": ["c"]}'
    assert first_difference(trace, (0, 1), (two, one)) == Difference(0, 0)
    assert first_difference(trace, (0, 1), (two, two)) is None
    assert first_difference(trace, (0, 1), ("", one)) is None
