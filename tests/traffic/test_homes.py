"""What no home may break: joins stay inside a trace or under a join key, never both."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmops_cli.traffic.json_lines import JsonLinesReader, Options
from llmops_cli.traffic.sink import RowSink

TYPICAL: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "typical_lines.json").read_bytes()
)


@pytest.mark.parametrize("name", TYPICAL)
def test_no_row_names_both_a_trace_and_a_join_key(name: str) -> None:
    lines = [(n, json.dumps(line).encode()) for n, line in enumerate(TYPICAL[name], 1)]
    sink = RowSink(Options(), "log")
    batches = [*JsonLinesReader(Options()).batches(iter(lines), sink)]
    assert batches
    for batch in batches:
        rows = batch.table.to_pylist() if batch.kind == "staged" else []
        for row in rows:
            traced = any(row[key] for key in ("trace_id", "span_id", "parent_span_id"))
            assert not (row["join_key"] and traced)
