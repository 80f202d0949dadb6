"""A file of whole lines that outlives its writer: locked, appended to, mended after a kill."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["append", "appending", "damaged", "mend", "objects"]


def appending(path: Path, *, permissions: int = 0o666) -> BinaryIO:
    """Open a file to append to, and keep other runs out of it.

    Args:
        path: of the file.
        permissions: of a file that was not there, less those that the process withholds.

    Raises:
        LlmopsError: ``output-unwritable``, ``collect-running``.
    """
    try:
        file = open(path, "ab", 0, opener=lambda name, how: os.open(name, how, permissions))  # noqa: SIM115 - Path.open takes no opener
    except OSError as error:
        raise LlmopsError(
            "output-unwritable",
            f"cannot write {path}: {error.strerror}",
            hint="choose another path; nothing was asked",
            exit_code=ExitCode.USAGE,
        ) from error
    try:
        _lock(file)
    except OSError:
        file.close()
        raise LlmopsError(
            "collect-running",
            "another run is writing to this file",
            hint="wait for it, or give another --output",
            file=str(path),
            exit_code=ExitCode.USAGE,
        ) from None
    return file


def _lock(file: BinaryIO) -> None:
    try:
        import fcntl  # noqa: PLC0415 - not on every system
    except ImportError:
        return
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def append(file: BinaryIO, line: bytes, *, forced: bool = True) -> None:
    """Write one line; it is on the disk when this returns.

    Args:
        file: to write to.
        line: with its end.
        forced: whether the disk is waited for; without, the line outlives this process only.

    Raises:
        LlmopsError: ``output-unwritable``.
    """
    try:
        view = memoryview(line)
        while view:
            view = view[os.write(file.fileno(), view) :]
        if forced:
            os.fsync(file.fileno())
    except OSError as error:
        raise LlmopsError(
            "output-unwritable",
            f"cannot write {file.name}: {error.strerror}",
            hint="make room and go on with --resume; what is on the disk is not asked again",
            exit_code=ExitCode.USAGE,
        ) from error


def mend(file: BinaryIO, path: Path, begins: bytes) -> None:
    """Cut off the line that a killed run was writing: its call was in flight.

    Args:
        file: open, and ours.
        path: of it.
        begins: how such a line begins; anything else is somebody's data, and is left alone.

    Raises:
        LlmopsError: ``collect-damaged``.
    """
    data = path.read_bytes() if path.is_file() else b""
    whole = data.rfind(b"\n") + 1
    tail = data[whole:].replace(b" ", b"")
    if not tail:
        return
    if tail[: len(begins)] != begins[: len(tail)]:
        raise damaged(path, data.count(b"\n") + 1)
    file.truncate(whole)


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and content of each whole line; a last one that was cut off counts for nothing.

    Raises:
        LlmopsError: ``collect-damaged``.
    """
    if not path.is_file():
        return
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield number, decode(line)
            except (msgspec.DecodeError, UnicodeError):
                raise damaged(path, number) from None


def damaged(path: Path, number: int) -> LlmopsError:
    """The refusal of a line that no run of ours wrote."""
    return LlmopsError(
        "collect-damaged",
        "the line is none that such a run writes",
        hint="give another --output",
        file=str(path),
        line=number,
    )
