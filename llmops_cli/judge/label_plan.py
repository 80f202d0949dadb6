"""How many labels will decide the gate, before any is made: one look, many looks, by stratum."""

import math
from collections.abc import Sequence

import numpy as np

from llmops_cli.judge.label_strata import PlanParameters, overall, stratified_labels
from llmops_cli.judge.model import labels_needed, least_correct
from llmops_cli.report import Column, Explanation, Measure, Report, Scalar, Table
from llmops_cli.stats.sprt import Sprt

__all__ = ["plan_labels"]

_SIZES = (50, 100, 200, 500, 1000)
_MOST_CASES = 20_000


def plan_labels(parameters: PlanParameters | None = None, *, inputs: Sequence[str] = ()) -> Report:
    """Say how many labels decide the gate of a judge.

    Args:
        parameters: what is planned for.
        inputs: the pilot log that the expectations come from, if any.

    Returns:
        A report without checks: budgets by true accuracy, pass marks by size, and labels by
        stratum where there are strata.
    """
    given = parameters or PlanParameters()
    tables = [_budgets(given), _pass_marks(given)]
    if given.strata:
        tables.insert(1, _strata(given))
    first = given.expected[0] if given.accuracies or given.strata else _middle(given)
    wanted = _wanted(given, first)
    return Report(
        command="judge-plan",
        title="How many labels will decide?",
        headline=_headline(given, first, wanted),
        inputs=tuple(inputs),
        parameters=_plain(given),
        measures=(_measure(first, wanted),),
        tables=tuple(tables),
        explanations=(_explanation(given),),
    )


def _middle(given: PlanParameters) -> float:
    return given.expected[len(given.expected) // 2]


def _plain(given: PlanParameters) -> dict[str, Scalar]:
    return {
        "threshold": given.threshold,
        "accuracies": ",".join(f"{value:g}" for value in given.expected),
        "power": given.power,
        "design_effect": given.design_effect,
        "strata": " ".join(f"{s.name}:{s.share:g}:{s.accuracy:g}" for s in given.strata),
    }


def _wanted(given: PlanParameters, accuracy: float, confidence: float = 0.95) -> int | None:
    labels = labels_needed(accuracy, given.threshold, power=given.power, confidence=confidence)
    return None if labels is None else math.ceil(labels * given.design_effect)


def _headline(given: PlanParameters, accuracy: float, wanted: int | None) -> str:
    bar = f"{100 * given.threshold:g} %"
    if wanted is None:
        return f"No feasible number of labels tells {100 * accuracy:.4g} % from {bar}."
    word = "passes" if accuracy > given.threshold else "fails"
    return (
        f"With {wanted:,} labels a judge that is right in {100 * accuracy:.4g} % {word} {bar} with "
        f"a chance of {100 * given.power:.0f} %."
    )


def _measure(accuracy: float, wanted: int | None) -> Measure:
    return Measure(
        name="labels_needed",
        label=f"labels, if the judge is right in {100 * accuracy:.4g} %",
        value=None if wanted is None else float(wanted),
        unit="count",
        method="exact binomial power of the Clopper-Pearson gate, times the design effect",
    )


def _budgets(given: PlanParameters) -> Table:
    sizes = [(accuracy, _wanted(given, accuracy)) for accuracy in given.expected]
    return Table(
        name="label_budgets",
        title=f"Labels that decide {100 * given.threshold:g} % with "
        f"{100 * given.power:.0f} % power",
        columns=(
            Column(name="accuracy", label="if the judge is right in", unit="share"),
            Column(name="labels", label="one look", unit="count"),
            Column(name="sprt_mean", label="one by one, on average", unit="count"),
        ),
        rows=tuple((at, wanted, _sequential(given, at, wanted)) for at, wanted in sizes),
        note="one by one: Wald's sequential test of the threshold against that accuracy, which "
        "stops when it is sure; its longest run may be several times the average",
    )


def _sequential(given: PlanParameters, accuracy: float, wanted: int | None) -> int | None:
    if wanted is None or accuracy == given.threshold:
        return None
    low, high = sorted((given.threshold, accuracy))
    alpha, beta = (0.05, 1 - given.power)
    errors = (alpha, beta) if accuracy > given.threshold else (beta, alpha)
    most = min(6 * wanted, _MOST_CASES)
    test = Sprt(low=low, high=high, alpha=errors[0], beta=errors[1])
    outcome = test.operating(accuracy, most)
    if outcome.open > 0.01:  # noqa: PLR2004 - the cap, not the test, would end it
        return None
    return math.ceil(outcome.cases * given.design_effect)


def _pass_marks(given: PlanParameters) -> Table:
    sizes = np.array(_SIZES)
    least = least_correct(sizes, given.threshold)
    return Table(
        name="pass_marks",
        title=f"Fewest right verdicts that pass {100 * given.threshold:g} %",
        columns=(
            Column(name="labels", label="labels", unit="count"),
            Column(name="least_correct", label="right at least", unit="count"),
            Column(name="share", label="that is", unit="share"),
        ),
        rows=tuple(
            (int(n), int(k), float(k / n)) if k <= n else (int(n), None, None)
            for n, k in zip(sizes, least, strict=True)
        ),
        note="independent labels; with clusters more are needed",
    )


def _strata(given: PlanParameters) -> Table:
    even, best = (stratified_labels(given, optimal=optimal) for optimal in (False, True))
    confidence = 1 - 0.05 / len(given.strata)
    rows: list[tuple[Scalar, ...]] = []
    total = sum(stratum.share for stratum in given.strata)
    for at, stratum in enumerate(given.strata):
        rows.append(
            (
                stratum.name, stratum.share / total, stratum.accuracy,
                None if even is None else even[1][at],
                None if best is None else best[1][at],
                _wanted(given, stratum.accuracy, confidence),
            )
        )  # fmt: skip
    rows.append(
        ("all", 1.0, overall(given.strata), *(None if x is None else x[0] for x in (even, best)),
         None)
    )  # fmt: skip
    return Table(
        name="strata",
        title="Labels by stratum, about",
        columns=(
            Column(name="stratum", label="stratum"),
            Column(name="share", label="share", unit="share"),
            Column(name="accuracy", label="right in", unit="share"),
            Column(name="proportional", label="by share", unit="count"),
            Column(name="optimal", label="by spread", unit="count"),
            Column(name="alone", label="each shown alone", unit="count"),
        ),
        rows=tuple(rows),
        note="by share: judge-eval takes such a sample as it is; by spread: fewer, but the "
        "estimate must be weighted; each shown alone: over all strata together (Bonferroni)",
    )


def _explanation(given: PlanParameters) -> Explanation:
    return Explanation(
        of="the label budget",
        formula="smallest n (in steps of 5) with P(X >= pass mark of n | accuracy) >= power",
        numbers=(("threshold", given.threshold), ("power", given.power)),
        assumptions=(
            "labels are a random sample, or one from each stratum",
            "the pass mark is the least count whose one-sided 95 % lower bound exceeds the bar",
        ),
        source="Clopper & Pearson 1934; Fleiss, Levin & Paik 2003; sequential: Wald 1945",
    )
