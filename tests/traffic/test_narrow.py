"""Reading only some columns: the same values in less memory, and the same refusals."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from llmops_cli import cache_estimate
from llmops_cli.cache import NEEDED, CacheParameters
from llmops_cli.calls import arrow_schema
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic import Options, Traffic, read_calls, read_traffic
from llmops_cli.traffic.narrow import in_one_piece, narrowed
from llmops_cli.views import render


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Two chats of two models and one failed call, out of order, in two files."""
    for name, seconds in (("late.jsonl", (40, 30)), ("early.jsonl", (10, 20, 0))):
        lines = [_line(second, error=second == 0) for second in seconds]
        (tmp_path / name).write_text("".join(lines), encoding="utf-8")
    return tmp_path


def _line(second: int, *, error: bool) -> str:
    model = ("claude-opus-5", "claude-sonnet-4-5")[second // 10 % 2]
    messages = [{"role": "user", "content": f"a long question {n} " * 900} for n in range(second)]
    usage = {"input_tokens": 4000 * (second + 1), "output_tokens": 5}
    answer = {"type": "error", "error": {"type": "overloaded_error"}}
    body = {"type": "message", "id": f"m{second}", "model": model, "usage": usage}
    return (
        json.dumps(
            {
                "timestamp": f"2026-09-01T08:00:{second:02}Z",
                "request": {"model": model, "messages": messages or [{"role": "user"}]},
                "response": answer if error else body,
            }
        )
        + "\n"
    )


def _json(traffic: Traffic) -> str:
    report = cache_estimate(traffic.calls, CacheParameters(minimum_tokens=1024))
    return render(report, "json")


def test_the_columns_that_the_cache_needs_give_the_whole_report(log: Path) -> None:
    narrow = read_traffic([log], Options(), columns=NEEDED)
    assert len(narrow.calls.columns) < len(arrow_schema())
    assert _json(narrow) == _json(read_calls([log]))


def test_narrow_columns_say_what_the_declared_ones_say(log: Path) -> None:
    whole, narrow = read_calls([log]).calls, read_traffic([log], Options(), columns=NEEDED).calls
    for name in narrow.columns:
        assert narrow[name].tolist() == whole[name].tolist(), name


def test_content_stays_where_it_is_kept(log: Path) -> None:
    kept = read_traffic([log], Options(keep_content=True), columns=NEEDED).calls
    assert kept["content"].notna().any()


def test_a_hash_that_is_none_is_refused_by_name() -> None:
    calls = arrow_schema().empty_table().select(["block_hashes"])
    bad = pa.table({"block_hashes": [[b"short"]]}, schema=calls.schema)
    with pytest.raises(LlmopsError) as raised:
        narrowed(bad, {"block_hashes"})
    assert (raised.value.slug, raised.value.field) == ("calls-bad-column", "block_hashes")


def test_one_piece_is_the_same_table() -> None:
    part = pa.table({"a": [1, None], "b": [["x"], []]})
    whole = in_one_piece(pa.concat_tables([part, part.slice(1)]))
    assert whole.equals(pa.concat_tables([part, part.slice(1)]))
    assert all(column.num_chunks == 1 for column in whole.columns)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None, 1 << 27], pa.int32()),
        ([1, None, (1 << 27) + 1], pa.int64()),
        ([-(1 << 40), 5], pa.int64()),
        ([None, None], pa.int32()),
        ([0, 0], pa.int32()),
        ([0, None], pa.int32()),
    ],
)
def test_whole_numbers_take_half_the_bytes_only_where_all_of_them_are_small(
    values: list[int | None], kind: pa.DataType
) -> None:
    found = narrowed(pa.table({"input_tokens": pa.array(values, pa.int64())}), {"input_tokens"})
    assert found["input_tokens"].type == kind
    assert found["input_tokens"].to_pylist() == values


@pytest.mark.parametrize("word", ["claude-opus-5", None])
def test_a_text_that_is_the_same_in_all_rows_takes_the_memory_of_none(word: str | None) -> None:
    rows = 10_000
    table = pa.table({"request_model": pa.array([word] * rows, pa.string())})
    one, other = (narrowed(table, {"request_model"})["request_model"] for _ in range(2))
    assert one.to_pylist() == [word] * rows
    codes = [each.chunk(0).indices.buffers()[1].address for each in (one, other)]
    assert codes[0] == codes[1]
