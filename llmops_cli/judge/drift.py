"""Has the judge, or what it is asked, moved since an earlier log?"""

import math

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.clustered import difference_interval
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import estimate, share
from llmops_cli.judge.thresholds import best_cut, cut_scores
from llmops_cli.judge.weighted import effective_rows
from llmops_cli.report import Finding, Measure
from llmops_cli.stats.clustering import clustering
from llmops_cli.stats.intervals import Interval
from llmops_cli.stats.multiplicity import holm

__all__ = ["drift"]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

_ALPHA = 0.05
_FEW = 2


def drift(
    earlier: Cases, now: Cases, parameters: JudgeParameters
) -> tuple[tuple[Measure, ...], tuple[Finding, ...]]:
    """Change of accuracy, of what the judge says, of the truth, and of the best cut."""
    pairs = (
        ("drift_accuracy", "change of accuracy", _right(earlier), _right(now)),
        ("drift_verdicts", f"change of '{now.names[-1]}' verdicts", _said(earlier), _said(now)),
        ("drift_truth", f"change of '{now.names[-1]}' truths", _true(earlier), _true(now)),
    )
    found = [
        (_change(name, label, then, here, parameters), _p_value(then, here))
        for name, label, then, here in pairs
        if then[1] and here[1]
    ]
    measures = (*(measure for measure, _ in found), *_cuts(earlier, now, parameters))
    if not found:
        return measures, ()
    adjusted = holm(np.array([p for _, p in found]))
    moved = [m for (m, _), p in zip(found, adjusted, strict=True) if p < _ALPHA]
    return measures, tuple(map(_finding, moved))


Share = tuple[float, float]
"""Successes and cases, both over the design effect of their clusters."""


def _effective(given: Cases, values: Floats, rows: Rows) -> Share:
    n = len(values)
    if not n:
        return 0.0, 0.0
    # Verdicts are all known; only truths came to be known by chance.
    if given.weights is not None and rows is given.labelled:
        n = effective_rows(given, values, rows)
        return n * given.mean(values, rows), n
    sums = given.sums(values, rows)
    effect = 1.0
    if given.clusters is not None:
        effect = clustering(sums).design_effect if len(sums) >= _FEW else float(n)
    return float(values.sum()) / effect, n / effect


def _right(given: Cases) -> Share:
    return _effective(given, given.right, given.labelled)


def _said(given: Cases) -> Share:
    rows = given.judge != given.missing
    last = (given.judge == given.missing - 1)[rows].astype(np.float64)
    return _effective(given, last, rows)


def _true(given: Cases) -> Share:
    last = (given.gold == given.missing - 1)[given.labelled].astype(np.float64)
    return _effective(given, last, given.labelled)


def _change(
    name: str, label: str, then: Share, here: Share, parameters: JudgeParameters
) -> Measure:
    whole = tuple((round(k), max(round(n), 1)) for k, n in (here, then))
    value = 100 * (here[0] / here[1] - then[0] / then[1])
    around = difference_interval(whole[0], whole[1], parameters.level)
    interval = Interval(min(100 * around.low, value), max(100 * around.high, value))
    return estimate(
        name, label, value, interval, level=parameters.level, n=round(here[1] + then[1]),
        unit="points", method="Newcombe, at the effective sample sizes",
    )  # fmt: skip


def _p_value(then: Share, here: Share) -> float:
    pooled = (then[0] + here[0]) / (then[1] + here[1])
    spread = pooled * (1 - pooled) * (1 / then[1] + 1 / here[1])
    if spread <= 0:
        return 1.0
    z = (here[0] / here[1] - then[0] / then[1]) / math.sqrt(spread)
    return math.erfc(abs(z) / math.sqrt(2))


def _cuts(earlier: Cases, now: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    weights = (parameters.under_cost, parameters.over_cost)
    known = [_scored(part) for part in (earlier, now)]
    # A cut of a score means nothing on a confidence.
    alike = ("score" in earlier.columns) == ("score" in now.columns)
    if not alike or any(part is None for part in known):
        return ()
    (old_scores, old_gold, _), (scores, gold, rows) = (part for part in known if part is not None)
    cut, right = best_cut(old_scores, old_gold, weights), np.zeros(len(rows), np.bool_)
    right[rows] = (scores >= cut) == gold
    return (
        Measure(name="earlier_cut", label="best cut of the earlier log", value=cut,
                n=len(old_gold), method="least cost of errors"),
        share(("earlier_cut_accuracy", "its accuracy on this log"), now, (rows, right),
              parameters),
    )  # fmt: skip


def _scored(given: Cases) -> tuple[Floats, npt.NDArray[np.int64], Rows] | None:
    scores = cut_scores(given)
    if scores is None:
        return None
    rows = given.labelled & np.isfinite(scores)
    if len(np.unique(given.gold[rows])) < _FEW:
        return None
    return scores[rows], given.gold[rows], rows


def _finding(measure: Measure) -> Finding:
    return Finding(
        slug=f"judge-{measure.name.replace('_', '-')}",
        severity="warning",
        message=f"{measure.title}: {measure.value or 0.0:+.1f} points since the earlier log, more "
        "than chance explains",
        hint="evaluate the judge on the traffic it sees now; choose its cut again",
    )
