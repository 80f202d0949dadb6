"""A Report for the terminal: the answer first, one screen unless asked for more.

The only module that imports rich. Everything is built from plain text, so nothing in a report
is ever read as rich's markup, and without colour not one escape code is written.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.console import Group as Stack
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from llmops_cli.report import (
    Check,
    Explanation,
    Finding,
    Measure,
    Report,
    Table,
    Timeline,
    Verdict,
)
from llmops_cli.views import Look
from llmops_cli.views.figures import Figure, figures_of
from llmops_cli.views.numbers import amount, cell, interval, short
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
from llmops_cli.views.sparks import bar, sparks

__all__ = ["render"]

_COLORS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.INCONCLUSIVE: "yellow"}
_SEVERITY_COLORS = {"error": "red", "warning": "yellow", "note": "blue"}

# What fits one screen; -v lifts all of these.
_FEW_MEASURES, _FEW_TABLES, _FEW_ROWS, _FEW_FINDINGS = 8, 2, 6, 4
_MORE_TABLES = {"cache-estimate": 3, "simulate-rollout": 3}
# By command, where the answer to its question needs more tables.
_NARROWEST_TEXT, _GAP, _INDENT = 12, 2, 2


def render(report: Report, look: Look) -> str:
    """The report at ``look.width`` columns, without trailing spaces."""
    console = Console(
        file=StringIO(),
        width=look.width,
        color_system="standard" if look.color else None,
        force_terminal=look.color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
        _environ={},  # what this says depends on its arguments alone
    )
    with console.capture() as capture:
        for block in _blocks(report, look):
            console.print(block)
            console.print()
    lines = capture.get().rstrip("\n").split("\n")
    return "\n".join(line.rstrip(" ") for line in lines) + "\n"


def _blocks(report: Report, look: Look) -> Iterator[RenderableType]:
    """The report from the top of the screen to the bottom, block by block."""
    hidden: list[str] = []
    yield _headline(report)
    if report.checks:
        yield _gate(report)
    if report.measures:
        room = _room(len(report.measures), _FEW_MEASURES, "measure", look, hidden)
        yield _measures(report.measures[:room], look)
    few = _MORE_TABLES.get(report.command, _FEW_TABLES)
    for table in report.tables[: _room(len(report.tables), few, "table", look, hidden)]:
        yield _table(table, look)
    for timeline in report.timelines:
        yield _timeline(timeline, look)
    if report.series:
        yield _stack([_figure(figure, look) for figure in figures_of(report.series)])
    if report.findings:
        yield _findings(report.findings, look, hidden)
    if look.verbose and report.parameters:
        yield _parameters(report)
    if look.explain and report.explanations:
        yield _stack([_title("How it is computed"), *map(_explanation, report.explanations)])
    yield _footer(report, look, hidden)


def _room(total: int, few: int, noun: str, look: Look, hidden: list[str]) -> int:
    """How many items to show, noting in ``hidden`` what is left for ``-v``."""
    more = total - few
    if look.verbose or more <= 0:
        return total
    hidden.append(f"{more} more {noun}{'s' * (more > 1)}")
    return few


def _stack(parts: Sequence[RenderableType]) -> Stack:
    return Stack(*parts)


def _text(content: str, style: str = "") -> Text:
    return Text(clean(content), style=style)


def _title(words: str) -> Text:
    return _text(words, "bold")


def _indented(content: RenderableType, by: int = _INDENT) -> Padding:
    return Padding(content, (0, 0, 0, by))


def _headline(report: Report) -> Stack:
    return _stack([_text(report.title, "bold"), Text(), _text(report.headline)])


def _gate(report: Report) -> Stack:
    word = _text(verdict_word(report.verdict), f"bold {_COLORS[report.verdict]}")
    sentence = Text.assemble(word, "  ", clean(verdict_sentence(report)))
    grid = Grid.grid(padding=(0, _GAP))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for check in report.checks:
        grid.add_row(_text(verdict_word(check.verdict), _COLORS[check.verdict]), _check(check))
    return _stack([sentence, Text(), _indented(grid)])


def _check(check: Check) -> Stack:
    lines = [
        Text.assemble(
            (clean(check.name), "bold"), f"  {clean(found(check))}, must be {demand(check)}"
        ),
        _text(check.reason, "dim"),
    ]
    lines += [_text(f"to decide: {check.needed}")] if check.needed else []
    return _stack(lines)


def _measures(measures: Sequence[Measure], look: Look) -> Padding:
    rows = [
        [
            item.title,
            amount(item.value, item.unit),
            interval(item),
            "" if item.n is None else amount(item.n, "count"),
            item.method,
        ]
        for item in measures
    ]
    heads = ["measure", "value", interval_title(measures), "n", "method"]
    shown = [at for at in range(5 if look.verbose else 4) if any(row[at] for row in rows)]
    columns = [_Column(heads[at], tuple(row[at] for row in rows), at in {1, 2, 3}) for at in shown]
    return _indented(_grid(columns))


def _table(table: Table, look: Look) -> Stack:
    rows = table.rows if look.verbose else table.rows[:_FEW_ROWS]
    columns = [
        _Column(
            column.label,
            tuple(clean(cell(row[at], column.unit)) for row in rows),
            is_numeric(row[at] for row in table.rows),
        )
        for at, column in enumerate(table.columns)
    ]
    fitting, missing = _fit(columns, look.width - _INDENT)
    notes = [table.note] if table.note else []
    more = len(table.rows) - len(rows)
    notes += [f"{more:,} more row{'s' * (more > 1)}: -v"] if more else []
    notes += [f"not shown at this width: {', '.join(missing)}"] if missing else []
    under = [_indented(_text(note, "dim")) for note in notes]
    return _stack([_title(table.title), _indented(_grid(fitting)), *under])


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as text, with the widths it could take."""

    head: str
    cells: tuple[str, ...]
    numeric: bool
    width: int = 0

    @property
    def widest(self) -> int:
        """Everything on one line."""
        return max(cell_len(text) for text in (self.head, *self.cells))

    @property
    def narrowest(self) -> int:
        """Numbers never break; headings and text break between words."""
        words = max((cell_len(word) for word in self.head.split()), default=1)
        if self.numeric:
            return max(words, *(cell_len(text) for text in self.cells))
        return min(self.widest, max(words, _NARROWEST_TEXT))


