"""Curves and timelines as lines of block characters, for the terminal and for comments."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmops_cli.report import Span, Timeline
from llmops_cli.views.figures import Figure, Point
from llmops_cli.views.numbers import UNKNOWN, short

__all__ = ["Spark", "bar", "sparks"]

_BARS = "▁▂▃▄▅▆▇█"
_FULL, _EMPTY = "█", "·"


@dataclass(frozen=True, slots=True)
class Spark:
    """One curve: what it is called, its bars, and its ends in words."""

    title: str
    bars: str
    ends: str


def sparks(figure: Figure, room: int) -> tuple[Spark, ...]:
    """Every curve of a figure in at most so many characters, all on one scale."""
    known = figure.known
    if not known:
        return tuple(Spark(curve.title, UNKNOWN, "") for curve in figure.curves)
    low, high = min(y for _, y in known), max(y for _, y in known)
    return tuple(
        _spark(curve.title, [point for point in points if point is not None], (low, high), room)
        for curve, points in zip(figure.curves, figure.points, strict=True)
    )


def _spark(title: str, points: Sequence[Point], scale: Point, room: int) -> Spark:
    if not points:
        return Spark(title, UNKNOWN, "")
    step = max(1, math.ceil(len(points) / room))
    bars = "".join(_bar_of(y, *scale) for _, y in points[::step])
    first, last = short(points[0][1]), short(points[-1][1])
    level = min(y for _, y in points) == max(y for _, y in points)
    return Spark(title, bars, first if level and len(points) > 1 else f"{first} to {last}")


def _bar_of(value: float, low: float, high: float) -> str:
    # Divided before subtracting, so that the widest range of floats does not overflow.
    part = (value / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
    return _BARS[round(part * (len(_BARS) - 1))]


def bar(timeline: Timeline, span: Span, room: int) -> str:
    """A span of a timeline as a bar in a line of so many characters; never less than one."""
    start = min(item.start for item in timeline.spans)
    length = max(item.end for item in timeline.spans) - start
    if not (math.isfinite(length) and length > 0):
        return _FULL * room
    first = min(room - 1, math.floor((span.start - start) / length * room))
    last = max(first + 1, math.ceil((span.end - start) / length * room - 0.5))
    return _EMPTY * first + _FULL * (last - first) + _EMPTY * (room - last)
