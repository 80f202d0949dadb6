"""``llmops rollout-lint`` and its other spelling, as a user runs them."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Run = Callable[..., CompletedProcess[str]]

CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata: {name: chat}
spec:
  analysis:
    interval: 1h
    threshold: 1
    stepWeights: [5, 25, 50]
    metrics:
      - {name: error-rate, interval: 1h, thresholdRange: {max: 1}}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """A Flagger canary of three hours."""
    path = tmp_path / "canary.yaml"
    path.write_text(CANARY, encoding="utf-8")
    return path


@pytest.mark.parametrize(("bound", "code"), [("1", 0), ("0.0001", 1)])
def test_the_exit_code_is_the_gate(
    llmops: Run, datasets: Path, manifest: Path, bound: str, code: int
) -> None:
    log = datasets / "classifier.jsonl.gz"
    gate = ("--runs", "300", "--max-false-rollback", bound)
    done = llmops("rollout-lint", manifest, log, *gate)
    assert done.returncode == code, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    other = llmops("check-rollout", "lint", manifest, log, *gate)
    assert (other.returncode, other.stdout) == (done.returncode, done.stdout)


def test_steps_that_wait_last_as_long_as_is_said(
    llmops: Run, datasets: Path, tmp_path: Path
) -> None:
    gate = "    webhooks: [{name: g, type: confirm-traffic-increase, url: http://g}]\n"
    (tmp_path / "gated.yaml").write_text(CANARY + gate, encoding="utf-8")
    log, runs = datasets / "classifier.jsonl.gz", ("--runs", "50")
    done = llmops("rollout-lint", "gated.yaml", log, *runs, "--step-hours", "12")
    assert done.returncode == 0, done.stderr
    assert "taken as 43200 s" in " ".join(done.stdout.split())
    done = llmops("rollout-lint", "gated.yaml", log, *runs, "--step-hours", "0")
    assert (done.returncode, done.stdout) == (2, "")
    assert "error[manifest-bad-step]" in done.stderr


def test_a_manifest_that_is_not_there(llmops: Run, datasets: Path) -> None:
    done = llmops("rollout-lint", "none.yaml", datasets / "classifier.jsonl.gz")
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[manifest-unreadable]" in done.stderr


@pytest.mark.parametrize(
    ("option", "value", "slug"),
    [
        ("--error-rise", "0", "rollout-bad-change"),
        ("--runs", "0", "rollout-bad-runs"),
        ("--runs", "10000000000", "rollout-bad-runs"),
        ("--max-false-rollback", "5", "rollout-bad-gate"),
    ],
)
def test_what_cannot_be_rehearsed_is_refused_at_once(
    llmops: Run, datasets: Path, manifest: Path, option: str, value: str, slug: str
) -> None:
    done = llmops("rollout-lint", manifest, datasets / "classifier.jsonl.gz", option, value)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error[{slug}]" in done.stderr
