"""Drawings of a Report as inline SVG: a curve with axes, an interval against its bound.

Colours come from the page's style sheet by class, so the drawings follow light and dark.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from llmops_cli.report import Check, Series
from llmops_cli.views.elements import Markup, element, joined
from llmops_cli.views.figures import Figure, Point, drawable
from llmops_cli.views.numbers import amount, apart, short

__all__ = ["interval_strip", "legend", "line_chart", "ticks"]

_WIDTH, _HEIGHT = 450.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 20.0, 14.0, 46.0
# A curve that moves less than this, against its own size, is drawn as flat.
_FLAT, _TINY = 1e-9, 1e-290
# With more points than this the dots would hide the line.
_MOST_DOTS = 40

_STYLES = 6
"""Colours and dashes that tell curves of one chart apart; the style sheet has them."""

_STRIP_WIDTH, _STRIP_HEIGHT, _STRIP_MARGIN = 320.0, 46.0, 34.0


def ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """Round positions (1, 2 or 5 times a power of ten apart) from below low to above high."""
    # Divided before subtracting, so that the widest range of floats does not overflow.
    rough = high / about - low / about
    size = max(abs(low), abs(high))
    if rough <= size * _FLAT:
        rough = size / about or 1.0
    rough = max(rough, _TINY)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        first, last = first - 1, last + 1
    return tuple(index * step for index in range(first, last + 1))


@dataclass(frozen=True, slots=True)
class _Axis:
    """Values to pixels along one direction."""

    marks: tuple[float, ...]
    start: float
    end: float

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high = self.marks[0], self.marks[-1]
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def label(self, mark: float) -> str:
        """A mark with as many decimals as its neighbours need."""
        step = self.marks[1] - self.marks[0]
        size = max(abs(self.marks[0]), abs(self.marks[-1]))
        if size >= 1e6 or step < 1e-6:  # noqa: PLR2004 - longer labels would overlap
            return f"{mark:.3g}"
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        # Adding zero turns a rounded -0.0 into 0.0.
        return f"{round(mark, decimals) + 0.0:,.{decimals}f}"


def line_chart(figure: Figure, identifier: str) -> Markup:
    """The curves with axes, grid, and their ends in words for readers who cannot see them."""
    known = figure.known
    if not known:
        return element("p", "No points to draw.", class_="quiet")
    across = _axis([x for x, _ in known], _LEFT, _WIDTH - _RIGHT)
    up = _axis([y for _, y in known], _HEIGHT - _BOTTOM, _TOP)
    return element(
        "svg",
        element("title", figure.title, id=f"{identifier}-title"),
        element("desc", _in_words(figure), id=f"{identifier}-desc"),
        _grid(across, up),
        _names(figure.curves[0]),
        *(_curve(points, at, across, up) for at, points in enumerate(figure.points)),
        viewBox=f"0 0 {_WIDTH:g} {_HEIGHT:g}",
        role="img",
        aria_labelledby=f"{identifier}-title {identifier}-desc",
        class_="chart",
    )


def legend(figure: Figure) -> Markup:
    """Which line is which curve; empty where there is one only."""
    if len(figure.curves) < 2:  # noqa: PLR2004 - one needs no telling apart
        return Markup()
    items = [
        element(
            "li",
            element(
                "svg",
                element("line", x1="0", x2="26", y1="5", y2="5", class_=_style(at)),
                viewBox="0 0 26 10",
                aria_hidden="true",
            ),
            curve.title,
        )
        for at, curve in enumerate(figure.curves)
    ]
    return element("ul", *items, class_="legend")


def _style(at: int) -> str:
    return f"curve curve-{at % _STYLES + 1}" if at else "curve"


def _axis(values: Sequence[float], start: float, end: float) -> _Axis:
    return _Axis(ticks(min(values), max(values)), start, end)


def _in_words(figure: Figure) -> str:
    told = list[str]()
    for curve, points in zip(figure.curves, figure.points, strict=True):
        known = [point for point in points if point is not None]
        name = f"{curve.title}: " if len(figure.curves) > 1 else ""
        told.append(name + (_ends(curve, known) if known else "no points."))
    return " ".join(told)


def _ends(curve: Series, known: Sequence[Point]) -> str:
    (first_x, first_y), (last_x, last_y) = known[0], known[-1]
    highest = max(known, key=lambda point: point[1])
    lowest = min(known, key=lambda point: point[1])
    return (
        f"{curve.y_label} over {curve.x_label}, {len(known):,} points: "
        f"{short(first_y)} at {short(first_x)}, {short(last_y)} at {short(last_x)}; "
        f"lowest {short(lowest[1])} at {short(lowest[0])}, "
        f"highest {short(highest[1])} at {short(highest[0])}."
    )


def _grid(across: _Axis, up: _Axis) -> Markup:
    floor, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    lines: list[Markup] = []
    for mark in up.marks:
        y = up.at(mark)
        lines.append(element("line", x1=_LEFT, x2=right, y1=y, y2=y, class_="grid"))
        lines.append(element("text", up.label(mark), x=_LEFT - 8, y=y + 4, class_="mark end"))
    for mark in across.marks:
        x = across.at(mark)
        lines.append(element("line", x1=x, x2=x, y1=floor, y2=floor + 4, class_="axis"))
        lines.append(element("text", across.label(mark), x=x, y=floor + 18, class_="mark middle"))
    lines.append(element("line", x1=_LEFT, x2=right, y1=floor, y2=floor, class_="axis"))
    return joined(*lines)


def _names(curve: Series) -> Markup:
    centre = (_LEFT + _WIDTH - _RIGHT) / 2
    middle = (_TOP + _HEIGHT - _BOTTOM) / 2
    return joined(
        element("text", curve.x_label, x=centre, y=_HEIGHT - 6, class_="name middle"),
        element(
            "text",
            curve.y_label,
            x=0,
            y=0,
            transform=f"translate(13 {middle:g}) rotate(-90)",
            class_="name middle",
        ),
    )


def _curve(points: Sequence[Point | None], at: int, across: _Axis, up: _Axis) -> Markup:
    # A gap in the data is a gap in the line.
    stretches = [
        [(across.at(point[0]), up.at(point[1])) for point in stretch if point is not None]
        for drawn, stretch in groupby(points, key=lambda point: point is not None)
        if drawn
    ]
    lines = [
        element(
            "polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in stretch), class_=_style(at)
        )
        for stretch in stretches
    ]
    known = [point for point in points if point is not None]
    if at and len({y for _, y in known}) == 1 < len(known):
        known = []  # a level that others are held against needs no dots
    return joined(*lines, _dots(known, "dot other" if at else "dot", across, up))


def _dots(known: Sequence[Point], style: str, across: _Axis, up: _Axis) -> Markup:
    if len(known) > _MOST_DOTS:
        return Markup()
    return joined(
        *(
            element(
                "circle",
                element("title", f"{short(x)}: {short(y)}"),
                cx=across.at(x),
                cy=up.at(y),
                r="3",
                class_=style,
            )
            for x, y in known
        )
    )


def interval_strip(check: Check) -> Markup:
    """The measure's value and interval on a line, with the bound as an upright mark.

    Empty where nothing can be drawn. It repeats the sentence beside it, so readers of the
    page's text skip it.
    """
    measure = check.measure
    known = [
        value
        for value in (measure.low, measure.value, measure.high, check.bound)
        if drawable(value)
    ]
    if len(set(known)) < 2:  # noqa: PLR2004 - one point has no scale
        return Markup()
    axis = _Axis((min(known), max(known)), _STRIP_MARGIN, _STRIP_WIDTH - _STRIP_MARGIN)
    return element(
        "svg",
        element("line", x1="0", x2=_STRIP_WIDTH, y1="18", y2="18", class_="grid"),
        _whiskers(check, axis),
        _bound(check, axis),
        viewBox=f"0 0 {_STRIP_WIDTH:g} {_STRIP_HEIGHT:g}",
        class_=f"strip {check.verdict.value}",
        aria_hidden="true",
    )


def _whiskers(check: Check, axis: _Axis) -> Markup:
    measure = check.measure
    parts: list[Markup] = []
    if drawable(measure.low) or drawable(measure.high):
        # An open end runs to the edge of the drawing.
        left = axis.at(measure.low) if drawable(measure.low) else 0.0
        right = axis.at(measure.high) if drawable(measure.high) else _STRIP_WIDTH
        parts.append(element("line", x1=left, x2=right, y1="18", y2="18", class_="whisker"))
    if drawable(measure.value):
        parts.append(element("circle", cx=axis.at(measure.value), cy="18", r="5", class_="dot"))
    return joined(*parts)


def _bound(check: Check, axis: _Axis) -> Markup:
    x = axis.at(check.bound)
    text = amount(check.bound, check.measure.unit, extra=apart(check.bound, check.measure))
    return joined(
        element("line", x1=x, x2=x, y1="6", y2="30", class_="bound"),
        element("text", text, x=x, y="43", class_="mark middle"),
    )
