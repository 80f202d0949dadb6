"""Logs of a team's own: CSV, JSON lines and Parquet through ``column=field``."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.calls import COLUMNS, TOKEN_CLASSES, BlockKind, from_arrow, validate
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic import Options, Reading, read_calls
from llmops_cli.traffic.coerced import read_number
from llmops_cli.traffic.mapping import MAPPABLE

Row = dict[str, Any]
Write = Callable[[Path, list[Row]], Path]

PRIVATE = "the patient is called Quux"
MODEL = "request_model=model"


def write_csv(folder: Path, rows: list[Row]) -> Path:
    path = folder / "log.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json(folder: Path, rows: list[Row]) -> Path:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_parquet(folder: Path, rows: list[Row]) -> Path:
    path = folder / "log.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=2)
    return path


WRITERS = {"csv": write_csv, "json": write_json, "parquet": write_parquet}
each_format = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


def reading(*paths: Path, fields: tuple[str, ...], **options: Any) -> Reading:  # noqa: ANN401
    pairs = tuple((name, field) for name, _, field in (text.partition("=") for text in fields))
    return Reading(paths, Options(mapping=pairs, **options))


def calls_of(found: Reading) -> pd.DataFrame:
    return from_arrow(pa.concat_tables(found.tables()))


def read(path: Path, *fields: str) -> pd.DataFrame:
    return calls_of(reading(path, fields=fields))


def refused(path: Path, *fields: str) -> LlmopsError:
    with pytest.raises(LlmopsError) as caught:
        read(path, *fields)
    return caught.value


def filled(row: pd.Series) -> Row:
    """The columns of a row that hold anything, blocks and place aside."""
    return {
        name: value
        for name, value in row.items()
        if not str(name).startswith(("block_", "source_")) and not pd.isna(value)
    }


ALWAYS: Row = {"operation_name": "chat", "tokens_estimated": False, "automatic_cache": 0}
WHEN = pd.Timestamp("2026-09-01T08:00:00.25Z")
FULL: Row = {
    "id": "c1",
    "at": "2026-09-01T10:00:00.250+02:00",
    "thread": 17,
    "trace": "t1",
    "span": "s1",
    "agent": "planner",
    "tool": "search",
    "who": "u1",
    "org": "acme",
    "kind": "triage",
    "vendor": "openai",
    "op": "chat",
    "model": "gpt-5.1",
    "served": "gpt-5.1-2026-01-01",
    "tier": "flex",
    "fresh": 36,
    "hit": 64,
    "five": 8,
    "hour": 4,
    "out": 9,
    "thought": 5,
    "took": 1.5,
    "first": 0.25,
    "why": "stop",
    "oops": "timeout",
    "tries": 2,
    "grade": 0.5,
    "auto": 1,
}
FULL_MAP = tuple(
    f"{name}={field}"
    for name, field in zip(
        [
            *("call_id", "start_time", "conversation_id", "trace_id", "span_id", "agent_name"),
            *("tool_name", "user_id", "isolation_domain", "task", "provider_name"),
            *("operation_name", "request_model", "response_model", "service_tier"),
            *("input_tokens", "cache_read_tokens", "cache_write_5m_tokens"),
            *("cache_write_1h_tokens", "output_tokens", "reasoning_tokens", "duration_s"),
            *("ttft_s", "finish_reason", "error_type", "attempts", "evaluation_score"),
            "automatic_cache",
        ],
        FULL,
        strict=True,
    )
)


@each_format
def test_every_column_can_be_mapped(tmp_path: Path, write: Write) -> None:
    found = read(write(tmp_path, [FULL]), *FULL_MAP)
    columns = {name.partition("=")[0]: FULL[name.partition("=")[2]] for name in FULL_MAP}
    told = {"start_time": WHEN, "conversation_id": "17"}
    assert filled(found.iloc[0]) == ALWAYS | columns | told
    assert not set(MAPPABLE[: len(FULL_MAP)]) ^ set(columns)
    validate(found)


TOKENS: list[tuple[str, tuple[str, ...], Row, tuple[int | None, ...]]] = [
    ("fresh", ("input_tokens=a",), {"a": 100}, (100, None, None, None, None)),
    (
        "inclusive",
        ("input_tokens_including_cache=a", "cache_read_tokens=b", "output_tokens=c"),
        {"a": 100, "b": 64, "c": 9},
        (36, 64, None, None, 9),
    ),
    (
        "inclusive with writes",
        (
            "input_tokens_including_cache=a",
            "cache_read_tokens=b",
            "cache_write_5m_tokens=c",
            "cache_write_1h_tokens=d",
        ),
        {"a": 100, "b": 64, "c": 5, "d": 1},
        (30, 64, 5, 1, None),
    ),
    (
        "inclusive, a row without cache counters",
        ("input_tokens_including_cache=a", "cache_read_tokens=b", "cache_write_5m_tokens=c"),
        {"a": 100, "b": None, "c": None},
        (100, 0, 0, None, None),
    ),
    (
        "exclusive beside a total that says so",
        ("input_tokens=a", "cache_read_tokens=b", "output_tokens=c", "total_tokens=t"),
        {"a": 5, "b": 128_955, "c": 1_253, "t": 130_213},
        (5, 128_955, None, None, 1_253),
    ),
    (
        "inclusive beside a total that says so",
        ("input_tokens_including_cache=a", "cache_read_tokens=b", "total_tokens=t"),
        {"a": 100, "b": 64, "t": 100},
        (36, 64, None, None, None),
    ),
    ("whole floats of a data frame", ("input_tokens=a",), {"a": 12.0}, (12, *[None] * 4)),
    ("output alone", ("output_tokens=a",), {"a": 9}, (None, None, None, None, 9)),
    ("nothing counted", ("input_tokens=a", "task=b"), {"a": None, "b": "x"}, (None,) * 5),
]


@each_format
@pytest.mark.parametrize(
    ("fields", "row", "counts"), [case[1:] for case in TOKENS], ids=[case[0] for case in TOKENS]
)
def test_counters_become_disjoint_classes(
    tmp_path: Path, write: Write, fields: tuple[str, ...], row: Row, counts: tuple[int | None, ...]
) -> None:
    found = read(write(tmp_path, [row | {"model": "m"}]), MODEL, *fields).iloc[0]
    assert tuple(None if pd.isna(found[name]) else found[name] for name in TOKEN_CLASSES) == counts


TIMES: list[tuple[str, tuple[str, ...], Row, tuple[object, ...]]] = [
    (
        "start and end",
        ("start_time=a", "end_time=b"),
        {"a": "2026-09-01T08:00:00.25Z", "b": "2026-09-01 08:00:02.250000"},
        (WHEN, 2.0, None),
    ),
    (
        "end and duration",
        ("end_time=b", "duration_ms=c", "ttft_ms=d"),
        {"b": "2026-09-01T08:00:02.25Z", "c": 2000, "d": 300.5},
        (WHEN, 2.0, 0.3005),
    ),
    (
        "a duration of the log's own before start and end",
        ("start_time=a", "end_time=b", "duration_s=c"),
        {"a": 1_788_249_600.25, "b": 1_788_249_602, "c": 1.25},
        (WHEN, 1.25, None),
    ),
    ("seconds", ("start_time=a",), {"a": 1_788_249_600.25}, (WHEN, None, None)),
    ("milliseconds", ("start_time=a",), {"a": 1_788_249_600_250}, (WHEN, None, None)),
    ("microseconds", ("start_time=a",), {"a": 1_788_249_600_250_000}, (WHEN, None, None)),
    ("nanoseconds", ("start_time=a",), {"a": 1_788_249_600_250_000_000}, (WHEN, None, None)),
    ("an end alone", ("end_time=a",), {"a": "2026-09-01"}, (None, None, None)),
]


@each_format
@pytest.mark.parametrize(
    ("fields", "row", "told"), [case[1:] for case in TIMES], ids=[case[0] for case in TIMES]
)
def test_times_in_every_unit(
    tmp_path: Path, write: Write, fields: tuple[str, ...], row: Row, told: tuple[object, ...]
) -> None:
    found = read(write(tmp_path, [row | {"model": "m"}]), MODEL, *fields).iloc[0]
    names = ("start_time", "duration_s", "ttft_s")
    assert tuple(None if pd.isna(found[name]) else found[name] for name in names) == told


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (pa.timestamp("ns", "Europe/Oslo"), datetime(2026, 9, 1, 8, tzinfo=UTC), "2026-09-01T08Z"),
        (pa.timestamp("ns"), datetime(2026, 9, 1, 8), "2026-09-01T08Z"),  # noqa: DTZ001 - naive
        (pa.timestamp("ms"), datetime(2026, 9, 1, 8), "2026-09-01T08Z"),  # noqa: DTZ001
        (pa.date32(), date(2026, 9, 1), "2026-09-01T00Z"),
        (pa.decimal128(20, 3), Decimal("1788249600.250"), "2026-09-01T08:00:00.25Z"),
        (pa.int64(), 1_788_249_600_250, "2026-09-01T08:00:00.25Z"),
        (pa.dictionary(pa.int8(), pa.string()), "2026-09-01T08:00:00Z", "2026-09-01T08Z"),
    ],
)
def test_times_of_every_parquet_type(
    tmp_path: Path, kind: pa.DataType, value: object, expected: str
) -> None:
    path = tmp_path / "log.parquet"
    is_word = pa.types.is_dictionary(kind)
    times = pa.array([value, None], pa.string() if is_word else kind)
    counts = pa.array([Decimal(7), Decimal(8)], pa.decimal128(38, 0))
    times = times.dictionary_encode() if is_word else times
    pq.write_table(pa.table({"at": times, "n": counts}), path)
    found = read(path, "start_time=at", "input_tokens=n")
    assert found["start_time"].iloc[0] == pd.Timestamp(expected)
    assert pd.isna(found["start_time"].iloc[1])
    assert found["input_tokens"].to_list() == [7, 8]


ERRORS: list[tuple[object, str | None]] = [
    (None, None),
    ("", None),
    ("timeout", "timeout"),
    (True, "error"),
    (False, None),
    (0, None),
    (200, None),
    (429, "429"),
    ("False", None),
    ("true", "error"),
]


@pytest.mark.parametrize("write", [write_csv, write_json], ids=["csv", "json"])
@pytest.mark.parametrize(("value", "expected"), ERRORS, ids=[repr(case[0]) for case in ERRORS])
def test_what_says_that_nothing_went_wrong_is_no_error(
    tmp_path: Path, write: Write, value: object, expected: str | None
) -> None:
    found = read(write(tmp_path, [{"model": "m", "bad": value}]), MODEL, "error_type=bad")
    error = found["error_type"].iloc[0]
    assert (None if pd.isna(error) else error) == expected


NESTED: Row = {
    "meta": {"model": "gpt-5.1", "usage": {"in": 7}},
    "meta.user": "u1",
    "out": 3,
    "choices": [{"finish_reason": "stop"}],
}


@pytest.mark.parametrize("write", [write_json, write_parquet], ids=["json", "parquet"])
def test_a_field_may_be_a_path_and_a_name_may_have_dots(tmp_path: Path, write: Write) -> None:
    found = read(
        write(tmp_path, [NESTED, NESTED | {"meta": None, "choices": []}, NESTED]),
        "request_model=meta.model",
        "input_tokens=meta.usage.in",
        "user_id=meta.user",
        "output_tokens=out",
        "finish_reason=choices.0.finish_reason",
    )
    assert found["request_model"].isna().to_list() == [False, True, False]
    assert found["input_tokens"].to_list()[::2] == [7, 7]
    assert found["user_id"].to_list() == ["u1"] * 3
    assert found["finish_reason"].isna().to_list() == [False, True, False]


MESSAGES = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "is it warm?"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "t1", "type": "function", "function": {"name": "sky", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "t1", "content": "9 degrees"},
]


@each_format
def test_a_list_of_messages_is_cut_as_an_openai_log_is(tmp_path: Path, write: Write) -> None:
    reply = {"object": "chat.completion", "usage": {"prompt_tokens": 40}}
    live = tmp_path / "live.log"
    live.write_text(
        json.dumps({"request": {"model": "m", "messages": MESSAGES}, "response": reply})
    )
    one = read_calls([live]).calls.iloc[0]
    said = json.dumps(MESSAGES) if write is write_csv else MESSAGES
    path = write(tmp_path, [{"said": said, "in": 40}])
    other = read(path, "messages=said", "input_tokens=in").iloc[0]
    assert len(one.block_hashes) == len(MESSAGES)
    for name in ("block_hashes", "block_kinds", "block_tokens", "block_markers"):
        assert list(one[name]) == list(other[name])


def test_the_empty_fields_of_nested_columns_are_no_part_of_a_prompt(tmp_path: Path) -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    parts = [{"type": "text", "text": "what is this?"}, picture]
    rows = [{"model": "m", "said": [{"role": "user", "content": parts}]}]
    hashes = [
        list(read(write(tmp_path, rows), MODEL, "messages=said")["block_hashes"].iloc[0])
        for write in (write_json, write_parquet)
    ]
    assert len(hashes[0]) == 2
    assert hashes[0] == hashes[1]


@each_format
@pytest.mark.parametrize("column", ["prompt", "messages"])
def test_text_is_the_prompt_of_a_user(tmp_path: Path, write: Write, column: str) -> None:
    path = write(tmp_path, [{"m": "x", "said": "is it\nwarm?"}])
    row = read(path, "request_model=m", f"{column}=said").iloc[0]
    whole = [{"role": "user", "content": "is it\nwarm?"}]
    other = read(
        write_json(tmp_path, [{"m": "x", "said": whole}]), "messages=said", "request_model=m"
    )
    assert list(row.block_hashes) == list(other["block_hashes"].iloc[0])
    assert list(row.block_kinds) == [BlockKind.USER]
    assert (row.input_tokens, row.tokens_estimated) == (3, True)


def test_a_prompt_that_begins_like_a_list_is_still_text(tmp_path: Path) -> None:
    path = write_csv(tmp_path, [{"m": "x", "said": "[draft] is it warm?"}])
    assert list(read(path, "prompt=said", "request_model=m")["block_kinds"].iloc[0]) == [
        BlockKind.USER
    ]
    found = reading(path, fields=("messages=said", "request_model=m"))
    with pytest.raises(LlmopsError):
        calls_of(found)
    assert [(row.slug, row.field) for row in found.quarantine.rows] == [
        ("calls-bad-content", "said")
    ]


def test_prompts_are_hashed_with_the_key_and_kept_only_where_asked(tmp_path: Path) -> None:
    path = write_json(tmp_path, [{"m": "x", "said": PRIVATE}])
    fields = ("request_model=m", "prompt=said")
    (bare,) = reading(path, fields=fields).tables()
    (keyed,) = reading(path, fields=fields, hash_key=b"k").tables()
    (kept,) = reading(path, fields=fields, keep_content=True).tables()
    assert PRIVATE not in str(bare.to_pylist())
    assert bare["block_hashes"] != keyed["block_hashes"]
    assert PRIVATE in kept["content"][0].as_py()


NUMBERS = [
    *("input_tokens", "output_tokens", "reasoning_tokens", "cache_read_tokens"),
    *("cache_write_5m_tokens", "cache_write_1h_tokens", "input_tokens_including_cache"),
]
SECONDS = ["duration_s", "duration_ms", "ttft_s", "ttft_ms"]
BAD: list[tuple[str, object, str]] = [
    *((name, value, "calls-bad-value") for name in NUMBERS for value in (-1, 2**63 - 1, 1.5)),
    *((name, -0.5, "calls-negative-duration") for name in SECONDS),
    *((name, "soon", "calls-bad-value") for name in (*NUMBERS, *SECONDS, "evaluation_score")),
    ("attempts", 0, "calls-bad-value"),
    ("attempts", 2**31, "calls-bad-value"),
    ("automatic_cache", 3, "calls-bad-value"),
    ("task", 1.5, "calls-bad-value"),
    ("start_time", PRIVATE, "calls-bad-time"),
    ("start_time", -1, "calls-bad-time"),
    ("end_time", "2026-13-01", "calls-bad-time"),
    ("start_time", 2**63 - 1, "calls-bad-time"),
]
BAD_JSON: list[tuple[str, object, str]] = [
    ("input_tokens", "12", "calls-bad-value"),
    ("input_tokens", True, "calls-bad-value"),
    ("input_tokens", 2**63, "calls-bad-value"),
    ("input_tokens", 10**30, "calls-bad-value"),
    ("input_tokens", [PRIVATE], "calls-bad-value"),
    ("duration_s", 10**400, "calls-bad-value"),
    ("task", True, "calls-bad-value"),
    ("task", {"a": PRIVATE}, "calls-bad-value"),
    ("start_time", True, "calls-bad-time"),
    ("start_time", {"seconds": 1}, "calls-bad-time"),
    ("error_type", [PRIVATE], "calls-bad-value"),
    ("prompt", 5, "calls-bad-content"),
    ("messages", [PRIVATE], "calls-bad-value"),
    ("messages", [{"role": PRIVATE, "content": PRIVATE}], "calls-bad-content"),
    ("messages", [{"role": "user", "content": 5}], "calls-bad-content"),
    ("messages", {"text": PRIVATE}, "calls-bad-content"),
]
BAD_CSV: list[tuple[str, object, str]] = [
    *(
        ("input_tokens", value, "calls-bad-value")
        for value in (
            "NaN",
            "inf",
            "1_000",
            "1,000",
            "0x10",
            "\uff11\uff12",
            "1e400",
            "9" * 50,
            "None",
        )
    ),
    ("duration_s", "nan", "calls-bad-value"),
    ("duration_s", "1e400", "calls-bad-value"),
    ("start_time", "NaN", "calls-bad-time"),
    ("task", "1.5", ""),
    ("messages", '[{"role": "user"', "calls-bad-content"),
    ("messages", '{"role": "user"', "calls-bad-content"),
]
BAD_CELLS = [
    *(("json", *case) for case in (*BAD, *BAD_JSON)),
    *(("csv", *case) for case in (*BAD, *BAD_CSV) if case[1] != 1.5 or case[0] != "task"),
    *(("parquet", *case) for case in BAD if not isinstance(case[1], str) or case[1] == PRIVATE),
    ("parquet", "input_tokens", float("nan"), "calls-bad-value"),
    ("parquet", "duration_s", float("inf"), "calls-bad-value"),
    ("parquet", "input_tokens", Decimal("1.5"), "calls-bad-value"),
    ("parquet", "start_time", float("nan"), "calls-bad-time"),
    ("parquet", "task", b"\xff", "calls-bad-value"),
    ("parquet", "task", timedelta(seconds=1), "calls-bad-value"),
]


@pytest.mark.parametrize(("name", "column", "value", "slug"), BAD_CELLS)
def test_a_bad_value_is_a_bad_row_and_takes_nothing_with_it(
    tmp_path: Path, name: str, column: str, value: object, slug: str
) -> None:
    rows = [{"model": "m", "cell": cell} for cell in (None, value, None)]
    path = WRITERS[name](tmp_path, rows)
    found = reading(path, fields=(MODEL, f"{column}=cell"))
    calls = calls_of(found)
    assert [(row.file, row.slug, row.field) for row in found.quarantine.rows] == (
        [(str(path), slug, "cell")] if slug else []
    )
    assert [row.line for row in found.quarantine.rows] == (
        [3 if name == "csv" else 2] if slug else []
    )
    assert len(calls) == (2 if slug else 3)
    assert not any(PRIVATE in row.message for row in found.quarantine.rows)


CONTRADICTIONS: list[tuple[str, tuple[str, ...], Row, str]] = [
    (
        "more cached than given",
        ("input_tokens_including_cache=a", "cache_read_tokens=b"),
        {"a": 63, "b": 64},
        "a",
    ),
    (
        "more reasoning than output",
        ("output_tokens=a", "reasoning_tokens=b"),
        {"a": 4, "b": 5},
        "a",
    ),
    (
        "a total that says the counter includes the cache",
        ("input_tokens=a", "cache_read_tokens=b", "output_tokens=c", "total_tokens=t"),
        {"a": 100, "b": 64, "c": 9, "t": 109},
        "a",
    ),
    (
        "a total that says the counter leaves the cache out",
        ("input_tokens_including_cache=a", "cache_read_tokens=b", "total_tokens=t"),
        {"a": 100, "b": 64, "t": 164},
        "a",
    ),
]


@each_format
@pytest.mark.parametrize(
    ("fields", "row", "field"),
    [case[1:] for case in CONTRADICTIONS],
    ids=[case[0] for case in CONTRADICTIONS],
)
def test_a_contradiction_is_named(
    tmp_path: Path, write: Write, fields: tuple[str, ...], row: Row, field: str
) -> None:
    good = dict.fromkeys(row, 0) | {"model": "m"}
    found = reading(write(tmp_path, [good, row | {"model": "m"}]), fields=(MODEL, *fields))
    assert len(calls_of(found)) == 1
    (bad,) = found.quarantine.rows
    assert (bad.slug, bad.field) == ("calls-contradiction", field)


def test_an_end_before_its_start_is_named(tmp_path: Path) -> None:
    rows = [{"a": 1_788_249_600, "b": 1_788_249_601}, {"a": 1_788_249_600, "b": 1_788_249_599}]
    found = reading(write_json(tmp_path, rows), fields=("start_time=a", "end_time=b"))
    assert len(calls_of(found)) == 1
    (bad,) = found.quarantine.rows
    assert (bad.line, bad.slug, bad.field) == (2, "calls-negative-duration", "b")


MAPPINGS: list[tuple[tuple[str, ...], str, str]] = [
    (("modle=model",), "mapping-unknown-column", "one of"),
    (("request_modle=model",), "mapping-unknown-column", "request_model"),
    (("model=model",), "mapping-unknown-column", "request_model or response_model"),
    (("provider=model",), "mapping-unknown-column", "provider_name"),
    (("cached_tokens=model",), "mapping-unknown-column", "cache_read_tokens"),
    (("block_hashes=model",), "mapping-unknown-column", "map 'prompt' or 'messages'"),
    (("source_line=model",), "mapping-unknown-column", ""),
    (("task=model", "task=cell"), "mapping-repeated-column", "keep one"),
    (
        ("input_tokens=model", "input_tokens_including_cache=cell"),
        "mapping-repeated-column",
        "keep one",
    ),
    (("duration_s=model", "duration_ms=cell"), "mapping-repeated-column", "keep one"),
    (("prompt=model", "messages=cell"), "mapping-repeated-column", "keep one"),
]


@pytest.mark.parametrize(("fields", "slug", "hint"), MAPPINGS)
def test_a_wrong_mapping_is_refused_before_anything_is_read(
    tmp_path: Path, fields: tuple[str, ...], slug: str, hint: str
) -> None:
    error = refused(write_csv(tmp_path, [{"model": "m", "cell": 1}]), *fields)
    assert (error.slug, error.exit_code) == (slug, ExitCode.USAGE)
    assert hint in error.hint


@each_format
@pytest.mark.parametrize("field", ["promt_tokens", "meta.nothing"])
def test_a_field_that_no_row_has_is_one_error_that_names_what_there_is(
    tmp_path: Path, write: Write, field: str
) -> None:
    rows = [{"model": "m", "prompt_tokens": 1, "said": PRIVATE}] * 5
    error = refused(write(tmp_path, rows), MODEL, f"input_tokens={field}")
    assert (error.slug, error.field) == ("mapping-missing-field", field)
    assert "there are: model, prompt_tokens, said" in error.hint
    assert ("did you mean 'prompt_tokens'?" in error.hint) == (field == "promt_tokens")
    assert PRIVATE not in error.render()


def test_a_key_that_is_no_name_is_not_shown(tmp_path: Path) -> None:
    asked = f"{PRIVATE}? {PRIVATE}!\n{PRIVATE}"
    error = refused(write_json(tmp_path, [{"model": "m", asked: 1}]), "task=kind")
    assert error.hint == "there are: model"


def test_names_inside_objects_are_among_what_there_is(tmp_path: Path) -> None:
    for write in (write_json, write_parquet):
        error = refused(write(tmp_path, [NESTED]), "request_model=meta.modle")
        assert "did you mean 'meta.model'?" in error.hint


def test_a_field_that_some_rows_have_is_enough_in_json(tmp_path: Path) -> None:
    rows = [{"model": "m"}, {"model": "m", "n": 5}, {"other": 1}]
    found = reading(write_json(tmp_path, rows), fields=(MODEL, "input_tokens=n"))
    assert calls_of(found)["input_tokens"].isna().to_list() == [True, False]
    assert found.skipped == {"rows without any mapped value": 1}


def test_a_first_line_of_data_is_not_taken_for_names_nor_shown(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f"gpt-5,100,{PRIVATE}\ngpt-5,100,{PRIVATE}\n")
    error = refused(path, MODEL)
    assert (error.slug, error.line) == ("mapping-no-header", 1)
    assert PRIVATE not in error.render()


def test_two_columns_of_one_name_are_refused_where_that_name_is_mapped(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("model,n,n\nm,1,2\n")
    assert refused(path, "input_tokens=n").slug == "mapping-repeated-field"
    assert len(read(path, MODEL)) == 1


def test_lines_of_csv_are_those_of_the_file(tmp_path: Path) -> None:
    text = (
        "\ufeffmodel, n ,said\r\n"
        'm,1,"two\r\n\r\nlines and ""quotes"""\r\n'  # lines 2 to 4
        "\r\n"
        "m,bad,x\r\n"  # line 6
        "m,2\r\n"  # line 7: short
        "m,2,x,y\r\n"  # line 8: long
        ",,\r\n"  # line 9: blank
        'm,"3"x,y\r\n'  # line 10: a quote that ends too early
        "m,4,\xfc\r\n"  # line 11: not UTF-8
        "m,5,z"  # line 12
    )
    path = tmp_path / "log.csv"
    path.write_bytes(
        text.encode("latin-1", "xmlcharrefreplace").replace(b"&#65279;", b"\xef\xbb\xbf")
    )
    found = reading(path, fields=(MODEL, "input_tokens=n", "prompt=said"))
    calls = calls_of(found)
    assert calls["source_line"].to_list() == [2, 12]
    assert calls["input_tokens"].to_list() == [1, 5]
    assert [(row.line, row.slug) for row in found.quarantine.rows] == [
        (6, "calls-bad-value"),
        (7, "traffic-ragged-row"),
        (8, "traffic-ragged-row"),
        (10, "traffic-not-csv"),
        (11, "traffic-not-utf8"),
    ]
    assert found.skipped == {"rows without any mapped value": 1}


