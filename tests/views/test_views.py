"""What every view owes any report: nothing lost, nothing unescaped, nothing too wide."""

import json
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from llmops_cli.errors import LlmopsError
from llmops_cli.report import (
    Check,
    Column,
    Explanation,
    Finding,
    Measure,
    Report,
    Series,
    Span,
    Table,
    Timeline,
    Verdict,
)
from llmops_cli.views import FORMATS, Look, render
from llmops_cli.views.json import parse, schema
from llmops_cli.views.numbers import amount, apart, interval

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False, width=32)
units = st.sampled_from(["", "share", "usd", "tokens", "count", "s", "ratio", "points", "per_hour"])
scalars = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | words
measures = st.builds(
    Measure,
    name=words,
    value=numbers,
    unit=units,
    low=numbers,
    high=numbers,
    level=st.none() | st.just(0.95),
    n=st.none() | st.integers(0, 10**9),
    method=words,
    label=words,
)
checks = st.builds(
    Check.at_least, words, measures, st.floats(-10, 10), strict=st.booleans(), needed=words
)
findings = st.builds(
    Finding,
    slug=words,
    severity=st.sampled_from(["error", "warning", "note"]),
    message=words,
    hint=words,
    file=words,
    line=st.none() | st.integers(1, 10**6),
    field=words,
    count=st.integers(1, 1000),
)


@st.composite
def tables(draw: st.DrawFn) -> Table:
    columns = draw(st.lists(st.builds(Column, name=words, label=words, unit=units), max_size=4))
    row = st.tuples(*[scalars for _ in columns])
    rows = tuple(draw(st.lists(row, max_size=3))) if columns else ()
    return Table(
        name=draw(words), title=draw(words), columns=tuple(columns), rows=rows, note=draw(words)
    )


@st.composite
def series(draw: st.DrawFn) -> Series:
    points = draw(st.lists(st.tuples(st.floats(-99, 99), st.floats(-99, 99)), max_size=4))
    x, y = zip(*points, strict=True) if points else ((), ())
    return Series(
        name=draw(words),
        title=draw(words),
        x_label=draw(words),
        y_label=draw(words),
        x=x,
        y=y,
        chart=draw(st.just("") | words),
    )


ends = st.floats(-99, 99)
spans = st.builds(Span, label=words, start=ends, end=ends, words=words)
timelines = st.builds(
    Timeline, name=words, title=words, spans=st.lists(spans, max_size=3).map(tuple), unit=units
)


def few(items: st.SearchStrategy) -> st.SearchStrategy:  # type: ignore[type-arg]
    return st.lists(items, max_size=2).map(tuple)


reports = st.builds(
    Report,
    command=words,
    title=words,
    headline=words,
    version=words,
    inputs=few(words),
    parameters=st.dictionaries(words, scalars, max_size=2),
    measures=few(measures),
    checks=few(checks),
    tables=few(tables()),
    series=few(series()),
    timelines=few(timelines),
    findings=few(findings),
    explanations=few(
        st.builds(
            Explanation,
            of=words,
            formula=words,
            numbers=few(st.tuples(words, st.integers(-9, 9))),
            assumptions=few(words),
            source=words,
        )
    ),
)
thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@thorough
@given(reports)
def test_json_is_valid_and_comes_back_the_same(report: Report) -> None:
    text = render(report, "json")
    Draft202012Validator(schema()).validate(json.loads(text))
    again = parse(text, "report.json")
    assert again.verdict == report.verdict
    assert render(again, "json") == text
    assert next(iter(json.loads(text))) == "schema"


@pytest.mark.parametrize("name", FORMATS)
@thorough
@given(report=reports, explain=st.booleans(), verbose=st.booleans())
def test_every_view_takes_every_report(
    name: str, report: Report, *, explain: bool, verbose: bool
) -> None:
    look = Look(explain=explain, verbose=verbose)
    text = render(report, name, look)
    assert text.endswith("\n")
    assert text == render(report, name, look)
    assert "\x1b" not in text


