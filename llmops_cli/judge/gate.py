"""The gate: which bound is held against what, in one look or in many, and what would decide it."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.economics import BreakEven, margin
from llmops_cli.judge.model import GATE_LEVEL, JudgeParameters, labels_needed
from llmops_cli.judge.reliability import Accuracy
from llmops_cli.report import Check, Measure, Verdict
from llmops_cli.stats.intervals import Interval

__all__ = ["Evidence", "checks", "in_order"]

_MOST_PAIRS = 10_000_000
_ALL_LOOKS = "betting confidence sequence: each end a one-sided 95 % bound over all looks"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gate is decided on.

    Attributes:
        given: the decisions.
        parameters: the question.
        found: the accuracy; None without verdicts on labelled rows.
        even: the break-even; None without outcomes.
        paired: rows with both outcomes.
    """

    given: Cases
    parameters: JudgeParameters
    found: Accuracy | None
    even: BreakEven | None
    paired: int

    @property
    def against(self) -> str:
        """What the judge is held against: without outcomes ``both`` is the threshold alone."""
        if self.parameters.against == "both" and self.even is None:
            return "threshold"
        return self.parameters.against


def checks(evidence: Evidence) -> tuple[Check, ...]:
    """One check for the threshold, one for the break-even, as asked."""
    found: list[Check] = []
    if evidence.against in {"threshold", "both"}:
        walked = evidence.parameters.sprt is not None and evidence.found is not None
        found.append(_sprt(evidence) if walked else _threshold(evidence))
    if evidence.against in {"break-even", "both"}:
        found.append(_break_even(evidence))
    return tuple(found)


def in_order(given: Cases) -> npt.NDArray[np.float64]:
    """What arrived, in the order of arrival: 1 right, 0 wrong; a cluster is its mean, once.

    The order is that of the timestamps where there are any, else that of the rows.
    """
    rows = np.flatnonzero(given.labelled)
    order = np.arange(len(rows))
    if "timestamp" in given.columns:
        times = given.floats("timestamp")[rows]
        order = np.argsort(times, kind="stable")
    right, clusters = given.right[order], given.labelled_clusters
    if clusters is None:
        return right
    own = clusters[order]
    _, first = np.unique(own, return_index=True)
    sums = np.bincount(own, weights=right)
    means = sums / np.bincount(own)
    return means[own[np.sort(first)]]


def _threshold(evidence: Evidence) -> Check:
    found, parameters = evidence.found, evidence.parameters
    name, bar = "accuracy above the threshold", parameters.threshold
    if found is None:
        measure = Measure(
            name="accuracy_bounds", label="accuracy, one-sided 95 % bounds", value=None,
            unit="share", n=0, method="no verdicts",
        )  # fmt: skip
        needed = "label decisions: none has both a verdict and a truth"
        return Check.at_least(name, measure, bar, strict=True, needed=needed)
    bounds, method, value = found.gate, found.method, found.value
    if parameters.sequential:
        values = in_order(evidence.given)
        bounds, method, value = (
            _of_all_looks(values, GATE_LEVEL),
            _ALL_LOOKS,
            values.mean(),
        )
    measure = Measure(
        name="accuracy_bounds",
        label="accuracy, one-sided 95 % bounds",
        value=float(value),
        unit="share",
        low=bounds.low,
        high=bounds.high,
        level=GATE_LEVEL,
        n=found.labelled,
        method=method,
    )
    return Check.at_least(
        name, measure, bar, strict=True, needed=_needed(found, bounds, parameters)
    )


def _of_all_looks(values: npt.NDArray[np.float64], level: float) -> Interval:
    from llmops_cli.stats.betting import betting_interval  # noqa: PLC0415 - one look takes none

    return betting_interval(values, level=level)


