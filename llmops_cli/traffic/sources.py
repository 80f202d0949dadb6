"""From what the user typed to files: folders, globs, object stores and stdin."""

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["BOOKS", "COMPRESSED", "DECIDED", "STDIN", "Source", "remote", "resolve"]

STDIN = "-"
COMPRESSED = (".gz", ".zst")
BOOKS = ".llmops"
"""The folder inside a dataset of ours that says what was added to it."""
DECIDED = ".decided.json"
"""Ending of the file that says what is being added right now."""

_PROTOBUF = (".pb", ".binpb", ".otlp")
_SUFFIXES = (".jsonl", ".ndjson", ".json", ".log", ".parquet", *_PROTOBUF)


@dataclass(frozen=True, slots=True)
class Source:
    """One file, named as the user named it, or standard input.

    Attributes:
        name: as the user named it.
        start: where the part of it begins that is meant.
        end: where that ends; None is the end of the file.
    """

    name: str
    start: int = 0
    end: int | None = None

    def part(self, start: int, end: int | None) -> "Source":
        """What lies between two places of a plain file, to be read as if it were all."""
        return Source(self.name, start, end)

    @property
    def is_parquet(self) -> bool:
        """Whether the name says Parquet."""
        return self._ends((".parquet",))

    @property
    def is_protobuf(self) -> bool:
        """Whether the name says protobuf, compressed or not."""
        return self._ends(_PROTOBUF)

    @property
    def is_csv(self) -> bool:
        """Whether the name says comma-separated values, compressed or not."""
        return self._ends((".csv",))

    @property
    def is_plain_file(self) -> bool:
        """Whether it can be read from any place in it: neither a pipe, remote nor compressed."""
        return (
            self.name != STDIN and not self.is_remote and not self.name.lower().endswith(COMPRESSED)
        )

    @property
    def bytes(self) -> int:
        """Length of a local file; 0 for anything else."""
        try:
            return 0 if self.name == STDIN or self.is_remote else Path(self.name).stat().st_size
        except OSError:
            return 0

    @property
    def is_remote(self) -> bool:
        """Whether it lies in an object store."""
        return "://" in self.name

    def _ends(self, endings: tuple[str, ...]) -> bool:
        return _bare(self.name).endswith(endings)


def _bare(name: str) -> str:
    lower = name.lower()
    return next((lower.removesuffix(end) for end in COMPRESSED if lower.endswith(end)), lower)


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
    found = dict[str, str]()
    for name in names:
        found.setdefault(_identity(name), name)
    return tuple(map(Source, found.values()))


def _identity(name: str) -> str:
    return name if name == STDIN or "://" in name else os.path.realpath(name)


def remote(url: str) -> tuple[Any, str]:
    """The file system and the path of an object-store address.

    Raises:
        LlmopsError: ``traffic-needs-fsspec`` where the extra is not installed,
            ``traffic-unreadable`` for a protocol it does not know.
    """
    try:
        import fsspec  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise LlmopsError(
            "traffic-needs-fsspec",
            "object stores are read through fsspec, which is not installed",
            hint="pip install 'llmops-cli[remote]', and the package of your store (s3fs, gcsfs)",
            file=url,
            exit_code=ExitCode.USAGE,
        ) from error
    try:
        return fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise LlmopsError(
            "traffic-unreadable",
            "fsspec cannot open this kind of address",
            hint="is the package of the store installed (s3fs, gcsfs, adlfs)?",
            file=url,
            exit_code=ExitCode.USAGE,
        ) from error


def _expand_remote(url: str) -> list[str]:
    store, path = remote(url)
    protocol = url.partition("://")[0]
    try:
        is_prefix = store.isdir(path)
        paths = store.find(path) if is_prefix else store.glob(path)
    except OSError as error:
        raise LlmopsError("traffic-unreadable", "the store cannot be read", file=url) from error
    names = [f"{protocol}://{found.lstrip('/')}" for found in sorted(paths)]
    if not names:
        raise LlmopsError("traffic-not-found", "no such object or prefix", file=url)
    if is_prefix:
        names = [name for name in names if _bare(name).endswith(_SUFFIXES)]
    if not names:
        raise _no_logs(url, _SUFFIXES)
    return names


def _expand(text: str, more: tuple[str, ...]) -> list[str]:
    if text == STDIN:
        return [STDIN]
    if "://" in text:
        return _expand_remote(text)
    path = Path(text)
    try:
        if path.is_dir():
            return _in_folder(path, _SUFFIXES + more)
        if path.exists() or path.is_symlink():  # reading a link to nothing says what is wrong
            return [text]
    except OSError as error:
        raise _unreadable(error, text) from error
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
    if any((folder / BOOKS).glob(f"*{DECIDED}")):
        raise LlmopsError(
            "dataset-unfinished",
            "a run was cut off while it was adding to this folder",
            hint="run the same llmops ingest again: it finishes what was begun",
            file=str(folder),
        )
    names = sorted(
        str(path)
        for path in _walked(folder)
        if _bare(path.name).endswith(suffixes) and (path.is_file() or not path.exists())
    )
    if not names:
        raise _no_logs(str(folder), suffixes)
    return names


def _no_logs(folder: str, suffixes: tuple[str, ...]) -> LlmopsError:
    return LlmopsError(
        "traffic-no-logs",
        "the folder holds no logs",
        hint=f"logs end in {', '.join(suffixes)}, with or without .gz or .zst",
        file=folder,
    )


def _walked(folder: Path) -> Iterator[Path]:
    """Every name below a folder but hidden ones, through links too; each folder once."""
    seen = {os.path.realpath(folder)}

    def refuse(error: OSError) -> None:
        raise _unreadable(error, error.filename)

    def new(place: str) -> bool:
        real = os.path.realpath(place)
        return real not in seen and not seen.add(real)

    for place, folders, files in os.walk(folder, onerror=refuse, followlinks=True):
        folders[:] = [
            name
            for name in sorted(folders)
            if not name.startswith(".") and new(os.path.join(place, name))  # noqa: PTH118 - many
        ]
        yield from (Path(place, name) for name in files if not name.startswith("."))


def _unreadable(error: OSError, name: str) -> LlmopsError:
    return LlmopsError("traffic-unreadable", f"cannot be read: {error.strerror}", file=name)
