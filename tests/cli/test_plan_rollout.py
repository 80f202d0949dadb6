"""``llmops plan-rollout`` as a user runs it: on the committed baseline log and on small ones."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

Run = Callable[..., CompletedProcess[str]]

EASY = ("--latency-margin", "1.25", "--error-margin", "0.02")
START = datetime(2026, 9, 1, 8, tzinfo=UTC)


def write_log(path: Path, n: int, *, minutes: float = 1.0, scores: bool = True) -> Path:
    """An Anthropic log of ``n`` calls, one every so many minutes give or take, 2 % errors."""
    draw = random.Random(7)  # noqa: S311 - a test's log
    lines: list[str] = []
    for i in range(n):
        at = START + timedelta(minutes=minutes * (i + draw.random()))
        failed = i % 50 == 49
        line: dict[str, Any] = {
            "timestamp": at.isoformat(),
            "user_id": f"u{draw.randrange(400)}",
            "request": {
                "model": "claude-sonnet-4-6",
                "messages": [{"role": "user", "content": "hello"}],
            },
            "duration_s": round(draw.lognormvariate(0, 0.3), 3),
        }
        if failed:
            line |= {"response": None, "error": {"type": "overloaded_error"}}
        else:
            line["response"] = {
                "id": f"msg_{i}",
                "model": "claude-sonnet-4-6",
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 10, "output_tokens": 5},
            }
        if scores and not failed:
            line["evaluation_score"] = 0.0 if draw.random() < 0.1 else 1.0
        lines.append(json.dumps(line))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(("days", "code"), [("60", 0), ("2", 1), ("26.8", 4)])
def test_the_exit_code_is_the_verdict(llmops: Run, datasets: Path, days: str, code: int) -> None:
    log = datasets / "classifier.jsonl.gz"
    done = llmops("plan-rollout", log, *EASY, "--max-days", days)
    assert done.returncode == code, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert ("to decide: " in done.stdout) is (code == 4)


def test_a_plan_in_one_screen(llmops: Run, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", 2000)
    done = llmops("plan-rollout", log)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert len(lines) <= 48
    for words in ("5 → 10 → 25 → 50 → 100 %", "held up by", "error rate now", "roll back above"):
        assert words in " ".join(lines), words
    assert "before and after" in " ".join(done.stdout.split())


def test_too_few_calls_leave_the_gate_undecided(llmops: Run, tmp_path: Path) -> None:
    done = llmops("plan-rollout", write_log(tmp_path / "log.jsonl", 60), "--max-days", "9999")
    assert done.returncode == 4
    assert "a baseline log of 100 calls or more" in done.stdout


def test_without_scores_quality_is_said_to_be_unguarded(llmops: Run, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", 300, scores=False)
    done = llmops("plan-rollout", log, "-o", "plan.yaml")
    assert done.returncode == 0, done.stderr
    assert "quality is not guarded" in " ".join(done.stdout.split())
    plan = yaml.safe_load((tmp_path / "plan.yaml").read_text(encoding="utf-8"))
    assert [item["name"] for item in plan["guardrails"]] == ["latency", "errors"]


def test_quality_asked_for_must_be_in_the_log(llmops: Run, datasets: Path, tmp_path: Path) -> None:
    log = datasets / "agent.jsonl.gz"
    done = llmops("plan-rollout", log, "--quality-margin", "0.02", "-o", "plan.yaml")
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[rollout-no-quality]" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_plan_is_valid_yaml_and_the_same_twice(
    llmops: Run, datasets: Path, tmp_path: Path
) -> None:
    log = datasets / "classifier.jsonl.gz"
    for name in ("a.yaml", "b.yaml"):
        assert llmops("plan-rollout", log, "-o", name, "-q").returncode == 0
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()
    schema = json.loads(llmops("schema", "plan").stdout)
    plan = yaml.safe_load((tmp_path / "a.yaml").read_text(encoding="utf-8"))
    Draft202012Validator(schema).validate(plan)
    assert [stage["percent"] for stage in plan["stages"]] == [5, 10, 25, 50, 100]
    assert plan["stages"][-1]["compared_with"] == "baseline"


def test_the_plan_goes_to_stdout_in_place_of_the_report(llmops: Run, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", 300)
    done = llmops("plan-rollout", log, "-o", "-", "-q")
    assert done.returncode == 0
    assert yaml.safe_load(done.stdout)["schema"] == "llmops.rollout-plan/1"
    both = llmops("plan-rollout", log, "-o", "-")
    assert (both.returncode, both.stdout) == (2, "")
    assert "error[output-twice]" in both.stderr


def test_every_format_in_one_run_and_the_same_twice(llmops: Run, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl", 300)
    names = {"json": "r.json", "markdown": "r.md", "html": "r.html", "junit": "r.xml"}
    asked = [item for key, name in names.items() for item in ("-f", f"{key}={name}")]
    seen: list[dict[str, bytes]] = []
    for _ in range(2):
        done = llmops("plan-rollout", log, *asked, "-f", "github", "--max-days", "1", "--explain")
        assert done.returncode == 1
        assert "FAIL::5 → 10" in done.stdout
        seen.append({name: (tmp_path / name).read_bytes() for name in names.values()})
    assert seen[0] == seen[1]
    report = json.loads(seen[0]["r.json"])
    Draft202012Validator(json.loads(llmops("schema", "report").stdout)).validate(report)
    triggers = next(table for table in report["tables"] if table["name"] == "triggers")
    assert len(triggers["rows"]) == 5


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (["--stages", "5,ten,100"], "rollout-bad-stages"),
        (["--stages", "50,25,100"], "rollout-bad-stages"),
        (["--latency-margin", "0.5"], "rollout-bad-latency-margin"),
        (["--error-margin", "-0.01"], "rollout-bad-error-margin"),
        (["--quality-margin", "nan"], "rollout-bad-quality-margin"),
        (["--power", "1"], "rollout-bad-power"),
        (["-o", "missing/plan.yaml"], "output-unwritable"),
    ],
)
def test_refusals(
    llmops: Run, datasets: Path, tmp_path: Path, arguments: list[str], slug: str
) -> None:
    done = llmops("plan-rollout", datasets / "classifier.jsonl.gz", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error[{slug}]" in done.stderr
    assert list(tmp_path.iterdir()) == []
