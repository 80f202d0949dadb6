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


def test_a_manifest_that_is_not_there(llmops: Run, datasets: Path) -> None:
    done = llmops("rollout-lint", "none.yaml", datasets / "classifier.jsonl.gz")
    assert (done.returncode, done.stdout) == (3, "")
    assert "error[manifest-unreadable]" in done.stderr
