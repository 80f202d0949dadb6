"""From what the user typed to byte streams: files, folders, globs, gzip and stdin."""

import glob
import gzip
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from llmops_cli.errors import LlmopsError

__all__ = ["STDIN", "Source", "lines", "resolve"]

STDIN = "-"

_SUFFIXES = (".jsonl", ".ndjson", ".json", ".log", ".parquet")
_BUFFER = 1 << 20  # lines of agents run to hundreds of kilobytes
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Source:
    """One file, named as the user named it, or standard input."""

    name: str

    @property
    def is_parquet(self) -> bool:
        """Whether the name says Parquet."""
        return self.name.lower().endswith(".parquet")


def resolve(paths: Iterable[str | Path], more: tuple[str, ...] = ()) -> tuple[Source, ...]:
    """Expand folders and globs, in a fixed order: as given, and by name inside each.

    Args:
        paths: what the user typed.
        more: endings that count as data inside a folder beside those of logs.

    Raises:
        LlmopsError: ``traffic-not-found`` for a path that is not there, ``traffic-no-logs``
            for a folder without logs.
    """
    names = [name for path in paths for name in _expand(str(path), more)]
    # One file under two names is still one file: its calls must not count twice.
    found = {name if name == STDIN else str(Path(name).resolve()): name for name in reversed(names)}
    return tuple(Source(name) for name in reversed(found.values()))


def _expand(text: str, more: tuple[str, ...]) -> list[str]:
    if text == STDIN:
        return [STDIN]
    path = Path(text)
    if path.is_dir():
        return _in_folder(path, _SUFFIXES + more)
    if path.exists():
        return [text]
    matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207 - the pattern may be absolute
    if not matches:
        raise LlmopsError(
            "traffic-not-found",
            "no such file or folder",
            hint="give files, folders, globs, or - for standard input",
            file=text,
        )
    return [name for match in matches for name in _expand(match, more)]


def _in_folder(folder: Path, suffixes: tuple[str, ...]) -> list[str]:
    names = sorted(
        str(path)
        for path in folder.rglob("*")
        if path.is_file()
        and not path.name.startswith(".")
        and path.name.lower().removesuffix(".gz").endswith(suffixes)
    )
    if not names:
        raise LlmopsError(
            "traffic-no-logs",
            "the folder holds no logs",
            hint=f"logs end in {', '.join(suffixes)}, with or without .gz",
            file=str(folder),
        )
    return names


def lines(source: Source, *, blank: bool = False) -> Iterator[tuple[int, bytes]]:
    """The lines with their 1-based numbers, the UTF-8 byte order mark removed.

    Blank lines are left out, except where ``blank`` asks for them: inside a quoted field of
    a CSV they are content.

    Raises:
        LlmopsError: ``traffic-unreadable``, ``traffic-empty``, ``traffic-not-utf8`` for UTF-16,
            ``traffic-truncated-gzip``, ``traffic-stdin-closed``.
    """
    empty = True
    try:
        with _open(source) as stream:
            for number, line in enumerate(stream, 1):
                if number == 1:
                    line = _first(line, source)  # noqa: PLW2901 - the mark is not content
                filled = bool(line) and not line.isspace()
                empty = empty and not filled
                if filled or blank:
                    yield number, line
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise LlmopsError(
            "traffic-truncated-gzip",
            "the gzip data is damaged or cut off",
            hint="copy the file again; nothing of it was used",
            file=source.name,
        ) from error
    except OSError as error:
        raise LlmopsError(
            "traffic-unreadable", f"cannot be read: {error.strerror}", file=source.name
        ) from error
    if empty:
        raise LlmopsError(
            "traffic-empty",
            "there is nothing in it",
            hint="an empty log answers nothing; check the export that made it",
            file=source.name,
        )


def _first(line: bytes, source: Source) -> bytes:
    if line.startswith(_UTF_16):
        raise LlmopsError(
            "traffic-not-utf8",
            "this is UTF-16, not UTF-8",
            hint="convert it first: iconv -f UTF-16 -t UTF-8",
            file=source.name,
            line=1,
        )
    return line.removeprefix(_BOM)


def _open(source: Source) -> BinaryIO | gzip.GzipFile:
    if source.name != STDIN:
        path = Path(source.name)
        return gzip.GzipFile(path) if path.suffix == ".gz" else path.open("rb", _BUFFER)
    if sys.stdin is None or sys.stdin.closed:  # pyright: ignore[reportUnnecessaryComparison]
        raise LlmopsError(
            "traffic-stdin-closed",
            "standard input is closed",
            hint="pipe a log into llmops, or name a file",
            file=STDIN,
        )
    # A copy, so that closing the stream after reading leaves stdin itself open.
    return open(sys.stdin.fileno(), "rb", closefd=False)
