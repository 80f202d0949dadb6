"""Answers that stand in the next turn of a conversation, and those that nobody can tell."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from llmops_cli.cache.semantic import semantic_replay
from llmops_cli.cache.semantic_answers import Label
from llmops_cli.cache.semantic_continued import Turn, answers_of_next_turns, spoken
from llmops_cli.cache.semantic_findings import semantic_findings
from llmops_cli.cache.semantic_prompts import Prompts, read_prompts
from llmops_cli.calls import CallsTable, arrow_schema, from_arrow

START = datetime(2026, 9, 1, 8, tzinfo=UTC)

Message = dict[str, Any]


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def said(text: str) -> Message:
    return {"role": "assistant", "content": [{"type": "text", "text": text}]}


def log(*calls: tuple[str, list[Message]], answers: tuple[str, ...] = ()) -> CallsTable:
    rows = [
        {
            "call_id": str(number),
            "start_time": START + timedelta(minutes=number),
            "conversation_id": name or None,
            "request_model": "m",
            "source_file": "log.jsonl",
            "source_line": number + 1,
            "content": json.dumps(
                {
                    "system": ["be brief"],
                    "messages": messages,
                    "answer": answers[number] if answers else "",
                }
            ),
        }
        for number, (name, messages) in enumerate(calls)
    ]
    schema = arrow_schema().append(pa.field("content", pa.string()))
    return from_arrow(pa.Table.from_pylist(rows, schema=schema))


def told(calls: CallsTable) -> Prompts:
    return read_prompts(calls)


def test_the_next_turn_holds_the_answer_to_the_one_before() -> None:
    first = [user("where is it")]
    second = [*first, said("in Lisbon"), user("and now")]
    third = [*second, said("still there"), user("thanks")]
    prompts = told(log(("c", first), ("c", second), ("c", third)))
    assert prompts.answers == ["in Lisbon", "still there", ""]
    assert prompts.overheard == 2


def test_an_answer_that_is_logged_with_its_call_comes_first() -> None:
    first = [user("where is it")]
    second = [*first, said("in Lisbon"), user("and now")]
    prompts = told(log(("c", first), ("c", second), answers=("as logged", "")))
    assert prompts.answers == ["as logged", ""]
    assert prompts.overheard == 0


def test_a_turn_of_tool_results_holds_the_call_of_the_tool() -> None:
    first = [user("where is it")]
    call = {"type": "tool_use", "id": "t1", "name": "find", "input": {"order": 7}}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1"}]}
    asked = {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, call]}
    prompts = told(log(("c", first), ("c", [*first, asked, result])))
    # The second call ends in a tool's result and is no question; its past is read all the same.
    assert prompts.answers == ['{"input":{"order":7},"name":"find","type":"tool_use"}']


@pytest.mark.parametrize(
    ("names", "expected"),
    [(("a", "b", "b"), ["", "in Lisbon", ""]), (("", "", ""), ["", "", ""])],
)
def test_the_same_question_of_two_conversations_is_answered_in_its_own(
    names: tuple[str, str, str], expected: list[str]
) -> None:
    first = [user("where is it")]
    second = [*first, said("in Lisbon"), user("and now")]
    calls = zip(names, (first, first, second), strict=True)
    assert told(log(*calls)).answers == expected


def test_a_prompt_that_was_edited_is_no_continuation() -> None:
    first = [user("where is it")]
    other = [user("where was it"), said("in Lisbon"), user("and now")]
    assert told(log(("c", first), ("c", other))).answers == ["", ""]


def test_cache_markers_that_move_do_not_hide_a_continuation() -> None:
    marked = {"type": "text", "text": "where is it", "cache_control": {"type": "ephemeral"}}
    plain = {"type": "text", "text": "where is it"}
    first = [{"role": "user", "content": [marked]}]
    second = [{"role": "user", "content": [plain]}, said("in Lisbon"), user("and now")]
    assert told(log(("c", first), ("c", second))).answers == ["in Lisbon", ""]


def test_hits_are_judged_by_such_answers_and_the_report_says_so() -> None:
    chats = list[tuple[str, list[Message]]]()
    for number, answer in enumerate(("in Lisbon", "in Lisbon", "in Dublin")):
        first = [user("where is it")]
        chats += [(f"c{number}", first), (f"c{number}", [*first, said(answer), user("bye")])]
    figures = semantic_replay(log(*chats))
    exact = figures.outcomes[0]
    assert exact.served.tolist()[:5:2] == [-1, 0, 0]
    assert [Label(label) for label in exact.labels[:5:2]] == [
        Label.UNKNOWN,
        Label.EQUAL,
        Label.DIFFERENT,
    ]
    (found,) = [item for item in semantic_findings(figures) if item.slug == "semantic-overheard"]
    assert found.count == 3


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"role": "user", "content": "x"}, None),
        ("x", None),
        ({"role": "assistant", "content": "x"}, "x"),
        ({"role": "assistant", "content": None}, ""),
        ({"role": "assistant", "parts": [{"type": "text", "content": "x"}]}, "x"),
        ({"role": "assistant", "content": "x", "tool_calls": [{"id": "1", "n": 2}]}, 'x\n{"n":2}'),
    ],
)
def test_what_the_assistant_said_in_each_vendor_s_shape(message: Any, words: str | None) -> None:  # noqa: ANN401
    assert spoken(message) == words


def test_a_prompt_sent_twice_has_no_answer_of_its_own() -> None:
    turns = [Turn(b"a"), Turn(b"a"), Turn(b"b", b"a", "x"), None, Turn(b"c", b"b", "y")]
    assert answers_of_next_turns(turns, ["c"] * 5) == ["", "", "y", "", ""]
