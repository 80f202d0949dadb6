"""Claude Code sessions: one call per message of the API, however many lines tell of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmops_cli import read_calls
from llmops_cli.calls import COLUMNS, TOKEN_CLASSES, to_arrow, validate
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Traffic

Json = dict[str, Any]
PROMPT = "the launch code is swordfish"
TIME = "2026-03-01T10:31:43.399Z"
START = datetime(2026, 3, 1, 10, 31, 43, 399_000, tzinfo=UTC)
USAGE = {
    "input_tokens": 2,
    "cache_creation_input_tokens": 8655,
    "cache_read_input_tokens": 15_030,
    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 8655},
    "output_tokens": 260,
    "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
    "service_tier": "standard",
    "inference_geo": "not_available",
}


def around(**changes: Any) -> Json:  # noqa: ANN401 - JSON
    """What every line of a session has, whatever its type."""
    return {
        "parentUuid": "ca9b3a08-95cf-46b1-ac2b-8e1f0e6a84a5",
        "isSidechain": False,
        "userType": "external",
        "cwd": "/home/ada/project",
        "sessionId": "bdc48fad-1d1d-4b94-b1f2-d1b79fd6af36",
        "version": "2.1.63",
        "gitBranch": "main",
        "uuid": "1fd6b2b8-7ba2-4e8c-9a8c-9f4bb8b3b9f2",
        "timestamp": TIME,
        **changes,
    }


def answer(usage: object = USAGE, message: Json | None = None, **changes: Any) -> Json:  # noqa: ANN401
    """One line of an answer."""
    return around(
        type="assistant",
        requestId=changes.pop("requestId", "req_011CUnTGjRvWe"),
        message={
            "model": "claude-sonnet-4-5-20250929",
            "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": PROMPT}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": usage,
            **(message or {}),
        },
        **changes,
    )


def with_id(name: str, **changes: Any) -> Json:  # noqa: ANN401 - JSON
    return answer(message={"id": name}, **changes)


def failure(**changes: Any) -> Json:  # noqa: ANN401 - JSON
    """What Claude Code writes in the place of an answer when the API failed for good."""
    synthetic = {
        "id": "b7ee6e3a-bf46-4b86-8dd1-778f3c5cf6f1",
        "model": "<synthetic>",
        "content": [{"type": "text", "text": f"API Error: 529 {PROMPT}"}],
        "stop_reason": "stop_sequence",
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }
    fields: Json = {"isApiErrorMessage": True, "error": "overloaded", "apiErrorStatus": 529}
    return answer(message=synthetic, **fields | changes)


def read(path: Path, *rows: object, raw: str = "", **options: Any) -> Traffic:  # noqa: ANN401
    log = path / "session.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows) + raw)
    return read_calls([log], **options)


def rows_of(traffic: Traffic) -> list[Json]:
    validate(traffic.calls)
    return to_arrow(traffic.calls).to_pylist()


NOTHING: Json = dict.fromkeys(column.name for column in COLUMNS)
PLAIN: Json = NOTHING | {
    "call_id": "msg_01XFDUDYJgAACzvnptvVoYEL",
    "start_time": START,
    "conversation_id": "bdc48fad-1d1d-4b94-b1f2-d1b79fd6af36",
    "provider_name": "anthropic",
    "operation_name": "chat",
    "request_model": "claude-sonnet-4-5-20250929",
    "response_model": "claude-sonnet-4-5-20250929",
    "service_tier": "standard",
    "input_tokens": 2,
    "cache_read_tokens": 15_030,
    "cache_write_5m_tokens": 0,
    "cache_write_1h_tokens": 8655,
    "output_tokens": 260,
    "tokens_estimated": False,
    "finish_reason": "end_turn",
    "attempts": 1,
    "block_hashes": [],
    "block_tokens": [],
    "block_kinds": [],
    "block_markers": [],
    "automatic_cache": 0,
    "source_line": 1,
}
FAILED = dict.fromkeys((*TOKEN_CLASSES, "reasoning_tokens")) | {
    "call_id": "b7ee6e3a-bf46-4b86-8dd1-778f3c5cf6f1",
    "request_model": None,
    "response_model": None,
    "service_tier": None,
    "finish_reason": None,
}
CASES: dict[str, tuple[Json, Json]] = {
    "an answer": (answer(), {}),
    "of a subagent": (answer(isSidechain=True, agentId="a1"), {"agent_name": "sidechain"}),
    "through bedrock": (
        with_id("msg_bdrk_01ABC"),
        {"call_id": "msg_bdrk_01ABC", "provider_name": "aws.bedrock"},
    ),
    "through vertex": (
        with_id("msg_vrtx_01ABC"),
        {"call_id": "msg_vrtx_01ABC", "provider_name": "gcp.vertex_ai"},
    ),
    "of another vendor's model, by a gateway": (
        answer(message={"id": "chatcmpl-9", "model": "kimi-k2.5"}),
        {
            "call_id": "chatcmpl-9",
            "provider_name": None,
            "request_model": "kimi-k2.5",
            "response_model": "kimi-k2.5",
        },
    ),
    "still streaming": (
        answer(message={"stop_reason": None}),
        {"finish_reason": None},
    ),
    "from before lifetimes were told apart": (
        answer({"input_tokens": 4, "output_tokens": 9, "cache_creation_input_tokens": 7}),
        {
            "input_tokens": 4,
            "output_tokens": 9,
            "cache_read_tokens": 0,
            "cache_write_5m_tokens": 7,
            "cache_write_1h_tokens": 0,
            "service_tier": None,
        },
    ),
    "langfuse 12306, as Anthropic counted it": (
        answer(
            USAGE
            | {
                "input_tokens": 5,
                "cache_read_input_tokens": 128_955,
                "cache_creation_input_tokens": 1253,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 1253,
                    "ephemeral_1h_input_tokens": 0,
                },
            }
        ),
        {
            "input_tokens": 5,
            "cache_read_tokens": 128_955,
            "cache_write_5m_tokens": 1253,
            "cache_write_1h_tokens": 0,
        },
    ),
    "both lifetimes": (
        answer(
            USAGE
            | {
                "cache_creation_input_tokens": 248,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 148,
                    "ephemeral_1h_input_tokens": 100,
                },
            }
        ),
        {"cache_write_5m_tokens": 148, "cache_write_1h_tokens": 100},
    ),
    "without a time": (answer(timestamp=None), {"start_time": None}),
    "without ids": (
        answer(message={"id": None}, requestId=None),
        {"call_id": "{file}:1"},
    ),
    "an error by its name": (failure(), FAILED | {"error_type": "overloaded"}),
    "an error by its status": (
        failure(error={"status": 529, "message": PROMPT}),
        FAILED | {"error_type": "529"},
    ),
    "an error by nothing that may be repeated": (
        failure(error=PROMPT, apiErrorStatus=None),
        FAILED | {"error_type": "api_error"},
    ),
    "an error of old": (
        {name: value for name, value in failure().items() if "rror" not in name}
        | {"isApiErrorMessage": True},
        FAILED | {"error_type": "api_error"},
    ),
}


@pytest.mark.parametrize(("row", "expected"), CASES.values(), ids=CASES)
def test_every_column_of_a_call(tmp_path: Path, row: Json, expected: Json) -> None:
    traffic = read(tmp_path, row)
    file = str(tmp_path / "session.jsonl")
    whole = PLAIN | expected | {"source_file": file}
    whole["call_id"] = whole["call_id"].format(file=file)
    assert rows_of(traffic) == [whole]
    assert traffic.formats == {"claude-code": 1}


def output(count: int, **changes: Any) -> Json:  # noqa: ANN401 - JSON
    return answer(USAGE | {"output_tokens": count}, **changes)


def test_a_message_on_several_lines_is_one_call_by_its_fullest_line(tmp_path: Path) -> None:
    # ccusage 901: the first lines of a stream hold a placeholder.
    lines = [
        output(9, message={"stop_reason": None}),
        output(9, message={"stop_reason": None}),
        output(159, message={"stop_reason": "tool_use"}),
        output(1, message={"stop_reason": None}),
    ]
    traffic = read(tmp_path, *lines)
    (row,) = rows_of(traffic)
    assert (row["output_tokens"], row["finish_reason"], row["source_line"]) == (159, "tool_use", 3)
    assert (row["cache_read_tokens"], row["attempts"]) == (15_030, 1)
    assert traffic.joins == {"repeated-message": 3}


def test_a_fallback_in_the_middle_of_a_stream_is_taken_whole(tmp_path: Path) -> None:
    # Counters of two models must not be mixed: the fullest line stands for itself.
    other = USAGE | {"output_tokens": 500, "cache_read_input_tokens": 7}
    lines = [output(3), answer(other, message={"model": "claude-haiku-4-5"}), output(4)]
    (row,) = rows_of(read(tmp_path, *lines))
    assert row["request_model"] == "claude-haiku-4-5"
    assert (row["cache_read_tokens"], row["output_tokens"]) == (7, 500)


def test_the_last_of_equal_lines_stays(tmp_path: Path) -> None:
    (row,) = rows_of(read(tmp_path, output(5), output(5), output(5)))
    assert row["source_line"] == 3


@pytest.mark.parametrize(
    ("lines", "calls"),
    [
        ([with_id("m1"), with_id("m2")], 2),
        ([with_id("m1"), with_id("m1", requestId="req_2")], 2),
        ([with_id("m1", requestId=None), with_id("m1", requestId=None)], 1),
        ([answer(message={"id": None}), answer(message={"id": None})], 2),
        ([failure(), failure()], 1),
    ],
)
def test_lines_of_one_message_and_request_are_one_call(
    tmp_path: Path, lines: list[Json], calls: int
) -> None:
    assert len(read(tmp_path, *lines).calls) == calls


def test_a_session_that_was_resumed_elsewhere_counts_once(tmp_path: Path) -> None:
    for name, session in (("a", "s1"), ("b", "s2")):
        folder = tmp_path / name
        folder.mkdir()
        lines = [output(5, sessionId=session), with_id(f"new-{name}", sessionId=session)]
        (folder / "session.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    traffic = read_calls([tmp_path])
    assert sorted(traffic.calls["call_id"]) == ["msg_01XFDUDYJgAACzvnptvVoYEL", "new-a", "new-b"]


OTHERS: dict[str, tuple[Json, str]] = {
    "user": (
        around(type="user", message={"role": "user", "content": PROMPT}),
        "user lines",
    ),
    "tool result": (
        around(
            type="user",
            message={"role": "user", "content": [{"type": "tool_result", "content": PROMPT}]},
            toolUseResult={"stdout": PROMPT},
        ),
        "user lines",
    ),
    "system": (around(type="system", subtype="api_error", content=PROMPT), "system lines"),
    "summary": ({"type": "summary", "summary": PROMPT, "leafUuid": "x"}, "summaries"),
    "snapshot": (
        {"type": "file-history-snapshot", "messageId": "m", "snapshot": {"a": 1}},
        "file snapshots",
    ),
    "queue": (
        {
            "type": "queue-operation",
            "operation": "enqueue",
            "timestamp": TIME,
            "sessionId": "s",
            "content": PROMPT,
        },
        "queue operations",
    ),
    "progress": (around(type="progress", message=PROMPT), "progress lines"),
    "attachment": (around(type="attachment", attachment={"x": PROMPT}), "attachments"),
    "title": ({"type": "ai-title", "sessionId": "s", "aiTitle": PROMPT}, "other session lines"),
    "last prompt": (
        {"type": "last-prompt", "sessionId": "s", "lastPrompt": PROMPT},
        "other session lines",
    ),
    "synthetic": (
        answer({"input_tokens": 0, "output_tokens": 0}, message={"model": "<synthetic>"}),
        "synthetic answers",
    ),
    "no usage": (answer(None), "answers without usage"),
    "no message": (answer() | {"message": None}, "answers without usage"),
}


@pytest.mark.parametrize(("row", "name"), OTHERS.values(), ids=OTHERS)
@pytest.mark.parametrize("first", [False, True])
def test_lines_that_are_no_calls_are_skipped_by_name(
    tmp_path: Path,
    row: Json,
    name: str,
    first: bool,  # noqa: FBT001 - a parameter
) -> None:
    lines = [row, answer()] if first else [answer(), row]
    traffic = read(tmp_path, *lines)
    assert traffic.skipped == {name: 1}
    assert (len(traffic.calls), traffic.bad_count) == (1, 0)


BAD: dict[str, tuple[Json, str, str]] = {
    "below zero": (
        answer(USAGE | {"input_tokens": -1}),
        "calls-bad-value",
        "message.usage.input_tokens",
    ),
    "2^63": (
        answer(USAGE | {"output_tokens": 2**63}),
        "calls-bad-value",
        "message.usage.output_tokens",
    ),
    "text": (
        answer(USAGE | {"cache_read_input_tokens": "7"}),
        "calls-bad-value",
        "message.usage.cache_read_input_tokens",
    ),
    "a truth value": (
        answer(USAGE | {"output_tokens": True}),
        "calls-bad-value",
        "message.usage.output_tokens",
    ),
    "no input": (
        answer({"output_tokens": 1}),
        "calls-missing-field",
        "message.usage.input_tokens",
    ),
    "a usage of text": (answer(PROMPT), "calls-bad-value", "message.usage"),
    "a message of text": (answer() | {"message": PROMPT}, "calls-bad-value", "message"),
    "a model of a number": (answer(message={"model": 4}), "calls-bad-value", "message.model"),
    "lifetimes that do not add up": (
        answer(USAGE | {"cache_creation_input_tokens": 9}),
        "calls-contradiction",
        "message.usage.cache_creation_input_tokens",
    ),
    "no time": (answer(timestamp=PROMPT), "calls-bad-time", "timestamp"),
    "a time below zero": (answer(timestamp=-1), "calls-bad-time", "timestamp"),
    "a session of a number": (answer(sessionId=4), "calls-bad-value", "sessionId"),
}


@pytest.mark.parametrize(("row", "slug", "field"), BAD.values(), ids=BAD)
def test_what_cannot_be_read_is_named(tmp_path: Path, row: Json, slug: str, field: str) -> None:
    user = around(type="user", message={"role": "user", "content": PROMPT})
    traffic = read(tmp_path, with_id("sound"), row, user)
    (bad,) = traffic.bad_rows
    assert (bad.slug, bad.field, bad.line) == (slug, field, 2)
    assert PROMPT not in bad.message
    assert (len(traffic.calls), sum(traffic.skipped.values())) == (1, 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity"])
def test_a_counter_that_json_does_not_know_is_no_json(tmp_path: Path, number: str) -> None:
    line = json.dumps(output(77)).replace('"output_tokens": 77', f'"output_tokens": {number}')
    (bad,) = read(tmp_path, with_id("sound"), raw=line + "\n").bad_rows
    assert (bad.slug, bad.line) == ("traffic-not-json", 2)


@pytest.mark.parametrize("factor", [1, 1e3, 1e6, 1e9])
def test_epochs_of_every_unit_are_told_apart(tmp_path: Path, factor: float) -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    (row,) = rows_of(read(tmp_path, answer(timestamp=start.timestamp() * factor)))
    assert row["start_time"] == start


def test_a_named_format_refuses_what_is_no_line_of_a_session(tmp_path: Path) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(tmp_path, {"message": PROMPT}, format="claude-code", max_bad_rows=0)
    assert (caught.value.slug, caught.value.field) == ("calls-missing-field", "type")


def test_no_text_of_the_session_reaches_the_table(tmp_path: Path) -> None:
    others = [row for row, _ in OTHERS.values()]
    traffic = read(tmp_path, answer(), failure(error=PROMPT), *others)
    assert "swordfish" not in repr(rows_of(traffic))
    assert len(traffic.calls) == 2


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=6,
)
lines = st.one_of(
    st.builds(
        lambda name, value: answer() | {name: value},
        st.sampled_from(sorted(answer(error=None, isApiErrorMessage=True))),
        anything,
    ),
    st.builds(
        lambda name, value: answer(message={name: value}),
        st.sampled_from(["id", "model", "stop_reason", "usage"]),
        anything,
    ),
    st.builds(
        lambda name, value: answer(USAGE | {name: value}), st.sampled_from(sorted(USAGE)), anything
    ),
)


@pytest.mark.slow
@given(st.lists(lines, min_size=1, max_size=4))
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_row_is_lost_and_nothing_breaks(tmp_path: Path, rows: list[Json]) -> None:
    traffic = read(tmp_path, with_id("sound"), *rows, max_bad_rows=9)
    repeated = traffic.joins.get("repeated-message", 0)
    skipped = sum(traffic.skipped.values())
    assert len(traffic.calls) + repeated + skipped + traffic.bad_count == len(rows) + 1
    validate(traffic.calls)
