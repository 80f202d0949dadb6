"""The only exit: a Report is rendered where it was asked for and its verdict becomes the code."""

import os
import shutil
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import typer

from llmops_cli.cli.options import Shared
from llmops_cli.errors import ExitCode
from llmops_cli.report import Report, Verdict
from llmops_cli.views import Look, render

__all__ = ["finish", "say", "write_atomically", "write_stdout"]

_CODES = {
    Verdict.PASS: ExitCode.OK,
    Verdict.FAIL: ExitCode.GATE_FAILED,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


def finish(report: Report, shared: Shared) -> NoReturn:
    """Write every requested rendering, then exit by the report's verdict."""
    for destination in shared.destinations:
        to_stdout = destination.path is None
        look = Look(
            color=shared.color and to_stdout,
            width=_width() if to_stdout else 100,
            explain=shared.explain,
            verbose=shared.verbose,
        )
        text = render(report, destination.format, look)
        if destination.path is None:
            write_stdout(text)
        else:
            write_atomically(destination.path, text)
    raise typer.Exit(ExitCode.OK if shared.exit_zero else _CODES[report.verdict])


def say(shared: Shared, text: str) -> None:
    """One line of progress or warning on stderr, unless the user asked for quiet."""
    if not shared.quiet:
        with suppress(OSError):
            sys.stderr.write(f"{text}\n")


def write_stdout(text: str) -> None:
    """Write UTF-8 to stdout; a reader that went away ends the process with 141."""
    try:
        sys.stdout.buffer.write(text.encode("utf-8", "replace"))
        sys.stdout.flush()
    except BrokenPipeError:
        # Python would complain again when it flushes stdout at shutdown.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: a temporary neighbour, then a rename."""
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        # mkstemp is private to the user; a report is as readable as any new file.
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _width() -> int:
    return min(shutil.get_terminal_size((80, 24)).columns, 120)
