"""Running a command in this process, for those that load the SDKs of the providers."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from llmops_cli.cli.app import main

Run = Callable[..., CompletedProcess[str]]


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
