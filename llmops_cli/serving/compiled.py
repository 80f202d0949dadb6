"""The one door to numba: functions of the simulator's inner loop, compiled and kept on disk.

The entry is cached beside its source and renewed when that file changes, but not when a file it
calls into changes. So a cache older than any source of this room is dropped on import.
"""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled", "entry", "inlined", "pasted"]

Function = TypeVar("Function", bound=Callable[..., object])

njit: Callable[..., Any] = numba.njit


def _drop_stale(room: Path) -> None:
    newest = max(source.stat().st_mtime for source in room.glob("*.py"))
    for index in (room / "__pycache__").glob("*.nbi"):
        with suppress(OSError):  # another process was faster, or the folder is not ours to write
            if index.stat().st_mtime < newest:
                index.unlink()


_drop_stale(Path(__file__).parent)


INNER: dict[str, Any] = {
    "error_model": "numpy",
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}
"""Called from compiled functions only; without reference counts, since nothing is allocated."""


def compiled(function: Function) -> Function:
    """The function as machine code, to be called by compiled functions only."""
    return cast("Function", njit(**INNER)(function))


def inlined(function: Function) -> Function:
    """As ``compiled``, its machine code put in place of every call: calls cost by the argument."""
    return cast("Function", njit(forceinline=True, **INNER)(function))


def pasted(function: Function) -> Function:
    """As ``inlined``, its source put in place of the call: compiles faster if called from one."""
    return cast("Function", njit(inline="always", **INNER)(function))


def entry(function: Function) -> Function:
    """The function and all it calls as machine code, kept on disk, to be called from Python."""
    return cast("Function", njit(cache=True, error_model="numpy", _nrt=False)(function))
