"""What a process does that only reads chunks for another, before it reads any.

It is loaded first of all, so nothing is imported here that takes time. Until it can read, a worker
is of no use to anybody: what follows takes a third off that time.
"""

import gc
import os
import sys
from importlib import import_module
from typing import Any, cast

__all__ = ["ready_to_read"]


class _NoPandas:
    """Lets imports of it fail, as where it is not installed."""

    @staticmethod
    def find_spec(name: str, _path: object, _target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("workers make no frames", name=name)


def ready_to_read() -> None:
    """Load what reads, without what only takes time.

    Arrow loads pandas, as slowly as all the rest together, to see that a tuple is no Series;
    numpy's linear algebra starts threads that spin; and nothing that is loaded is ever garbage.
    """
    sys.meta_path.insert(0, cast("Any", _NoPandas))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.disable()
    import_module("llmops_cli.traffic.chunks")
    gc.enable()
    gc.freeze()
