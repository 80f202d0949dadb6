"""Lines that are alike: read by a template or one by one, the table is the same."""

import copy
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmops_cli.traffic import (
    Options,
    Reading,
    anthropic_messages,
    by_column,
    openai_chat,
    openai_responses,
    streams,
)
from llmops_cli.traffic.layouts import Layout
from llmops_cli.traffic.templates import Template, template

Json = dict[str, Any]
TYPICAL: dict[str, list[Json]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "typical_lines.json").read_bytes()
)
ROWS = {module.NAME: module for module in (anthropic_messages, openai_chat, openai_responses)}
THIN: dict[str, Json] = {
    "anthropic-messages": {
        "timestamp": "2026-09-01T00:00:01Z",
        "workspace": "w1",
        "request": {
            "model": "claude-haiku-4-5",
            "system": "Sort the ticket.",
            "messages": [{"role": "user", "content": "ordered plans shipped"}],
        },
        "response": {
            "id": "m1",
            "type": "message",
            "model": "claude-haiku-4-5",
            "stop_reason": "end_turn",
            "content": [{"type": "text", "text": "yes"}],
            "usage": {"input_tokens": 700, "cache_read_input_tokens": 0, "output_tokens": 3},
        },
    },
    "openai-chat": {
        "ts": 1788249600.25,
        "latency_ms": 830.5,
        "request": {
            "model": "gpt-5.1",
            "messages": [
                {"role": "system", "content": "Sort the ticket."},
                {"role": "user", "content": "ordered plans shipped"},
            ],
        },
        "response": {
            "id": "c1",
            "object": "chat.completion",
            "created": 1788249600,
            "model": "gpt-5.1",
            "choices": [{"finish_reason": "stop", "message": {"content": "yes"}}],
            "usage": {
                "prompt_tokens": 900,
                "prompt_tokens_details": {"cached_tokens": 128},
                "completion_tokens": 3,
                "total_tokens": 903,
            },
        },
    },
    "openai-responses": {
        "session_id": "s1",
        "request": {
            "model": "gpt-5.6",
            "instructions": "Sort the ticket.",
            "input": "ordered plans shipped",
        },
        "response": {
            "id": "r1",
            "object": "response",
            "created_at": 1788249600,
            "model": "gpt-5.6",
            "status": "completed",
            "usage": {"input_tokens": 900, "output_tokens": 3},
        },
    },
}
LINES = [(name, line) for name in THIN for line in (THIN[name], *TYPICAL[name])]


class Outcome:
    """Everything that a reading tells, and how many lines it made a row of one by one."""

    def __init__(self, path: Path, **options: Any) -> None:  # noqa: ANN401
        self.rows = 0
        with pytest.MonkeyPatch.context() as patch:
            for module in ROWS.values():
                patch.setattr(module, "rows", self._counted(module.rows))
            reading = Reading([path], Options(**{"max_bad_rows": 10_000} | options))
            tables = list(reading.tables(required=False))
        self.calls = pa.concat_tables(tables).combine_chunks() if tables else None
        self.told = reading.quarantine.rows, dict(reading.formats), dict(reading.skipped)

    def _counted(self, rows: Any) -> Any:  # noqa: ANN401
        def counted(line: Any) -> Any:  # noqa: ANN401
            self.rows += 1
            return rows(line)

        return counted


def require_same(path: Path, data: bytes, **options: Any) -> Outcome:  # noqa: ANN401
    """Read by columns and row by row; the first is what is returned."""
    path.write_bytes(data)
    found = Outcome(path, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_column, "BY_COLUMN", {})
        expected = Outcome(path, **options)
    assert found.told == expected.told
    if expected.calls is None:
        assert found.calls is None
    else:
        assert found.calls is not None
        assert found.calls.equals(expected.calls)
    return found


def log(*lines: Json | bytes) -> bytes:
    return b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
    )


