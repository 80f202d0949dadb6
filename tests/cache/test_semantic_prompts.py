"""Questions and scopes: what two calls must share before one may be answered for the other."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from llmops_cli.cache.semantic_prompts import Prompts, read_prompts
from llmops_cli.calls import CallsTable, arrow_schema, from_arrow
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Options, Reading

START = datetime(2026, 9, 1, 8, tzinfo=UTC)
Content = dict[str, Any]


def asked(*messages: object, **beside: object) -> Content:
    return {"system": ["Be kind."], "messages": list(messages), **beside}


def user(content: object) -> Content:
    return {"role": "user", "content": content}


def table(*contents: Content | str | None, **columns: list[Any]) -> CallsTable:
    rows: list[dict[str, Any]] = [
        {
            "call_id": str(number),
            "start_time": START + timedelta(seconds=number),
            "request_model": "m",
            "source_file": "log.jsonl",
            "source_line": number + 1,
            "content": json.dumps(content) if isinstance(content, dict) else content,
            **{name: values[number] for name, values in columns.items()},
        }
        for number, content in enumerate(contents)
    ]
    extra = [pa.field(name, pa.string()) for name in ("content", "answer")]
    fields = [*arrow_schema(), *(field for field in extra if field.name in rows[0])]
    return from_arrow(pa.Table.from_pylist(rows, schema=pa.schema(fields)))


SHAPES: list[tuple[str, object, str]] = [
    ("text", user("Hi there"), "Hi there"),
    ("a list of texts", user([{"type": "text", "text": "Hi"}, "there"]), "Hi\nthere"),
    ("a bare string", "Hi there", "Hi there"),
    ("input text", user([{"type": "input_text", "text": "Hi there"}]), "Hi there"),
    ("no type", user([{"text": "Hi there"}]), "Hi there"),
    (
        "telemetry",
        {"role": "user", "parts": [{"type": "text", "content": "Hi there"}]},
        "Hi there",
    ),
    ("an image beside it", user([{"type": "image", "source": {}}, {"text": "Hi"}]), "Hi"),
]


@pytest.mark.parametrize(("name", "message", "expected"), SHAPES, ids=[name for name, *_ in SHAPES])
def test_the_question_is_the_words_of_the_last_user_message(
    name: str, message: object, expected: str
) -> None:
    assert read_prompts(table(asked(message))).texts == [expected], name


FIRST = asked(user("What about Sunday?"))
SAME: list[tuple[str, Content, Content]] = [
    ("the same", FIRST, FIRST),
    (
        "a cache marker that moved",
        asked(
            user([{"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}]),
            user([{"type": "text", "text": "and?"}]),
            system=[{"type": "text", "text": "Be kind."}],
        ),
        asked(
            user([{"type": "text", "text": "hello"}]),
            user([{"type": "text", "text": "and?", "cache_control": {"type": "ephemeral"}}]),
            system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}],
        ),
    ),
    (
        "the order of keys",
        asked(user("and?"), tools=[{"name": "f", "description": "g"}]),
        asked(user("and?"), tools=[{"description": "g", "name": "f"}]),
    ),
    ("another question", asked(user("one")), asked(user("other"))),
]


@pytest.mark.parametrize(("name", "one", "other"), SAME, ids=[name for name, *_ in SAME])
def test_what_does_not_change_the_prompt_does_not_change_the_scope(
    name: str, one: Content, other: Content
) -> None:
    assert read_prompts(table(one, other)).scope.tolist() == [0, 0], name


APART: list[tuple[str, Content, Content]] = [
    ("system", FIRST, {**FIRST, "system": ["Be rude."]}),
    ("no system", FIRST, {"messages": FIRST["messages"]}),
    ("tools", FIRST, {**FIRST, "tools": [{"name": "f"}]}),
    ("the order of tools", {**FIRST, "tools": ["f", "g"]}, {**FIRST, "tools": ["g", "f"]}),
    ("the conversation", FIRST, asked(user("Are you open?"), *FIRST["messages"])),
    (
        "what was said before",
        asked(user("Is the zoo open?"), *FIRST["messages"]),
        asked(user("Is the bank open?"), *FIRST["messages"]),
    ),
    (
        "a picture beside the words",
        asked(user([{"type": "image", "source": "cat"}, {"text": "what is it?"}])),
        asked(user([{"type": "image", "source": "dog"}, {"text": "what is it?"}])),
    ),
    ("system text as a message", asked("x", system=["a"]), asked("a", "x", system=[])),
]


@pytest.mark.parametrize(("name", "one", "other"), APART, ids=[name for name, *_ in APART])
def test_what_changes_the_prompt_changes_the_scope(name: str, one: Content, other: Content) -> None:
    assert read_prompts(table(one, other)).scope.tolist() == [0, 1], name


@pytest.mark.parametrize("column", ["isolation_domain", "request_model"])
def test_domains_and_models_share_nothing(column: str) -> None:
    calls = table(FIRST, FIRST, FIRST, **{column: ["a", "b", "a"]})
    assert read_prompts(calls).scope.tolist() == [0, 1, 0]


def test_users_share_answers_unless_told_not_to() -> None:
    calls = table(FIRST, FIRST, user_id=["a", "b"])
    assert read_prompts(calls).scope.tolist() == [0, 0]
    assert read_prompts(calls, per_user=True).scope.tolist() == [0, 1]


LEFT_OUT: list[tuple[str, str, Content | str | None, dict[str, Any]]] = [
    ("failed", "cache-failed-calls", FIRST, {"error_type": "overloaded"}),
    ("no time", "cache-no-time", FIRST, {"start_time": None}),
    ("no content", "semantic-no-content", None, {}),
    ("not JSON", "semantic-bad-content", "{", {}),
    ("not ours", "semantic-bad-content", '{"messages": 3}', {}),
    ("too deep", "semantic-bad-content", '{"messages": [' + "[" * 5000 + "]" * 5000 + "]}", {}),
    ("no message", "semantic-no-question", asked(), {}),
    ("an answer begun", "semantic-no-question", asked({"role": "assistant", "content": "I"}), {}),
    (
        "a tool's result",
        "semantic-no-question",
        asked(user([{"type": "tool_result", "content": "4"}])),
        {},
    ),
    ("a number", "semantic-no-question", asked(7), {}),
    ("an empty question", "semantic-empty-question", asked(user("  \n")), {}),
    ("no question", "semantic-empty-question", asked(user(None)), {}),
]


@pytest.mark.parametrize(
    ("name", "slug", "content", "columns"), LEFT_OUT, ids=[name for name, *_ in LEFT_OUT]
)
def test_calls_that_no_cache_could_answer_are_counted_by_reason(
    name: str, slug: str, content: Content | str | None, columns: dict[str, Any]
) -> None:
    calls = table(FIRST, content, **{key: [_usual(key), value] for key, value in columns.items()})
    prompts = read_prompts(calls)
    (found,) = prompts.exclusions
    assert (found.slug, found.count, found.line) == (slug, 1, 2), name
    assert prompts.row.tolist() == [0]
    assert prompts.total == 2


def _usual(column: str) -> object:
    return START if column == "start_time" else None


@pytest.mark.parametrize(
    ("calls", "slug"),
    [
        (table(FIRST).iloc[:0], "calls-empty"),
        (table(FIRST).drop(columns="content"), "semantic-no-content"),
        (table(None, None), "semantic-no-content"),
        (table(asked(), "{"), "semantic-nothing-to-replay"),
    ],
)
def test_a_log_without_a_question_is_refused_by_name(calls: CallsTable, slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        read_prompts(calls)
    assert caught.value.slug == slug


def test_no_refusal_quotes_a_prompt() -> None:
    with pytest.raises(LlmopsError) as caught:
        read_prompts(
            table('{"messages": "SECRET"', asked({"role": "assistant", "content": "SECRET"}))
        )
    assert "SECRET" not in str(caught.value)


def test_calls_come_in_the_order_of_time_and_wait_for_their_answers() -> None:
    calls = table(
        asked("late"),
        asked("early"),
        start_time=[START + timedelta(seconds=9), START],
        duration_s=[None, 1.5],
    )
    prompts = read_prompts(calls)
    assert prompts.texts == ["early", "late"]
    assert prompts.row.tolist() == [1, 0]
    assert prompts.places == ["log.jsonl:2", "log.jsonl:1"]
    assert (prompts.answered_us - prompts.start_us).tolist() == [1_500_000, 0]


def test_answers_are_in_the_content_or_in_a_column_of_their_own() -> None:
    calls = table(asked("a", answer="kept"), asked("b", answer="kept"), answer=["told", None])
    assert read_prompts(calls).answers == ["told", "kept"]


@pytest.mark.parametrize(
    ("columns", "by", "clusters"),
    [
        ({"user_id": ["a", "b", None], "conversation_id": ["c"] * 3}, "user", [0, 1, -1]),
        ({"user_id": ["a"] * 3, "conversation_id": ["c", "d", "c"]}, "conversation", [0, 1, 0]),
        ({}, "", [-1, -1, -1]),
    ],
)
def test_witnesses_are_users_else_conversations(
    columns: dict[str, list[Any]], by: str, clusters: list[int]
) -> None:
    prompts = read_prompts(table(FIRST, FIRST, FIRST, **columns))
    assert prompts.clustered_by == by
    assert prompts.cluster.tolist() == clusters


LINES: list[dict[str, Any]] = [
    {
        "request": {
            "model": "claude-sonnet-4-6",
            "system": "Be kind.",
            "messages": [user([{"type": "text", "text": "How far is it?"}])],
        },
        "response": {
            "type": "message",
            "content": [{"type": "text", "text": "Two miles."}],
            "usage": {"input_tokens": 5, "output_tokens": 2},
        },
    },
    {
        "request": {"model": "gpt-5.1", "messages": [user("How far is it?")]},
        "response": {
            "object": "chat.completion",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Two miles."}}],
        },
    },
    {
        "request": {"model": "gpt-5.6", "instructions": "Be kind.", "input": "How far is it?"},
        "response": {
            "object": "response",
            "output": [
                {"type": "message", "content": [{"type": "output_text", "text": "Two miles."}]}
            ],
        },
    },
]


def read_log(folder: Path, lines: list[dict[str, Any]], **options: object) -> Prompts:
    path = folder / "log.jsonl"
    stamped = [line | {"timestamp": START.isoformat()} for line in lines]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in stamped), encoding="utf-8")
    reading = Reading([path], Options(keep_content=True, **options))  # type: ignore[arg-type]
    return read_prompts(from_arrow(pa.concat_tables(reading.tables())))


@pytest.mark.parametrize("line", LINES, ids=["messages", "chat", "responses"])
def test_what_the_readers_keep_is_a_question_and_its_answer(
    line: dict[str, Any], tmp_path: Path
) -> None:
    prompts = read_log(tmp_path, [line])
    assert prompts.texts == ["How far is it?"]
    assert prompts.answers == ["Two miles."]
