"""Lines that are read many at once, where their format has columns for the simple ones."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.traffic import litellm, litellm_columns
from llmops_cli.traffic.streams import Slab, require_utf8

__all__ = ["BY_COLUMN", "decoded_together"]

Columns = dict[str, pa.Array]
Mask = npt.NDArray[np.bool_]

BY_COLUMN: dict[str, Callable[[list[Any]], tuple[Columns, Mask] | None]] = {
    litellm.NAME: litellm_columns.columns
}
"""Formats of short lines that are mostly alike: the columns of the simple ones of some lines,
and which those are; None where a line is not of the format. What the columns hold is what the
format's ``rows`` would make of each line."""

_OPEN, _CLOSE = b"{}"
_ASCII = 0x7F


def decoded_together(slab: Slab, decode_lines: Callable[[Any], list[Any]]) -> list[Any] | None:
    """One value for each line of a slab, or None where some line needs a look of its own."""
    data, ends = slab.data, slab.ends
    opened = data[0] == _OPEN and bool((data[ends[:-1] + 1] == _OPEN).all())
    if not (opened and bool((data[ends - 1] == _CLOSE).all())):
        return None
    try:
        if data.max() > _ASCII:
            # The decoder skips over content without looking at its bytes.
            require_utf8(data.tobytes())
        found = decode_lines(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    # In no JSON value does an object follow on another without a comma, so every line ends
    # where a value does: as many values as lines means one on each.
    return found if len(found) == len(slab) else None
