"""Reports whose every text tries to break out: file names, models and tasks come from logs."""

import re
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.report import (
    Check,
    Column,
    Explanation,
    Finding,
    Measure,
    Report,
    Series,
    Table,
)
from llmops_cli.views import FORMATS, Look, render
from llmops_cli.views.elements import Markup, element
from llmops_cli.views.github import render as github
from llmops_cli.views.prose import clean

EVERYTHING = Look(explain=True, verbose=True)

PIECES = st.sampled_from(
    [
        "<evil onclick=x>", "</style><evil>", "</svg>", "<!--", "-->", "]]>", "&lt;", "&", '"', "'",
        "`", "``", "|", "\\", "\\|", "*", "_", "#1", "@team", "[a](b)", "$x$", "~~", "<br>",
        "::error::x", "%0A", "%", ",", ":", "\n::stop", "\r\n", "\t", "\x00", "\x1b[31m", "\x9b",
        "\x85", "\u2028", "\u202e", "\ufffe", "\ud800", "[bold red]", ":smile:", "a" * 90, "漢字",
    ]
)  # fmt: skip
hostile = st.lists(PIECES | st.text(max_size=5), min_size=1, max_size=6).map(
    lambda parts: "".join(["x", *parts])
)


def report(text: str) -> Report:
    """One of everything, the text in every place that takes one."""
    measure = Measure(
        name=text, value=0.5, low=0.1, high=0.9, level=0.9, n=3, method=text, label=text
    )
    columns = (Column(name=text, label=text), Column(name="n", label=text, unit="count"))
    return Report(
        command=text,
        title=text,
        headline=text,
        version=text,
        inputs=(text,),
        parameters={text: text},
        measures=(measure,),
        checks=(
            Check.at_least(text, measure, 0.5, needed=text),
            Check.at_most(text, measure, 0.05),
            Check.at_most(text, measure, 1.0),
        ),
        tables=(Table(name=text, title=text, columns=columns, rows=((text, 3),) * 9, note=text),),
        series=(Series(name=text, title=text, x_label=text, y_label=text, x=(0, 1), y=(0, 1)),),
        findings=tuple(
            Finding(slug=text, severity=severity, message=text, hint=text, file=text, line=1)
            for severity in ("error", "warning", "note")
        ),
        explanations=(
            Explanation(
                of=text, formula=text, numbers=((text, text),), assumptions=(text,), source=text
            ),
        ),
    )


class Structure(HTMLParser):
    """Elements in order, attribute names, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_comment(self, data: str) -> None:
        self.elements.append(f"<!--{data}")

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@given(hostile)
def test_no_text_changes_the_structure_of_the_page(text: str) -> None:
    plain, attacked = (Structure(render(report(each), "html", EVERYTHING)) for each in ("x", text))
    assert attacked.elements == plain.elements
    assert attacked.attributes == plain.attributes


def test_the_page_shows_the_text_as_it_is() -> None:
    text = 'Is <b>5 & 6</b> "enough"?'
    assert text in Structure(render(report(text), "html")).words


@given(hostile)
def test_the_page_is_well_formed_up_to_void_elements(text: str) -> None:
    page = render(report(text), "html", EVERYTHING).removeprefix("<!doctype html>\n")
    closed = re.sub(r"<(meta|br|hr)([^>]*)>", r"<\1\2/>", page).replace(
        "<details open>", "<details>"
    )
    ET.fromstring(closed)  # noqa: S314 - our own page


@given(hostile)
def test_junit_says_what_the_report_says(text: str) -> None:
    root = ET.fromstring(render(report(text), "junit"))  # noqa: S314 - our own file
    suite = root.find("testsuite")
    assert suite is not None
    assert [case.find("failure") is None for case in suite.iter("testcase")] == [False, False, True]
    assert [node.attrib["type"] for node in suite.iter("failure")] == ["inconclusive", "fail"]
    for group in (root, suite):
        assert (group.attrib["tests"], group.attrib["failures"]) == ("3", "2")


def read(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it."""
    head, _, data = line.removeprefix("::").partition("::")
    level, _, properties = head.partition(" ")
    pairs = dict(item.split("=", 1) for item in properties.split(",") if item)
    decoded = {key: value.replace("%3A", ":").replace("%2C", ",") for key, value in pairs.items()}
    undone = {
        key: value.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
        for key, value in {**decoded, "data": data}.items()
    }
    return level, {key: undone[key] for key in decoded}, undone["data"]


