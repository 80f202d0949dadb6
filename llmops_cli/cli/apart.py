"""The files that a command reads and those that it writes are kept apart, before any work."""

import glob
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["check_apart"]

_WRITTEN = ("output", "spans", "events", "perfetto", "state")
"""Options that each name a file to write."""
_WRITTEN_BY_NAME = ("format", "export")
"""Options of NAME=PATH."""
_REPLACED = ("baseline",)
"""Read, and fit to be replaced by the report of this run."""


def check_apart(values: Mapping[str, Any]) -> None:
    """Refuse to write over a file that is read, or to write one file twice.

    Args:
        values: of every option and argument, as the parser gives them, by parameter name.

    Raises:
        LlmopsError: ``output-is-input``, ``output-twice``.
    """
    written = [path for path in _written(values) if _can_be_lost(path)]
    known = {os.path.realpath(path) for path in written}
    if len(known) < len(written):
        raise _refusal(
            "output-twice",
            "two outputs are to be written to the same file",
            "give each a path of its own",
        )
    lost = next((text for text in _read(values, written) if os.path.realpath(text) in known), None)
    if lost is not None:
        raise _refusal(
            "output-is-input",
            f"{lost} is read, and would be written over",
            "write to another path; nothing was computed or written",
        )


def _refusal(slug: str, message: str, hint: str) -> LlmopsError:
    return LlmopsError(slug, message, hint=hint, exit_code=ExitCode.USAGE)


def _can_be_lost(path: Path) -> bool:
    """Neither standard output, nor a device, nor a folder that is added to."""
    return str(path) != "-" and (_is_file(path) or not os.path.lexists(path))


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path's raises where a name is too long


def _written(values: Mapping[str, Any]) -> Iterator[Path]:
    for name in _WRITTEN:
        yield from map(Path, _texts(values.get(name)))
    for name in _WRITTEN_BY_NAME:
        for text in _texts(values.get(name)):
            path = text.partition("=")[2]
            if path:
                yield Path(path)


def _read(values: Mapping[str, Any], written: list[Path]) -> Iterator[str]:
    """Every other value that may be a file; which option takes one need not be known."""
    apart = {*_WRITTEN, *_WRITTEN_BY_NAME, *_REPLACED}
    there = [path for path in written if _is_file(path)]
    texts = [text for name in values.keys() - apart for text in _texts(values[name])]
    for text in sorted(texts) if there else ():
        if os.path.isdir(text):  # noqa: PTH112 - as above
            yield from _read_in(text, there)
        elif any(sign in text for sign in "*?["):
            yield from glob.iglob(text, recursive=True)  # noqa: PTH207 - it may be absolute
        yield text


def _read_in(folder: str, written: list[Path]) -> Iterator[str]:
    """What is read of a folder; only looked for where something is written into it."""
    inside = Path(folder).resolve()
    if any(path.resolve().is_relative_to(inside) for path in written):
        from llmops_cli.traffic.sources import resolve

        try:
            yield from (source.name for source in resolve([folder], (".csv",)))
        except LlmopsError:
            return  # the command says what is wrong with it


def _texts(value: Any) -> list[str]:
    several: list[Any] = [*value] if isinstance(value, list | tuple) else [value]
    return [str(item) for item in several if isinstance(item, str | Path) and str(item)]
