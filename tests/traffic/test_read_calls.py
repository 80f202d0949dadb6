"""Every supported log becomes the same table: disjoint tokens, times, places, formats."""

import gzip
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from llmops_cli import read_calls
from llmops_cli.calls import TOKEN_CLASSES, validate
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic import Reading
from llmops_cli.traffic.calls_parquet import writer

Line = dict[str, Any]
MODEL = "claude-sonnet-4-6"


def anthropic(usage: Line | None = None, **more: Any) -> Line:  # noqa: ANN401 - JSON
    response = {
        "id": "m1",
        "type": "message",
        "model": "claude-sonnet-4-6",
        "stop_reason": "end_turn",
    }
    return {
        "timestamp": "2026-09-01T08:00:00.250Z",
        "request": {
            "model": MODEL,
            "messages": [{"role": "user", "content": "hello"}],
        },
        "response": response | {"usage": usage or {"input_tokens": 10, "output_tokens": 3}},
        **more,
    }


def chat(usage: Line, **more: Any) -> Line:  # noqa: ANN401 - JSON
    return {
        "request": {"model": "gpt-5.1", "messages": [{"role": "user", "content": "hello"}]},
        "response": {
            "id": "c1",
            "object": "chat.completion",
            "model": "gpt-5.1-2026",
            "created": 1_788_249_600,
            "choices": [{"finish_reason": "stop"}],
            "usage": usage,
        },
        **more,
    }


def responses(usage: Line, **more: Any) -> Line:  # noqa: ANN401 - JSON
    return {
        "request": {"model": "gpt-5.6", "instructions": "be brief", "input": "hello"},
        "response": {
            "id": "r1",
            "object": "response",
            "model": "gpt-5.6",
            "created_at": 1_788_249_600,
            "status": "completed",
            "usage": usage,
        },
        **more,
    }


def log(path: Path, *rows: Line) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def refusal(paths: list[Path | str], **options: Any) -> LlmopsError:  # noqa: ANN401 - options
    with pytest.raises(LlmopsError) as caught:
        read_calls(paths, **options)
    return caught.value


USAGES: list[tuple[str, Line, tuple[int, ...], int | None]] = [
    ("anthropic", {"input_tokens": 10, "output_tokens": 3}, (10, 0, 0, 0, 3), None),
    (
        "anthropic",
        {"input_tokens": 10, "cache_creation_input_tokens": 70, "cache_read_input_tokens": 200},
        (10, 200, 70, 0, 0),
        None,
    ),
    (
        "anthropic",
        {
            "input_tokens": 10,
            "cache_creation_input_tokens": 70,
            "cache_read_input_tokens": None,
            "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 50},
        },
        (10, 0, 20, 50, 0),
        None,
    ),
    ("chat", {"prompt_tokens": 100, "completion_tokens": 9}, (100, 0, 0, 0, 9), None),
    (
        "chat",
        {
            "prompt_tokens": 100,
            "completion_tokens": 9,
            "prompt_tokens_details": {"cached_tokens": 64},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
        (36, 64, 0, 0, 9),
        5,
    ),
    (
        "responses",
        {
            "input_tokens": 100,
            "output_tokens": 9,
            "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 30},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
        (6, 64, 30, 0, 9),
        0,
    ),
]
SHAPES = {"anthropic": anthropic, "chat": chat, "responses": responses}


@pytest.mark.parametrize(("shape", "usage", "tokens", "reasoning"), USAGES)
def test_overlapping_counters_become_disjoint_classes(
    tmp_path: Path, shape: str, usage: Line, tokens: tuple[int, ...], reasoning: int | None
) -> None:
    calls = read_calls([log(tmp_path / "a.jsonl", SHAPES[shape](usage))]).calls
    validate(calls)
    row = calls.iloc[0]
    assert tuple(row[name] for name in TOKEN_CLASSES) == tokens
    assert (None if pd.isna(row["reasoning_tokens"]) else row["reasoning_tokens"]) == reasoning
    assert sum(calls["block_tokens"][0]) == sum(tokens[:4])
    assert not row["tokens_estimated"]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (
            anthropic(
                {
                    "input_tokens": 1,
                    "cache_creation_input_tokens": 9,
                    "cache_creation": {"ephemeral_5m_input_tokens": 1},
                }
            ),
            "response.usage.cache_creation_input_tokens",
        ),
        (
            chat({"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 11}}),
            "response.usage",
        ),
        (
            responses(
                {
                    "input_tokens": 5,
                    "output_tokens": 1,
                    "output_tokens_details": {"reasoning_tokens": 2},
                }
            ),
            "response.usage",
        ),
    ],
)
def test_contradictions_are_named(tmp_path: Path, row: Line, field: str) -> None:
    (bad,) = read_calls([log(tmp_path / "a.jsonl", anthropic(), row)]).bad_rows
    assert (bad.slug, bad.field, bad.line) == ("calls-contradiction", field, 2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"timestamp": "2026-09-01T08:00:00.250Z"}, "2026-09-01T08:00:00.250"),
        ({"timestamp": None, "start_time": "2026-09-01T10:00:00+02:00"}, "2026-09-01T08:00:00"),
        ({"timestamp": None, "created_at": "2026-09-01 08:00:00"}, "2026-09-01T08:00:00"),
        ({"timestamp": 1_788_249_600}, "2026-09-01T08:00:00"),
        ({"timestamp": 1_788_249_600.5}, "2026-09-01T08:00:00.500"),
        ({"timestamp": None, "ts": 1_788_249_600_500}, "2026-09-01T08:00:00.500"),
        ({"timestamp": None, "time": 1_788_249_600_500_000}, "2026-09-01T08:00:00.500"),
        ({"timestamp": 1_788_249_600_500_000_000}, "2026-09-01T08:00:00.500"),
    ],
)
def test_every_way_to_write_a_time(tmp_path: Path, given: Line, expected: str) -> None:
    calls = read_calls([log(tmp_path / "a.jsonl", anthropic() | given)]).calls
    assert calls["start_time"][0] == pd.Timestamp(expected, tz="UTC")