@given(hostile)
def test_github_reads_one_command_per_line(text: str) -> None:
    lines = github(report(text), EVERYTHING).removesuffix("\n").split("\n")
    commands = [read(line) for line in lines]
    assert [level for level, _, _ in commands] == [
        "notice", "warning", "error", "notice", "error", "warning", "notice",
    ]  # fmt: skip
    assert all(len(line.splitlines()) == 1 for line in lines)
    assert all(set(properties) <= {"file", "line", "title"} for _, properties, _ in commands)


def test_github_gives_back_what_was_put_in() -> None:
    text = "100 %0A, a:b\nsecond line"
    finding = Finding(slug="s", severity="error", message="m", file=text, line=7, hint=text)
    (_, command) = github(
        Report(command="c", title="t", headline="h", findings=(finding,)), Look()
    ).splitlines()
    level, properties, data = read(command)
    assert level == "error"
    assert properties == {"file": text, "line": "7", "title": "llmops c: s"}
    assert data == f"m Hint: {text}"


@given(hostile)
def test_markdown_keeps_its_tables_and_holds_no_markup_of_the_text(text: str) -> None:
    page = render(report(text), "markdown", EVERYTHING)
    rows = [line for line in page.split("\n") if line.startswith("| ")]
    pipes = [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in rows]
    assert sorted(set(pipes)) == [3, 6]
    outside_code = re.sub(r"`[^`\n]*`", "", page.replace("\\`", ""))
    tags = set(re.findall(r"<[^>\n]*>?", outside_code))
    assert tags <= {"<br>", "<sub>", "</sub>", "<!-- -->", "<details>", "</details>", "<summary>",
                    "</summary>"}  # fmt: skip


@settings(deadline=None)
@given(hostile, st.sampled_from([40, 80, 120]))
def test_a_terminal_is_sent_nothing_but_text(text: str, width: int) -> None:
    page = render(report(text), "text", Look(explain=True, verbose=True, width=width))
    assert re.fullmatch(r"[^\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]*", page)
    assert all(line == line.rstrip(" ") for line in page.split("\n"))


@settings(max_examples=30, deadline=None)
@given(hostile)
def test_colour_changes_nothing_but_colour(text: str) -> None:
    plain = render(report(text), "text", EVERYTHING)
    colored = render(report(text), "text", Look(explain=True, verbose=True, color=True))
    bare = re.sub(r"\x1b\[[\d;]*m", "", colored)
    assert [line.rstrip() for line in bare.split("\n")] == [
        line.rstrip() for line in plain.split("\n")
    ]


@pytest.mark.parametrize("name", FORMATS)
def test_every_form_can_be_written_as_utf_8(name: str) -> None:
    render(report("undecodable \udcff file name"), name, EVERYTHING).encode("utf-8")


@given(st.text())
def test_cleaned_text_is_one_printable_line(text: str) -> None:
    cleaned = clean(text)
    assert len(cleaned.splitlines()) <= 1
    assert cleaned == clean(cleaned)


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (element("p", "<b>", Markup("<i></i>")), "<p>&lt;b&gt;<i></i></p>"),
        (element("br"), "<br>"),
        (
            element("a", class_="x", aria_label='"', hidden=True, id=None),
            '<a class="x" aria-label="&quot;" hidden></a>',
        ),
        (element("line", x1=1.0, y1=0.1234567891), '<line x1="1" y1="0.123457"></line>'),
    ],
)  # fmt: skip
def test_elements(made: Markup, text: str) -> None:
    assert made == text
