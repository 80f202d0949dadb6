"""``llmops plan-rollout`` as a user runs it, on the committed baseline log."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
import yaml
from jsonschema import Draft202012Validator

Run = Callable[..., CompletedProcess[str]]

EASY = ("--latency-margin", "1.25", "--error-margin", "0.02")


@pytest.mark.parametrize(("days", "code"), [("60", 0), ("2", 1), ("20", 4)])
def test_the_exit_code_is_the_verdict(llmops: Run, datasets: Path, days: str, code: int) -> None:
    log = datasets / "classifier.jsonl.gz"
    done = llmops("plan-rollout", log, *EASY, "--max-days", days)
    assert done.returncode == code, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_plan_is_valid_yaml_and_the_same_twice(
    llmops: Run, datasets: Path, tmp_path: Path
) -> None:
    log = datasets / "classifier.jsonl.gz"
    for name in ("a.yaml", "b.yaml"):
        assert llmops("plan-rollout", log, "-o", name, "-q").returncode == 0
    assert (tmp_path / "a.yaml").read_bytes() == (tmp_path / "b.yaml").read_bytes()
    schema = json.loads(llmops("schema", "plan").stdout)
    plan = yaml.safe_load((tmp_path / "a.yaml").read_text())
    Draft202012Validator(schema).validate(plan)
    assert [stage["percent"] for stage in plan["stages"]] == [5, 10, 25, 50, 100]


@pytest.mark.parametrize(
    ("arguments", "code", "slug"),
    [
        (["--stages", "5,ten,100"], 2, "rollout-bad-stages"),
        (["--stages", "50,25,100"], 2, "rollout-bad-stages"),
        (["--latency-margin", "0.5"], 2, "rollout-bad-latency-margin"),
        (["-o", "missing/plan.yaml"], 2, "output-unwritable"),
    ],
)
def test_refusals(
    llmops: Run, datasets: Path, tmp_path: Path, arguments: list[str], code: int, slug: str
) -> None:
    done = llmops("plan-rollout", datasets / "classifier.jsonl.gz", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"error[{slug}]" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_quality_asked_for_must_be_in_the_log(llmops: Run, datasets: Path) -> None:
    done = llmops("plan-rollout", datasets / "agent.jsonl.gz", "--quality-margin", "0.02")
    assert done.returncode == 3
    assert "error[rollout-no-quality]" in done.stderr
