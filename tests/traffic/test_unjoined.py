"""Only what may be joined is planned, and the calls are the same as if everything were."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmops_cli.calls import arrow_schema
from llmops_cli.traffic import Options, Reading, assembly
from llmops_cli.traffic.candidates import Candidates
from llmops_cli.traffic.homes import Homes

Json = dict[str, Any]
TYPICAL: dict[str, list[Json]] = json.loads(
    (Path(__file__).parents[1] / "fixtures" / "typical_lines.json").read_bytes()
)


def read(path: Path, *, spool: Path | None = None) -> tuple[pa.Table, dict[str, int]]:
    reading = Reading([path], Options(), spool=spool)
    nothing = [arrow_schema().empty_table()]
    return pa.concat_tables([*nothing, *reading.tables(required=False)]), reading.joins


def both(path: Path, lines: list[Json]) -> tuple[pa.Table, dict[str, int]]:
    """The calls of some lines, required to be those of a reading that plans its joins."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    calls, joins = read(path)
    see, finish, seen = Candidates.see, Candidates.finish, list[pa.Table]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Candidates, "see", lambda self, table: seen.append(table) or see(self, table))
        patch.setattr(Candidates, "finish", lambda self: finish(self) or bool(seen))
        patch.setattr(Candidates, "among", lambda _, table: np.ones(table.num_rows, bool))
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


def test_of_a_log_with_a_failure_only_its_trace_is_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = next(line for line in TYPICAL["litellm"] if line.get("status") != "failure")
    lines = [line | {"id": f"{n}", "trace_id": f"t{n // 3}"} for n in range(60)]
    lines[31] |= {"status": "failure", "error_information": {"error_class": "Timeout"}}
    both(tmp_path / "a.jsonl", lines)
    seen: list[int] = []
    see = Homes.see
    monkeypatch.setattr(
        Homes, "see", lambda self, table, rows: seen.extend(rows.tolist()) or see(self, table, rows)
    )
    read(tmp_path / "a.jsonl")
    assert seen == [30, 31, 32]


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


def pairs(values: Json) -> list[Json]:
    return [
        {"key": key, "value": {"doubleValue": value}}
        if isinstance(value, float)
        else {"key": key, "value": {"stringValue": str(value)}}
        for key, value in values.items()
    ]


@st.composite
def any_span(draw: st.DrawFn) -> Json:
    """A call or what is around one, of few traces and few ids, so that they meet."""
    small = st.integers(1, 4)
    said: Json = {"gen_ai.operation.name": draw(st.sampled_from(["chat", "chat", "invoke_agent"]))}
    said |= {"gen_ai.request.model": "m", "gen_ai.response.id": f"r{draw(small)}"}
    if draw(st.integers(0, 5)) == 0:
        said["error.type"] = "timeout"
    if draw(st.booleans()):
        said |= {"gen_ai.usage.input_tokens": draw(st.sampled_from([5, 500]))}
        said |= {"gen_ai.usage.cache_read.input_tokens": 100}
    begun = draw(st.integers(0, 20)) * 10**9 + 10**18
    judged = {"gen_ai.evaluation.name": "e", "gen_ai.evaluation.score.value": 0.5}
    judged["gen_ai.response.id"] = f"r{draw(small)}"
    evaluation = {"name": "gen_ai.evaluation.result", "attributes": pairs(judged)}
    return {
        "traceId": f"{draw(st.integers(1, 12)):032x}",
        "spanId": f"{draw(st.integers(1, 9)):016x}",
        "parentSpanId": draw(st.sampled_from(["", "", "", f"{draw(small):016x}"])),
        "startTimeUnixNano": str(begun),
        "endTimeUnixNano": str(begun + 10**9),
        "attributes": pairs(said),
        "events": [evaluation] * (draw(st.integers(0, 6)) == 0),
    }


@pytest.mark.slow
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(any_span(), min_size=1, max_size=12))
def test_any_spans_are_read_alike(
    tmp_path_factory: pytest.TempPathFactory, spans: list[Json]
) -> None:
    lines = [{"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]} for span in spans]
    both(tmp_path_factory.mktemp("log") / "a.jsonl", lines)


@pytest.mark.slow
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.sampled_from([line for lines in TYPICAL.values() for line in lines]), min_size=1)
)
def test_any_mixture_is_read_alike(
    tmp_path_factory: pytest.TempPathFactory, lines: list[Json]
) -> None:
    both(tmp_path_factory.mktemp("log") / "a.jsonl", [*lines, TYPICAL["litellm"][0]])
