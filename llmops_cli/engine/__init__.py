"""The one place of distribution: a pure kernel over parts, merged in part order.

In process for one job, a process pool for more; the result is the same to the last digit,
because parts never depend on the number of workers and are always merged in their order.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import TypeVar

from llmops_cli.engine.pool import pooled
from llmops_cli.engine.stream import stream
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["map_merge", "stream"]

Part = TypeVar("Part")
Summary = TypeVar("Summary")


def map_merge(
    kernel: Callable[[Part], Summary],
    parts: Iterable[Part],
    merge: Callable[[Summary, Summary], Summary],
    *,
    jobs: int = 1,
) -> Summary:
    """``merge`` of ``kernel(part)`` over all parts, folded from the left in part order.

    Args:
        kernel: a pure function; with more than one job it and the parts must be picklable
            (a module-level function or a ``functools.partial`` of one).
        parts: at least one part; how they are cut must not depend on ``jobs``.
        merge: an associative combination of two summaries.
        jobs: worker processes; 1 stays in this process.

    Raises:
        LlmopsError: what the kernel raised; ``engine-no-jobs``; ``engine-worker-died`` when
            worker processes keep dying on the same parts.
        ValueError: there are no parts.
    """
    if jobs < 1:
        raise LlmopsError(
            "engine-no-jobs",
            f"{jobs} worker processes cannot do any work",
            exit_code=ExitCode.USAGE,
        )
    given = list(parts)
    if not given:
        raise ValueError("nothing to map: there are no parts")
    few = min(jobs, len(given))
    summaries = map(kernel, given) if few == 1 else pooled(kernel, given, jobs=few)
    return reduce(merge, summaries)
