"""A Report as GitHub-flavoured Markdown, made to be posted as a pull-request comment."""

import html
import re
from collections.abc import Iterable, Sequence

from llmops_cli.report import Explanation, Measure, Report, Table, Timeline, Verdict
from llmops_cli.views import Look
from llmops_cli.views.figures import Figure, figures_of
from llmops_cli.views.numbers import UNKNOWN, amount, cell, interval, short
from llmops_cli.views.prose import (
    clean,
    demand,
    found,
    grouped,
    interval_title,
    is_numeric,
    numbers_line,
    place,
    provenance,
    times,
    verdict_sentence,
    verdict_word,
)

__all__ = ["render"]

_SIGNS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.INCONCLUSIVE: "❔"}
_SPECIAL = re.compile(r"([\\`*_{}\[\]#|~$])")
# Rows a comment shows before a table is folded away.
_FEW_ROWS = 6


def render(report: Report, look: Look) -> str:
    """Title, verdict and answer first; long tables and explanations folded."""
    blocks = [f"### {_escape(report.title)}", *_verdict(report), _escape(report.headline)]
    blocks += _checks(report)
    blocks += _measures(report.measures)
    for table in report.tables:
        blocks += _table(table)
    for timeline in report.timelines:
        blocks += _timeline(timeline)
    blocks += [line for figure in figures_of(report.series) for line in _figure(figure)]
    blocks += _findings(report)
    blocks += _explanations(report.explanations, shown=look.explain)
    blocks.append(f"<sub>`llmops {_code(report.command)}` · {_escape(provenance(report))}</sub>")
    return "\n\n".join(blocks) + "\n"


def _verdict(report: Report) -> list[str]:
    if not report.checks:
        return []
    word = verdict_word(report.verdict)
    return [f"{_SIGNS[report.verdict]} **{word}** — {verdict_sentence(report)}"]


def _checks(report: Report) -> list[str]:
    if not report.checks:
        return []
    rows = [
        (
            f"{_SIGNS[check.verdict]} {verdict_word(check.verdict)}",
            _escape(check.name),
            _escape(found(check)),
            _escape(demand(check)),
            _escape(check.reason)
            + (f"<br>To decide: {_escape(check.needed)}" if check.needed else ""),
        )
        for check in report.checks
    ]
    return [_grid(("", "check", "found", "asked", "why"), rows, numeric=())]


def _measures(measures: Sequence[Measure]) -> list[str]:
    if not measures:
        return []
    rows = [
        (
            _escape(item.title),
            _escape(amount(item.value, item.unit)),
            _escape(interval(item)),
            amount(item.n, "count") if item.n is not None else "",
            _escape(item.method),
        )
        for item in measures
    ]
    heads = ("measure", "value", interval_title(measures), "n", "method")
    used = [index for index, _ in enumerate(heads) if index < 2 or any(row[index] for row in rows)]  # noqa: PLR2004 - name and value
    return [
        _grid(
            [heads[index] for index in used],
            [[row[index] for index in used] for row in rows],
            numeric=[at for at, index in enumerate(used) if index in {1, 2, 3}],
        )
    ]


def _table(table: Table) -> list[str]:
    rows = [
        [
            _escape(cell(value, column.unit))
            for value, column in zip(row, table.columns, strict=True)
        ]
        for row in table.rows
    ]
    heads = [_escape(column.label) for column in table.columns]
    numeric = [index for index in range(len(heads)) if is_numeric(row[index] for row in table.rows)]
    grid = _grid(heads, rows, numeric=numeric)
    note = [f"<sub>{_escape(table.note)}</sub>"] if table.note else []
    if len(rows) > _FEW_ROWS:
        folded = _fold(f"{table.title} ({len(rows):,} rows)", [grid, *note])
        return [folded]
    return [f"**{_escape(table.title)}**", grid, *note]


def _timeline(timeline: Timeline) -> list[str]:
    rows = [
        tuple(
            _escape(text)
            for text in (
                span.label,
                amount(span.start, timeline.unit),
                amount(span.end - span.start, timeline.unit),
                span.words,
            )
        )
        for span in timeline.spans
    ]
    grid = _grid(("stage", "begins at", "lasts", "what it sees"), rows, numeric=(1, 2))
    return [f"**{_escape(timeline.title)}**", grid]


def _figure(figure: Figure) -> list[str]:
    lines = list[str]()
    for curve, drawn in zip(figure.curves, figure.points, strict=True):
        points = [point for point in drawn if point is not None]
        title = f"{figure.title}: {curve.title}" if curve.chart else curve.title
        if not points:
            lines.append(f"**{_escape(title)}**: {UNKNOWN}")
            continue
        ends = " to ".join(f"{short(y)} at {short(x)}" for x, y in (points[0], points[-1]))
        labels = f"{_escape(curve.y_label)} over {_escape(curve.x_label)}"
        lines.append(f"**{_escape(title)}**: {labels}, from {ends} ({len(points):,} points)")
    return lines


def _findings(report: Report) -> list[str]:
    lines: list[str] = []
    for group in grouped(report.findings):
        first = group.first
        where = f" — `{_code(place(first))}`" if place(first) else ""
        count = f" ({times(group.count)})" if group.count > 1 else ""
        lines.append(f"- **{first.severity}** {_escape(group.message)}{count}{where}")
        lines += [f"  <br>{_escape(first.hint)}"] if first.hint else []
    return ["\n".join(["**Findings**", "", *lines])] if lines else []


def _explanations(explanations: Sequence[Explanation], *, shown: bool) -> list[str]:
    if not explanations:
        return []
    blocks = ["\n".join(_explanation(item)) for item in explanations]
    return ["**How it is computed**", *blocks] if shown else [_fold("How it is computed", blocks)]


def _explanation(item: Explanation) -> list[str]:
    lines = [f"- **{_escape(item.of)}**: `{_code(item.formula)}`"]
    lines += [f"  - yours: {_escape(numbers_line(item.numbers))}"] if item.numbers else []
    lines += [f"  - assumes {_escape(assumption)}" for assumption in item.assumptions]
    lines += [f"  - source: {_escape(item.source)}"] if item.source else []
    return lines


def _fold(title: str, blocks: Iterable[str]) -> str:
    inside = "\n\n".join(blocks)
    # Inside the tag GitHub reads HTML, not Markdown: a backslash would be seen.
    words = html.escape(clean(title), quote=False)
    return f"<details>\n<summary>{words}</summary>\n\n{inside}\n\n</details>"


def _grid(heads: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: Sequence[int]) -> str:
    marks = ["---:" if index in numeric else "---" for index in range(len(heads))]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (heads, marks, *rows))


def _escape(text: str) -> str:
    """Text that Markdown shows as it is: no markup, no HTML, no cell break, no mention."""
    escaped = _SPECIAL.sub(r"\\\1", clean(text))
    return html.escape(escaped, quote=False).replace("@", "@<!-- -->")


def _code(text: str) -> str:
    """Text inside backticks, also inside a table."""
    return clean(text).replace("`", "'").replace("|", "\\|")
