"""Where nothing can be joined nothing is planned, and the calls are the same as if it were."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmops_cli.traffic import Options, Reading, assembly

Json = dict[str, Any]
TYPICAL: dict[str, list[Json]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "typical_lines.json").read_bytes()
)


def read(path: Path, *, spool: Path | None = None) -> tuple[pa.Table, dict[str, int]]:
    reading = Reading([path], Options(), spool=spool)
    return pa.concat_tables(reading.tables()), reading.joins


def both(path: Path, lines: list[Json]) -> tuple[pa.Table, dict[str, int]]:
    """The calls of some lines, required to be those of a reading that plans its joins."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    calls, joins = read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(assembly, "_joins", lambda _: True)
        planned, told = read(path, spool=path.parent)
    assert calls.combine_chunks().equals(planned.combine_chunks())
    assert joins == told
    return calls, joins


@pytest.mark.parametrize("name", list(TYPICAL))
def test_a_typical_log_is_read_alike(tmp_path: Path, name: str) -> None:
    both(tmp_path / "a.jsonl", TYPICAL[name] * 2)


def test_nothing_is_planned_for_calls_that_stand_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [line for line in TYPICAL["litellm"] if line.get("status") != "failure"]
    calls, _ = both(tmp_path / "a.jsonl", lines * 3)
    assert calls["attempts"].to_pylist() == [1] * calls.num_rows
    monkeypatch.setattr(assembly, "Homes", None)
    assert read(tmp_path / "a.jsonl")[0].num_rows == calls.num_rows


def test_doubtful_counters_are_planned_without_any_span(tmp_path: Path) -> None:
    thin = {
        "call_type": "acompletion",
        "model": "claude-opus-4-5",
        "custom_llm_provider": "anthropic",
        "startTime": 1788249600.0,
        "completion_tokens": 20,
    }
    cached = {"metadata": {"usage_object": {"cache_read_input_tokens": 100}}}
    lines = [thin | {"prompt_tokens": given} | cached for given in (5, 3000)]
    calls, joins = both(tmp_path / "a.jsonl", lines)
    assert joins == {"cached-tokens-outside": 2}
    assert calls["input_tokens"].to_pylist() == [5, 3000]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from([line for lines in TYPICAL.values() for line in lines]), min_size=1)
)
def test_any_mixture_is_read_alike(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Json]
) -> None:
    both(tmp_path_factory.mktemp("log") / "a.jsonl", [*lines, TYPICAL["litellm"][0]])