def test_a_quote_that_never_closes_is_refused_at_its_line(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(f'model,n\nm,1\nm,"2\n{PRIVATE}\n')
    error = refused(path, MODEL)
    assert (error.slug, error.line) == ("traffic-not-csv", 3)
    assert "quote" in error.hint
    assert PRIVATE not in error.render()


def test_a_line_past_the_limit_is_one_bad_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmops_cli.traffic.streams.LINE_LIMIT", 100)
    for write in (write_csv, write_json):
        path = write(tmp_path, [{"model": word, "n": 1} for word in ("a", "b" * 200, "c")])
        found = reading(path, fields=(MODEL,))
        assert calls_of(found)["request_model"].to_list() == ["a", "c"]
        assert [row.slug for row in found.quarantine.rows] == ["traffic-line-too-long"]


def test_a_quote_that_closes_too_late_does_not_fill_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("llmops_cli.traffic.csv_rows.LINE_LIMIT", 100)
    path = tmp_path / "log.csv"
    path.write_text('model,n\nm,1\n"' + "x\n" * 60 + '",2\n')
    error = refused(path, MODEL)
    assert (error.slug, error.line) == ("traffic-not-csv", 3)


def test_rows_of_parquet_are_numbered_across_row_groups_and_batches(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    counts = list(range(10_000))
    counts[9_998] = -1
    table = pa.table({"model": ["m"] * len(counts), "n": counts, "usage.n": counts})
    pq.write_table(table, path, row_group_size=3_000)
    found = reading(path, fields=(MODEL, "input_tokens=usage.n"))
    calls = calls_of(found)
    assert [row.line for row in found.quarantine.rows] == [9_999]
    assert calls["source_line"].to_list() == [*range(1, 9_999), 10_000]
    assert calls["input_tokens"].to_list() == [*range(9_998), 9_999]


def test_a_time_that_python_cannot_hold_is_one_bad_row(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    times = pa.array([0, 2**60, 1_788_249_600_000_000], pa.int64()).cast(pa.timestamp("us"))
    pq.write_table(pa.table({"model": ["m"] * 3, "at": times}), path)
    found = reading(path, fields=(MODEL, "start_time=at"))
    assert len(calls_of(found)) == 2
    assert [(row.line, row.slug) for row in found.quarantine.rows] == [(2, "calls-bad-time")]


def test_bad_lines_of_json_are_named(tmp_path: Path) -> None:
    deep = b'{"model": "m", "n": ' + b"[" * 10_000 + b"]" * 10_000 + b"}\n"
    path = tmp_path / "log.jsonl"
    path.write_bytes(
        b'{"model": "m", "n": 1}\n\nnot json\n[1]\n{"model": "\xff", "n": 1}\n'
        b'{"model": "m", "n": NaN}\n{"model": "\\ud800", "n": 1}\n' + deep + b'{"model": "m", "n"'
    )
    found = reading(path, fields=(MODEL, "input_tokens=n"))
    assert len(calls_of(found)) == 1
    assert [(row.line, row.slug) for row in found.quarantine.rows] == [
        (3, "traffic-not-json"),
        (4, "traffic-json-array"),
        (5, "traffic-not-utf8"),
        (6, "traffic-not-json"),
        (7, "traffic-not-json"),
        (8, "traffic-too-deep"),
        (9, "traffic-truncated-line"),
    ]


FILES: list[tuple[str, bytes, str]] = [
    ("a.csv", b"", "traffic-empty"),
    ("a.csv", b"\n\n", "traffic-empty"),
    ("a.csv", b"model,n\n", "traffic-empty"),
    ("a.csv", "model,n\n".encode("utf-16"), "traffic-not-utf8"),
    ("a.csv", b"model,\xff\n1,2\n", "traffic-not-utf8"),
    ("a.csv.gz", b"model", "traffic-truncated-gzip"),
    ("a.jsonl", b"", "traffic-empty"),
    ("a.parquet", b"PAR1", "traffic-not-parquet"),
    ("a.parquet", b"", "traffic-not-parquet"),
]


@pytest.mark.parametrize(("name", "data", "slug"), FILES)
def test_a_file_that_cannot_be_read_is_refused_by_name(
    tmp_path: Path, name: str, data: bytes, slug: str
) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    error = refused(path, MODEL)
    assert (error.slug, error.file) == (slug, str(path))


def test_a_parquet_file_without_rows_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"model": pa.array([], pa.string())}), path)
    assert refused(path, MODEL).slug == "traffic-empty"


