"""Running a command in this process, for those that load the SDKs; outcomes of two models."""

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
