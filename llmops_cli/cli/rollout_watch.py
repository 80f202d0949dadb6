"""Files that arrive in a folder, look after look: for ``llmops check-rollout --watch``."""

import os
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["arrivals"]

_Files = dict[str, tuple[int, int]]


def arrivals(
    folder: Path, pause: Callable[[], None], polls: int | None = None
) -> Generator[tuple[str, ...]]:
    """Give the files of a folder again whenever some have come or changed.

    A file counts once two listings agree on its size and time, so that one half written is not
    read. Hidden files, as writers use for half-written ones, are left alone.

    Args:
        folder: to list.
        pause: waits between two listings.
        polls: give up after so many pauses; None never does.

    Raises:
        LlmopsError: ``watch-no-folder``, also where it goes away.
    """
    given, before, waited = _Files(), _listed(folder), 0
    while polls is None or waited < polls:
        pause()
        waited += 1
        now = _listed(folder)
        settled = {name: at for name, at in now.items() if before.get(name) == at}
        if settled and settled != given:
            yield tuple(sorted(settled))
            given = settled
        before = now


def _listed(folder: Path) -> _Files:
    if not folder.is_dir():
        raise LlmopsError(
            "watch-no-folder",
            f"there is no folder {folder} to watch",
            hint="create it first; files may come later",
            exit_code=ExitCode.USAGE,
        )
    found = _Files()
    with os.scandir(folder) as entries:
        for entry in entries:
            # A file may be gone before it is asked about.
            with suppress(FileNotFoundError):
                if not entry.name.startswith(".") and entry.is_file():
                    stat = entry.stat()
                    found[entry.path] = (stat.st_size, stat.st_mtime_ns)
    return found
