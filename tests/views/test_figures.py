"""Curves on shared axes, timelines and sparklines: what belongs together is drawn together."""

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.report import Report, Series, Span, Timeline
from llmops_cli.views import Look, render
from llmops_cli.views.charts import legend, line_chart
from llmops_cli.views.figures import figures_of
from llmops_cli.views.json import parse
from llmops_cli.views.sparks import bar, sparks
from llmops_cli.views.timeline import timeline_chart


def curve(title: str, *y: float | None, chart: str = "") -> Series:
    x = tuple(float(i) for i in range(len(y)))
    return Series(name=title, title=title, x_label="look", y_label="harm", x=x, y=y, chart=chart)


def stages(*ends: float, unit: str = "s") -> Timeline:
    spans = [
        Span(label=f"stage {i}", start=a, end=b, words=f"sees {i}")
        for i, (a, b) in enumerate(pairwise(ends))
    ]
    return Timeline(name="t", title="Stages", spans=tuple(spans), unit=unit)  # type: ignore[arg-type]


def report(*series: Series, timelines: tuple[Timeline, ...] = ()) -> Report:
    return Report(command="c", title="t", headline="h", series=series, timelines=timelines)


BOUNDARY = (
    curve("observed", 0.5, 1.0, 2.0, chart="Errors"),
    curve("alone", 1.0, 2.0),
    curve("goes back", 4.0, 3.0, 2.0, chart="Errors"),
)


def test_curves_of_one_chart_share_its_axes_and_others_stand_alone() -> None:
    figures = figures_of(BOUNDARY)
    assert [figure.title for figure in figures] == ["Errors", "alone"]
    assert [item.title for item in figures[0].curves] == ["observed", "goes back"]


def test_two_curves_of_one_title_without_a_chart_are_two_figures() -> None:
    assert len(figures_of((curve("same", 1.0), curve("same", 1.0)))) == 2


def test_the_same_value_has_the_same_height_on_every_curve_of_a_chart() -> None:
    figure = figures_of(BOUNDARY)[0]
    picture = ET.fromstring(line_chart(figure, "c"))  # noqa: S314 - our own drawing
    lines = {line.attrib["class"]: line.attrib["points"] for line in picture.iter("polyline")}
    assert list(lines) == ["curve", "curve curve-2"]
    ends = {points.split()[-1] for points in lines.values()}
    assert len(ends) == 1
    assert "observed: harm over look" in (picture.findtext("desc") or "")


def test_a_legend_names_the_curves_of_a_chart_and_one_needs_none() -> None:
    shared, alone = figures_of(BOUNDARY)
    named = re.findall(r"</svg>([^<]+)</li>", legend(shared))
    assert named == ["observed", "goes back"]
    assert legend(alone) == ""


def test_sparks_of_a_chart_share_one_scale() -> None:
    found = sparks(figures_of(BOUNDARY)[0], 8)
    assert [spark.bars for spark in found] == ["▁▂▄", "█▆▄"]
    assert [spark.ends for spark in found] == ["0.5 to 2", "4 to 2"]


def test_a_level_is_told_once_and_has_no_dots() -> None:
    level = curve("limit", 1.0, 1.0, 1.0, chart="Errors")
    figure = figures_of((BOUNDARY[0], level))[0]
    assert sparks(figure, 8)[1].ends == "1"
    picture = ET.fromstring(line_chart(figure, "c"))  # noqa: S314 - our own drawing
    assert [dot.attrib["class"] for dot in picture.iter("circle")] == ["dot"] * 3


def test_a_curve_without_points_is_said_beside_one_with() -> None:
    figure = figures_of((curve("known", 1.0, chart="A"), curve("unknown", None, chart="A")))[0]
    assert [spark.bars for spark in sparks(figure, 8)] == ["▁", "—"]
    assert "unknown: no points." in line_chart(figure, "c")


@given(
    st.lists(st.lists(st.none() | st.floats(), max_size=5), min_size=1, max_size=4),
    st.integers(1, 30),
)
def test_every_figure_can_be_drawn(curves: list[list[float | None]], room: int) -> None:
    figure = figures_of(curve("c", *values, chart="A") for values in curves)[0]
    for spark in sparks(figure, room):
        assert len(spark.bars) <= room
    assert not re.search(r'="(nan|-?inf)', line_chart(figure, "c"))


def test_bars_of_a_timeline_follow_one_another() -> None:
    line = stages(0.0, 40.0, 60.0, 80.0)
    assert [bar(line, span, 8) for span in line.spans] == ["████····", "····██··", "······██"]


def test_a_short_stage_is_still_seen() -> None:
    line = stages(0.0, 1.0, 10_000.0, 10_001.0)
    assert all("█" in bar(line, span, 12) for span in line.spans)
    picture = ET.fromstring(timeline_chart(line, "t"))  # noqa: S314 - our own drawing
    assert all(float(item.attrib["width"]) >= 2 for item in picture.iter("rect"))


@given(st.lists(st.tuples(st.floats(-1e299, 1e299), st.floats(-1e299, 1e299)), max_size=4))
def test_every_timeline_can_be_drawn(pairs: list[tuple[float, float]]) -> None:
    spans = tuple(Span(label="s", start=min(pair), end=max(pair)) for pair in pairs)
    line = Timeline(name="t", title="t", spans=spans)
    assert all(len(bar(line, span, 10)) == 10 for span in spans)
    drawn = timeline_chart(line, "t")
    assert not re.search(r'="(nan|-?inf)', drawn)
    for x, width in re.findall(r'<rect x="([^"]+)" y="[^"]+" width="([^"]+)"', drawn):
        assert -1 <= float(x) <= 761
        assert float(x) + float(width) <= 763


def test_a_timeline_is_told_in_every_form_that_shows_one() -> None:
    held = report(timelines=(stages(0.0, 7200.0, 9000.0),))
    text = render(held, "text", Look(verbose=True))
    assert "stage 0  ███████████████████·····" in text
    assert "2.0 h" in text
    assert "sees 1" in text
    assert "sees 1" not in render(held, "text")
    page = render(held, "html")
    assert "stage 0 · 2.0 h · sees 0" in page
    assert page.count('class="span"') == 2
    assert "| stage 1 | 2.0 h | 30.0 min | sees 1 |" in render(held, "markdown")


def test_json_brings_charts_and_timelines_back_and_omits_what_is_not_there() -> None:
    held = report(*BOUNDARY, timelines=(stages(0.0, 1.0),))
    assert parse(render(held, "json"), "r").series == BOUNDARY
    assert parse(render(held, "json"), "r").timelines == held.timelines
    bare = render(report(curve("alone", 1.0)), "json")
    assert "timelines" not in bare
    assert '"chart"' not in bare


@pytest.mark.parametrize("width", [60, 80])
def test_text_figures_keep_to_the_width(width: int) -> None:
    long = [curve(f"{'word ' * 9}{i}", *map(float, range(99)), chart="Long") for i in range(2)]
    text = render(report(*long, timelines=(stages(0.0, 1e9, 2e9),)), "text", Look(width=width))
    assert max(map(len, text.splitlines())) <= width
