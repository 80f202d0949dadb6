"""Curves and interval strips: round axes, honest gaps, and no number that breaks the drawing."""

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmops_cli.report import Check, Measure, Series
from llmops_cli.views.charts import interval_strip, line_chart, ticks
from llmops_cli.views.figures import Figure

finite = st.floats(-1e299, 1e299)


def curve(*points: tuple[float | None, float | None]) -> Series:
    x, y = zip(*points, strict=True) if points else ((), ())
    return Series(name="c", title="Curve", x_label="across", y_label="up", x=x, y=y)


def drawn(series: Series) -> ET.Element:
    return ET.fromstring(line_chart(Figure(series.title, (series,)), "c-1"))  # noqa: S314 - our own drawing


def check(value: float | None, low: float | None, high: float | None, bound: float) -> Check:
    return Check.at_least("c", Measure(name="m", value=value, low=low, high=high), bound)


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0.0, 1.0, (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)),
        (0.588, 0.8845, (0.5, 0.6, 0.7, 0.8, 0.9)),
        (3.1, 21.7, (0.0, 5.0, 10.0, 15.0, 20.0, 25.0)),
        (-40.0, 40.0, (-40.0, -20.0, 0.0, 20.0, 40.0)),
        (0.0, 900.0, (0.0, 200.0, 400.0, 600.0, 800.0, 1000.0)),
    ],
)
def test_axes_have_round_marks(low: float, high: float, marks: tuple[float, ...]) -> None:
    assert ticks(low, high) == pytest.approx(marks)


@given(finite, finite)
def test_marks_enclose_the_data_and_are_few(one: float, other: float) -> None:
    low, high = min(one, other), max(one, other)
    marks = ticks(low, high)
    slack = 1e-8 * max(abs(low), abs(high))
    assert all(math.isfinite(mark) for mark in marks)
    assert marks[0] - slack <= low
    assert high <= marks[-1] + slack
    assert marks[0] < marks[-1]
    assert 2 <= len(marks) <= 12


@given(st.lists(st.tuples(st.none() | st.floats(), st.none() | st.floats()), max_size=6))
def test_every_curve_can_be_drawn(points: list[tuple[float | None, float | None]]) -> None:
    picture = drawn(curve(*points))
    for line in picture.iter("polyline"):
        assert re.fullmatch(r"[\d., ]+", line.attrib["points"])
    for circle in picture.iter("circle"):
        assert -1 <= float(circle.attrib["cx"]) <= 451
        assert -1 <= float(circle.attrib["cy"]) <= 241


def test_a_gap_in_the_data_is_a_gap_in_the_line() -> None:
    picture = drawn(curve((0, 1), (1, 2), (2, None), (3, 2), (4, 3)))
    assert len(picture.findall("polyline")) == 2
    assert len(picture.findall("circle")) == 4


def test_a_curve_is_described_to_those_who_cannot_see_it() -> None:
    picture = drawn(curve((0, 0.5), (1, 0.9), (2, 0.7)))
    assert picture.attrib["role"] == "img"
    assert picture.attrib["aria-labelledby"] == "c-1-title c-1-desc"
    assert picture.findtext("title") == "Curve"
    assert picture.findtext("desc") == (
        "up over across, 3 points: 0.5 at 0, 0.7 at 2; lowest 0.5 at 0, highest 0.9 at 1."
    )


def test_many_points_are_a_line_without_dots() -> None:
    picture = drawn(curve(*((float(i), float(i * i)) for i in range(100))))
    assert len(picture.findall("polyline")) == 1
    assert picture.findall("circle") == []


@pytest.mark.parametrize("points", [(), ((None, 1.0),), ((1.0, math.nan),)])
def test_nothing_to_draw_is_said(points: tuple[tuple[float | None, float | None], ...]) -> None:
    assert "No points to draw." in line_chart(Figure("Curve", (curve(*points),)), "c-1")


def test_a_strip_shows_value_interval_and_bound() -> None:
    picture = ET.fromstring(interval_strip(check(0.84, 0.82, 0.86, 0.8)))  # noqa: S314
    classes = [part.attrib["class"] for part in picture]
    assert classes == ["grid", "whisker", "dot", "bound", "mark middle"]
    whisker, dot, bound = picture[1].attrib, picture[2].attrib, picture[3].attrib
    assert float(bound["x1"]) < float(whisker["x1"]) < float(dot["cx"]) < float(whisker["x2"])
    assert picture.attrib["aria-hidden"] == "true"


@given(st.none() | st.floats(), st.none() | st.floats(), st.none() | st.floats(), finite)
@example(1.0, math.nan, 2.0, 0.0)
@example(1.0, None, math.inf, 0.0)
@example(1.0, -math.inf, 2.0, 0.0)
@example(1.0, 0.0, 1e308, 0.0)
def test_every_check_can_be_drawn(
    value: float | None, low: float | None, high: float | None, bound: float
) -> None:
    strip = interval_strip(check(value, low, high, bound))
    assert not re.search(r'="(nan|-?inf)', strip)


@pytest.mark.parametrize("value", [None, math.nan, 0.8])
def test_a_strip_needs_two_different_points(value: float | None) -> None:
    assert interval_strip(check(value, None, None, 0.8)) == ""