class Tags(HTMLParser):
    """Collects element names and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs


EVIL = '"><script>alert(1)</script><img src=x onerror=alert(1)> & `|` ::error::x\n::stop'


def evil() -> Report:
    measure = Measure(name=EVIL, value=0.5, low=0.1, high=0.9, n=3, method=EVIL, label=EVIL)
    return Report(
        command=EVIL,
        title=EVIL,
        headline=EVIL,
        inputs=(EVIL,),
        parameters={EVIL: EVIL},
        measures=(measure,),
        checks=(Check.at_least(EVIL, measure, 0.5, needed=EVIL),),
        tables=(
            Table(
                name=EVIL,
                title=EVIL,
                columns=(Column(name=EVIL, label=EVIL),),
                rows=((EVIL,),),
                note=EVIL,
            ),
        ),
        series=(
            Series(name=EVIL, title=EVIL, x_label=EVIL, y_label=EVIL, x=(0.0, 1.0), y=(0.0, 1.0)),
            *(
                Series(name=EVIL, title=EVIL, x_label="x", y_label="y", x=(0,), y=(1,), chart=EVIL)
                for _ in range(2)
            ),
        ),
        timelines=(
            Timeline(name=EVIL, title=EVIL, spans=(Span(label=EVIL, start=0, end=1, words=EVIL),)),
        ),
        findings=(
            Finding(slug=EVIL, severity="error", message=EVIL, hint=EVIL, file=EVIL, line=1),
        ),
        explanations=(
            Explanation(
                of=EVIL, formula=EVIL, numbers=((EVIL, EVIL),), assumptions=(EVIL,), source=EVIL
            ),
        ),
    )


def test_html_takes_no_text_for_markup_and_loads_nothing() -> None:
    text = render(evil(), "html", Look(explain=True, verbose=True))
    tags = Tags()
    tags.feed(text)
    assert "script" not in tags.names
    assert "img" not in tags.names
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert not [name for name, _ in tags.attributes if name in {"src", "href"}]
    assert "url(" not in text


def test_junit_is_xml_with_one_case_per_check() -> None:
    suite = ET.fromstring(render(evil(), "junit")).find("testsuite")  # noqa: S314 - our own
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    case = suite.find("testcase")
    assert case is not None
    assert case.get("name") == EVIL.replace("\n", "\n")
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("type") == "inconclusive"


def test_github_lines_are_one_command_each() -> None:
    for line in render(evil(), "github").splitlines():
        assert re.match(r"::(error|warning|notice) ", line)
        head, _, data = line[2:].partition("::")
        assert "\n" not in data
        assert "%0A" in data or "stop" not in data
        assert not re.search(r"title=[^,]*[:]", head)


def test_markdown_tables_keep_their_columns() -> None:
    text = render(evil(), "markdown")
    for line in text.splitlines():
        if line.startswith("| "):
            assert len(re.findall(r"(?<!\\)\|", line)) >= 2
    # Inside a code span nothing is markup.
    assert "<script>" not in re.sub(r"`[^`\n]*`", "", text)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_text_keeps_to_its_width(width: int) -> None:
    measure = Measure(name="a rather long name of a measure " * 3, value=0.5, unit="share")
    columns = tuple(Column(name=f"c{i}", label=f"a long column label {i}") for i in range(7))
    report = Report(
        command="x",
        title="words " * 40,
        headline="words " * 60,
        measures=(measure,),
        tables=(Table(name="t", title="t", columns=columns, rows=(("cell text " * 3,) * 7,)),),
        findings=(Finding(slug="s", severity="note", message="words " * 60),),
    )
    text = render(report, "text", Look(width=width, verbose=True))
    assert max(map(len, text.splitlines())) <= width
    assert not [line for line in text.splitlines() if line != line.rstrip()]


def test_colour_only_where_asked() -> None:
    report = Report(
        command="x",
        title="t",
        headline="h",
        checks=(Check.at_least("c", Measure(name="m", value=1.0), 0.5),),
    )
    assert "\x1b[" in render(report, "text", Look(color=True))
    assert "\x1b[" not in render(report, "text")
    assert "PASS" in render(report, "text")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.803, "share", "80.3 %"),
        (0.0004, "share", "0.040 %"),
        (1.2, "usd", "$1.20"),
        (-0.5, "usd", "-$0.50"),
        (0.0036, "usd", "$0.0036"),
        (1234.0, "tokens", "1,234"),
        (4.0, "ratio", "4.0x"),
        (1.25, "ratio", "1.25x"),
        (0.1, "ratio", "0.10x"),
        (3.2, "points", "+3.2 pts"),
        (-3.2, "points", "-3.2 pts"),
        (0.412, "s", "412 ms"),
        (90.0, "s", "90.0 s"),
        (7200.0, "s", "2.0 h"),
        (69.83, "per_hour", "69.83 /h"),
        (0.749, "", "0.749"),
        # The same half, whatever the last bits of the sum it comes from.
        (0.8825, "", "0.882"),
        (0.8825000000000001, "", "0.882"),
        (0.75, "points", "+0.8 pts"),
        (100 * (0.8825 - 0.875), "points", "+0.8 pts"),
        (123_456_789_012_345.0, "tokens", "123,456,789,012,345"),
        (None, "share", "—"),
        (math.nan, "usd", "—"),
    ],
)
def test_how_numbers_look(value: float | None, unit: str, text: str) -> None:
    assert amount(value, unit) == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        (0.764, 0.837, "[76.4 %, 83.7 %]"),
        (None, 0.5, "(, 50.0 %]"),
        (0.5, None, "[50.0 %, )"),
        (None, None, ""),
    ],
)
def test_how_intervals_look(low: float | None, high: float | None, text: str) -> None:
    assert interval(Measure(name="m", value=0.8, unit="share", low=low, high=high)) == text


def test_a_bound_is_told_from_what_misses_it() -> None:
    measure = Measure(name="m", value=0.79996, unit="share")
    extra = apart(0.8, measure)
    assert amount(0.79996, "share", extra=extra) != amount(0.8, "share", extra=extra)


@pytest.mark.parametrize(
    ("text", "slug", "field"),
    [
        ("{", "report-not-json", ""),
        ("[]", "report-invalid", ""),
        ('{"schema": "llmops.report/2"}', "report-schema-unknown", "schema"),
        ('{"schema": "llmops.report/1"}', "report-invalid", "command"),
        ("NaN", "report-not-json", ""),
    ],
)
def test_other_files_are_refused(text: str, slug: str, field: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        parse(text, "report.json")
    assert (caught.value.slug, caught.value.field, caught.value.file) == (
        slug,
        field,
        "report.json",
    )


def test_a_verdict_that_its_checks_do_not_fold_to_is_refused() -> None:
    content = json.loads(render(Report(command="x", title="t", headline="h"), "json"))
    content["verdict"] = "fail"
    with pytest.raises(LlmopsError) as caught:
        parse(json.dumps(content), "report.json")
    assert (caught.value.slug, caught.value.field) == ("report-invalid", "verdict")


def test_fields_a_later_version_adds_are_ignored() -> None:
    content = json.loads(render(evil(), "json"))
    content["added"] = {"by": "a later version"}
    content["measures"][0]["added"] = 1
    assert parse(json.dumps(content), "report.json").verdict is Verdict.INCONCLUSIVE
