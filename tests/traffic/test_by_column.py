"""Lines that are read many at once: column by column or row by row, the table is the same."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Options, Reading, by_column, litellm, streams

Json = dict[str, Any]
Read = TypeVar("Read")
FIXTURES = Path(__file__).parents[1] / "fixtures"
TYPICAL: dict[str, list[Json]] = json.loads((FIXTURES / "typical_lines.json").read_bytes())
RECORDED = (FIXTURES / "litellm" / "litellm.jsonl").read_bytes()
THIN: Json = {
    "id": "chatcmpl-1",
    "trace_id": "t1",
    "call_type": "acompletion",
    "status": "success",
    "model": "gpt-5.1",
    "custom_llm_provider": "openai",
    "cache_hit": None,
    "startTime": 1788249600.25,
    "endTime": 1788249601.75,
    "completionStartTime": 1788249600.5,
    "prompt_tokens": 3000,
    "completion_tokens": 120,
    "total_tokens": 3120,
    "end_user": "",
    "metadata": {
        "user_api_key_team_id": "team1",
        "usage_object": {"prompt_tokens_details": {"cached_tokens": 1024}},
    },
}


def log(*lines: Json | bytes) -> bytes:
    return b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
    )


def usage(**counters: object) -> Json:
    return {"metadata": {"usage_object": counters}}


class Outcome:
    """Everything that a reading tells."""

    def __init__(self, path: Path, **options: Any) -> None:  # noqa: ANN401
        reading = Reading([path], Options(**{"max_bad_rows": 10_000} | options))
        tables = list(reading.tables(required=False))
        self.calls = pa.concat_tables(tables).combine_chunks() if tables else None
        self.told = (
            reading.quarantine.rows, dict(reading.formats), dict(reading.skipped), reading.joins,
        )  # fmt: skip


def both(read: Callable[[], Read]) -> tuple[Read, Read]:
    """What comes of reading column by column, and row by row."""
    by_columns = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(by_column, "BY_COLUMN", {})
        return by_columns, read()


def require_same(path: Path, data: bytes, **options: Any) -> Outcome:  # noqa: ANN401
    path.write_bytes(data)
    found, expected = both(lambda: Outcome(path, **options))
    assert found.told == expected.told
    if expected.calls is None:
        assert found.calls is None
    else:
        assert found.calls is not None
        assert found.calls.equals(expected.calls)
    return found


@pytest.fixture
def rows_made(monkeypatch: pytest.MonkeyPatch) -> list[litellm.Line]:
    """Every line that LiteLLM's reader makes a row of, one by one."""
    made = list[litellm.Line]()
    rows: Callable[[litellm.Line], Any] = litellm.rows

    def counted(line: litellm.Line) -> Any:  # noqa: ANN401
        made.append(line)
        return rows(line)

    monkeypatch.setattr(litellm, "rows", counted)
    return made


def thin(number: int, **changes: Any) -> Json:  # noqa: ANN401
    start = THIN["startTime"] + 10 * number
    times = {"startTime": start, "endTime": start + 1.5, "completionStartTime": start + 0.4}
    return THIN | {"id": f"chatcmpl-{number}", "trace_id": f"t{number // 3}"} | times | changes


def test_simple_lines_are_read_without_a_row_each(
    tmp_path: Path, rows_made: list[litellm.Line]
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(log(*(thin(number) for number in range(500))))
    found = Outcome(path)
    assert found.told[1] == {"litellm": 500}
    # The first line tells the format; all others come at once.
    assert len(rows_made) == 1


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"error_information": {"error_class": "RateLimitError"}}, "RateLimitError"),
        ({"error_information": {"error_code": 429}}, "429"),
        ({"error_information": {}}, "failure"),
        ({"prompt_tokens": None, "total_tokens": None, "completion_tokens": None}, "failure"),
        ({"response": "no model answered"}, "failure"),
        (usage(service_tier="flex", cache_read_input_tokens=5_000), "failure"),
        ({"response": {"service_tier": "default"}} | usage(service_tier="flex"), "failure"),
    ],
)
def test_a_failed_call_is_read_without_a_row_and_without_counters(
    tmp_path: Path, rows_made: list[litellm.Line], changes: Json, error: str
) -> None:
    failed = thin(7) | {"status": "failure"} | changes
    (tmp_path / "a.jsonl").write_bytes(log(thin(0), thin(1), failed, thin(3)))
    found = Outcome(tmp_path / "a.jsonl")
    assert len(rows_made) == 1
    assert found.calls is not None
    row = found.calls.to_pylist()[2]
    assert (row["error_type"], row["input_tokens"], row["output_tokens"]) == (error, None, None)
    require_same(tmp_path / "b.jsonl", log(thin(0), thin(1), failed, thin(3)))


