"""Anthropic Message Batches: results alone, and joined to the requests that they answer."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from llmops_cli.calls import BlockKind, Marker, validate
from llmops_cli.prices import PriceBook
from llmops_cli.traffic import Options, Reading, Traffic, read_calls

Line = dict[str, Any]

PRIVATE = "the patient is called Quux"
USAGE: Line = {
    "input_tokens": 11,
    "cache_creation_input_tokens": 70,
    "cache_read_input_tokens": 200,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 50},
    "output_tokens": 36,
    "service_tier": "batch",
}


def asked(custom_id: str, text: str = "hello", **params: Any) -> Line:  # noqa: ANN401 - JSON
    body = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 1024,
        "messages": [{"role": "user", "content": text}],
    }
    return {"custom_id": custom_id, "params": body | params}


def answered(custom_id: str, usage: Line | None = None, **message: Any) -> Line:  # noqa: ANN401
    body = {
        "id": f"msg_{custom_id}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-6-20260101",
        "content": [{"type": "text", "text": PRIVATE}],
        "stop_reason": "end_turn",
        "usage": USAGE if usage is None else usage,
    }
    return {"custom_id": custom_id, "result": {"type": "succeeded", "message": body | message}}


def ended(custom_id: str, kind: str, error: Line | None = None) -> Line:
    return {"custom_id": custom_id, "result": {"type": kind} | ({"error": error} if error else {})}


def log(path: Path, *lines: Line) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read(path: Path, *lines: Line) -> Traffic:
    return read_calls([log(path / "batch.jsonl", *lines)])


def filled(row: pd.Series) -> Line:
    """The columns of a row that hold anything, blocks aside."""
    return {
        name: value
        for name, value in row.items()
        if not str(name).startswith("block_") and not pd.isna(value)
    }


ALWAYS: Line = {
    "operation_name": "chat",
    "provider_name": "anthropic",
    "service_tier": "batch",
    "tokens_estimated": False,
    "automatic_cache": 0,
    "attempts": 1,
    "source_line": 1,
}
REFUSED = {"type": "error", "error": {"type": "invalid_request_error", "message": PRIVATE}}

ALONE: list[tuple[str, Line, Line]] = [
    (
        "succeeded",
        answered("a"),
        {
            "call_id": "msg_a",
            "request_model": "claude-sonnet-4-6-20260101",
            "response_model": "claude-sonnet-4-6-20260101",
            "finish_reason": "end_turn",
            "input_tokens": 11,
            "cache_read_tokens": 200,
            "cache_write_5m_tokens": 20,
            "cache_write_1h_tokens": 50,
            "output_tokens": 36,
        },
    ),
    ("errored", ended("a", "errored", REFUSED), {"error_type": "invalid_request_error"}),
    (
        "errored, the error itself",
        ended("a", "errored", {"type": "overloaded_error", "message": PRIVATE}),
        {"error_type": "overloaded_error"},
    ),
    ("errored, nothing said", ended("a", "errored"), {"error_type": "error"}),
    ("canceled", ended("a", "canceled"), {"error_type": "canceled"}),
    ("expired", ended("a", "expired"), {"error_type": "expired"}),
]


@pytest.mark.parametrize(
    ("line", "columns"), [case[1:] for case in ALONE], ids=[case[0] for case in ALONE]
)
def test_a_result_alone_is_a_call_without_blocks(tmp_path: Path, line: Line, columns: Line) -> None:
    found = read(tmp_path, line)
    row = filled(found.calls.iloc[0])
    place = str(tmp_path / "batch.jsonl")
    assert row == ALWAYS | {"call_id": f"{place}:1", "source_file": place} | columns
    assert len(found.calls["block_hashes"].iloc[0]) == 0
    assert (found.formats, found.bad_count) == ({"anthropic-batch": 1}, 0)
    validate(found.calls)


def test_a_request_gives_its_result_the_prompt_and_what_was_asked_for(tmp_path: Path) -> None:
    cached = {"type": "ephemeral", "ttl": "1h"}
    request = asked(
        "a",
        system=[{"type": "text", "text": "be brief", "cache_control": cached}],
        tools=[{"name": "now", "description": "time", "input_schema": {"type": "object"}}],
        metadata={"user_id": "u1"},
        cache_control={"type": "ephemeral"},
    )
    # The results of a batch come in any order, and the requests may be in another file.
    log(tmp_path / "z-requests.jsonl", request, asked("b", "never answered"))
    log(tmp_path / "results.jsonl", answered("a"))
    found = read_calls([tmp_path])
    row = found.calls.iloc[0]
    assert (row.call_id, row.user_id, row.automatic_cache) == ("msg_a", "u1", 1)
    assert (row.request_model, row.response_model) == (
        "claude-sonnet-4-6",
        "claude-sonnet-4-6-20260101",
    )
    assert list(row.block_kinds) == [BlockKind.TOOL, BlockKind.SYSTEM, BlockKind.USER]
    assert list(row.block_markers) == [Marker.NONE, Marker.ONE_HOUR, Marker.NONE]
    assert sum(row.block_tokens) == 11 + 200 + 70
    assert len(found.calls) == 1
    assert found.skipped == {"rows joined to calls": 2}
    assert found.joins == {"request-without-result": 1}


def test_the_prompt_of_a_batch_has_the_hashes_of_the_same_prompt_logged_live(
    tmp_path: Path,
) -> None:
    request = asked("a", system="be brief")
    batch = read(tmp_path, request, answered("a")).calls.iloc[0]
    live = {"request": request["params"], "response": answered("a")["result"]["message"]}
    other = read_calls([log(tmp_path / "live.jsonl", live)]).calls.iloc[0]
    assert list(batch.block_hashes) == list(other.block_hashes)
    assert list(batch.block_tokens) == list(other.block_tokens)


def test_the_kth_request_of_a_reused_id_goes_with_its_kth_result(tmp_path: Path) -> None:
    texts = ["first", "second one", "third of them"]
    log(tmp_path / "asked.jsonl", *(asked("same", text) for text in texts))
    usages = [{"input_tokens": 10 + k, "output_tokens": 1} for k in range(3)]
    log(tmp_path / "done.jsonl", *(answered("same", usage) for usage in usages))
    calls = read_calls([tmp_path]).calls
    alone = [
        read_calls([log(tmp_path / "one.log", asked("x", text), answered("x"))]).calls
        for text in texts
    ]
    assert calls["input_tokens"].to_list() == [10, 11, 12]
    assert [row[0] for row in calls["block_hashes"]] == [
        one["block_hashes"].iloc[0][0] for one in alone
    ]


def test_a_failed_result_keeps_the_model_and_the_prompt_of_its_request(tmp_path: Path) -> None:
    row = read(tmp_path, asked("a"), ended("a", "errored", REFUSED)).calls.iloc[0]
    assert (row.request_model, row.error_type) == ("claude-sonnet-4-6", "invalid_request_error")
    assert len(row.block_hashes) == 1
    assert pd.isna(row.input_tokens)


def test_a_batch_costs_half(tmp_path: Path) -> None:
    day, model = date(2026, 6, 1), "claude-sonnet-4-5"
    batch = read(tmp_path, answered("a", model=model)).calls.iloc[0]
    assert batch.service_tier == "batch"
    book = PriceBook()
    rates = book.rates(
        batch.response_model, day, provider=batch.provider_name, service_tier=batch.service_tier
    )
    full = book.rates(model, day, provider="anthropic")
    assert rates.input == pytest.approx(full.input / 2)
    assert rates.output == pytest.approx(full.output / 2)


BAD: list[tuple[str, Line, str, str]] = [
    (
        "unknown outcome",
        ended("a", "lost"),
        "calls-bad-value",
        "result.type",
    ),
    (
        "no message",
        ended("a", "succeeded"),
        "calls-missing-field",
        "result.message",
    ),
    (
        "split that does not add up",
        answered("a", USAGE | {"cache_creation_input_tokens": 71}),
        "calls-contradiction",
        "result.message.usage.cache_creation_input_tokens",
    ),
    (
        "negative counter",
        answered("a", {"input_tokens": -1}),
        "calls-bad-value",
        "result.message.usage.input_tokens",
    ),
    (
        "2^63",
        answered("a", {"input_tokens": 2**63}),
        "calls-bad-value",
        "result.message.usage.input_tokens",
    ),
    (
        "no input counter",
        answered("a", {"output_tokens": 3}),
        "calls-missing-field",
        "result.message.usage.input_tokens",
    ),
    (
        "id that is a number",
        {"custom_id": 7, "result": {"type": "canceled"}},
        "calls-bad-value",
        "custom_id",
    ),
    (
        "request without model",
        {"custom_id": "a", "params": {"messages": []}},
        "calls-missing-field",
        "params.model",
    ),
    (
        "message of no role",
        asked("a", messages=[{"role": PRIVATE, "content": PRIVATE}]),
        "calls-bad-content",
        "request.messages.role",
    ),
    (
        "content that is a number",
        asked("a", messages=[{"role": "user", "content": 5}]),
        "calls-bad-content",
        "",
    ),
    (
        "unknown lifetime",
        asked("a", cache_control={"type": "ephemeral", "ttl": PRIVATE}),
        "calls-bad-content",
        "request.cache_control.ttl",
    ),
]


@pytest.mark.parametrize(
    ("line", "slug", "field"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_bad_row_is_named_and_takes_nothing_with_it(
    tmp_path: Path, line: Line, slug: str, field: str
) -> None:
    found = read(tmp_path, answered("before"), line, answered("after"))
    (bad,) = found.bad_rows
    assert (bad.line, bad.slug, bad.field) == (2, slug, field)
    assert PRIVATE not in bad.message
    assert len(found.calls) + found.bad_count + sum(found.skipped.values()) == 3


def test_a_row_without_its_id_is_named_where_the_format_is_given(tmp_path: Path) -> None:
    lines = ({"result": {"type": "canceled"}}, {"custom_id": "a"}, ended("b", "expired"))
    path = log(tmp_path / "batch.jsonl", *lines)
    reading = Reading([path], Options(format="anthropic-batch"))
    assert sum(table.num_rows for table in reading.tables()) == 1
    assert [(row.slug, row.field) for row in reading.quarantine.rows] == [
        ("calls-missing-field", "custom_id"),
        ("calls-missing-field", "params"),
    ]
