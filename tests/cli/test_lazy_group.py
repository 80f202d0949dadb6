"""Commands load when they are asked for, and nothing that a user sees tells that they do."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from typer.core import TyperCommand
from typer.main import get_group

from llmops_cli.cli.catalogue import COMMANDS
from llmops_cli.cli.known_settings import Defaults, Known, known_keys
from llmops_cli.cli.root import app
from llmops_cli.config import Config, Setting

Run = Callable[..., CompletedProcess[str]]

LOADED = """
import json, sys
from llmops_cli.cli.app import main
from llmops_cli.cli.catalogue import COMMANDS
try:
    main()
except SystemExit:
    pass
loaded = [m for m, _ in COMMANDS.values() if f"llmops_cli.cli.{m}" in sys.modules]
sys.stderr.write(json.dumps(loaded))
"""


@pytest.mark.parametrize("name", COMMANDS)
def test_the_catalogue_says_what_the_command_says_of_itself(name: str) -> None:
    command = get_group(app).commands[name]
    line = TyperCommand(name, help=COMMANDS[name][1])
    assert COMMANDS[name][1] == command.help.partition("\n")[0]
    assert not command.hidden
    assert [line.get_short_help_str(n) for n in (30, 45, 99)] == [
        command.get_short_help_str(n) for n in (30, 45, 99)
    ]


@pytest.mark.parametrize(
    ("arguments", "modules"),
    [
        (["--help"], []),
        (["nonsense"], []),
        (["judge-eval", "d.csv", "-q"], ["judge_eval"]),
        (["judge-eval", "plan", "-q"], ["judge_eval", "judge_plan"]),
        (["--config", "seed=3", "judge-eval", "d.csv", "-q"], ["judge_eval"]),
        (["--config", "show.quiet=1", "judge-eval", "d.csv"], ["judge_eval", "show_report"]),
    ],
    ids=" ".join,
)
def test_a_command_loads_no_other(tmp_path: Path, arguments: list[str], modules: list[str]) -> None:
    (tmp_path / "d.csv").write_text("judge,gold\n" + "1,1\n0,0\n" * 15)
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *arguments],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert json.loads(done.stderr.splitlines()[-1]) == modules


def test_a_name_near_a_command_is_suggested(llmops: Run) -> None:
    assert "Did you mean 'judge-eval'" in llmops("judge-evla").stderr


def test_keys_are_looked_up_as_they_are_listed() -> None:
    commands = get_group(app).commands
    known = Known(commands)
    keys = list(known)
    assert set(keys) == set(known_keys(commands))
    assert len(known) == len(keys)
    assert all(key in known for key in keys)
    strangers = ("judge-eval", "judge-eval.treshold", "prices.provider", "nothing.seed", "sede", "")
    assert not any(key in known for key in strangers)


def test_defaults_hold_for_every_command_that_has_the_setting() -> None:
    commands = get_group(app).commands
    found = Defaults(
        Config(
            (
                Setting("seed", 4, "file"),
                Setting("prices.show.provider", "openai", "file"),
                Setting("format", "json", "file"),
                Setting("judge-eval.seed", 5, "file"),
            )
        ),
        commands,
    )
    assert found["judge-eval"] == {"seed": 5, "format": ["json"]}
    assert found["prices"]["show"] == {"seed": 4, "format": ["json"], "provider": "openai"}
    assert found.get("schema") == {}
    assert found.get("nonsense") is None


def test_options_of_many_commands_stand_before_those_of_few_whatever_is_loaded_first() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llmops_cli", "cache-estimate", "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    options = done.stdout[done.stdout.index("Options:") :]
    places = [options.index(name) for name in ("--no-color", "--input-format", "--max-false-hit")]
    assert places == sorted(places)