@pytest.mark.parametrize(
    "changes",
    [
        {"cache_hit": True},
        {"messages": [{"role": "user", "content": "hello"}]},
        {"startTime": "2026-09-01T00:00:00Z", "endTime": "2026-09-01T00:00:01Z"},
        {"endTime": THIN["startTime"] - 1},
        {"completionStartTime": 5.0},
        {"startTime": None},
        {"prompt_tokens": 1000},
        {"prompt_tokens": None},
        {"custom_llm_provider": "anthropic", "model": "claude-opus-4-5"},
        usage(cache_creation_input_tokens=5),
        usage(cache_creation={"ephemeral_5m_input_tokens": 5}),
        usage(cache_creation_token_details={"ephemeral_1h_input_tokens": 5}),
        usage(prompt_tokens_details={"cache_creation_tokens": 5}),
        usage(input_tokens_details={"cache_write_tokens": 5}),
        usage(
            prompt_tokens_details={"cache_creation_token_details": {"ephemeral_1h_input_tokens": 5}}
        ),
        # The total proves that reasoning stands beside the output.
        usage(completion_tokens_details={"reasoning_tokens": 20}) | {"total_tokens": 3140},
        {"metadata": {"usage_object": {"completion_tokens_details": {"reasoning_tokens": 500}}}},
        {"metadata": None, "response": {"usage": {"prompt_tokens_details": {"cached_tokens": 9}}}},
    ],
)
def test_every_other_line_is_left_to_the_row_reader(
    tmp_path: Path, rows_made: list[litellm.Line], changes: Json
) -> None:
    odd = thin(7) | changes
    data = log(thin(0), thin(1), odd, thin(3))
    (tmp_path / "a.jsonl").write_bytes(data)
    Outcome(tmp_path / "a.jsonl")
    assert len(rows_made) == 2
    require_same(tmp_path / "a.jsonl", data)


@pytest.mark.parametrize(
    "changes",
    [
        {"completionStartTime": None},
        {"completionStartTime": THIN["endTime"] + 900},
        {"trace_id": "", "model": "", "model_group": "openai/fast"},
        {"model": "openai/gpt-5.1", "session_id": "s1"},
        {"model": "None/gpt-5.1", "custom_llm_provider": None, "metadata": None},
        {"call_type": "aembedding", "messages": [{"role": "user", "content": "hello"}]},
        {"messages": "redacted-by-litellm", "response": "redacted-by-litellm"},
        {"call_type": "", "prompt_tokens": None, "end_user": "u1",
         "metadata": {"usage_object": {"prompt_tokens": 7, "service_tier": "flex"}}},
        {"metadata": {"requester_metadata": {"session_id": "s2"}, "user_api_key_org_id": "o"}},
        {"metadata": {"requester_metadata": {"session_id": 5}}},
        {"metadata": {"usage_object": {
            "cache_read_input_tokens": 77, "input_tokens_details": {"cached_tokens": 5},
            "completion_tokens_details": {"reasoning_tokens": 20}}}},
        {"metadata": None, "total_tokens": None, "response": {
            "model": "gpt-5.1-2025-11-13", "service_tier": "default",
            "choices": [{"finish_reason": "stop"}]}},
        {"startTime": -0.0, "endTime": 0.0000005, "completionStartTime": None},
        {"startTime": 1788249600, "endTime": 1788249600.0000005},
        {"startTime": 1788249600.1234575, "endTime": 1788249600.1234589},
    ],
)  # fmt: skip
def test_what_a_simple_line_may_say_is_read_alike(
    tmp_path: Path, rows_made: list[litellm.Line], changes: Json
) -> None:
    data = log(thin(0), thin(1), thin(2) | changes, thin(3))
    (tmp_path / "a.jsonl").write_bytes(data)
    Outcome(tmp_path / "a.jsonl")
    assert len(rows_made) == 1
    require_same(tmp_path / "a.jsonl", data)


