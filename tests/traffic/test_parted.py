"""Rows come back by their parts, in their order, wherever they waited."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmops_cli.traffic import parted
from llmops_cli.traffic.parted import Parted

SCHEMA = pa.schema([("row", pa.int64()), ("word", pa.string()), ("list", pa.list_(pa.int8()))])


def table(rows: list[int]) -> pa.Table:
    columns = [
        rows,
        [None if row % 3 else f"word {row}" for row in rows],
        [[row % 5] for row in rows],
    ]
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )


@given(
    tables=st.lists(st.lists(st.integers(0, 5), max_size=8), max_size=8),
    waiting=st.sampled_from([1, 200, 1 << 20]),
    spool=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_part_gives_its_rows_in_order(
    tmp_path: Path, tables: list[list[int]], waiting: int, *, spool: bool
) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        Parted(tmp_path if spool else None, SCHEMA) as found,
    ):
        patch.setattr(parted, "WAITING_BYTES", waiting)
        seen = 0
        for numbers in tables:
            found.add(table([*range(seen, seen + len(numbers))]), np.array(numbers, np.int64))
            seen += len(numbers)
        numbers = [number for given_numbers in tables for number in given_numbers]
        for part in range(6):
            rows = [row for row, number in enumerate(numbers) if number == part]
            assert found.part(part).equals(table(rows))
        if not found.spilled:
            assert found.whole().equals(table([*range(seen)]))
    assert [*tmp_path.iterdir()] == []


def test_memory_holds_little_once_there_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parted, "WAITING_BYTES", 1000)
    with Parted(tmp_path, SCHEMA) as onto, Parted(None, SCHEMA) as kept:
        for found in (onto, kept):
            found.add(table([*range(200)]), np.arange(200) % 2)
        assert (onto.spilled, kept.spilled) == (True, False)
        assert onto.part(1).equals(kept.part(1))
