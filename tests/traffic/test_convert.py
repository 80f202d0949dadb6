"""Public data become our inputs: by hand-made samples, and on the real files where they are."""

import csv
import io
import json
from pathlib import Path

import pytest

from llmops_cli import cache_estimate, judge_eval, read_calls
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.convert import CONVERTERS, convert_gsm8k, convert_tau_bench
from llmops_cli.traffic.decisions import read_decisions

HEADER = ["prompt", "mistralai/Mixtral-8x7B-Instruct-v0.1", "gpt-4-1106-preview"]


def gsm8k(folder: Path, *rows: tuple[str, str, str], left_out: str = "none") -> Path:
    with (folder / "gsm8k_responses.csv").open("w", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    line = json.dumps({"train_prompt": "x", "eval_prompt": left_out})
    (folder / "gsm8k_contaminated_prompts.jsonl").write_text(line + "\n")
    return folder


def test_gsm8k_rows_become_decisions(tmp_path: Path) -> None:
    long = "word " * 46
    rows = [("short?", "True", "False"), (long, "False", "True"), ("known?", "True", "True")]
    text = convert_gsm8k(gsm8k(tmp_path, *rows, left_out="known?"))
    assert list(csv.DictReader(io.StringIO(text))) == [
        {"id": "gsm8k-1", "judge": "1", "gold": "1", "weak_correct": "1", "strong_correct": "0"},
        {"id": "gsm8k-2", "judge": "0", "gold": "0", "weak_correct": "0", "strong_correct": "1"},
    ]


def test_gsm8k_by_its_converter_gives_the_published_break_even(
    public_data: Path, tmp_path: Path
) -> None:
    path = tmp_path / "gsm8k.csv"
    path.write_text(convert_gsm8k(public_data / "routellm"))
    report = judge_eval(read_decisions([path]).frame)
    found = next(item for item in report.measures if item.name == "break_even_reliability")
    assert found.n == 382 + 94
    values = (found.value or 0.0, found.low or 0.0, found.high or 0.0)
    assert [round(value, 3) for value in values] == [0.803, 0.764, 0.837]


TRAJECTORY = [
    {"role": "system", "content": "rules"},
    {"role": "user", "content": "x" * 40},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "t1", "function": {"name": "look", "arguments": '{"a": 1}'}}],
    },
    {"role": "tool", "tool_call_id": "t1", "content": "found"},
    {"role": "assistant", "content": "done"},
]


def test_tau_bench_turns_become_requests(tmp_path: Path) -> None:
    path = tmp_path / "trajectories.json"
    path.write_text(json.dumps([{"traj": TRAJECTORY, "reward": 0.5}, {"traj": TRAJECTORY}]))
    lines = [json.loads(line) for line in convert_tau_bench(path).splitlines()]
    assert [line.get("evaluation_score") for line in lines] == [None, 0.5, None, None]
    assert [line["conversation_id"] for line in lines] == ["tau-0", "tau-0", "tau-1", "tau-1"]
    first, second, third, _ = lines
    # 20 s and 40 characters at 20 a second; a tool after 2 s; conversations 45 s apart.
    assert first["timestamp"] == "2026-09-01T08:00:22.000+00:00"
    assert second["timestamp"] == "2026-09-01T08:00:24.000+00:00"
    assert third["timestamp"] == "2026-09-01T08:01:07.000+00:00"
    assert first["request"]["messages"] == [{"role": "user", "content": "x" * 40}]
    assert second["request"]["messages"][1:] == [
        {
            "role": "assistant",
            "content": [{"type": "tool_use", "id": "t1", "name": "look", "input": {"a": 1}}],
        },
        {
            "role": "user",
            "content": [{"type": "tool_result", "content": "found", "tool_use_id": "t1"}],
        },
    ]


def test_tau_bench_can_be_asked_what_caching_saves(public_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "tau.jsonl"
    path.write_text(convert_tau_bench(public_data / "tau-bench"))
    traffic = read_calls([path])
    assert (len(traffic.calls), traffic.bad_count) == (2454, 0)
    assert traffic.calls["conversation_id"].nunique() == 200
    report = cache_estimate(traffic.calls)
    saved = report.measures[0]
    assert saved.low is not None
    assert saved.low > 0.5


@pytest.mark.parametrize("name", CONVERTERS)
def test_absent_sources_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        CONVERTERS[name](tmp_path)
    assert (caught.value.slug, caught.value.exit_code) == ("convert-not-found", 3)


def test_other_files_are_refused(tmp_path: Path) -> None:
    gsm8k(tmp_path, ("p", "maybe", "True"))
    with pytest.raises(LlmopsError) as caught:
        convert_gsm8k(tmp_path)
    assert (caught.value.slug, caught.value.line) == ("convert-unexpected", 1)
    path = tmp_path / "other.json"
    path.write_text('[{"trajectory": []}]')
    with pytest.raises(LlmopsError) as caught:
        convert_tau_bench(path)
    assert caught.value.slug == "convert-unexpected"
