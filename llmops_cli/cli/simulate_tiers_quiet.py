"""Keeps standard output to ourselves while a plan is sought: HiGHS may print a line of its own.

Only the command does this, since standard output is its own to redirect; the analyses do not.
HiGHS 1.12, which scipy brings, prints it whatever ``disp`` says (ERGO-Code/HiGHS issue 2783), and
among our JSON one stray line would break it.
"""

import ctypes
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress

__all__ = ["quiet_stdout"]

_STDOUT = 1


@contextmanager
def quiet_stdout() -> Generator[None]:
    """What C code prints inside goes nowhere; without a standard output there is nothing to do."""
    try:
        kept = os.dup(_STDOUT)
    except OSError:  # started with `>&-`
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        _flush()
        os.dup2(nowhere, _STDOUT)
        yield
    finally:
        # C keeps what it prints to a pipe until it is flushed: now, or it would come out later.
        _flush()
        os.dup2(kept, _STDOUT)
        os.close(kept)
        os.close(nowhere)


def _flush() -> None:
    with suppress(OSError, TypeError, AttributeError):  # no C library by that name: Windows
        ctypes.CDLL(None).fflush(None)