def test_openai_rows_fall_back_to_the_time_of_the_response(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", chat({"prompt_tokens": 1}), responses({"input_tokens": 1}))
    times = read_calls([path]).calls["start_time"].tolist()
    assert times == [pd.Timestamp("2026-09-01T08:00:00", tz="UTC")] * 2


@pytest.mark.parametrize(
    ("given", "column", "expected"),
    [
        ({"session_id": 7}, "conversation_id", "7"),
        ({"thread_id": "t"}, "conversation_id", "t"),
        ({"workspace_id": "w"}, "isolation_domain", "w"),
        ({"organization_id": "o"}, "isolation_domain", "o"),
        ({"user": "u"}, "user_id", "u"),
        ({"latency_ms": 1500}, "duration_s", 1.5),
        ({"duration_s": 2, "duration_ms": 9}, "duration_s", 2.0),
        ({"ttft_ms": 80}, "ttft_s", 0.08),
        ({"score": 0.5}, "evaluation_score", 0.5),
        ({"provider": "aws.bedrock"}, "provider_name", "aws.bedrock"),
        ({"task": "classify"}, "task", "classify"),
        ({"error": {"type": "overloaded_error"}}, "error_type", "overloaded_error"),
        ({"error": "timeout"}, "error_type", "timeout"),
        ({"error": {"code": 529}}, "error_type", "529"),
    ],
)
def test_every_name_of_an_envelope_field(
    tmp_path: Path, given: Line, column: str, expected: object
) -> None:
    assert read_calls([log(tmp_path / "a.jsonl", anthropic(**given))]).calls[column][0] == expected


def test_a_failed_call_is_a_call(tmp_path: Path) -> None:
    lost = anthropic() | {"response": None, "error": {"type": "api_error"}, "request_id": "q"}
    body = anthropic() | {"response": {"type": "error", "error": {"type": "overloaded_error"}}}
    calls = read_calls([log(tmp_path / "a.jsonl", lost, body)]).calls
    assert calls["error_type"].tolist() == ["api_error", "overloaded_error"]
    assert calls["input_tokens"].isna().all()
    assert calls["call_id"].tolist() == ["q", f"{tmp_path / 'a.jsonl'}:2"]
    assert all(len(hashes) == 1 for hashes in calls["block_hashes"])


def test_without_usage_tokens_are_estimated_and_say_so(tmp_path: Path) -> None:
    row = anthropic()
    row["response"].pop("usage")
    calls = read_calls([log(tmp_path / "a.jsonl", row)]).calls
    assert bool(calls["tokens_estimated"][0])
    assert calls["input_tokens"][0] == 2 == sum(calls["block_tokens"][0])


def test_a_gateway_log_may_mix_providers(tmp_path: Path) -> None:
    rows = [anthropic(), chat({"prompt_tokens": 1}), anthropic(), responses({"input_tokens": 1})]
    traffic = read_calls([log(tmp_path / "a.jsonl", *rows)])
    assert traffic.formats == {"anthropic-messages": 2, "openai-chat": 1, "openai-responses": 1}
    assert traffic.calls["provider_name"].tolist() == ["anthropic", "openai", "anthropic", "openai"]
    assert traffic.bad_count == 0


def test_a_named_format_is_the_only_one(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", chat({"prompt_tokens": 1}), responses({"input_tokens": 1}))
    traffic = read_calls([path], format="openai-chat")
    assert (len(traffic.calls), traffic.bad_rows[0].field) == (1, "request.messages")
    error = refusal([path], format="openai")
    assert (error.slug, error.exit_code) == ("traffic-unknown-format", ExitCode.USAGE)


def test_a_claude_request_without_response_is_anthropic(tmp_path: Path) -> None:
    row = chat({"prompt_tokens": 1}) | {"response": None}
    claude = anthropic() | {"response": None}
    traffic = read_calls([log(tmp_path / "a.jsonl", row, claude)])
    assert traffic.formats == {"anthropic-messages": 1, "openai-chat": 1}


def test_folders_globs_and_gzip_in_a_fixed_order(tmp_path: Path) -> None:
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    log(tmp_path / "logs" / "b.jsonl", anthropic(task="2"))
    log(tmp_path / "logs" / "deep" / "c.ndjson", anthropic(task="3"))
    (tmp_path / "logs" / "a.jsonl.gz").write_bytes(
        gzip.compress(json.dumps(anthropic(task="1")).encode())
    )
    (tmp_path / "logs" / "notes.txt").write_text("not a log")
    (tmp_path / "logs" / ".hidden.jsonl").write_text("not a log")
    assert read_calls([tmp_path / "logs"]).calls["task"].tolist() == ["1", "2", "3"]
    assert read_calls([tmp_path / "logs" / "*.jsonl"]).calls["task"].tolist() == ["2"]
    (tmp_path / "logs" / "same.jsonl").symlink_to(tmp_path / "logs" / "b.jsonl")
    again = [tmp_path / "logs" / name for name in ("b.jsonl", "deep/../b.jsonl", "same.jsonl")]
    traffic = read_calls(again)
    assert traffic.calls["task"].tolist() == ["2"]
    assert traffic.files == (str(tmp_path / "logs" / "b.jsonl"),)


def test_parquet_gives_the_same_table_again(tmp_path: Path) -> None:
    rows = [anthropic(), chat({"prompt_tokens": 5}), anthropic() | {"response": None, "error": "x"}]
    path = log(tmp_path / "a.jsonl", *rows)
    with writer(str(tmp_path / "calls.parquet")) as file:
        for table in Reading([path]).tables():
            file.write_table(table)
    again = read_calls([tmp_path / "calls.parquet"])
    pd.testing.assert_frame_equal(again.calls, read_calls([path]).calls)
    assert again.formats == {"calls-parquet": 3}


BAD_FILES = [
    ("a.jsonl", b"", "traffic-empty", None),
    ("a.jsonl", b"\n \n", "traffic-empty", None),
    ("a.jsonl", b"not json\n", "traffic-no-calls", 1),
    ("a.jsonl", b'{"some": "other"}\n', "traffic-no-calls", 1),
    ("a.jsonl", "{}".encode("utf-16"), "traffic-not-utf8", 1),
    ("a.jsonl", gzip.compress(b"{}", mtime=0), "traffic-packed", None),
    ("a.jsonl", b"\x28\xb5\x2f\xfd\x00", "traffic-packed", None),
    ("a.jsonl.gz", b"not gzip", "traffic-truncated-gzip", None),
    # Without a clock in its header: parallel workers must collect the same test.
    (
        "a.jsonl.gz",
        gzip.compress(b'{"a": 1}\n' * 99, mtime=0)[:-12],
        "traffic-truncated-gzip",
        None,
    ),
    ("a.parquet", b"not parquet", "traffic-not-parquet", None),
]


@pytest.mark.parametrize(("name", "content", "slug", "line"), BAD_FILES)
def test_bad_files_are_refused(
    tmp_path: Path, name: str, content: bytes, slug: str, line: int | None
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    error = refusal([path])
    assert (error.slug, error.line, error.file) == (slug, line, str(path))
    assert error.exit_code is ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("line", "slug", "field"),
    [
        (b"{broken\n", "traffic-not-json", ""),
        (b'{"request": {"model": "cla', "traffic-truncated-line", ""),
        (b'{"task": "\xff\xfe"}\n', "traffic-not-utf8", ""),
        (b'{"other": 1}\n', "traffic-unknown-format", ""),
        (b'[{"request": 1}]\n', "traffic-json-array", ""),
        (b"[\n", "traffic-json-array", ""),
        (b'{"timestamp": "yesterday", "request": {"model": "claude-x", "messages": []}}\n',
         "calls-bad-time", "timestamp"),
        (b'{"request": {"messages": [], "model": 5}}\n', "calls-bad-value", "request.model"),
        (b'{"request": {"messages": []}, "response": {"type": "message"}}\n',
         "calls-missing-field", "request.model"),
        (b'{"request": {"model": "claude-x", "messages": [{"role": "user", "content": 5}]}}\n',
         "calls-bad-content", ""),
        (b'{"response": {"type": "message", "usage": {"input_tokens": -1}}}\n',
         "calls-bad-value", "response.usage.input_tokens"),
    ],
)  # fmt: skip
def test_bad_rows_are_quarantined_by_place(
    tmp_path: Path, line: bytes, slug: str, field: str
) -> None:
    path = log(tmp_path / "a.jsonl", anthropic(), anthropic())
    path.write_bytes(path.read_bytes() + line)
    traffic = read_calls([path])
    assert len(traffic.calls) == 2
    (bad,) = traffic.bad_rows
    assert (bad.line, bad.slug, bad.field) == (3, slug, field)
    assert "yesterday" not in bad.message


def test_past_the_limit_the_reading_stops(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(anthropic()) + "\n" + "x\n" * 4)
    assert read_calls([path], max_bad_rows=4).bad_count == 4
    error = refusal([path], max_bad_rows=3)
    assert (error.slug, error.line) == ("traffic-too-many-bad-rows", 2)
    assert refusal([path], max_bad_rows=0).slug == "traffic-not-json"


def test_raw_logs_beside_parquet_are_refused(tmp_path: Path) -> None:
    path = log(tmp_path / "a.jsonl", anthropic())
    with writer(str(tmp_path / "calls.parquet")) as file:
        for table in Reading([path]).tables():
            file.write_table(table)
    error = refusal([tmp_path])
    assert (error.slug, error.exit_code) == ("traffic-mixed-formats", ExitCode.BAD_INPUT)


def test_parquet_of_something_else_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"call_id": ["x"]}).to_parquet(tmp_path / "a.parquet")
    error = refusal([tmp_path / "a.parquet"])
    assert (error.slug, error.field) == ("calls-missing-column", "start_time")
    table = next(iter(Reading([log(tmp_path / "a.jsonl", anthropic())]).tables()))
    at = table.schema.get_field_index("input_tokens")
    pq.write_table(table.set_column(at, "input_tokens", [["ten"]]), tmp_path / "b.parquet")
    error = refusal([tmp_path / "b.parquet"])
    assert (error.slug, error.field) == ("calls-bad-column", "input_tokens")


@pytest.mark.parametrize(
    ("make", "slug"), [(False, "traffic-not-found"), (True, "traffic-no-logs")]
)
def test_nothing_to_read(tmp_path: Path, make: bool, slug: str) -> None:  # noqa: FBT001
    folder = tmp_path / "logs"
    if make:
        folder.mkdir()
    assert refusal([folder]).slug == slug