def _needed(found: Accuracy, bounds: Interval, parameters: JudgeParameters) -> str:
    bar, power = parameters.threshold, parameters.power
    if bounds.low > bar or bounds.high <= bar:
        return ""
    if found.clusters == 1:
        return (
            "labels of other clusters (conversations, templates, users): more of this one say "
            "nothing about them"
        )
    labels = labels_needed(found.value, bar, power=power)
    if labels is None:
        return (
            f"at an accuracy this close to {100 * bar:.1f} % no feasible number of labels decides"
        )
    wanted = round(labels * found.design_effect)
    more = max(wanted - found.labelled, 0)
    clustered = " in clusters like these" if found.design_effect > 1 else ""
    if parameters.sequential:
        return (
            f"go on labelling{clustered} and look again: one fixed look would take about "
            f"{max(more, 1):,} more, looks on the way some more than that"
        )
    if more == 0:
        return f"about as many labels again{clustered}: this sample was an unlucky one of its size"
    return (
        f"about {more:,} more labels{clustered} ({wanted:,} in all) would decide with "
        f"{100 * power:.0f} % power, if the accuracy is {100 * found.value:.1f} %"
    )


def _sprt(evidence: Evidence) -> Check:
    from llmops_cli.stats.sprt import Sprt  # noqa: PLC0415 - a gate without it takes none

    low, high = evidence.parameters.sprt or (0.0, 1.0)
    test = Sprt(low=low, high=high)
    values = in_order(evidence.given)
    if not np.isin(values, (0.0, 1.0)).all():
        # A cluster counts once, as right where most of it is.
        values = (values > 0.5).astype(np.float64)  # noqa: PLR2004 - most of it
    outcome = test.walk(values)
    stopped = values[: int(outcome.cases)]
    evidence_now = float(
        test.evidence(np.array([stopped.sum()]), np.array([float(len(stopped))]))[0]
    )
    fail, passed = test.limits
    verdict = (
        Verdict.PASS if outcome.above else Verdict.FAIL if outcome.below else Verdict.INCONCLUSIVE
    )
    return Check(
        name=f"sequential test of {100 * low:g} % against {100 * high:g} %",
        measure=Measure(
            name="log_likelihood_ratio", label="log-likelihood ratio", value=evidence_now,
            n=len(stopped), method="Wald 1945, errors of 5 % either way",
        ),
        on="value",
        op=">=",
        bound=passed,
        verdict=verdict,
        reason={
            Verdict.PASS: f"the limit was reached after {len(stopped):,} decisions",
            Verdict.FAIL: f"it fell to {fail:.2f} after {len(stopped):,} decisions",
            Verdict.INCONCLUSIVE: f"it lies between {fail:.2f} and {passed:.2f}: go on",
        }[verdict],
        needed="label the next decisions, in the order they come"
        if verdict is Verdict.INCONCLUSIVE
        else "",
    )  # fmt: skip


def _break_even(evidence: Evidence) -> Check:
    name = "accuracy above break-even"
    found, even = evidence.found, evidence.even
    if found is None or even is None:
        nothing = Measure(name="accuracy_minus_break_even", value=None, unit="points", n=0)
        return Check.at_least(name, nothing, 0.0, strict=True, needed=_needed_pairs(nothing, 0))
    bounds, around = found.strict, even.strict
    if evidence.parameters.sequential:
        from llmops_cli.stats.bernoulli_sequences import (  # noqa: PLC0415 - one look takes none
            bernoulli_interval,
        )

        bounds = _of_all_looks(in_order(evidence.given), 0.95)
        if even.known and evidence.given.clusters is None:
            around = bernoulli_interval(even.only_strong, even.only_strong + even.only_weak)
    measure = margin(found, bounds, even, around)
    needed = _needed_pairs(measure, evidence.paired)
    return Check.at_least(name, measure, 0.0, strict=True, needed=needed)


def _needed_pairs(measure: Measure, paired: int) -> str:
    if measure.value is None or measure.low is None or measure.high is None:
        return "log rows on which the two models differ, with verdicts"
    reach = measure.value - measure.low if measure.value > 0 else measure.high - measure.value
    # Widths shrink with the root of the sample; the factor leaves room for 80 % power.
    wanted = paired * (1.5 * reach / abs(measure.value)) ** 2 if measure.value else math.inf
    if wanted > _MOST_PAIRS:
        return "this judge is at break-even, as far as any feasible sample can tell"
    return f"about {max(wanted - paired, 1):,.0f} more rows with verdict, truth and both outcomes"
