"""``llmops show``: a report written earlier with ``-f json``, rendered again."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmops_cli.cli.options import Shared, command
from llmops_cli.cli.show import finish
from llmops_cli.errors import LlmopsError

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(
        app,
        "show",
        examples=(
            "llmops show report.json",
            "llmops show report.json -f html=report.html -q",
            "llmops judge-eval decisions.csv -f json | llmops show - --explain",
        ),
    )(show)


def show(
    report: Annotated[
        str, typer.Argument(metavar="REPORT", help="A file written by -f json, or - for stdin.")
    ],
    *,
    shared: Shared,
) -> None:
    """Render a saved report again.

    Nothing is computed. Exits by the verdict the report holds.
    """
    from llmops_cli.views.json import parse

    name = "<stdin>" if report == "-" else report
    finish(parse(_read(report), name), shared)


def _read(path: str) -> bytes:
    if path != "-":
        return _read_file(path)
    if sys.stdin is None:
        raise LlmopsError("stdin-closed", "stdin is closed", hint="name the report's file")
    return sys.stdin.buffer.read()


def _read_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise LlmopsError(
            "input-unreadable", f"the report cannot be read: {reason}", file=path
        ) from error
