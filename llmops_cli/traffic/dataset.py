"""A folder of calls Parquet that logs are added to: partitioned, and safe to add to twice.

Layout: ``day=2026-09-01/provider=anthropic/model=claude-x/<commit>-0.parquet``, and one file
per commit under ``.llmops/`` that says which files it was read from and which parts hold its
calls. A file is known again by its bytes, whatever its name; a log that has grown replaces
what it gave when it was shorter. A killed run leaves the folder as it was, or the next run
finishes what was decided.
"""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec
import pyarrow as pa

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.traffic.fingerprints import Fingerprint, Seen
from llmops_cli.traffic.json_lines import Options
from llmops_cli.traffic.partition import write_parts
from llmops_cli.traffic.sources import BOOKS, DECIDED

__all__ = ["Commit", "Dataset", "Missing"]

_SCHEMA = "llmops.dataset/1"


class Commit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one reading added.

    Attributes:
        id: of the commit, from the bytes of its sources.
        sources: what was read together.
        parts: the Parquet files, relative to the dataset.
        rows: calls in them.
        replaces: ids of the commits whose sources have grown into these.
    """

    id: str
    sources: tuple[Fingerprint, ...]
    parts: tuple[str, ...]
    rows: int
    replaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Missing:
    """What has to be read, and the commits that it replaces."""

    read: tuple[Seen, ...]
    replaces: tuple[str, ...] = ()


class _About(msgspec.Struct, frozen=True):
    schema: str
    hash_key: str
    content: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """The paths of one dataset."""

    root: Path

    @property
    def books(self) -> Path:
        return self.root / BOOKS

    @property
    def about(self) -> Path:
        return self.books / "dataset.json"

    def staging(self, commit: str) -> Path:
        return self.books / f"staging-{commit}"

    def decided(self, commit: str) -> Path:
        return self.books / f"{commit}{DECIDED}"

    def done(self, commit: str) -> Path:
        return self.books / f"{commit}.commit.json"


class Dataset:
    """One dataset, held by one process at a time.

    Args:
        root: the folder; made where it is not there yet.
        options: how logs are read; the key of the hashes and whether content is kept must be
            those the dataset began with.

    Raises:
        LlmopsError: ``dataset-not-ours`` for a folder that holds something else,
            ``dataset-other-key``, ``dataset-other-content``, ``dataset-busy``,
            ``output-unwritable``.
    """

    def __init__(self, root: Path, options: Options) -> None:
        self._place = _Place(root)
        self._options = options
        self._lock: IO[str] | None = None
        self._is_new = False
        self.commits: dict[str, Commit] = {}

    def __enter__(self) -> Self:
        """Take the lock, and finish what a killed run had decided."""
        try:
            self._open()
        except LlmopsError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise LlmopsError(
                "output-unwritable",
                f"cannot write {self._place.root}: {error.strerror or type(error).__name__}",
                hint="choose another folder",
                exit_code=ExitCode.USAGE,
            ) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go of the lock."""
        self.close()

    def close(self) -> None:
        """Let go of the lock; a dataset that nothing was added to goes away again."""
        if self._lock is None:
            return
        if self._is_new and not self.commits:
            shutil.rmtree(self._place.books, ignore_errors=True)
            with suppress(OSError):
                self._place.root.rmdir()
        self._lock.close()

    def _open(self) -> None:
        place = self._place
        foreign = place.root.is_dir() and not place.about.exists() and any(place.root.iterdir())
        if foreign:
            raise LlmopsError(
                "dataset-not-ours",
                f"{place.root} holds something else already",
                hint="name a new folder, or a file that ends in .parquet",
                exit_code=ExitCode.USAGE,
            )
        self._is_new = not place.about.exists()
        place.books.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(place.books / "lock", place.root)
        self._agree()
        for path in sorted(place.books.glob(f"*{DECIDED}")):
            self._settle(msgspec.json.decode(path.read_bytes(), type=Commit))
        for path in place.books.glob("staging-*"):
            shutil.rmtree(path)
        found = [
            msgspec.json.decode(path.read_bytes(), type=Commit)
            for path in sorted(place.books.glob("*.commit.json"))
        ]
        self.commits = {commit.id: commit for commit in found}

    def _agree(self) -> None:
        key = self._options.hash_key
        mine = _About(
            schema=_SCHEMA,
            hash_key=blake2b(key, digest_size=8, person=b"llmops-key").hexdigest() if key else "",
            content=self._options.keep_content,
        )
        if not self._place.about.exists():
            _write(self._place.about, mine)
            return
        there = msgspec.json.decode(self._place.about.read_bytes(), type=_About)
        if there.hash_key != mine.hash_key:
            raise LlmopsError(
                "dataset-other-key",
                f"the hashes in {self._place.root} were made with another key, or without one",
                hint="equal prompts would differ; use the same key, or another folder",
                exit_code=ExitCode.USAGE,
            )
        if there.content != mine.content:
            kept = "keeps" if there.content else "does not keep"
            raise LlmopsError(
                "dataset-other-content",
                f"{self._place.root} {kept} prompts, which is decided once",
                hint="give --keep-content always or never, or another folder",
                exit_code=ExitCode.USAGE,
            )

    @property
    def books(self) -> Path:
        """The folder beside the calls, where readings may put what waits."""
        return self._place.books

    @property
    def rows(self) -> int:
        """Calls in all commits."""
        return sum(commit.rows for commit in self.commits.values())

    @property
    def lengths(self) -> frozenset[int]:
        """How long every source was, in bytes."""
        return frozenset(s.bytes for commit in self.commits.values() for s in commit.sources)

    def missing(self, unit: Sequence[Seen]) -> Missing:
        """What of some sources still has to be read.

        Args:
            unit: sources that are read together, because rows of one may join with another's.

        Raises:
            LlmopsError: ``dataset-part-of-more`` when a source has grown that was read together
                with another which is not given now.
        """
        known = {s.digest: commit for commit in self.commits.values() for s in commit.sources}
        fresh = {seen.print.digest: seen for seen in unit if seen.print.digest not in known}
        replaced = dict[str, Commit]()
        for commit in self.commits.values() if fresh else ():
            touching = [seen for seen in unit if any(seen.holds(s) for s in commit.sources)]
            if not touching:
                continue
            absent = [s for s in commit.sources if not any(seen.holds(s) for seen in touching)]
            if not absent:
                replaced[commit.id] = commit
                fresh |= {seen.print.digest: seen for seen in touching}
            elif any(seen.print.digest in fresh for seen in touching):
                raise _part_of_more(touching, absent[0])
        read = sorted(fresh.values(), key=unit.index)
        return Missing(tuple(read), tuple(sorted(replaced)))

    def add(self, missing: Missing, tables: Iterable[pa.Table]) -> Commit:
        """Write the calls of what was missing, all of them or none.

        Raises:
            LlmopsError: what the tables raise, ``output-unwritable``.
        """
        sources = tuple(seen.print for seen in missing.read)
        name = _identity(sources)
        staging = self._place.staging(name)
        shutil.rmtree(staging, ignore_errors=True)
        try:
            parts, rows = write_parts(tables, staging, name)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        commit = Commit(name, sources, tuple(parts), rows, missing.replaces)
        _write(self._place.decided(name), commit)
        self._settle(commit)
        self.commits[name] = commit
        return commit

    def _settle(self, commit: Commit) -> None:
        """Move what was written into its place; every step may have been done already."""
        place = self._place
        for part in commit.parts:
            written = place.staging(commit.id) / part
            if written.exists():
                (place.root / part).parent.mkdir(parents=True, exist_ok=True)
                written.replace(place.root / part)
        for old in commit.replaces:
            self._remove(old, keep=set(commit.parts))
        place.decided(commit.id).replace(place.done(commit.id))
        shutil.rmtree(place.staging(commit.id), ignore_errors=True)

    def _remove(self, name: str, keep: set[str]) -> None:
        path = self._place.done(name)
        if not path.exists():
            return
        for part in msgspec.json.decode(path.read_bytes(), type=Commit).parts:
            if part not in keep:
                (self._place.root / part).unlink(missing_ok=True)
        path.unlink()
        self.commits.pop(name, None)


def _identity(sources: Sequence[Fingerprint]) -> str:
    return blake2b("".join(s.digest for s in sources).encode(), digest_size=8).hexdigest()


def _write(path: Path, content: msgspec.Struct) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
    temporary.replace(path)


def _locked(path: Path, root: Path) -> IO[str]:
    file = path.open("w")
    try:
        import fcntl  # noqa: PLC0415 - not on every system

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        return file
    except BlockingIOError:
        file.close()
        raise LlmopsError(
            "dataset-busy",
            f"another process is writing {root}",
            hint="wait for it",
            exit_code=ExitCode.USAGE,
        ) from None
    return file


def _part_of_more(touching: Sequence[Seen], absent: Fingerprint) -> LlmopsError:
    return LlmopsError(
        "dataset-part-of-more",
        f"it has grown since it was read together with {absent.name}, which is not given now",
        hint="give both: rows of the one may belong to the other",
        file=touching[0].print.name,
        exit_code=ExitCode.USAGE,
    )
