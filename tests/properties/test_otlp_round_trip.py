"""Calls to OTLP JSON and back: the same table to the last digit, whatever is in it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.calls import COLUMNS, BlockKind, CallColumn, Marker, arrow_schema, to_arrow
from llmops_cli.traffic import Reading, read_calls
from llmops_cli.traffic.otlp.writer import export_lines

FOUND_ANEW = {"source_file", "source_line"}
"""Where a call was read from is the OTLP file, not the log before it."""

BLOCKS = {"block_hashes", "block_tokens", "block_kinds", "block_markers"}

instants = st.datetimes(
    min_value=datetime(1900, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
    max_value=datetime(9999, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
texts = st.text(max_size=12) | st.sampled_from(
    [
        "",
        "null",
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "00f067aa0ba902b7",
        "\U0001d518",
        "\x00",
        "NaN",
    ]
)
counters = st.integers(0, 2**63 - 1) | st.sampled_from([0, 1, 128_955, 500_000_001])
seconds = st.floats(min_value=0) | st.sampled_from([0.1 + 0.2, 5e-324, 1.7976931348623157e308])
scores = st.floats() | st.sampled_from([0.1, 1 / 3, float("nan"), float("-inf"), -0.0])

CELLS: dict[str, st.SearchStrategy[Any]] = {
    "string": texts,
    "timestamp[us, tz=UTC]": instants,
    "int64": counters,
    "int32": st.integers(0, 2**31 - 1),
    "uint8": st.sampled_from([int(marker) for marker in Marker]),
    "bool": st.booleans(),
}


def cell(column: CallColumn) -> st.SearchStrategy[Any]:
    if column.name == "call_id":
        return texts  # every call has one: its place where the log gives none
    if str(column.type) == "double":
        return st.none() | (seconds if column.invariant else scores)
    return st.none() | CELLS[str(column.type)]


@st.composite
def blocks(draw: st.DrawFn) -> dict[str, Any]:
    """The block columns of a call, which are as long as each other, or all absent."""
    size = draw(st.none() | st.integers(0, 5))
    if size is None:
        return dict.fromkeys(BLOCKS)

    def several(values: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(values, min_size=size, max_size=size))

    return {
        "block_hashes": several(st.binary(min_size=16, max_size=16)),
        "block_tokens": several(st.integers(0, 2**31 - 1)),
        "block_kinds": several(st.sampled_from([int(kind) for kind in BlockKind])),
        "block_markers": several(st.sampled_from([int(marker) for marker in Marker])),
    }


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    plain = {column.name: draw(cell(column)) for column in COLUMNS if column.name not in BLOCKS}
    return {**plain, **draw(blocks()), "source_file": "log.jsonl"}


def same(table: pa.Table) -> list[dict[str, Any]]:
    """The rows in a form in which NaN equals NaN, and -0.0 does not equal 0.0."""
    names = [name for name in arrow_schema().names if name not in FOUND_ANEW]
    return [
        {name: repr(value) for name, value in row.items()}
        for row in table.select(names).to_pylist()
    ]


@pytest.mark.slow
@given(calls=st.lists(rows(), min_size=1, max_size=6), cut=st.integers(0, 6))
def test_calls_written_as_otlp_and_read_back_are_the_same_table(
    tmp_path_factory: pytest.TempPathFactory, calls: list[dict[str, Any]], cut: int
) -> None:
    table = pa.Table.from_pylist(calls, schema=arrow_schema())
    path = tmp_path_factory.getbasetemp() / "round-trip.jsonl"
    path.write_bytes(b"".join(export_lines([table.slice(0, cut), table.slice(cut)])))
    back = Reading([path])
    assert same(pa.concat_tables(list(back.tables()))) == same(table)
    assert back.quarantine.rows == []


@pytest.mark.parametrize("name", ["agent", "chat", "classifier", "rag"])
def test_the_committed_logs_survive_the_round_trip(
    name: str, datasets: Path, tmp_path: Path
) -> None:
    before = to_arrow(read_calls([datasets / f"{name}.jsonl.gz"]).calls)
    path = tmp_path / "calls.jsonl"
    path.write_bytes(b"".join(export_lines([before])))
    after = to_arrow(read_calls([path]).calls)
    names = [column for column in before.schema.names if column not in FOUND_ANEW]
    assert after.num_rows > 100
    assert after.select(names).equals(before.select(names))
