"""A kernel over many parts whose results are wanted one by one, in order, as they come."""

import multiprocessing
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from llmops_cli.engine.pool import guarded, opened
from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["stream"]

Part = TypeVar("Part")
Result = TypeVar("Result")

Kernel = Callable[[Any], Any]

_AHEAD = 3
"""Parts per process that may be done before their turn."""
_GIVEN = 2
"""Parts per worker that are its own: the one it does, and the next."""
_ROUNDS = 3


def stream(
    kernel: Callable[[Part], Result],
    parts: Iterable[Part],
    *,
    jobs: int = 1,
    here: Callable[[Part], Iterable[Result] | None] | None = None,
    along: Callable[[Part], Result] | None = None,
    prepare: Callable[[], None] | None = None,
) -> Generator[Result, None, None]:
    """``kernel(part)`` for all parts, in part order.

    With more than one job a process pool works a few parts ahead, so that memory stays
    bounded; when a worker dies its unfinished parts get a fresh pool, up to three times.

    Args:
        kernel: a pure function; with more than one job it and the parts must be picklable.
        parts: any number of parts.
        jobs: processes; 1 stays in this process.
        here: the results of a part that must not leave this process, made when their turn
            comes; None for any other part.
        along: makes this process one of them, which takes parts while it would wait: what it
            does with a part in the place of ``kernel``, to the same effect.
        prepare: what every worker does first; picklable.

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
    jobs = min(jobs, sum(own is None for _, own in given))
    if jobs <= 1:
        for part, own in given:
            yield from [(along or kernel)(part)] if own is None else own
        return
    done = 0
    for _ in range(_ROUNDS):
        try:
            for results in _round(_Line(kernel, jobs, prepare, along), given[done:]):
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
    line: "_Line", parts: list[tuple[Any, Iterable[Result] | None]]
) -> Iterator[Iterable[Result]]:
    unfinished = True
    try:
        for part, own in parts:
            line.waiting.append(line.part(part) if own is None else own)
            if line.long:
                yield line.first()
        while line.waiting:
            yield line.first()
        unfinished = False
    finally:
        # Workers that have nothing left to do end by themselves, while this process goes on.
        line.pool.shutdown(wait=unfinished, cancel_futures=True)


class _Part:
    """A part that any process may take."""

    def __init__(self, part: Any, kernel: Kernel, own: Kernel) -> None:  # noqa: ANN401 - any part
        self._part, self._kernel, self._own = part, kernel, own
        self.given: Future[Any] | None = None

    @property
    def done(self) -> bool:
        """Whether its result is there."""
        return self.given is not None and self.given.done()

    def give(self, pool: ProcessPoolExecutor) -> None:
        """Let a worker do it."""
        self.given = pool.submit(guarded, self._kernel, self._part)

    def do(self) -> Future[Any]:
        """Do it in this process; what it raises is raised when its turn comes."""
        self.given = own = Future[Any]()
        try:
            own.set_result(guarded(self._own, self._part))
        except Exception as error:  # noqa: BLE001 - any, for its turn
            own.set_exception(error)
        return own

    def result(self) -> Any:  # noqa: ANN401 - whatever the kernel gives
        """What came of it, now that it is its turn."""
        return opened((self.given or self.do()).result())


class _Line:
    """Parts in their order, from the one whose turn it is to the last that may be begun."""

    def __init__(
        self,
        kernel: Kernel,
        jobs: int,
        prepare: Callable[[], None] | None,
        along: Kernel | None,
    ) -> None:
        workers = jobs - (along is not None)
        # Spawned, not forked: a fork of a process that holds threads (Arrow, BLAS) may hang.
        self.pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), prepare)
        self._kernels = (kernel, along or kernel)
        self.waiting: deque[_Part | Iterable[Any]] = deque()
        self._most, self._workers, self._along = _AHEAD * jobs, workers, along is not None
        # What is given to a worker that still starts waits; this process could have done it.
        self._starting = [self.pool.submit(_start) for _ in range(workers * self._along)]

    def part(self, part: Any) -> _Part:  # noqa: ANN401 - any part
        """One that nobody has begun."""
        return _Part(part, *self._kernels)

    @property
    def long(self) -> bool:
        """Whether nothing more shall be begun before the first is through."""
        return len(self.waiting) > self._most

    def first(self) -> Iterable[Any]:
        """The results of the part whose turn it is."""
        first = self.waiting[0]
        if isinstance(first, _Part):
            self._give()
            while self._along and not first.done and (mine := self._open()):
                mine[0].do()
                self._give()
            self.waiting.popleft()
            return [first.result()]
        self._give()
        self.waiting.popleft()
        return first

    def _open(self) -> list[_Part]:
        """Parts that nobody has begun."""
        return [part for part in self.waiting if isinstance(part, _Part) and part.given is None]

    def _give(self) -> None:
        """Keep the workers busy, without giving away what this process could do meanwhile."""
        parts = [part for part in self.waiting if isinstance(part, _Part)]
        busy = sum(part.given is not None and not part.done for part in parts)
        workers = self._workers - sum(not worker.done() for worker in self._starting)
        open_parts = self._open()
        most = _GIVEN * workers - busy
        if self._along and busy >= workers:
            most = min(most, len(open_parts) - 1)
        for part in open_parts[: max(most, 0)]:
            part.give(self.pool)


def _start() -> None:
    """The first task of a worker: done as soon as it can do others."""
