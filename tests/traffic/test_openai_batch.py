"""OpenAI Batch: requests and results of four endpoints, joined or alone."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from llmops_cli.calls import BlockKind, validate
from llmops_cli.prices import PriceBook
from llmops_cli.traffic import Options, Reading, Traffic, read_calls

Line = dict[str, Any]

PRIVATE = "the patient is called Quux"
CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"
COMPLETIONS, EMBEDDINGS = "/v1/completions", "/v1/embeddings"
BODIES: dict[str, Line] = {
    CHAT: {"model": "gpt-5.1", "messages": [{"role": "user", "content": "hello"}], "user": "u1"},
    RESPONSES: {"model": "gpt-5.6", "instructions": "be brief", "input": "hello", "user": "u1"},
    COMPLETIONS: {"model": "gpt-3.5-turbo-instruct", "prompt": "hello", "user": "u1"},
    EMBEDDINGS: {"model": "text-embedding-3-small", "input": ["hello", "you"], "user": "u1"},
}
REPLIES: dict[str, Line] = {
    CHAT: {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_788_249_600,
        "model": "gpt-5.1-2026-01-01",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": PRIVATE}}],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 9,
            "total_tokens": 109,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
        "service_tier": "default",
    },
    RESPONSES: {
        "id": "resp_1",
        "object": "response",
        "created_at": 1_788_249_600,
        "model": "gpt-5.6-2026-01-01",
        "status": "completed",
        "error": None,
        "usage": {
            "input_tokens": 100,
            "output_tokens": 9,
            "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 30},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    },
    COMPLETIONS: {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1_788_249_600,
        "model": "gpt-3.5-turbo-instruct",
        "choices": [{"text": PRIVATE, "index": 0, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 16, "total_tokens": 23},
    },
    EMBEDDINGS: {
        "object": "list",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}],
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    },
}
MODERATION: Line = {"id": "modr-1", "model": "omni-moderation-latest", "results": [{}]}
FAILURE = {"message": PRIVATE, "type": "invalid_request_error", "param": None, "code": None}


def asked(custom_id: str, url: str = CHAT, **body: Any) -> Line:  # noqa: ANN401 - JSON
    whole = BODIES.get(url, {"model": "m", "input": PRIVATE}) | body
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": whole}


def answered(custom_id: str, body: object, status: int = 200) -> Line:
    response = {"status_code": status, "request_id": "req_1", "body": body}
    return {"id": f"batch_{custom_id}", "custom_id": custom_id, "response": response, "error": None}


def failed(custom_id: str, **error: str) -> Line:
    return {"id": f"batch_{custom_id}", "custom_id": custom_id, "response": None, "error": error}


def usage(line: Line, **counters: object) -> Line:
    return line | {"usage": line["usage"] | counters}


def log(path: Path, *lines: Line) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def read(path: Path, *lines: Line) -> Traffic:
    return read_calls([log(path / "batch.jsonl", *lines)])


def filled(row: pd.Series) -> Line:
    """The columns of a row that hold anything, blocks and place aside."""
    return {
        name: value
        for name, value in row.items()
        if not str(name).startswith(("block_", "source_")) and not pd.isna(value)
    }


ALWAYS: Line = {
    "provider_name": "openai",
    "operation_name": "chat",
    "service_tier": "batch",
    "tokens_estimated": False,
    "automatic_cache": 0,
    "attempts": 1,
}
COUNTED: Line = {"cache_read_tokens": 0, "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0}
WHEN = pd.Timestamp("2026-09-01T08:00:00Z")

COLUMNS: dict[str, Line] = {
    CHAT: {
        "call_id": "chatcmpl-1",
        "start_time": WHEN,
        "request_model": "gpt-5.1-2026-01-01",
        "response_model": "gpt-5.1-2026-01-01",
        "finish_reason": "stop",
        "input_tokens": 36,
        "cache_read_tokens": 64,
        "output_tokens": 9,
        "reasoning_tokens": 5,
    },
    RESPONSES: {
        "call_id": "resp_1",
        "start_time": WHEN,
        "request_model": "gpt-5.6-2026-01-01",
        "response_model": "gpt-5.6-2026-01-01",
        "finish_reason": "completed",
        "input_tokens": 6,
        "cache_read_tokens": 64,
        "cache_write_5m_tokens": 30,
        "output_tokens": 9,
        "reasoning_tokens": 0,
    },
    COMPLETIONS: {
        "call_id": "cmpl-1",
        "start_time": WHEN,
        "operation_name": "text_completion",
        "request_model": "gpt-3.5-turbo-instruct",
        "response_model": "gpt-3.5-turbo-instruct",
        "finish_reason": "length",
        "input_tokens": 7,
        "output_tokens": 16,
    },
    EMBEDDINGS: {
        "call_id": "batch_a",
        "operation_name": "embeddings",
        "request_model": "text-embedding-3-small",
        "response_model": "text-embedding-3-small",
        "input_tokens": 8,
        "output_tokens": 0,
    },
}


@pytest.mark.parametrize("url", COLUMNS)
def test_a_result_alone_is_a_call_without_blocks(tmp_path: Path, url: str) -> None:
    found = read(tmp_path, answered("a", REPLIES[url]))
    row = found.calls.iloc[0]
    assert filled(row) == ALWAYS | COUNTED | COLUMNS[url]
    assert len(row.block_hashes) == 0
    assert (found.formats, found.bad_count) == ({"openai-batch": 1}, 0)
    validate(found.calls)


KINDS: dict[str, list[BlockKind]] = {
    CHAT: [BlockKind.USER],
    RESPONSES: [BlockKind.SYSTEM, BlockKind.USER],
    COMPLETIONS: [BlockKind.USER],
    EMBEDDINGS: [],
}


@pytest.mark.parametrize("url", COLUMNS)
def test_a_request_gives_its_result_the_prompt_and_what_was_asked_for(
    tmp_path: Path, url: str
) -> None:
    log(tmp_path / "requests.jsonl", asked("a", url))
    log(tmp_path / "a-results.jsonl", answered("a", REPLIES[url]))
    found = read_calls([tmp_path])
    row = found.calls.iloc[0]
    told = {"request_model": BODIES[url]["model"], "user_id": "u1"}
    assert filled(row) == ALWAYS | COUNTED | COLUMNS[url] | told
    assert list(row.block_kinds) == KINDS[url]
    whole = int(row.input_tokens + row.cache_read_tokens + row.cache_write_5m_tokens)
    assert sum(row.block_tokens) == (whole if KINDS[url] else 0)
    assert (len(found.calls), found.skipped) == (1, {"rows joined to calls": 1})
    assert found.joins == {}


@pytest.mark.parametrize("url", [CHAT, RESPONSES])
def test_the_prompt_of_a_batch_has_the_hashes_of_the_same_prompt_logged_live(
    tmp_path: Path, url: str
) -> None:
    batch = read(tmp_path, asked("a", url), answered("a", REPLIES[url])).calls.iloc[0]
    live = {"request": BODIES[url], "response": REPLIES[url]}
    other = read_calls([log(tmp_path / "live.jsonl", live)]).calls.iloc[0]
    assert list(batch.block_hashes) == list(other.block_hashes)
    assert list(batch.block_tokens) == list(other.block_tokens)


FAILED: list[tuple[str, Line, str]] = [
    ("expired", failed("a", code="batch_expired", message=PRIVATE), "batch_expired"),
    ("no code", failed("a", type="server_error", message=PRIVATE), "server_error"),
    ("nothing said", failed("a", message=PRIVATE), "error"),
    ("status and error body", answered("a", {"error": FAILURE}, 400), "invalid_request_error"),
    (
        "status and a code",
        answered("a", {"error": FAILURE | {"code": "context_length_exceeded"}}, 400),
        "context_length_exceeded",
    ),
    ("status alone", answered("a", None, 503), "503"),
    ("a gateway's page", answered("a", f"<html>{PRIVATE}</html>", 502), "502"),
    (
        "failed response",
        answered("a", REPLIES[RESPONSES] | {"status": "failed", "error": {"code": "server_error"}}),
        "server_error",
    ),
]


@pytest.mark.parametrize(
    ("line", "error"), [case[1:] for case in FAILED], ids=[case[0] for case in FAILED]
)
def test_a_failed_request_is_a_call_with_its_error(tmp_path: Path, line: Line, error: str) -> None:
    found = read(tmp_path, asked("a", EMBEDDINGS), line)
    row = found.calls.iloc[0]
    assert (row.error_type, row.request_model) == (error, "text-embedding-3-small")
    assert (row.operation_name, row.service_tier) == ("embeddings", "batch")
    assert (len(found.calls), found.bad_count) == (1, 0)


def test_other_endpoints_are_skipped_by_name(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        asked("m", "/v1/moderations"),
        answered("m", MODERATION),
        answered("a", REPLIES[CHAT]),
    )
    assert len(found.calls) == 1
    assert found.skipped == {"requests of other endpoints": 1, "results of other endpoints": 1}
    assert (found.bad_count, found.joins) == (0, {})


def test_the_kth_request_of_a_reused_id_goes_with_its_kth_result(tmp_path: Path) -> None:
    texts = ["first", "second one", "third of them"]
    messages = [[{"role": "user", "content": text}] for text in texts]
    log(tmp_path / "asked.jsonl", *(asked("same", messages=said) for said in messages))
    replies = [usage(REPLIES[CHAT], prompt_tokens=100 + k) for k in range(3)]
    log(tmp_path / "done.jsonl", *(answered("same", reply) for reply in replies))
    calls = read_calls([tmp_path]).calls
    live = [
        {"request": BODIES[CHAT] | {"messages": said}, "response": REPLIES[CHAT]}
        for said in messages
    ]
    other = read_calls([log(tmp_path / "live.log", *live)]).calls
    assert calls["input_tokens"].to_list() == [36, 37, 38]
    assert [list(row) for row in calls["block_hashes"]] == [
        list(row) for row in other["block_hashes"]
    ]


def test_a_batch_costs_half(tmp_path: Path) -> None:
    reply = REPLIES[CHAT] | {"model": "gpt-5.2"}
    batch = read(tmp_path, answered("a", reply)).calls.iloc[0]
    book, day = PriceBook(), date(2026, 11, 1)
    rates = book.rates(
        batch.response_model, day, provider=batch.provider_name, service_tier=batch.service_tier
    )
    full = book.rates("gpt-5.2", day, provider="openai")
    assert rates.input == pytest.approx(full.input / 2)
    assert rates.output == pytest.approx(full.output / 2)


BAD: list[tuple[str, Line, str, str]] = [
    ("neither response nor error", failed("a") | {"error": None}, "calls-missing-field",
     "response"),
    ("no body", answered("a", None), "calls-missing-field", "response.body"),
    (
        "more cached than given",
        answered("a", usage(REPLIES[CHAT], prompt_tokens=63)),
        "calls-contradiction",
        "response.usage",
    ),
    (
        "more reasoning than output",
        answered("a", usage(REPLIES[CHAT], completion_tokens=4)),
        "calls-contradiction",
        "response.usage",
    ),
    (
        "2^63",
        answered("a", usage(REPLIES[CHAT], prompt_tokens=2**63)),
        "calls-bad-value",
        "response.body.usage.prompt_tokens",
    ),
    (
        "negative counter",
        answered("a", usage(REPLIES[RESPONSES], output_tokens=-1)),
        "calls-bad-value",
        "response.body.usage.output_tokens",
    ),
    (
        "no input counter",
        answered("a", REPLIES[EMBEDDINGS] | {"usage": {"total_tokens": 8}}),
        "calls-missing-field",
        "response.body.usage.prompt_tokens",
    ),
    (
        "no time",
        answered("a", REPLIES[CHAT] | {"created": -5}),
        "calls-bad-time",
        "response.created",
    ),
    ("text for a body", answered("a", PRIVATE), "calls-bad-value", "response.body"),
    ("list for a body", answered("a", [PRIVATE]), "calls-bad-value", "response.body"),
    ("request without body", {**asked("a"), "body": None}, "calls-bad-value", "body"),
    ("request without model", asked("a", model=None), "calls-bad-value", "body.model"),
    (
        "message of no role",
        asked("a", messages=[{"role": PRIVATE, "content": PRIVATE}]),
        "calls-bad-content",
        "request.messages.role",
    ),
    ("id that is a list", answered("a", REPLIES[CHAT]) | {"custom_id": []}, "calls-bad-value",
     "custom_id"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "slug", "field"), [case[1:] for case in BAD], ids=[case[0] for case in BAD]
)
def test_a_bad_row_is_named_and_takes_nothing_with_it(
    tmp_path: Path, line: Line, slug: str, field: str
) -> None:
    found = read(tmp_path, answered("b", REPLIES[CHAT]), line, answered("c", REPLIES[COMPLETIONS]))
    (bad,) = found.bad_rows
    assert (bad.line, bad.slug, bad.field) == (2, slug, field)
    assert PRIVATE not in bad.message
    assert len(found.calls) + found.bad_count + sum(found.skipped.values()) == 3


def test_a_row_without_its_id_is_named_where_the_format_is_given(tmp_path: Path) -> None:
    good, lost = answered("a", REPLIES[CHAT]), answered("b", REPLIES[CHAT])
    path = log(tmp_path / "batch.jsonl", {k: v for k, v in lost.items() if k != "custom_id"}, good)
    reading = Reading([path], Options(format="openai-batch"))
    assert sum(table.num_rows for table in reading.tables()) == 1
    assert [(row.slug, row.field) for row in reading.quarantine.rows] == [
        ("calls-missing-field", "custom_id")
    ]
