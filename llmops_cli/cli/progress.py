"""A progress bar on stderr while logs are read or rows are asked, where somebody is watching."""

import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from llmops_cli.cli.options import Shared

__all__ = ["counting", "progress"]


@contextmanager
def progress(shared: Shared, paths: Iterable[str | Path]) -> Generator[Callable[[int], None]]:
    """Give a function that is told how many bytes were read; on a terminal it draws them.

    Args:
        shared: ``quiet`` draws nothing.
        paths: what will be read; standard input has no length, and so no bar.
    """
    watched = sys.stderr is not None and sys.stderr.isatty() and not shared.quiet
    total = _bytes(paths) if watched else 0
    if not total:
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True, no_color=not shared.color)
    columns = (BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("reading", total=total)
        yield lambda read: bar.advance(task, read)


@contextmanager
def counting(shared: Shared, total: int) -> Generator[Callable[[int, str], None]]:
    """Give a function that is told how many of ``total`` are done, and a word to show beside it."""
    if sys.stderr is None or not sys.stderr.isatty() or shared.quiet:
        yield lambda _done, _word: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    console = Console(stderr=True, no_color=not shared.color)
    word = TextColumn("{task.description}", markup=False)
    columns = (BarColumn(), MofNCompleteColumn(), word, TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda done, text: bar.update(task, completed=done, description=text)


def _bytes(paths: Iterable[str | Path]) -> int:
    from llmops_cli.errors import LlmopsError
    from llmops_cli.traffic.sources import resolve

    try:
        return sum(source.bytes for source in resolve(paths))
    except LlmopsError:
        return 0  # the reading itself says what is wrong
