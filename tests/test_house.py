"""The house rules a linter cannot see: names, the README's promises, what is committed."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import llmops_cli

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERBS = [name for name in llmops_cli.__all__ if not name.startswith("_")]
"""The public functions of the package."""


def commands() -> list[str]:
    """The names ``llmops --help`` offers, groups spelled out."""
    listing = (
        "import json, typer.main; from llmops_cli.cli.root import app;"
        "root = typer.main.get_command(app);"
        "print(json.dumps([name for name in root.commands]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def examples() -> list[str]:
    """Every ``$ llmops …`` line of the README."""
    return re.findall(r"^\$ (llmops .*)$", README, flags=re.MULTILINE)


def modules() -> set[str]:
    """The last name of every module and package."""
    return {
        path.parent.name if path.name == "__init__.py" else path.stem
        for path in (ROOT / "llmops_cli").rglob("*.py")
        if "cli" not in path.relative_to(ROOT / "llmops_cli").parts
    }


@pytest.mark.parametrize("verb", VERBS)
def test_no_public_verb_equals_a_module_name(verb: str) -> None:
    assert verb not in modules()


@pytest.mark.parametrize("verb", VERBS)
def test_every_public_verb_loads_on_first_use_and_is_documented(verb: str) -> None:
    assert (getattr(llmops_cli, verb).__doc__ or "").strip()


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="judge_evaluate"):
        _ = llmops_cli.judge_evaluate  # type: ignore[attr-defined]


def test_every_command_has_an_example_in_the_readme() -> None:
    shown = {shlex.split(line)[1] for line in examples()}
    assert sorted(set(commands()) - shown) == []


def test_the_top_level_holds_only_what_the_design_allows() -> None:
    done = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in done.stdout.splitlines() if line[0] != "."}
    allowed = {"pyproject.toml", "README.md", "LICENSE", "Makefile"}
    assert top <= allowed | {"llmops_cli", "datasets", "tests"}


def test_no_module_is_a_drawer() -> None:
    assert modules().isdisjoint({"utils", "util", "helpers", "common", "misc", "base", "types"})