def leaves(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of everything that is neither an object nor a list."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from leaves(inner, (*path, key))
    else:
        yield path


def changed(line: Json, path: tuple[str | int, ...], value: object) -> Json:
    """A copy with another value in one place."""
    found: Any = copy.deepcopy(line)
    inner = found
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return found


def numbered(name: str, number: int) -> Json:
    """A thin line that differs from others as real ones do."""
    line = copy.deepcopy(THIN[name])
    line["response"]["id"] = f"id-{number * 37}"
    line["note"] = f"note {number}"
    usage = line["response"]["usage"]
    first = next(iter(usage))
    usage[first] += number * 13
    request = line["request"]
    if "messages" in request:
        request["messages"][-1]["content"] = f"order {number} of \n {number % 3} é"
        request["messages"][0]["content"] += f" {number % 5}"
    else:
        request["input"] = f"order {number}"
    return line


@pytest.mark.parametrize("name", THIN)
def test_lines_that_are_alike_are_read_without_a_row_each(tmp_path: Path, name: str) -> None:
    data = log(*(numbered(name, number) for number in range(300)))
    found = require_same(tmp_path / "a.jsonl", data)
    assert found.told[1] == {name: 300}
    # The first line tells the format; a template asks for a row twice, and so does a narrower
    # one; a line may be left.
    assert found.rows <= 6


@pytest.mark.parametrize("name", THIN)
def test_keys_of_the_hashes_are_respected(tmp_path: Path, name: str) -> None:
    data = log(*(numbered(name, number) for number in range(40)))
    plain = require_same(tmp_path / "a.jsonl", data)
    keyed = require_same(tmp_path / "a.jsonl", data, hash_key=b"secret")
    assert plain.calls is not None
    assert keyed.calls is not None
    assert not plain.calls["block_hashes"].equals(keyed.calls["block_hashes"])


def test_prompts_that_are_kept_are_read_one_by_one(tmp_path: Path) -> None:
    data = log(*(numbered("openai-chat", number) for number in range(40)))
    assert require_same(tmp_path / "a.jsonl", data, keep_content=True).rows == 40


def test_several_shapes_are_told_apart(tmp_path: Path) -> None:
    lines = [numbered("anthropic-messages", number) for number in range(200)]
    for number, line in enumerate(lines):
        if number % 3 == 0:
            line["request"]["messages"].insert(0, {"role": "assistant", "content": f"a{number}"})
        if number % 7 == 0:
            del line["response"]["usage"]
        if number % 50 == 0:
            line["response"] = {"type": "error", "error": {"type": "overloaded_error"}}
    found = require_same(tmp_path / "a.jsonl", log(*lines))
    assert found.rows < 60


@pytest.mark.parametrize("name", THIN)
def test_formats_may_alternate(tmp_path: Path, name: str) -> None:
    others = [numbered(other, number) for number in range(40) for other in THIN]
    lines = [numbered(name, number) for number in range(40)]
    require_same(tmp_path / "a.jsonl", log(*lines, *others, *lines))


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b" \t",
        b"{broken",
        b"[]",
        b'{"other": 1}',
        b'{"request": {"model": "m", "messages": []}}',
        b'{"note": "\xff"}',
        "é".encode(),
    ],
)
@pytest.mark.parametrize("limit", [0, 1, 10_000])
def test_a_line_that_is_none_changes_nothing(tmp_path: Path, odd: bytes, limit: int) -> None:
    some = [numbered("anthropic-messages", number) for number in range(40)]
    path = tmp_path / "a.jsonl"
    path.write_bytes(log(*some, odd, *some, odd, *some))
    ends = list[tuple[str, Any]]()
    for columns in (by_column.BY_COLUMN, {}):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(by_column, "BY_COLUMN", columns)
            try:
                ends.append(("read", Outcome(path, max_bad_rows=limit).told))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the same
                ends.append((type(error).__name__, str(error)))
    assert ends[0] == ends[1]


RAW_CHANGES: list[tuple[bytes, bytes]] = [
    (b'"yes"', b'"a\\"b\\\\"'),
    (b'"yes"', b'"\\q"'),
    (b'"yes"', b'"\\ud800"'),
    (b'"yes"', b'"a\x01b"'),
    (b'"yes"', b'"a\x7fb"'),
    (b'"Sort the ticket."', b'"\\u0041\\ud83d\\ude00\\/"'),
    (b'"Sort the ticket."', b'"\\ud800"'),
    (b'"Sort the ticket."', b'"a\tb"'),
    (b'"Sort the ticket."', b'""'),
    (b'"m1"', b'""'),
    (b'"m1"', b'"m\\u0031"'),
    (b"700", b"007"),
    (b"700", b"7e2"),
    (b"700", b"700.0"),
    (b"700", b"-1"),
    (b"700", b"-0"),
    (b"700", b"0"),
    (b"700", b"500000001"),
    (b"700", b"99999999999999999999999"),
    (b"700", b"1, 2"),
    (b"700", b"null"),
    (b"700", b""),
    (b"700", b" 7"),
    (b": 3}", b": [3]}"),
    (b"Z", b"+02:00"),
    (b"Z", b""),
    (b"Z", b".1234567Z"),
    (b"Z", b".5Z"),
    (b"T00:00:01Z", b""),
    (b"T00:00:01Z", b" 00:00:01Z"),
    (b"2026-09-01", b"2026-02-30"),
    (b"2026-09-01", b"2200-01-01"),
    (b"2026-09-01", b"1969-12-31"),
    (b"00:00:01", b"24:00:00"),
    (b"00:00:01", b"00:00:60"),
    (b'"message"', b'"other"'),
    (b'"message"', b'"error"'),
    (b'"user"', b'"nobody"'),
    (b'"user"', b'"assistant"'),
    (b"{", b"{ "),
    (b'{"timestamp"', b'{"x": 1, "timestamp"'),
    (b'"workspace"', b'"timestamp": 5, "workspace"'),
    (b'"workspace"', b'"workspace": "x", "workspace"'),
    (b"}\n", b"} \n"),
    (b"}\n", b"}\r\n"),
    (b"}\n", b"}{}\n"),
]


