"""A command run in this process, for those that load the SDKs; a plan; outcomes of two models."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest

from llmops_cli.cli.app import main

Run = Callable[..., CompletedProcess[str]]
Table = Callable[..., Path]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run ``llmops`` in this process, where the SDKs are imported once: a start costs a second."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("LLMOPS_")]:
        monkeypatch.delenv(name)

    def run(*arguments: object, env: dict[str, str] | None = None) -> CompletedProcess[str]:
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["llmops", *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            main()
        said = capfd.readouterr()
        return CompletedProcess(list(map(str, arguments)), caught.value.code, said.out, said.err)

    return run


@pytest.fixture(scope="session")
def plan_text(
    llmops_in: Callable[[Path], Run], datasets: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A plan of four weeks for the classifier's log, drawn once."""
    folder = tmp_path_factory.mktemp("plan")
    margins = ("--latency-margin", "1.25", "--error-margin", "0.02")
    log = datasets / "classifier.jsonl.gz"
    done = llmops_in(folder)("plan-rollout", log, *margins, "-o", "plan.yaml", "-q")
    assert done.returncode == 0, done.stderr
    return (folder / "plan.yaml").read_text(encoding="utf-8")


@pytest.fixture
def plan(plan_text: str, tmp_path: Path) -> Path:
    """The plan for the classifier's log, in the folder where the command runs."""
    path = tmp_path / "plan.yaml"
    path.write_text(plan_text, encoding="utf-8")
    return path


def write_table(path: Path, rows: int = 400, *, good: float = 0.9, seed: int = 0) -> Path:
    """Two models; small is as good as large in class ``a``, never in ``b``."""
    draw = np.random.default_rng(seed)
    lines = ["request_id,task,small,small|cost,small|latency,large,large|cost,large|latency"]
    for row in range(rows):
        task = "ab"[row % 2]
        large = int(draw.random() < good)
        small = large if task == "a" else 0
        lines.append(f"{row},{task},{small},0.001,0.5,{large},0.01,2")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def outcome_table() -> Table:
    """How a small table is written."""
    return write_table
