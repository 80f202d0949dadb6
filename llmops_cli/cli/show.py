"""The only exit: a Report is rendered where it was asked for and its verdict becomes the code."""

import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import typer

from llmops_cli import __version__
from llmops_cli.cli.options import Shared
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Report, Verdict
from llmops_cli.views import Look, render

__all__ = [
    "STDOUT",
    "atomic_path",
    "counted",
    "finish",
    "say",
    "silence_stdout",
    "write_atomically",
    "write_stdout",
]

STDOUT = Path("-")
"""What an output path says for standard output."""

_CODES = {
    Verdict.PASS: ExitCode.OK,
    Verdict.FAIL: ExitCode.GATE_FAILED,
    Verdict.INCONCLUSIVE: ExitCode.INCONCLUSIVE,
}


def finish(report: Report, shared: Shared) -> NoReturn:
    """Write every requested rendering, then exit by the report's verdict.

    Everything is rendered before anything is written, and files are written before stdout:
    a reader of stdout that goes away costs no file.
    """
    # A report read back keeps the version that computed it.
    report = report if report.version else replace(report, version=__version__)
    rendered = [
        (item.path, render(report, item.format, _look(shared, to_stdout=item.path is None)))
        for item in sorted(shared.destinations, key=lambda item: item.path is None)
    ]
    for path, text in rendered:
        if path is None:
            write_stdout(text)
        else:
            write_atomically(path, text)
    raise typer.Exit(ExitCode.OK if shared.exit_zero else _CODES[report.verdict])


def _look(shared: Shared, *, to_stdout: bool) -> Look:
    return Look(
        color=shared.color and to_stdout,
        width=_width() if to_stdout else 100,
        explain=shared.explain,
        verbose=shared.verbose,
    )


def say(shared: Shared, text: str) -> None:
    """One line of progress or warning on stderr, unless the user asked for quiet."""
    if not shared.quiet and sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{text}\n")


def counted(count: int, noun: str) -> str:
    """A number with its noun: 1 file, 2,000 files."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def write_stdout(content: str | bytes) -> None:
    """Write text as UTF-8, or bytes, to stdout; a reader that went away ends the process with 141.

    Raises:
        LlmopsError: ``output-unwritable`` when stdout is closed or full.
    """
    if sys.stdout is None:  # started with `>&-`
        raise _unwritable("stdout", "it is closed")
    try:
        data = content.encode("utf-8", "replace") if isinstance(content, str) else content
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    except BrokenPipeError:
        silence_stdout()
        raise typer.Exit(ExitCode.BROKEN_PIPE) from None
    except OSError as error:
        silence_stdout()
        raise _unwritable("stdout", error.strerror or type(error).__name__) from error


def silence_stdout() -> None:
    """Point stdout at nothing: Python would fail again when it flushes at shutdown."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a whole file or nothing: a temporary neighbour, then a rename.

    Raises:
        LlmopsError: ``output-unwritable``.
    """
    data = content.encode("utf-8", "replace") if isinstance(content, str) else content
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


@contextmanager
def atomic_path(path: Path) -> Generator[Path]:
    """A temporary neighbour to write to; it becomes ``path`` at the end, or goes without trace.

    A device or a pipe (``/dev/null``) is written as it is, never replaced by a file; of a link it
    is the target that is replaced.

    Raises:
        LlmopsError: ``output-unwritable``, where writing fails.
    """
    as_it_is = path.exists() and not path.is_file()
    try:
        with _copied(path) if as_it_is else _neighbour(Path(os.path.realpath(path))) as temporary:
            yield temporary
    except OSError as error:
        raise _unwritable(str(path), error.strerror or type(error).__name__) from error


@contextmanager
def _copied(path: Path) -> Generator[Path]:
    # What is written may be read again, or removed after a fault: a device is for neither.
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / "whole"
        yield temporary
        with temporary.open("rb") as whole, path.open("wb") as device:
            shutil.copyfileobj(whole, device)


@contextmanager
def _neighbour(path: Path) -> Generator[Path]:
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:64]}.", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        # mkstemp is private to the user; what we write is as readable as any new file.
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _unwritable(name: str, reason: str) -> LlmopsError:
    return LlmopsError(
        "output-unwritable",
        f"cannot write {name}: {reason}",
        hint="choose another path",
        exit_code=ExitCode.USAGE,
    )


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def _width() -> int:
    return max(40, min(shutil.get_terminal_size((80, 24)).columns, 120))