@pytest.mark.parametrize(("old", "new"), RAW_CHANGES)
@pytest.mark.parametrize(("times", "slab"), [(1, 1 << 21), (40, 1 << 21), (12, 2_000)])
def test_bytes_that_differ_are_read_alike(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    old: bytes,
    new: bytes,
    times: int,
    slab: int,
) -> None:
    monkeypatch.setattr(streams, "_SLAB", slab)
    monkeypatch.setattr(by_column, "_MANY", 2)
    monkeypatch.setattr(by_column, "_ALIKE", 2)
    plain = log(THIN["anthropic-messages"])
    assert old in plain
    odd = plain.replace(old, new, 1) if old != b"}\n" else plain.removesuffix(old) + new
    require_same(tmp_path / "a.jsonl", plain * 20 + odd * times + plain * 5)


def test_templates_of_one_log_do_not_change_what_another_says(tmp_path: Path) -> None:
    """They outlive a log: the same lines, then fewer values alike, then other shapes."""
    for number, name in enumerate(["anthropic-messages", "openai-chat", "anthropic-messages"] * 2):
        lines = [numbered(name, at) for at in range(300)]
        for line in lines[: 150 * (number // 3)]:
            line["request"]["model"] = f"model-{number}"
        require_same(tmp_path / f"{number}.jsonl", log(*lines))


def test_what_all_lines_say_is_part_of_their_template_until_one_says_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = list[int]()

    def counted(layout: Layout, raw: bytes, same: Collection[int] = ()) -> Template | None:
        shared.append(len(same))
        return template(layout, raw, same)

    monkeypatch.setattr(streams, "_SLAB", 30_000)
    monkeypatch.setattr(by_column, "_MANY", 20)
    monkeypatch.setattr(by_column, "template", counted)
    lines = [numbered("anthropic-messages", number) for number in range(400)]
    for line in lines[200:]:
        line["request"]["model"] = "claude-opus-4-6"
    found = require_same(tmp_path / "a.jsonl", log(*lines))
    # Workspace, two models, why it ended and the answer; the same with the other model.
    assert shared == [0, 5, 5]
    assert found.rows < 12


PLAIN_VALUES = ["", "é \n", "user", "chat.completion", "message", None, 0, -1, 2.5, 10**12, [], {}]


@pytest.mark.parametrize(("name", "line"), LINES)
def test_each_value_may_be_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, line: Json
) -> None:
    more = {"user_id": "u", "user": "v", "duration_s": 1.5, "latency_ms": 2, "ts": 1788249600}
    line = line | more | {"provider": name.split("-", maxsplit=1)[0]}
    odd = [changed(line, path, value) for path in leaves(line) for value in PLAIN_VALUES]
    monkeypatch.setattr(by_column, "_ALIKE", 1)
    # Other kinds of lines come first too, and are the templates of others then.
    for first in (line, *odd[:: 3 * len(PLAIN_VALUES)]):
        require_same(tmp_path / "a.jsonl", log(line, first, first, *odd[::7], first))
    require_same(tmp_path / "a.jsonl", log(line, line, *(each for each in odd for _ in range(2))))


@pytest.mark.parametrize(
    "number", ["1" + "0" * 400, "-1" + "0" * 400, "1e999", "1e300", "-0", "1e9"]
)
@pytest.mark.parametrize("place", [("ts",), ("latency_ms",), ("response", "created")])
def test_numbers_of_any_size_are_read_alike(
    tmp_path: Path, number: str, place: tuple[str, ...]
) -> None:
    plain = [numbered("openai-chat", each) for each in range(20)]
    odd = json.dumps(changed(plain[0], place, "<>")).replace('"<>"', number).encode()
    found = require_same(tmp_path / "a.jsonl", log(*plain, odd, *plain))
    assert sum(found.told[1].values()) + len(found.told[0]) == 41


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("spelled", ["<value %d>", "\\u003cvalue %d>"])
def test_what_looks_like_a_mark_is_read_as_it_stands(
    tmp_path: Path, number: int, spelled: str
) -> None:
    odd = [
        json.dumps(numbered("anthropic-messages", each) | {"error": "<>"})
        .replace('"<>"', f'"{spelled % number}"')
        .encode()
        for each in range(20)
    ]
    found = require_same(tmp_path / "a.jsonl", log(*odd, *odd))
    assert found.calls is not None
    assert set(found.calls["error_type"].to_pylist()) == {f"<value {number}>"}


def test_what_a_failed_call_is_called_depends_on_the_lines_before_it(tmp_path: Path) -> None:
    failed = {"error": {"type": "overloaded_error"}, "type": "error"}
    request = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "x"}]}
    claude = {"ts": 1788249600.5, "request": request, "response": failed}
    unknown = changed(claude, ("request", "model"), "no-name")
    openai, plain = THIN["openai-chat"], THIN["anthropic-messages"]
    lines = [*[claude] * 20, openai, *[unknown] * 20, *[plain] * 20, openai, plain, unknown]
    found = require_same(tmp_path / "a.jsonl", log(*lines))
    assert found.told[1] == {"anthropic-messages": 42, "openai-chat": 22}


