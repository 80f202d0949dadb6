"""``llmops simulate-rollout`` as a user runs it, on the committed baseline log."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from jsonschema import Draft202012Validator

Run = Callable[..., CompletedProcess[str]]

QUICK = ("--runs", "40", "--look-hours", "6")


@pytest.mark.parametrize(
    ("gates", "code"),
    [
        (("--max-false-rollback", "0.3", "--min-detection", "0.5"), 0),
        (("--max-exposed", "5"), 1),
        (("--max-false-rollback", "0"), 4),
    ],
)
def test_the_exit_code_is_the_verdict(
    llmops: Run, datasets: Path, plan: Path, gates: tuple[str, ...], code: int
) -> None:
    done = llmops(
        "simulate-rollout", datasets / "classifier.jsonl.gz", "--plan", plan, *QUICK, *gates
    )
    assert done.returncode == code, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "harmless" in done.stdout


def test_every_format_in_one_run_and_the_same_twice(
    llmops: Run, datasets: Path, plan: Path, tmp_path: Path
) -> None:
    names = {"json": "r.json", "markdown": "r.md", "html": "r.html", "junit": "r.xml"}
    asked = [item for key, name in names.items() for item in ("-f", f"{key}={name}")]
    change = ("--error-rise", "0.03", "--drift-hours", "24", "--min-detection", "0.5")
    seen: list[dict[str, bytes]] = []
    for _ in range(2):
        log = datasets / "classifier.jsonl.gz"
        done = llmops("simulate-rollout", log, "--plan", plan, *QUICK, *change, *asked, "--explain")
        assert done.returncode == 0, done.stderr
        seen.append({name: (tmp_path / name).read_bytes() for name in names.values()})
    assert seen[0] == seen[1]
    report = json.loads(seen[0]["r.json"])
    Draft202012Validator(json.loads(llmops("schema", "report").stdout)).validate(report)
    assert [table["name"] for table in report["tables"]][:2] == ["changes", "rules"]
    assert report["parameters"]["drift_s"] == 86_400
    assert len(report["series"]) == 4
    page = seen[0]["r.html"].decode()
    for chart in ("Requests exposed", "Users exposed", "Rollouts gone back so far"):
        assert chart in page


@pytest.mark.parametrize(
    ("arguments", "slug", "code"),
    [
        (["--only", "task"], "rollout-no-change", 2),
        (["--error-rise", "0.1", "--only", "task"], "rollout-bad-slice", 2),
        (["--error-rise", "-0.1"], "rollout-bad-change", 2),
        (["--after-hours", "2"], "rollout-no-change", 2),
        (["--cost-ratio", "0.5"], "rollout-bad-change", 2),
        (["--cost-ratio", "1.5"], "rollout-unguarded", 2),
        (["--runs", "0"], "rollout-bad-runs", 2),
        (["--plan", "none.yaml"], "plan-unreadable", 3),
    ],
)
def test_refusals(llmops: Run, datasets: Path, arguments: list[str], slug: str, code: int) -> None:
    done = llmops("simulate-rollout", datasets / "classifier.jsonl.gz", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert f"error[{slug}]" in done.stderr


@pytest.mark.parametrize(
    ("was", "becomes", "slug"),
    [
        ("percent: 100.0", "percent: 90.0", "plan-stages"),
        ("percent: 10.0", "percent: 60.0", "plan-stages"),
        ("schema: llmops", "schema: other", "plan-schema-unknown"),
        ("alpha: 0.05", "alpha: much", "plan-invalid"),
    ],
)
def test_a_plan_that_is_none(
    llmops: Run, datasets: Path, plan: Path, was: str, becomes: str, slug: str
) -> None:
    text = plan.read_text(encoding="utf-8")
    assert was in text
    plan.write_text(text.replace(was, becomes, 1), encoding="utf-8")
    done = llmops("simulate-rollout", datasets / "classifier.jsonl.gz", "--plan", plan)
    assert (done.returncode, done.stdout) == (3, "")
    assert f"error[{slug}]" in done.stderr


def test_the_help_says_what_it_does(llmops: Run) -> None:
    done = llmops("simulate-rollout", "--help")
    assert done.returncode == 0
    assert "llmops simulate-rollout baseline.jsonl" in done.stdout
