"""Rows that no estimate can stand on: each is named by file, line and field, and counted."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmops_cli import cache_estimate, read_calls
from llmops_cli.cache import CacheParameters
from llmops_cli.errors import LlmopsError
from llmops_cli.report import Report
from llmops_cli.traffic import Traffic

Line = dict[str, Any]
MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
USAGE = {"input_tokens": 3000, "output_tokens": 20}


def good(number: int, **given: object) -> Line:
    return {
        "timestamp": f"2026-09-01T08:{number:02d}:00Z",
        "conversation_id": f"c{number}",
        "request": {
            "model": "claude-sonnet-4-6",
            "system": "you are careful. " * 700,
            "messages": [{"role": "user", "content": f"question {number}"}],
        },
        "response": {"type": "message", "id": f"msg_{number}", "usage": USAGE},
        **given,
    }


def with_usage(**usage: object) -> bytes:
    return as_line(good(2, response={"type": "message", "id": "m", "usage": USAGE | usage}))


def with_system(*marks: Line) -> bytes:
    line = good(2)
    line["request"]["system"] = [
        {"type": "text", "text": f"part {n}. " * 400, **mark} for n, mark in enumerate(marks)
    ]
    return as_line(line)


def as_line(line: Line) -> bytes:
    return json.dumps(line).encode()


Read = Callable[..., Traffic]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def reading(*lines: bytes, end: bytes = b"\n") -> Traffic:
        path = tmp_path / "log.jsonl"
        path.write_bytes(b"\n".join(lines) + end)
        return read_calls([path])

    return reading


def estimated(traffic: Traffic) -> Report:
    return cache_estimate(traffic.calls, CacheParameters())


@pytest.mark.parametrize(
    ("bad", "slug", "field"),
    [
        (as_line(good(2))[:-40], "traffic-truncated-line", ""),
        (as_line(good(2)).replace(b"question", b"\xff\xfe"), "traffic-not-utf8", ""),
        (
            as_line(good(2)).replace(b'"input_tokens": 3000', b'"input_tokens": NaN'),
            "traffic-not-json",
            "",
        ),
        (with_usage(input_tokens=-1), "calls-bad-value", "response.usage.input_tokens"),
        (
            with_usage(cache_read_input_tokens=-5),
            "calls-bad-value",
            "response.usage.cache_read_input_tokens",
        ),
        (
            with_usage(
                cache_creation_input_tokens=500,
                cache_creation={"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
            ),
            "calls-contradiction",
            "response.usage.cache_creation_input_tokens",
        ),
    ],
    ids=["truncated", "not utf-8", "NaN", "negative", "negative read", "R18 split"],
)
def test_a_bad_last_line_is_quarantined_with_its_place(
    read: Read, bad: bytes, slug: str, field: str
) -> None:
    traffic = read(as_line(good(0)), as_line(good(1)), bad, end=b"")
    (row,) = traffic.bad_rows
    assert (row.slug, row.field, row.line) == (slug, field, 3)
    assert row.file.endswith("log.jsonl")
    assert "careful" not in row.message
    report = estimated(traffic)
    assert next(item.n for item in report.measures if item.name == "saving_usd") == 2


@pytest.mark.parametrize(
    ("marks", "slug", "rule"),
    [
        ((MARK,) * 5, "cache-too-many-breakpoints", "R3"),
        ((MARK, HOUR), "cache-lifetime-order", "R7"),
    ],
    ids=["five breakpoints", "5m before 1h"],
)
def test_a_request_that_the_api_refuses_is_left_out_with_its_place(
    read: Read, marks: tuple[Line, ...], slug: str, rule: str
) -> None:
    traffic = read(as_line(good(0)), with_system(*marks), as_line(good(1)))
    found = next(item for item in estimated(traffic).findings if item.slug == slug)
    assert (found.count, found.line) == (1, 2)
    assert found.file.endswith("log.jsonl")
    assert found.field == "block_markers"
    assert rule in found.message


def test_usage_that_does_not_add_up_to_the_prompt_is_placed(read: Read) -> None:
    # R18 holds inside the counters, but nothing in the request asked for a cache (R2).
    traffic = read(as_line(good(0)), with_usage(cache_read_input_tokens=4000))
    found = next(
        item for item in estimated(traffic).findings if item.slug == "usage-without-breakpoint"
    )
    assert (found.count, found.line, found.field) == (1, 2, "block_markers")
    assert found.file.endswith("log.jsonl")


def test_order_and_zone_of_timestamps_do_not_matter(read: Read) -> None:
    stamps = ["2026-09-01T08:00:00Z", "2026-09-01T10:01:00+02:00", "2026-09-01T03:02:00-05:00"]
    plain = ["2026-09-01T08:00:00Z", "2026-09-01T08:01:00Z", "2026-09-01T08:02:00Z"]
    lines = [as_line(good(n, timestamp=at)) for n, at in enumerate(stamps)]
    mixed, straight = (
        estimated(read(*each))
        for each in (lines[::-1], [as_line(good(n, timestamp=at)) for n, at in enumerate(plain)])
    )
    spend = [
        next(table for table in report.tables if table.name == "spend").rows
        for report in (mixed, straight)
    ]
    assert spend[0] == spend[1]
    assert spend[0][2] != spend[0][1]


def test_a_request_logged_twice_is_said_to_be(read: Read) -> None:
    line = as_line(good(0))
    traffic = read(line, line, as_line(good(1)))
    report = estimated(traffic)
    found = next(item for item in report.findings if item.slug == "cache-duplicate-calls")
    assert (found.count, found.line, found.field) == (1, 2, "call_id")
    assert found.file.endswith("log.jsonl")


def test_a_log_of_bad_rows_alone_is_refused(read: Read) -> None:
    with pytest.raises(LlmopsError) as refusal:
        estimated(read(with_usage(input_tokens=-1)))
    assert refusal.value.slug == "traffic-no-calls"
