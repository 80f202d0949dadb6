"""A kernel over many parts whose results are wanted one by one, in order, as they come."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from llmops_cli.engine.pool import guarded, opened
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["stream"]

Part = TypeVar("Part")
Result = TypeVar("Result")

_AHEAD = 2
_ROUNDS = 3


def stream(
    kernel: Callable[[Part], Result],
    parts: Iterable[Part],
    *,
    jobs: int = 1,
    here: Callable[[Part], Iterable[Result] | None] | None = None,
) -> Iterator[Result]:
    """``kernel(part)`` for all parts, in part order.

    With more than one job a process pool works a few parts ahead, so that memory stays
    bounded; when a worker dies its unfinished parts get a fresh pool, up to three times.

    Args:
        kernel: a pure function; with more than one job it and the parts must be picklable.
        parts: any number of parts.
        jobs: worker processes; 1 stays in this process.
        here: the results of a part that must not leave this process, made when their turn
            comes; None for any other part.

    Raises:
        LlmopsError: what the kernel raised; ``engine-no-jobs``; ``engine-worker-died``.
    """
    if jobs < 1:
        raise LlmopsError(
            "engine-no-jobs",
            f"{jobs} worker processes cannot do any work",
            exit_code=ExitCode.USAGE,
        )
    given = [(part, here(part) if here else None) for part in parts]
    if min(jobs, sum(own is None for _, own in given)) <= 1:
        for part, own in given:
            yield from [kernel(part)] if own is None else own
        return
    done = 0
    for _ in range(_ROUNDS):
        try:
            for results in _round(kernel, given[done:], jobs):
                yield from results
                done += 1
        except BrokenProcessPool:
            continue
        return
    raise LlmopsError(
        "engine-worker-died",
        f"worker processes died {_ROUNDS} times with {len(given) - done} of {len(given)} parts "
        "unfinished",
        hint="memory is the usual reason: use fewer --jobs",
        exit_code=ExitCode.BUG,
    )


def _round(
    kernel: Callable[[Part], Result], parts: list[tuple[Part, Iterable[Result] | None]], jobs: int
) -> Iterator[Iterable[Result]]:
    # Spawned, not forked: a fork of a process that holds threads (Arrow, BLAS) may hang.
    pool = ProcessPoolExecutor(min(jobs, len(parts)), multiprocessing.get_context("spawn"))
    waiting: deque[Future[Any] | Iterable[Result]] = deque()
    try:
        for part, own in parts:
            waiting.append(pool.submit(guarded, kernel, part) if own is None else own)
            if len(waiting) > _AHEAD * jobs:
                yield _results(waiting.popleft())
        while waiting:
            yield _results(waiting.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _results(one: Any) -> Iterable[Any]:  # noqa: ANN401 - a future or results already
    return [opened(one.result())] if isinstance(one, Future) else one
