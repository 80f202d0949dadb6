"""What a process does that only reads chunks for another, before it reads any.

It is loaded first of all, so nothing is imported here that takes time.
"""

import sys
from typing import Any, cast

__all__ = ["without_pandas"]


class _NoPandas:
    """Lets imports of it fail, as where it is not installed."""

    @staticmethod
    def find_spec(name: str, _path: object, _target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError("workers make no frames", name=name)


def without_pandas() -> None:
    """Keep pandas out of this process.

    Arrow loads it, as slowly as all the rest together, to see that a tuple is no Series.
    """
    sys.meta_path.insert(0, cast("Any", _NoPandas))
