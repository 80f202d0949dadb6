"""A process pool that loses nothing: parts of a killed worker are done again."""

import multiprocessing
import pickle
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any, TypeVar

from llmops_cli.errors import ExitCode, LlmopsError

__all__ = ["guarded", "opened", "pooled"]

Part = TypeVar("Part")
Summary = TypeVar("Summary")

_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class _Refusal:
    # An LlmopsError as plain data: exceptions with keyword-only parts do not survive pickling.
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Defect:
    # Any other exception that does not survive pickling; without its text, which may be a prompt.
    name: str


def pooled(
    kernel: Callable[[Part], Summary], parts: Sequence[Part], *, jobs: int
) -> Iterator[Summary]:
    """The summaries of all parts in part order, computed by ``jobs`` worker processes.

    When a worker dies (killed, out of memory) the unfinished parts get a fresh pool, up to
    three times.

    Raises:
        LlmopsError: what the kernel raised, or ``engine-worker-died``.
    """
    done: dict[int, Summary] = {}
    for _ in range(_ROUNDS):
        waiting = [number for number in range(len(parts)) if number not in done]
        if not waiting:
            break
        _round(kernel, parts, waiting, done, jobs)
    if len(done) < len(parts):
        raise LlmopsError(
            "engine-worker-died",
            f"worker processes died {_ROUNDS} times with {len(parts) - len(done)} of "
            f"{len(parts)} parts unfinished",
            hint="memory is the usual reason: use fewer --jobs",
            exit_code=ExitCode.BUG,
        )
    return (done[number] for number in range(len(parts)))


def _round(
    kernel: Callable[[Part], Summary],
    parts: Sequence[Part],
    waiting: Sequence[int],
    done: dict[int, Summary],
    jobs: int,
) -> None:
    # Spawned, not forked: a fork of a process that holds threads (Arrow, BLAS) may hang.
    pool = ProcessPoolExecutor(min(jobs, len(waiting)), multiprocessing.get_context("spawn"))
    try:
        futures: dict[int, Future[Summary | _Refusal | _Defect]] = {
            number: pool.submit(guarded, kernel, parts[number]) for number in waiting
        }
        for number, future in futures.items():
            try:
                done[number] = opened(future.result())
            except BrokenProcessPool:
                continue
    except BrokenProcessPool:  # the pool broke while parts were still being handed in
        return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def guarded(kernel: Callable[[Part], Summary], part: Part) -> Summary | _Refusal | _Defect:
    """The kernel in a worker: what it raises comes back in a form that can travel."""
    try:
        return kernel(part)
    except LlmopsError as error:
        return _Refusal(vars(error))
    except Exception as error:
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes, made a moment ago
        except Exception:  # noqa: BLE001 - whatever it is, it cannot travel
            return _Defect(type(error).__name__)
        raise


def opened(outcome: Summary | _Refusal | _Defect) -> Summary:
    """What a worker sent, or its error raised again on this side."""
    if isinstance(outcome, _Refusal):
        fields = dict(outcome.fields)
        raise LlmopsError(fields.pop("slug"), fields.pop("message"), **fields)
    if isinstance(outcome, _Defect):
        raise RuntimeError(f"{outcome.name} in a worker process")  # noqa: TRY004 - not about types
    return outcome
