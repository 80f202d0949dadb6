"""``llmops plan-rollout --export``: from a log or from a plan that is there, as a user runs it."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from llmops_cli.exports import ROLLOUT_EXPORTS
from llmops_cli.rollout.document import from_yaml

Run = Callable[..., CompletedProcess[str]]

EASY = ("--latency-margin", "1.25", "--error-margin", "0.02")
EVERY = [word for name in ROLLOUT_EXPORTS for word in ("--export", f"{name}={name}.yaml")]


@pytest.fixture
def known(llmops: Run, datasets: Path, tmp_path: Path) -> Path:
    """A plan of the committed baseline log."""
    log = datasets / "classifier.jsonl.gz"
    done = llmops("plan-rollout", log, *EASY, "-o", "plan.yaml", "-q")
    assert done.returncode == 0
    return tmp_path / "plan.yaml"


def test_a_log_becomes_every_export_beside_its_report(
    llmops: Run, datasets: Path, tmp_path: Path, known: Path
) -> None:
    done = llmops("plan-rollout", datasets / "classifier.jsonl.gz", *EASY, *EVERY)
    assert done.returncode == 0
    assert done.stdout.startswith("How to roll this change out")
    plan = from_yaml(known.read_text("utf-8"))
    for name, export in ROLLOUT_EXPORTS.items():
        expected = export(plan)
        assert (tmp_path / f"{name}.yaml").read_text("utf-8") == expected.text
        for warning in expected.warnings:
            assert f"warning[export-{name}]: {name}.yaml: {warning}\n" in done.stderr


def test_a_plan_that_is_there_is_exported_without_a_log(
    llmops: Run, tmp_path: Path, known: Path
) -> None:
    done = llmops("plan-rollout", "--plan", known, "--export", "argo=rollout.yaml", "-q")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    text = ROLLOUT_EXPORTS["argo"](from_yaml(known.read_text("utf-8"))).text
    assert (tmp_path / "rollout.yaml").read_text("utf-8") == text


@pytest.mark.parametrize(
    ("arguments", "slug"),
    [
        (["--plan", "plan.yaml"], "export-missing"),
        (["--plan", "plan.yaml", "-o", "b.yaml", "--export", "argo=a"], "rollout-not-with-plan"),
        (["log.jsonl", "--plan", "plan.yaml", "--export", "argo=a"], "rollout-not-with-plan"),
        (["--plan", "plan.yaml", "--alpha", "0.1", "--export", "argo=a"], "rollout-not-with-plan"),
        (["--export", "argo=a"], "rollout-no-input"),
        (["log.jsonl", "--export", "spinnaker=a"], "export-unknown"),
        (["log.jsonl", "--export", "argo"], "option-not-a-pair"),
        (["log.jsonl", "--export", "argo=no/such/a"], "output-unwritable"),
    ],
)
def test_what_cannot_be_exported_is_refused_before_any_work(
    llmops: Run, tmp_path: Path, arguments: list[str], slug: str
) -> None:
    done = llmops("plan-rollout", *arguments)
    assert done.returncode == 2
    assert f"error[{slug}]" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_plan_is_named(llmops: Run, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text("kind: Rollout\n")
    done = llmops("plan-rollout", "--plan", "plan.yaml", "--export", "argo=a")
    assert done.returncode == 3
    assert "error[plan-schema-unknown]: plan.yaml" in done.stderr
    assert not (tmp_path / "a").exists()