def _fit(columns: Sequence[_Column], width: int) -> tuple[list[_Column], list[str]]:
    """The columns that fit, from the left, and the headings of those that do not."""
    kept = list(columns)
    while len(kept) > 1 and sum(c.narrowest for c in kept) + _GAP * (len(kept) - 1) > width:
        kept.pop()
    spare = width - _GAP * (len(kept) - 1) - sum(column.narrowest for column in kept)
    sized: list[_Column] = []
    for column in kept:
        extra = min(spare, column.widest - column.narrowest)
        spare -= max(extra, 0)
        sized.append(_Column(column.head, column.cells, column.numeric, column.narrowest + extra))
    return sized, [column.head for column in columns[len(kept) :]]


def _grid(columns: Sequence[_Column]) -> Grid:
    grid = Grid(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="dim")
    for column in columns:
        grid.add_column(
            _text(column.head),
            justify="right" if column.numeric else "left",
            overflow="fold",
            width=column.width or None,
        )
    for row in zip(*(column.cells for column in columns), strict=True):
        grid.add_row(*map(_text, row))
    return grid


def _timeline(timeline: Timeline, look: Look) -> Stack:
    room = _spark_room(look)
    grid = Grid.grid(padding=(0, _GAP))
    for _ in range(2):
        grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True, justify="right")
    grid.add_column(overflow="fold")
    for span in timeline.spans:
        lasts = amount(span.end - span.start, timeline.unit)
        words = span.words if look.verbose else ""
        grid.add_row(*map(_text, (span.label, bar(timeline, span, room), lasts, words)))
    return _stack([_title(timeline.title), _indented(grid)])


def _figure(figure: Figure, look: Look) -> Stack:
    """Each curve in one line of bars, with its ends; curves of one chart on one scale."""
    grid = Grid.grid(padding=(0, _GAP))
    lines = sparks(figure, _spark_room(look))
    alone = len(lines) == 1
    across = _across(figure)
    for spark in lines:
        ends = f"{spark.ends}{across if alone else ''}"
        names = () if alone else (_text(spark.title),)
        grid.add_row(*names, _text(spark.bars), _text(ends, "dim"))
    under = [] if alone or not across else [_indented(_text(across.strip(), "dim"))]
    return _stack([_title(figure.title), _indented(grid), *under])


def _across(figure: Figure) -> str:
    known = [x for x, _ in figure.known]
    if not known:
        return ""
    return f" for {figure.curves[0].x_label} {short(min(known))} to {short(max(known))}"


def _spark_room(look: Look) -> int:
    return min(24, max(8, look.width - 56))


def _findings(findings: Sequence[Finding], look: Look, hidden: list[str]) -> Stack:
    groups = grouped(findings)
    room = _room(len(groups), _FEW_FINDINGS, "finding", look, hidden)
    grid = Grid.grid(padding=(0, _GAP))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for group in groups[:room]:
        first = group.first
        count = f" ({times(group.count)})" if group.count > 1 else ""
        lines = [_text(f"{group.message}{count}")]
        lines += [_text(place(first), "dim")] if place(first) else []
        lines += [_text(f"hint: {first.hint}", "dim")] if first.hint else []
        grid.add_row(_text(first.severity, _SEVERITY_COLORS[first.severity]), _stack(lines))
    return _stack([_title("Findings"), _indented(grid)])


def _parameters(report: Report) -> Stack:
    grid = Grid.grid(padding=(0, _GAP))
    for key, value in report.parameters.items():
        grid.add_row(_text(key, "dim"), _text(cell(value)))
    return _stack([_title("Parameters"), _indented(grid)])


def _explanation(item: Explanation) -> Padding:
    grid = Grid.grid(padding=(0, _GAP))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row("formula", _text(item.formula, "bold"))
    if item.numbers:
        grid.add_row("yours", _text(numbers_line(item.numbers)))
    for assumption in item.assumptions:
        grid.add_row("assumes", _text(assumption))
    if item.source:
        grid.add_row("source", _text(item.source))
    return _indented(_stack([_text(item.of), _indented(grid)]))


def _footer(report: Report, look: Look, hidden: Sequence[str]) -> Text:
    more = [f"{', '.join(hidden)}: -v"] if hidden else []
    more += ["formulas and sources: --explain"] if report.explanations and not look.explain else []
    return _text(" · ".join([provenance(report), *more]), "dim")
