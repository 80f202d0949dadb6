"""Kernels that worker processes can import: they live in a module, not in a test."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from llmops_cli.errors import ExitCode, LlmopsError


def summed(part: list[float]) -> float:
    return sum(part)


def listed(part: int) -> list[int]:
    return [part]


def refused(part: int) -> int:
    if part == 2:
        raise LlmopsError(
            "test-refusal", "no", hint="h", file="f", line=7, exit_code=ExitCode.USAGE
        )
    return part


class UnpicklableError(Exception):
    def __init__(self, one: str, *, two: str) -> None:
        super().__init__(f"{one} {two}")


def broken(part: int) -> int:
    if part == 1:
        raise UnpicklableError("secret", two="prompt")
    return part


def divided(part: int) -> float:
    return 1 / part


def killed_once(part: tuple[int, str]) -> list[int]:
    """The first worker to take part 1 is killed, as by the kernel's memory killer."""
    number, flag = part
    if number == 1 and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return [number]


def killed_always(part: int) -> int:
    if part == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return part


def whose(part: int) -> tuple[int, int]:
    """The part and the process that did it; none is done in no time."""
    time.sleep(0.01)
    return part, os.getpid()


def killed_once_elsewhere(part: tuple[int, str, int]) -> list[int]:
    """The first worker to take any part is killed, but never the process that asked."""
    number, flag, asker = part
    if os.getpid() != asker and not Path(flag).exists():
        Path(flag).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    wait_for(Path(flag).exists)
    return [number]


def wait_for(told: Callable[[], bool]) -> None:
    """Leave other processes the time to begin, but not for ever."""
    until = time.monotonic() + 0.5
    while not told() and time.monotonic() < until:
        time.sleep(0.01)


READY: list[bool] = []


def prepare() -> None:
    READY.append(True)


def prepared(folder: str) -> tuple[int, bool]:
    """Which process, and whether it was prepared; every process leaves its name in the folder."""
    (Path(folder) / str(os.getpid())).touch()
    wait_for(lambda: len([*Path(folder).iterdir()]) > 1)
    return os.getpid(), bool(READY)