def test_a_damaged_page_is_no_traceback(tmp_path: Path) -> None:
    path = write_parquet(tmp_path, [{"model": f"m{i}" * 99} for i in range(9)])
    data = bytearray(path.read_bytes())
    data[4:80] = bytes(76)
    path.write_bytes(data)
    assert refused(path, MODEL).slug == "traffic-not-parquet"


def test_compressed_files_and_folders_of_all_kinds_are_one_reading(tmp_path: Path) -> None:
    write_json(tmp_path, [{"model": "j", "n": 1}])
    write_parquet(tmp_path, [{"model": "p", "n": 2}])
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"model,n\nz,3\n", mtime=0))
    found = reading(tmp_path, fields=(MODEL, "input_tokens=n"))
    assert calls_of(found)["request_model"].to_list() == ["z", "j", "p"]
    assert found.formats == {"mapped": 3}


@pytest.mark.parametrize(
    "text", ["model,n\nm,1\n", '{"model": "m", "n": 1}\n', '\n\n{"model": "m", "n": 1}\n']
)
def test_where_the_name_is_silent_the_first_line_tells_csv_from_json(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "log.txt"
    path.write_text(text)
    assert read(path, MODEL, "input_tokens=n")["input_tokens"].to_list() == [1]


def test_reading_stops_at_too_many_bad_rows(tmp_path: Path) -> None:
    path = write_json(tmp_path, [{"model": "m", "n": -1}] * 50)
    with pytest.raises(LlmopsError) as caught:
        calls_of(reading(path, fields=(MODEL, "input_tokens=n"), max_bad_rows=3))
    assert (caught.value.slug, caught.value.line) == ("traffic-too-many-bad-rows", 1)


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(["", "0", "12", "1e3", "-1", "nan", "2026-09-01", "[]", "{}", '"', "a,b\n"]),
)
COLUMN_NAMES = st.sampled_from([name for name in MAPPABLE if name not in {"prompt", "messages"}])


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(COLUMN_NAMES, CELLS), min_size=1, max_size=6, unique_by=lambda cell: cell[0]
    ),
    st.integers(1, 4),
)
def test_every_row_is_read_or_bad_or_skipped_whatever_it_holds(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, object]], copies: int
) -> None:
    row = {f"f{at}": value for at, (_, value) in enumerate(cells)}
    fields = tuple(f"{name}=f{at}" for at, (name, _) in enumerate(cells))
    folder = tmp_path_factory.mktemp("any")
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(row), quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows([row] * copies)
    (folder / "log.csv").write_bytes(stream.getvalue().encode())
    lines = json.dumps(row) + "\n"
    (folder / "log.jsonl").write_text(lines * copies)
    for path in folder.iterdir():
        found = reading(path, fields=fields)
        try:
            calls = calls_of(found)
        except LlmopsError as error:
            if error.slug == "mapping-repeated-column":
                continue
            if error.slug not in {"traffic-no-calls", "traffic-empty"}:
                raise
            calls = pd.DataFrame()
        else:
            validate(calls)
        read_rows = len(calls) + len(found.quarantine.rows) + sum(found.skipped.values())
        assert read_rows == copies


@given(st.one_of(st.integers(-(10**12), 10**12), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_survive_being_text(number: float) -> None:
    found = read_number(repr(number))
    assert found == number
    assert type(found) is type(number)


@pytest.mark.parametrize(
    "text", ["", " ", ".", "+", "1.2.3", "1e", "nan", "inf", "\u0663", "1 2", "0b1"]
)
def test_what_is_no_number_is_none(text: str) -> None:
    assert read_number(text) is None


def test_every_mappable_column_is_one_of_ours_or_documented() -> None:
    extra = set(MAPPABLE) - {column.name for column in COLUMNS}
    assert extra == {
        *("input_tokens_including_cache", "total_tokens", "end_time", "duration_ms", "ttft_ms"),
        *("prompt", "messages"),
    }
