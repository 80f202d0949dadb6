"""What describe_calls counts, against the same counts made plainly."""

import json
from pathlib import Path

import pandas as pd
import pytest

from llmops_cli import describe_calls, read_calls
from llmops_cli.calls import TOKEN_CLASSES
from llmops_cli.errors import LlmopsError
from llmops_cli.report import Table, Verdict


def test_the_counts_are_those_of_the_table(datasets: Path) -> None:
    calls = read_calls([datasets / "classifier.jsonl.gz"]).calls
    report = describe_calls(calls)
    found = {item.name: item.value for item in report.measures}
    assert found["calls"] == len(calls)
    assert found["errors"] == calls["error_type"].notna().sum()
    assert found["users"] == calls["user_id"].nunique()
    for name in TOKEN_CLASSES:
        assert found[name] == calls[name].sum()
    span = calls["start_time"].max() - calls["start_time"].min()
    assert found["span"] == pytest.approx(span.total_seconds())
    assert report.verdict is Verdict.PASS


def test_models_are_counted_apart_and_add_up(datasets: Path) -> None:
    paths = [datasets / "chat.jsonl.gz", datasets / "rag.jsonl.gz"]
    table = next(t for t in describe_calls(read_calls(paths).calls).tables if t.name == "models")
    assert [row[:3] for row in table.rows] == [
        ("anthropic", "claude-sonnet-4-6", 260),
        ("openai", "gpt-5.1", 160),
    ]


def log(path: Path, *times: str) -> Path:
    lines = [
        json.dumps(
            {
                "timestamp": time,
                "request": {"model": "claude-x", "messages": [{"role": "user", "content": "x"}]},
                "response": {"type": "message"},
            }
        )
        for time in times
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def gaps(path: Path) -> list[Table]:
    report = describe_calls(read_calls([path]).calls)
    return [item for item in report.tables if item.name == "gaps"]


def test_silences_of_an_hour_are_gaps_the_longest_first(tmp_path: Path) -> None:
    path = log(
        tmp_path / "a.jsonl",
        "2026-09-01T12:30:00Z",
        "2026-09-01T08:00:00Z",
        "2026-09-01T08:59:59Z",
        "2026-09-01T10:00:00Z",
    )
    (table,) = gaps(path)
    assert table.rows == (
        ("2026-09-01T10:00:00+00:00", 9000.0),
        ("2026-09-01T08:59:59+00:00", 3601.0),
    )
    assert gaps(log(tmp_path / "b.jsonl", "2026-09-01T08:00:00Z")) == []


def test_estimated_tokens_are_a_finding(tmp_path: Path) -> None:
    calls = read_calls([log(tmp_path / "a.jsonl", "2026-09-01T08:00:00Z")]).calls
    (finding,) = describe_calls(calls).findings
    assert (finding.slug, finding.count) == ("calls-tokens-estimated", 1)


@pytest.mark.parametrize(
    ("column", "value", "slug"),
    [
        ("input_tokens", -1, "calls-negative"),
        ("reasoning_tokens", 10**9, "calls-contradiction"),
        ("start_time", None, "calls-missing-column"),
    ],
)
def test_tables_that_break_the_contract_are_refused(
    datasets: Path, column: str, value: int | None, slug: str
) -> None:
    calls = read_calls([datasets / "chat.jsonl.gz"]).calls
    if value is None:
        calls = calls.drop(columns=[column])
    else:
        calls[column] = pd.array([value] * len(calls), dtype=calls[column].dtype)
    with pytest.raises(LlmopsError) as caught:
        describe_calls(calls)
    assert caught.value.slug == slug
