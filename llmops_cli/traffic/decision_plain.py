"""Plain CSV by the column: a large log of verdicts in one piece, without a step per row.

Plain means that every comma and every line break is what it looks like. Whatever is not (quotes,
rows of another length, blank lines, bytes that are no UTF-8) is left to the reader by the row,
which names the line.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import LINE_LIMIT

__all__ = ["plain_columns"]

_COMMA, _NEWLINE = b",\n"
_ELSEWHERE = (b'"', b"\r", b"\0", b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def plain_columns(source: Source) -> tuple[list[str], list[Sequence[str]]] | None:
    """The header and the fields of every column; row ``i`` stands on line ``i + 2``.

    Returns:
        None where the file is not plain, cannot be read or is large enough to hold a line past
        the limit.
    """
    if not source.is_plain_file or not 0 < source.bytes <= LINE_LIMIT:
        return None
    try:
        data = Path(source.name).read_bytes().replace(b"\r\n", b"\n")
    except OSError:
        return None
    data += b"" if data.endswith(b"\n") else b"\n"
    width = _width(data)
    if width is None:
        return None
    try:
        fields = data[:-1].decode().replace("\n", ",").split(",")
    except UnicodeDecodeError:
        return None
    return fields[:width], [fields[width + place :: width] for place in range(width)]


def _width(data: bytes) -> int | None:
    """Fields of every line; None where lines differ, or hold what is not plain."""
    if any(mark in data for mark in _ELSEWHERE):
        return None
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero((text == _COMMA) | (text == _NEWLINE))
    breaks = text[ends] == _NEWLINE
    width = int(breaks.argmax()) + 1
    if len(ends) % width or not (breaks.reshape(-1, width) == _last(width)).all():
        return None
    lengths = np.diff(ends, prepend=-1).reshape(-1, width) - 1
    return width if (lengths.sum(axis=1) > 0).all() else None


def _last(width: int) -> np.ndarray:
    return np.arange(width) == width - 1
