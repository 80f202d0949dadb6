"""Tallies become a Report: the score in a sentence, the gates, the tables and the findings."""

from collections.abc import Mapping
from dataclasses import replace

from llmops_cli.audit.answers import Answer, answers
from llmops_cli.audit.compare import COMMAND, change, comparison, scores_of
from llmops_cli.audit.explain import explanations
from llmops_cli.audit.findings import findings, worst_first
from llmops_cli.audit.kernel import Judgement, judge
from llmops_cli.audit.migration import moves
from llmops_cli.audit.model import AuditParameters, loss, score
from llmops_cli.audit.subjects import Subjects
from llmops_cli.audit.tables import (
    blocker_table,
    migration_table,
    question_table,
    rule_table,
    score_table,
    writer_table,
)
from llmops_cli.calls import CallsTable
from llmops_cli.errors import LlmopsError
from llmops_cli.report import Check, Measure, Report

__all__ = ["evaluate"]

_NOUNS = {"violation": "violations", "improvement": "improvements", "information": "notes"}


def _count(name: str, value: int, label: str = "") -> Measure:
    return Measure(name=name, value=value, unit="count", method="count", label=label)


def _measures(judgement: Judgement, calls: int, spans: int) -> tuple[Measure, ...]:
    """The score and how much was judged."""
    severities = [item.rule.severity for item in judgement.tallies if item.count]
    return (
        _score_measure(judgement),
        _count("calls", calls),
        _count("spans", spans, "spans and events"),
        *(
            _count(f"rules_broken_{name}", severities.count(name), f"rules broken: {noun}")
            for name, noun in _NOUNS.items()
        ),
    )


def _score_measure(judgement: Judgement) -> Measure:
    """The score of the whole log."""
    return Measure(
        name="score",
        value=score(judgement.tallies, range(len(judgement.groups))),
        unit="count",
        label="score, of 100",
        method="weighted share of spans that keep each rule, under caps",
    )


def _checks(given: AuditParameters, judgement: Judgement) -> tuple[Check, ...]:
    """The gates that were asked for."""
    found = list[Check]()
    if given.min_score is not None:
        measure = _score_measure(judgement)
        found.append(Check.at_least("telemetry score", measure, given.min_score))
    for name in given.forbid:
        ids = {rule.id for rule in given.forbidden(name)}
        count = sum(item.count for item in judgement.tallies if item.rule.id in ids)
        found.append(Check.at_most(f"no {name}", _count(name, count), 0))
    return tuple(found)


def _headline(judgement: Judgement, found: tuple[Answer, ...], value: float | None) -> str:
    tallies = judgement.tallies
    yes = sum(item.word == "yes" for item in found)
    shown = "nothing yet" if value is None else f"{value:g} of 100"
    says = f"This telemetry scores {shown} and can answer {yes} of {len(found)} questions."
    costly = sorted(worst_first(tallies), key=lambda item: -loss(item, tallies))
    if not costly or not loss(costly[0], tallies):
        return says
    worst = costly[0]
    return f"{says} First {worst.rule.fix} ({_points(loss(worst, tallies))})."


def _points(value: float) -> str:
    return "under 1 point" if value < 1 else f"up to {value:.0f} points"


def evaluate(
    rows: Subjects,
    calls: CallsTable,
    given: AuditParameters,
    joins: Mapping[str, int],
    baseline: Report | None,
) -> Report:
    """The report of one log, without what its reader has to say.

    Raises:
        LlmopsError: ``audit-nothing``, ``audit-bad-baseline``.
    """
    if not (~rows.kind.among("other")).any():
        raise LlmopsError(
            "audit-nothing",
            "no span of the log speaks of a model, and it holds no calls",
            hint="GenAI spans carry gen_ai.operation.name; is another exporter writing them?",
        )
    if baseline is not None:
        scores_of(baseline)  # another command's report is refused before any work
    judgement = judge(rows, given.conventions, joins)
    found = answers(calls, judgement)
    value = score(judgement.tallies, range(len(judgement.groups)))
    report = Report(
        command=COMMAND,
        title="Can our telemetry answer these questions?",
        headline=_headline(judgement, found, value),
        parameters=_parameters(given, baseline),
        measures=_measures(judgement, len(calls), int(rows.of_span.sum())),
        checks=_checks(given, judgement),
        tables=(
            question_table(found),
            score_table(judgement),
            rule_table(judgement),
            *migration_table(moves(rows, judgement.groups, judgement.group)),
            *blocker_table(found, judgement),
            *writer_table(judgement),
        ),
        findings=findings(judgement.tallies, joins),
        explanations=explanations(given, judgement, value),
    )
    return report if baseline is None else _compared(report, baseline)


def _parameters(given: AuditParameters, baseline: Report | None) -> dict[str, str | float | None]:
    return {
        "conventions": given.conventions,
        "min_score": given.min_score,
        "forbid": ", ".join(given.forbid),
        "baseline": None if baseline is None else ", ".join(baseline.inputs),
    }


def _compared(report: Report, baseline: Report) -> Report:
    measures = (report.measures[0], change(baseline, report), *report.measures[1:])
    tables = (report.tables[0], comparison(baseline, report), *report.tables[1:])
    return replace(report, measures=measures, tables=tables)
