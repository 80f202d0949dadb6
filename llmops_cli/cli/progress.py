"""A progress bar on stderr while logs are read, where somebody is watching."""

import sys
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from llmops_cli.cli.options import Shared

__all__ = ["progress"]


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


def _bytes(paths: Iterable[str | Path]) -> int:
    from llmops_cli.errors import LlmopsError
    from llmops_cli.traffic.sources import resolve

    try:
        return sum(source.bytes for source in resolve(paths))
    except LlmopsError:
        return 0  # the reading itself says what is wrong
