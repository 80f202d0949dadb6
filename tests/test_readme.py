"""Every command the README shows runs, and exits as the README says."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```console\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
TABLE = [
    (int(code), command)
    for code, command in re.findall(
        r"^\| (\d) \|.*\| `(llmops .*)` \|$", README, flags=re.MULTILINE
    )
]
"""The exit codes and the command the README gives for each."""


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


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LLMOPS_")}
    return subprocess.run(
        [sys.executable, "-m", "llmops_cli", *shlex.split(command)[1:]],
        cwd=folder,
        env=clean,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.slow  # make lint runs them too, for their screens
def test_every_command_of_the_readme_runs_and_exits_as_shown(folder: Path) -> None:
    for command, expected in shown():
        done = run(command, folder)
        assert done.returncode == expected, (command, done.stderr)


def test_the_recipe_for_ci_is_yaml_whose_commands_parse(tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    recipe = next(yaml.safe_load(block) for block in blocks if "jobs:" in block)
    lines = [step.get("run", "") for step in recipe["jobs"]["gates"]["steps"]]
    commands = [line for line in lines if line.startswith("llmops ")]
    assert len(commands) == 3
    for command in commands:
        # Nothing is there to read (3), which is found out after the options are understood (2).
        assert run(command, tmp_path).returncode == 3, command


def test_the_table_of_exit_codes_gives_a_command_for_each() -> None:
    assert [code for code, _ in TABLE] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("code", "command"), TABLE)
def test_each_exit_code_is_reached_by_its_documented_command(
    folder: Path, code: int, command: str
) -> None:
    done = run(command, folder)
    assert done.returncode == code
    # A refusal is one sentence on stderr; a verdict is a report on stdout.
    assert bool(done.stdout) == (code in {0, 1, 4})
    assert done.stderr.startswith("llmops: error[") == (code in {2, 3})
