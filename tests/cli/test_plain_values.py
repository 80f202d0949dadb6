"""Values that need no converter come out as the parser's own converter would make them."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command

from llmops_cli.cli.plain_values import spare_converters

GIVEN: list[list[str]] = [
    [],
    ["--text", "a b"],
    ["--text", ""],
    ["--many", "x", "--many", "1"],
    ["--number", "0.5"],
    ["--count", "3"],
    ["--path", "some/file"],
    ["--flag"],
    ["one", "two"],
    ["--number", "much"],
    ["--count", "0"],
    ["--choice", ""],
]


def asked(arguments: list[str], *, spared: bool) -> tuple[str, Any]:
    seen: dict[str, Any] = {}
    app = typer.Typer(add_completion=False, rich_markup_mode=None)

    @app.command()
    def run(  # noqa: PLR0913 - one parameter of every kind that our commands have
        paths: Annotated[list[str] | None, typer.Argument()] = None,
        *,
        text: str = "word",
        many: Annotated[list[str] | None, typer.Option()] = None,
        number: Annotated[float | None, typer.Option(min=0.0, max=1.0)] = None,
        count: Annotated[int, typer.Option(min=1)] = 2,
        path: Path | None = None,
        flag: Annotated[bool, typer.Option("--flag/--no-flag")] = True,
        choice: Annotated[str | None, typer.Option()] = None,
    ) -> None:
        seen.update(locals())

    made = get_command(app)
    if spared:
        spare_converters(made)
    try:
        made.main(arguments, standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - what the user is told is compared too
        return type(error).__name__, str(error)
    return "", {name: value for name, value in seen.items() if name != "seen"}


@pytest.mark.parametrize("arguments", GIVEN, ids=" ".join)
def test_values_are_those_of_the_parsers_own_converter(arguments: list[str]) -> None:
    found, expected = asked(arguments, spared=True), asked(arguments, spared=False)
    assert found == expected
    if not found[0]:
        kinds = [{name: type(value) for name, value in one[1].items()} for one in (found, expected)]
        assert kinds[0] == kinds[1]


def test_a_command_with_text_alone_loads_no_converter(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("judge,gold\n" + "1,1\n0,0\n" * 15)
    program = (
        "import sys; from llmops_cli.cli.app import main\n"
        "try: main()\nexcept SystemExit: print('pydantic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "judge-eval", str(path), "--task", "gold", "-q"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "False", done.stderr
