"""Plain CSV by the column: a large log of verdicts in one piece, without a step per row.

Plain means that every comma and every line break is what it looks like. Whatever is not (quotes,
rows of another length, blank lines, bytes that are no UTF-8) is left to the reader by the row,
which names the line.
"""

from pathlib import Path

import numpy as np

from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import LINE_LIMIT

__all__ = ["plain_columns"]

_COMMA, _NEWLINE = b",\n"
_ELSEWHERE = (b'"', b"\r", b"\0")
_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def plain_columns(source: Source) -> tuple[list[str], list[list[str]]] | None:
    """The header and the fields of every column; row ``i`` stands on line ``i + 2``.

    Returns:
        None where the file is not plain, cannot be read or is large enough to hold a line past
        the limit.
    """
    if not source.is_plain_file or not 0 < source.bytes <= LINE_LIMIT:
        return None
    try:
        data = Path(source.name).read_bytes()
    except OSError:
        return None
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n")
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
    marks = _ELSEWHERE if data.isascii() else _ELSEWHERE + _MARKS
    if any(mark in data for mark in marks):
        return None
    text = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero((text == _COMMA) | (text == _NEWLINE))
    width = data[: data.index(_NEWLINE)].count(_COMMA) + 1
    breaks = ends[width - 1 :: width]
    # As many line breaks as there are rows, each where a row of this width ends.
    if len(ends) % width or len(breaks) != data.count(_NEWLINE):
        return None
    if (text[breaks] != _NEWLINE).any():
        return None
    # A line of commas alone is a row without a field, and moves the numbers of the others.
    return width if (np.diff(breaks, prepend=-1) > width).all() else None
