"""Keeps standard output clean while the solver runs: HiGHS may print a line of its own there.

Our JSON goes to standard output, and one stray line would break it.
"""

import ctypes
import os
from collections.abc import Generator
from contextlib import contextmanager, suppress

__all__ = ["silence"]

_STDOUT = 1


@contextmanager
def silence() -> Generator[None]:
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
