"""Every command the README shows runs, and exits as the README says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"^```console\n(.*?)^```",
    (ROOT / "README.md").read_text("utf-8"),
    flags=re.MULTILINE | re.DOTALL,
)


def shown() -> list[tuple[str, int]]:
    """Each ``$ llmops …`` line with the code shown after ``$ echo $?`` (0 where none is)."""
    pairs: list[tuple[str, int]] = []
    for block in BLOCKS:
        lines = block.splitlines()
        for index, line in enumerate(lines):
            if line == "$ echo $?":
                pairs[-1] = (pairs[-1][0], int(lines[index + 1]))
            elif line.startswith("$ llmops "):
                pairs.append((line.removeprefix("$ "), 0))
    return list(dict.fromkeys(pairs))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all of them, as in a reader's shell: later lines use earlier files."""
    here = tmp_path_factory.mktemp("readme")
    (here / "datasets").symlink_to(ROOT / "datasets")
    return here


def test_the_readme_shows_commands() -> None:
    assert len(shown()) >= 8


@pytest.mark.xdist_group("readme")
def test_every_command_of_the_readme_runs_and_exits_as_shown(folder: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LLMOPS_")}
    for command, expected in shown():
        done = subprocess.run(
            [sys.executable, "-m", "llmops_cli", *shlex.split(command)[1:]],
            cwd=folder,
            env=clean,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == expected, (command, done.stderr)