@pytest.mark.parametrize("name", ["auto", "litellm"])
@pytest.mark.parametrize("name_of_other", [name for name in TYPICAL if name != "otlp-json"])
def test_formats_may_be_mixed(tmp_path: Path, name: str, name_of_other: str) -> None:
    some = [thin(1), thin(2), *TYPICAL[name_of_other], *TYPICAL["litellm"], thin(3), thin(4)]
    found = require_same(tmp_path / "a.jsonl", log(thin(0), *some, *some), format=name)
    assert found.calls is not None


@pytest.mark.parametrize("keep", [False, True])
def test_recorded_lines_are_read_alike(tmp_path: Path, *, keep: bool) -> None:
    data = RECORDED.rstrip(b"\n") + b"\n"
    require_same(tmp_path / "a.jsonl", data * 3 + log(thin(1)) * 3 + data, keep_content=keep)


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b" \t",
        b"{broken",
        b"[]",
        b'{"other": 1}',
        b'{"call_type": null, "model": "m", "response_cost": 1}',
        b'{"call_type": "acompletion", "model": 5}',
        b'{"call_type": "acompletion", "id": "\xff"}',
        b'{"call_type": "acompletion", "other": "\xff"}',
        '{"call_type": "acompletion", "id": "é", "startTime": 5}'.encode(),
        b'{"call_type": "acompletion", "id": "\\ud800", "startTime": 5}',
        b'{"call_type": "acompletion", "startTime": NaN}',
        b'{"call_type": "acompletion",\n"startTime": 5}',
        b'{"call_type": "acompletion", "startTime": 5}{"call_type": "acompletion", "startTime": 6}',
        b'{"call_type": "acompletion", "startTime": 5} ',
        b'{"call_type": "acompletion", "startTime": 5}\r',
        b'\xef\xbb\xbf{"call_type": "acompletion", "startTime": 5}',
        b'{"call_type": "x", "startTime": 5, "user":\n{}}\n{"call_type": "y"}{"call_type": "z"}',
    ],
)
@pytest.mark.parametrize("limit", [0, 1, 10_000])
def test_a_line_that_is_not_plain_changes_nothing(tmp_path: Path, odd: bytes, limit: int) -> None:
    data = log(thin(0), thin(1), odd, thin(2), odd, thin(3))
    (tmp_path / "a.jsonl").write_bytes(data)
    found, expected = both(lambda: refusal(tmp_path / "a.jsonl", max_bad_rows=limit))
    assert found == expected
    if expected is None:
        require_same(tmp_path / "a.jsonl", data, max_bad_rows=limit)


def refusal(path: Path, **options: Any) -> tuple[Any, ...] | None:  # noqa: ANN401
    try:
        Outcome(path, **options)
    except LlmopsError as error:
        return error.slug, error.file, error.line, error.field, str(error)
    return None


def test_rows_of_a_batch_stand_in_the_order_of_their_lines(tmp_path: Path) -> None:
    odd = {"status": "failure", "error_information": {"error_class": "BadRequestError"}}
    lines = [thin(number, **odd if number % 5 == 2 else {}) for number in range(4_000)]
    found = require_same(tmp_path / "a.jsonl", log(*lines))
    assert found.calls is not None
    assert found.calls["source_line"].to_pylist() == list(range(1, 4_001))


def test_retries_are_grouped_alike(tmp_path: Path) -> None:
    odd = {"status": "failure", "error_information": {"error_class": "RateLimitError"}}
    lines = [thin(number, **odd if number % 3 == 0 else {}) for number in range(300)]
    found = require_same(tmp_path / "a.jsonl", log(*lines))
    assert found.told[3]["retries-grouped"] == 100


@pytest.mark.parametrize("size", [60, 700, 2_000])
def test_the_size_of_what_is_read_ahead_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    whole = require_same(tmp_path / "a.jsonl", log(*map(thin, range(50))) + log(thin(50))[:-1])
    monkeypatch.setattr(streams, "_SLAB", size)
    parts = Outcome(tmp_path / "a.jsonl")
    assert whole.calls is not None
    assert whole.calls.equals(parts.calls)
    assert whole.told == parts.told


