"""A Report as one HTML file that needs nothing else: no script, no font, no request.

Light and dark follow the reader; headings, captions and descriptions serve a screen reader.
"""

from collections.abc import Iterable, Sequence

from llmops_cli.report import (
    Check,
    Explanation,
    Finding,
    Measure,
    Report,
    Scalar,
    Series,
    Table,
    Timeline,
)
from llmops_cli.views import Look
from llmops_cli.views.charts import interval_strip, legend, line_chart
from llmops_cli.views.elements import Markup, element, joined
from llmops_cli.views.figures import figures_of
from llmops_cli.views.numbers import amount, cell, interval
from llmops_cli.views.prose import (
    Group,
    grouped,
    held,
    interval_title,
    is_numeric,
    numbers_line,
    place,
    provenance,
    sentence,
    times,
    verdict_sentence,
    verdict_word,
)
from llmops_cli.views.stylesheet import STYLE
from llmops_cli.views.timeline import timeline_chart

__all__ = ["render"]

# The page may style itself and nothing more, even if a text ever slipped through unescaped.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(report: Report, look: Look) -> str:
    """The whole page; explanations are folded unless ``look.explain``."""
    sections = (
        _header(report),
        _checks(report.checks),
        _measures(report.measures),
        *(_timeline(item, at) for at, item in enumerate(report.timelines)),
        _charts(report.series),
        *(_table(table, index) for index, table in enumerate(report.tables)),
        _findings(report.findings),
        _explanations(report.explanations, opened=look.explain),
        _footer(report),
    )
    head = element("head", *_head(report))
    body = element("body", element("main", *sections))
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _head(report: Report) -> tuple[Markup, ...]:
    word = f": {verdict_word(report.verdict)}" if report.checks else ""
    return (
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", f"llmops {report.command}{word}"),
        element("style", Markup(STYLE)),
    )


def _header(report: Report) -> Markup:
    return element(
        "header",
        element("p", element("code", f"llmops {report.command}"), class_="command"),
        element("h1", report.title),
        element("p", report.headline, class_="headline"),
        _verdict(report),
    )


def _verdict(report: Report) -> Markup:
    if not report.checks:
        return Markup()
    return element(
        "p",
        element("strong", verdict_word(report.verdict)),
        element("span", verdict_sentence(report)),
        class_=f"verdict {report.verdict.value}",
    )


def _section(title: str, identifier: str, *content: Markup) -> Markup:
    heading = element("h2", title, id=identifier)
    return element("section", heading, *content, aria_labelledby=identifier)


def _checks(checks: Sequence[Check]) -> Markup:
    return _section("Checks", "checks", *map(_check, checks)) if checks else Markup()


def _check(check: Check) -> Markup:
    badge = element("span", verdict_word(check.verdict), class_=f"badge {check.verdict.value}")
    needed = (
        element("p", element("strong", "To decide: "), sentence(check.needed))
        if check.needed
        else ""
    )
    words = element(
        "div",
        element("h3", badge, check.name),
        element("p", sentence(held(check))),
        element("p", sentence(check.reason), class_="quiet"),
        needed,
    )
    return element("div", words, interval_strip(check), class_="card check")


def _measures(measures: Sequence[Measure]) -> Markup:
    if not measures:
        return Markup()
    heads = ("Measure", "Value", interval_title(measures).capitalize(), "n", "Method")
    numeric = (False, True, True, True, False)
    rows = [
        (
            item.title,
            amount(item.value, item.unit),
            interval(item),
            "" if item.n is None else amount(item.n, "count"),
            item.method,
        )
        for item in measures
    ]
    return _section("Measures", "measures", _sheet(heads, numeric, rows, "measures"))


def _table(table: Table, index: int) -> Markup:
    identifier = f"table-{index + 1}"
    heads = [column.label for column in table.columns]
    numeric = [is_numeric(row[at] for row in table.rows) for at in range(len(heads))]
    rows = [
        [cell(value, column.unit) for value, column in zip(row, table.columns, strict=True)]
        for row in table.rows
    ]
    note = element("p", table.note, class_="quiet") if table.note else Markup()
    return _section(table.title, identifier, _sheet(heads, numeric, rows, identifier), note)


def _sheet(
    heads: Sequence[str], numeric: Sequence[bool], rows: Iterable[Sequence[str]], labelled: str
) -> Markup:
    """A table that scrolls sideways by itself, reachable by keyboard."""
    classes = ["number" if flag else None for flag in numeric]
    top = element(
        "tr",
        *(
            element("th", head, scope="col", class_=c)
            for head, c in zip(heads, classes, strict=True)
        ),
    )
    body = [_row(cells, classes) for cells in rows]
    grid = element("table", element("thead", top), element("tbody", *body))
    return element(
        "div", grid, class_="sheet", role="region", tabindex="0", aria_labelledby=labelled
    )


def _row(cells: Sequence[str], classes: Sequence[str | None]) -> Markup:
    first, *others = zip(cells, classes, strict=True)
    return element(
        "tr",
        element("th", first[0], scope="row", class_=first[1]),
        *(element("td", text, class_=name) for text, name in others),
    )


def _timeline(timeline: Timeline, index: int) -> Markup:
    identifier = f"timeline-{index + 1}"
    drawing = timeline_chart(timeline, identifier)
    return _section(timeline.title, f"{identifier}-head", element("div", drawing, class_="card"))


def _charts(curves: Sequence[Series]) -> Markup:
    if not curves:
        return Markup()
    figures = [
        element(
            "figure",
            element("figcaption", figure.title),
            line_chart(figure, f"curve-{index + 1}"),
            legend(figure),
            class_="card",
        )
        for index, figure in enumerate(figures_of(curves))
    ]
    return _section("Curves", "curves", element("div", *figures, class_="charts"))


def _findings(findings: Sequence[Finding]) -> Markup:
    if not findings:
        return Markup()
    items = [_finding(group) for group in grouped(findings)]
    return _section("Findings", "findings", element("ul", *items, class_="findings"))


def _finding(group: Group) -> Markup:
    first = group.first
    facts = " · ".join(part for part in (times(group.count), place(first)) if part)
    return element(
        "li",
        element("span", first.severity, class_="badge"),
        group.message,
        element("p", facts, class_="quiet") if facts else "",
        element("p", first.hint, class_="quiet") if first.hint else "",
        class_=f"card {first.severity}",
    )


def _explanations(explanations: Sequence[Explanation], *, opened: bool) -> Markup:
    if not explanations:
        return Markup()
    summary = element("summary", element("h2", "How it is computed"))
    return element("details", summary, *map(_explanation, explanations), open=opened)


def _explanation(item: Explanation) -> Markup:
    parts = [element("dt", "formula"), element("dd", item.formula, class_="formula")]
    if item.numbers:
        parts += [element("dt", "your numbers"), element("dd", numbers_line(item.numbers))]
    if item.assumptions:
        parts += [element("dt", "assumes"), *(element("dd", text) for text in item.assumptions)]
    if item.source:
        parts += [element("dt", "source"), element("dd", item.source)]
    return element("div", element("strong", item.of), element("dl", *parts), class_="card")


def _footer(report: Report) -> Markup:
    asked = joined(*(_parameter(key, value) for key, value in report.parameters.items()))
    listing = element("details", element("summary", "Parameters"), element("dl", asked))
    return element(
        "footer",
        element("p", provenance(report)),
        listing if report.parameters else "",
    )


def _parameter(key: str, value: Scalar) -> Markup:
    return joined(element("dt", key), element("dd", cell(value)))
