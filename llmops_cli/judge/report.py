"""Tallies become a Report: the answer in a sentence, the rates, the gate, the break-even."""

import math
from dataclasses import asdict, dataclass

import pandas as pd

from llmops_cli.errors import LlmopsError
from llmops_cli.judge.economics import BreakEven, break_even, following, margin
from llmops_cli.judge.explain import explanations
from llmops_cli.judge.findings import own_findings
from llmops_cli.judge.kernel import Tally, tally
from llmops_cli.judge.model import GATE_LEVEL, JudgeParameters, labels_needed
from llmops_cli.judge.reliability import Accuracy, accuracy, kappa, rate, rates
from llmops_cli.report import Check, Column, Finding, Measure, Report, Table, Verdict, fold

__all__ = ["Evaluation", "evaluate"]

_MOST_PAIRS = 10_000_000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every figure of the report; ``found`` is None without verdicts on labelled rows."""

    given: JudgeParameters
    counts: Tally
    found: Accuracy | None
    even: BreakEven | None


def evaluate(
    decisions: pd.DataFrame,
    given: JudgeParameters,
    *,
    inputs: tuple[str, ...],
    findings: tuple[Finding, ...],
) -> Report:
    """The report of one set of decisions; ``findings`` are those of its reader."""
    counts = tally(decisions)
    judged = "judge" in decisions and counts.labelled > 0
    result = Evaluation(
        given,
        counts,
        accuracy(decisions, counts, given) if judged else None,
        break_even(counts, given.level),
    )
    _refuse(result)
    checks = _checks(result)
    return Report(
        command="judge-eval",
        title="Is the routing judge reliable enough?",
        headline=_headline(result, checks),
        inputs=inputs,
        parameters=asdict(given),
        measures=_measures(decisions, result),
        checks=checks,
        tables=_tables(decisions, result),
        findings=(*findings, *own_findings(decisions, counts, result.found)),
        explanations=explanations(given, counts, result.found, result.even),
    )


def _refuse(result: Evaluation) -> None:
    if result.even is None and result.given.against != "threshold":
        raise LlmopsError(
            "judge-no-outcomes",
            "the break-even needs both models' outcomes, and no row has them",
            hint="add the columns weak_correct and strong_correct, or use --against threshold",
            field="weak_correct",
        )
    if result.found is None and result.even is None:
        raise LlmopsError(
            "judge-no-labels",
            "no decision has a truth to hold the judge against",
            hint="fill the gold column for a random sample of decisions",
            field="gold",
        )


def _checks(result: Evaluation) -> tuple[Check, ...]:
    checks: list[Check] = []
    found, against = result.found, result.given.against
    if against in {"threshold", "both"}:
        bar = result.given.threshold
        needed = _needed(found, bar, result.given.power)
        name = "accuracy above the threshold"
        checks.append(Check.at_least(name, _bounds(found), bar, strict=True, needed=needed))
    if against in {"break-even", "both"}:
        exact = break_even(result.counts, 0.95)
        nothing = Measure(name="accuracy_minus_break_even", value=None, unit="points", n=0)
        measure = margin(found, exact) if found and exact else nothing
        needed = _needed_pairs(measure, result.counts.paired)
        name = "accuracy above break-even"
        checks.append(Check.at_least(name, measure, 0.0, strict=True, needed=needed))
    return tuple(checks)


def _needed_pairs(measure: Measure, paired: int) -> str:
    if measure.value is None or measure.low is None or measure.high is None:
        return "log rows on which the two models differ, with verdicts"
    reach = measure.value - measure.low if measure.value > 0 else measure.high - measure.value
    # Widths shrink with the root of the sample; the factor leaves room for 80 % power.
    wanted = paired * (1.5 * reach / abs(measure.value)) ** 2 if measure.value else math.inf
    if wanted > _MOST_PAIRS:
        return "this judge is at break-even, as far as any feasible sample can tell"
    return f"about {max(wanted - paired, 1):,.0f} more rows with verdict, truth and both outcomes"


def _bounds(found: Accuracy | None) -> Measure:
    name, label = "accuracy_bounds", "accuracy, one-sided 95 % bounds"
    if found is None:
        return Measure(name=name, label=label, value=None, unit="share", n=0, method="no verdicts")
    return Measure(
        name=name,
        label=label,
        value=found.value,
        unit="share",
        low=found.gate.low,
        high=found.gate.high,
        level=GATE_LEVEL,
        n=found.labelled,
        method=found.method,
    )


def _needed(found: Accuracy | None, bar: float, power: float) -> str:
    if found is None:
        return "label decisions: none has both a verdict and a truth"
    if found.gate.low > bar or found.gate.high <= bar:
        return ""
    labels = labels_needed(found.value, bar, power=power)
    if labels is None:
        return (
            f"at an accuracy this close to {100 * bar:.1f} % no feasible number of labels decides"
        )
    wanted = round(labels * found.design_effect)
    more = max(wanted - found.labelled, 0)
    clustered = " in clusters like these" if found.design_effect > 1 else ""
    if more == 0:
        return f"about as many labels again{clustered}: this sample was an unlucky one of its size"
    return (
        f"about {more:,} more labels{clustered} ({wanted:,} in all) would decide with "
        f"{100 * power:.0f} % power, if the accuracy is {100 * found.value:.1f} %"
    )


def _headline(result: Evaluation, checks: tuple[Check, ...]) -> str:
    found, even = result.found, result.even
    if found is None:
        value = even.measure.value if even else None
        share = "unknown" if value is None else f"{100 * value:.1f} %"
        return f"No verdicts to evaluate; on this traffic a judge breaks even at {share}."
    bars = {
        "threshold": f"{100 * result.given.threshold:g} %",
        "break-even": "its break-even",
        "both": f"both {100 * result.given.threshold:g} % and its break-even",
    }
    words = {
        Verdict.PASS: "is more reliable than",
        Verdict.FAIL: "is not more reliable than",
        Verdict.INCONCLUSIVE: "may or may not be more reliable than",
    }
    return (
        f"The judge {words[fold(checks)]} {bars[result.given.against]}: right in "
        f"{100 * found.value:.1f} % of {found.labelled:,} labelled decisions, "
        f"at least {100 * found.gate.low:.1f} % with 95 % confidence."
    )


def _measures(decisions: pd.DataFrame, result: Evaluation) -> tuple[Measure, ...]:
    # What decides comes first: the text view shows the first few without -v.
    counts, level, found = result.counts, result.given.level, result.found
    even = (result.even.measure,) if result.even else ()
    routed = following(decisions, counts, level)
    if found is None:
        return (*even, *routed)
    sensitivity, specificity, precision, negative, majority = rates(counts, level)
    return (
        _accuracy(found, level),
        *even,
        sensitivity,
        specificity,
        majority,
        kappa(counts, level),
        *routed,
        precision,
        negative,
        *_clustering(found),
        *_coverage(counts, level),
    )


def _accuracy(found: Accuracy, level: float) -> Measure:
    return Measure(
        name="accuracy",
        value=found.value,
        unit="share",
        low=found.shown.low,
        high=found.shown.high,
        level=level,
        n=found.labelled,
        method="wider of Wilson and cluster bootstrap" if found.clusters else "Wilson",
    )


def _coverage(counts: Tally, level: float) -> tuple[Measure, ...]:
    if not counts.abstained:
        return ()
    answered = counts.labelled - counts.abstained
    return (rate("coverage", "verdict given", answered, counts.labelled, level),)


def _clustering(found: Accuracy) -> tuple[Measure, ...]:
    if not found.clusters:
        return ()
    method = "variance over clusters / variance of independent rows; n counts clusters"
    effect = Measure(
        name="design_effect",
        value=found.design_effect,
        unit="ratio",
        n=found.clusters,
        method=method,
    )
    return (effect,)


def _tables(decisions: pd.DataFrame, result: Evaluation) -> tuple[Table, ...]:
    tables: list[Table] = []
    if result.found is not None:
        tables.append(_confusion(result.counts))
    if "task" in decisions and len(decisions["task"].unique()) > 1:
        tables.append(_tasks(decisions, result.given.level))
    return tuple(tables)


def _confusion(counts: Tally) -> Table:
    table = counts.confusion
    rows = [
        ("accepted: the weak answer goes out", table.tp, table.fp),
        ("escalated to the strong model", table.fn, table.tn),
    ]
    if counts.abstained:
        missing = counts.cells[2].sum(axis=(1, 2))
        rows.append(("no verdict: counts as wrong", int(missing[1]), int(missing[0])))
    return Table(
        name="confusion",
        title="Verdicts and truth",
        columns=(
            Column(name="verdict", label="the judge's verdict"),
            Column(name="will_do", label="weak will do", unit="count"),
            Column(name="will_not_do", label="will not do", unit="count"),
        ),
        rows=tuple(rows),
    )


def _tasks(decisions: pd.DataFrame, level: float) -> Table:
    rows: list[tuple[str, int, float | None, float | None, float | None, float | None]] = []
    for task, part in decisions.groupby("task", sort=True):
        counts = tally(part)
        share = rate("accuracy", "", counts.confusion.correct, counts.labelled, level)
        even = break_even(counts, level)
        value = even.measure.value if even else None
        rows.append(
            (str(task) or "(none)", counts.labelled, share.value, share.low, share.high, value)
        )
    return Table(
        name="tasks",
        title="By task",
        columns=(
            Column(name="task", label="task"),
            Column(name="labelled", label="labels", unit="count"),
            Column(name="accuracy", label="accuracy", unit="share"),
            Column(name="low", label="low", unit="share"),
            Column(name="high", label="high", unit="share"),
            Column(name="break_even", label="r*", unit="share"),
        ),
        rows=tuple(rows),
        note=f"Wilson intervals, {100 * level:g} %, each task alone: with many tasks some mislead",
    )