some_count = st.none() | st.sampled_from([0, 1, 9, 10, 3000, 3120, 500_000_000, 500_000_001, -1])
some_time = st.none() | st.sampled_from(
    [0, 0.5, 1e11, 99_999_999_999.5, 7258118399.9999995, 7258118400.0, 1788249600, "1788249600",
     "2026-09-01T00:00:00", "", 1788249600.1234565, 1788249600.1234575, 1788249601123.5, -1.0]
)  # fmt: skip
some_text = st.none() | st.sampled_from(["", "a", "openai", "anthropic", "bedrock", "claude-x"])
details = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "cached_tokens": some_count,
        "cache_creation_tokens": some_count,
        "cache_write_tokens": some_count,
        "reasoning_tokens": some_count,
        "cache_creation_token_details": st.none() | st.just({"ephemeral_1h_input_tokens": 1}),
    },
)
some_usage = st.none() | st.fixed_dictionaries(
    {},
    optional={
        "prompt_tokens": some_count,
        "completion_tokens": some_count,
        "total_tokens": some_count,
        "prompt_tokens_details": details,
        "input_tokens_details": details,
        "completion_tokens_details": details,
        "output_tokens_details": details,
        "cache_creation": st.none() | st.just({}),
        "cache_read_input_tokens": some_count,
        "cache_creation_input_tokens": some_count,
        "service_tier": some_text,
    },
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "call_type": st.sampled_from(["completion", "aresponses", "aembedding", "anthropic_messages"])
    | some_text,
    "id": some_text,
    "trace_id": some_text,
    "session_id": some_text,
    "status": st.sampled_from(["success", "failure", "", None]),
    "model": some_text | st.sampled_from(["openai/a", "None/a", "anthropic/claude-x"]),
    "model_group": some_text,
    "custom_llm_provider": some_text,
    "cache_hit": st.sampled_from([None, True, False, "True", "true", "", "no"]),
    "startTime": some_time,
    "endTime": some_time,
    "completionStartTime": some_time,
    "prompt_tokens": some_count,
    "completion_tokens": some_count,
    "total_tokens": some_count,
    "end_user": some_text,
    "metadata": st.none()
    | st.fixed_dictionaries(
        {},
        optional={
            "user_api_key_org_id": some_text,
            "user_api_key_team_id": some_text,
            "user_api_key_user_id": some_text,
            "user_api_key_end_user_id": some_text,
            "requester_metadata": st.none() | st.fixed_dictionaries({"session_id": some_text}),
            "usage_object": some_usage,
        },
    ),
    "messages": st.sampled_from(
        [None, [], {}, "text", "redacted-by-litellm", [{"role": "user", "content": "hello"}],
         [{"role": "user", "content": "redacted-by-litellm"}], [{"role": "nobody"}]]
    ),
    "response": st.sampled_from(["text", [], {}, None])
    | st.fixed_dictionaries(
        {},
        optional={
            "model": some_text,
            "service_tier": some_text,
            "choices": st.sampled_from([None, [], [{}], [{"finish_reason": "stop"}]]),
            "usage": some_usage,
        },
    ),
    "error_information": st.sampled_from([None, {}, {"error_code": 429}]),
}  # fmt: skip


@st.composite
def changed_lines(draw: st.DrawFn) -> Json:
    names = draw(st.lists(st.sampled_from(list(FIELDS)), max_size=4, unique=True))
    line = thin(draw(st.integers(0, 5)), **{name: draw(FIELDS[name]) for name in names})
    for name in draw(st.lists(st.sampled_from(list(THIN)), max_size=2)):
        line.pop(name, None)
    return line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    lines=st.lists(
        changed_lines() | st.sampled_from([b"", b"{", b"\xff", *TYPICAL["openai-chat"]]), max_size=8
    ),
    name=st.sampled_from(["auto", "litellm"]),
)
@example(lines=[], name="auto")
def test_any_lines_are_read_alike(folder: Path, lines: list[Json | bytes], name: str) -> None:
    data = log(thin(0), thin(1), *lines, thin(2))
    require_same(folder / "a.jsonl", data, format=name)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changed_lines())
def test_any_single_line_is_read_alike(folder: Path, line: Json) -> None:
    require_same(folder / "a.jsonl", log(thin(0), thin(1), line), format="litellm")
