"""The audit's tables: questions, who writes the log, rules, and what to rename."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from llmops_cli.audit.answers import MOSTLY, Answer
from llmops_cli.audit.findings import worst_first
from llmops_cli.audit.kernel import Judgement, Tally
from llmops_cli.audit.migration import Move
from llmops_cli.audit.model import loss, score
from llmops_cli.report import Column, Table

__all__ = [
    "blocker_table",
    "migration_table",
    "question_table",
    "rule_table",
    "score_table",
    "writer_table",
]


def question_table(found: Iterable[Answer]) -> Table:
    """Which command can be asked of this log."""
    return Table(
        name="questions",
        title="Which of our questions can this log answer?",
        columns=(
            Column(name="command", label="question"),
            Column(name="answer", label="answer"),
            Column(name="share", label="calls", unit="share"),
            Column(name="missing", label="what is missing, and the calls that have it"),
        ),
        rows=tuple((item.command, item.word, item.share, _missing(item)) for item in found),
        note=f"calls: answered ones, embeddings apart; yes: {100 * MOSTLY:g} % carry what it needs",
    )


_NEEDS = {"blocks": "prompt", "tokens": "input_tokens"}


def _missing(answer: Answer) -> str:
    return ", ".join(
        f"{_NEEDS.get(name, name).replace('|', ' or ')} {100 * share:.0f} %"
        for name, share in answer.missing
    )


def blocker_table(found: Iterable[Answer], judgement: Judgement) -> tuple[Table, ...]:
    """The broken rules behind each question that has no plain yes."""
    rows = tuple(
        (item.command, rule, tally.count, tally.total)
        for item in found
        for rule in item.rules
        if item.word != "yes" and (tally := judgement.tally(rule)) is not None
    )
    if not rows:
        return ()
    return (
        Table(
            name="blockers",
            title="Rules in the way of an answer",
            columns=(
                Column(name="command", label="question"),
                Column(name="rule", label="rule"),
                Column(name="broken", label="broken", unit="count"),
                Column(name="applies", label="of", unit="count"),
            ),
            rows=rows,
        ),
    )


def score_table(judgement: Judgement) -> Table:
    """The score of each service and each instrumentation library, the worst first."""
    rows = list[tuple[str, str, int, float | None, int, int]]()
    for writer in _writers(judgement):
        severities = [item.rule.severity for item in writer.tallies if item.count]
        broken = severities.count("violation"), severities.count("improvement")
        value = score(writer.tallies, range(len(writer.at)))
        rows.append((writer.of, writer.name, writer.spans, value, *broken))
    return Table(
        name="scores",
        title="Who writes it",
        columns=(
            Column(name="of", label="of"),
            Column(name="name", label="name"),
            Column(name="spans", label="spans", unit="count"),
            Column(name="score", label="score", unit="count"),
            Column(name="violations", label="violations", unit="count"),
            Column(name="improvements", label="improvements", unit="count"),
        ),
        rows=tuple(sorted(rows, key=lambda row: (row[0] != "service", row[3] or 0.0, row[1]))),
        note="violations, improvements: rules that are broken at least once",
    )


@dataclass(frozen=True, slots=True)
class _Writer:
    """A service, or a library in whatever service, with the rules counted for it alone."""

    of: str
    name: str
    spans: int
    at: list[int]
    tallies: list[Tally]


def _writers(judgement: Judgement) -> Iterator[_Writer]:
    for of in ("service", "library"):
        for name in sorted({getattr(group, of) for group in judgement.groups}):
            at = [i for i, group in enumerate(judgement.groups) if getattr(group, of) == name]
            spans = sum(judgement.groups[i].spans for i in at)
            mine = [
                Tally(item.rule, item.applies[at], item.broken[at])
                for item in judgement.tallies
                if item.applies[at].any()
            ]
            if spans:
                yield _Writer(of, name or "(unnamed)", spans, at, mine)


def writer_table(judgement: Judgement) -> tuple[Table, ...]:
    """Which service and which library breaks which rule, where there are several."""
    rows = tuple(
        (writer.of, writer.name, tally.rule.id, tally.count, tally.total)
        for writer in _writers(judgement)
        for tally in worst_first(writer.tallies)
    )
    if len(judgement.groups) < 2 or not rows:  # noqa: PLR2004 - one writer breaks them all
        return ()
    return (
        Table(
            name="writers",
            title="Who breaks what",
            columns=(
                Column(name="of", label="of"),
                Column(name="name", label="name"),
                Column(name="rule", label="rule"),
                Column(name="broken", label="broken", unit="count"),
                Column(name="applies", label="of", unit="count"),
            ),
            rows=rows,
        ),
    )


def rule_table(judgement: Judgement) -> Table:
    """Every rule that applies: broken ones first, the costliest before the others."""
    tallies = judgement.tallies
    broken = worst_first(tallies)
    kept = [item for item in tallies if item.total and not item.count]
    return Table(
        name="rules",
        title="Rules",
        columns=(
            Column(name="rule", label="rule"),
            Column(name="severity", label="severity"),
            Column(name="broken", label="broken", unit="count"),
            Column(name="applies", label="of", unit="count"),
            Column(name="cost", label="points", unit="count"),
            Column(name="level", label="level"),
            Column(name="version", label="since"),
            Column(name="section", label="section"),
            Column(name="advice", label="Weaver's name"),
            Column(name="fix", label="fix"),
        ),
        rows=tuple(_rule_row(item, loss(item, tallies)) for item in (*broken, *kept)),
        note="since: version of the OpenTelemetry semantic conventions",
    )


def _rule_row(tally: Tally, cost: float) -> tuple[str | int | float, ...]:
    rule = tally.rule
    counts = (tally.count, tally.total, round(cost, 1))
    words = (rule.level, rule.version, rule.section, rule.advice, rule.fix)
    return rule.id, rule.severity, *counts, *words


def migration_table(moves: Iterable[Move]) -> tuple[Table, ...]:
    """What to rename, where anything is to be renamed."""
    rows = tuple((m.old, m.new or "(drop it)", m.spans, m.since, m.what, m.where) for m in moves)
    if not rows:
        return ()
    columns = (
        Column(name="old", label="as logged"),
        Column(name="new", label="write instead"),
        Column(name="spans", label="spans", unit="count"),
        Column(name="since", label="since"),
        Column(name="what", label="what"),
        Column(name="where", label="where"),
    )
    # One writer need not be named in every row.
    width = len(columns) - (len({row[-1] for row in rows}) == 1)
    return (
        Table(
            name="migration",
            title="What to rename for the newest conventions",
            columns=columns[:width],
            rows=tuple(row[:width] for row in rows),
            note="`llmops ingest --to-otlp` writes the log with the new names",
        ),
    )