def test_a_line_of_two_formats_is_of_that_of_the_line_before_it(tmp_path: Path) -> None:
    both = [
        changed(numbered("anthropic-messages", number), ("response", "object"), kind)
        for number, kind in enumerate(["x"] * 20 + ["chat.completion"])
    ]
    lines = [*both[:-1], THIN["openai-chat"], both[-1], *both[:-1], both[-1]]
    found = require_same(tmp_path / "a.jsonl", log(*lines))
    assert found.told[1] == {"anthropic-messages": 41, "openai-chat": 1}
    assert [row.line for row in found.told[0]] == [22]


SOME = (
    st.sampled_from(
        ["", "x", "é", 'a"b', "a\\", "tab\t", "\x00", "user", "tool", "message", "chat.completion",
         "1h", "2026-09-01T00:00:00Z", "2026-09-01T00:00:00.25+02:00", None, True, 0, 1, -1, 2.5,
         0.0, 1e300, 7, 1788249600, 500_000_000, 500_000_001, 2**70, 10**400, 1788249601123,
         "<value 2>", {}, [], [1], {"type": "ephemeral"}, {"a": "b"}, ["x"],
         [{"type": "text", "text": "t"}]]
    )
    | st.integers(0, 1000)
    | st.text(max_size=5)
)  # fmt: skip


@st.composite
def alike_lines(draw: st.DrawFn) -> tuple[str, list[Json]]:
    """Copies of one line, each with a few other values."""
    name, line = draw(st.sampled_from(LINES))
    paths = [*leaves(line)]
    found = [line]
    for _ in range(draw(st.integers(1, 5))):
        one = line
        for path in draw(st.lists(st.sampled_from(paths), max_size=3)):
            one = changed(one, path, draw(SOME))
        found.append(one)
    return name, found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lines=alike_lines(),
    plain=st.booleans(),
    spaced=st.booleans(),
    named=st.booleans(),
    repeats=st.integers(1, 3),
)
@example(lines=("openai-chat", [THIN["openai-chat"]]), plain=True, spaced=False, named=True,
         repeats=3)  # fmt: skip
def test_any_lines_that_are_alike_are_read_alike(
    folder: Path,
    lines: tuple[str, list[Json]],
    *,
    plain: bool,
    spaced: bool,
    named: bool,
    repeats: int,
) -> None:
    name, found = lines
    separators = (", ", ": ") if spaced else (",", ":")
    texts = [json.dumps(line, ensure_ascii=plain, separators=separators) for line in found]
    data = log(*[text.encode() for text in texts * repeats])
    with pytest.MonkeyPatch.context() as patch:
        # Every line is worth a template.
        patch.setattr(by_column, "_ALIKE", 1)
        require_same(folder / "a.jsonl", data, format=name if named else "auto")
