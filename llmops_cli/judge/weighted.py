"""Labels that were not drawn evenly: each counts for as many rows as it had a chance to stand for.

The log says in ``propensity`` with which probability a row's truth (or its outcomes) came to be
known. Weighted by its inverse the labelled rows speak for the traffic again, as long as every row
had a chance at all; where some had none, nothing is known about them and the verdict stays open.
"""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.judge.cases import Cases
from llmops_cli.judge.clustered import ratio_interval
from llmops_cli.report import Check, Finding, Measure, Verdict
from llmops_cli.stats.clustering import effective_share_interval
from llmops_cli.stats.intervals import Interval

__all__ = [
    "effective_rows",
    "require_propensities",
    "support",
    "table_interval",
    "weighted_interval",
    "weighting",
]

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.bool_]

_FEW = 50


def effective_rows(given: Cases, hits: Floats, rows: Rows) -> float:
    """Evenly drawn, independent rows that would say as much about a share.

    Args:
        given: the decisions, with propensities.
        hits: 0 or 1 for each chosen row.
        rows: ``(n,)`` which rows are chosen.

    Source:
        Kish (1965), Survey Sampling: (sum w)^2 / sum w^2; and the variance of the share,
        linearised over rows or clusters (Cochran 1977, section 6.4), where that is larger.
    """
    weights = np.ones(0) if given.weights is None else given.weights[rows]
    kish = float(weights.sum()) ** 2 / float((weights**2).sum())
    sums = given.weighted_sums(hits, rows)
    value = float(sums[:, 0].sum() / sums[:, 1].sum())
    around = ratio_interval(sums, 0.95)
    if around is None:
        return 1.0
    groups, total = len(sums), float(sums[:, 1].sum())
    residuals = sums[:, 0] - value * sums[:, 1]
    variance = groups / (groups - 1) * float((residuals**2).sum()) / total**2
    linear = value * (1 - value) / variance if variance > 0 else math.inf
    return min(kish, linear, float(groups))


def weighted_interval(given: Cases, hits: Floats, rows: Rows, level: float) -> Interval:
    """Of a weighted share: the wider of the exact interval at the effective size and Student's."""
    sums = given.weighted_sums(hits, rows)
    value = min(max(given.mean(hits, rows), 0.0), 1.0)
    exact = effective_share_interval(value, effective_rows(given, hits, rows), level)
    linear = ratio_interval(sums, level)
    if linear is None:
        return Interval(0.0, 1.0)
    return Interval(max(min(exact.low, linear.low), 0.0), min(max(exact.high, linear.high), 1.0))


def table_interval(
    given: Cases, statistic: Callable[[Floats], Floats], table: Floats, level: float
) -> Interval | None:
    """Of a smooth figure of the weighted table of verdicts by truth.

    Args:
        given: the decisions.
        statistic: maps ``(R, k, k)`` tables to ``(R,)`` values.
        table: ``(k, k)`` weighted counts.
        level: two-sided confidence.

    Returns:
        The interval; None with fewer than two rows or clusters.

    Source:
        Linearised: what one row adds to the figure is the derivative by its cell (Deville 1999,
        Survey Methodology 25:193-203), and the weighted mean of that has Student's interval.
    """
    k, total = len(table), float(table.sum())
    steps = 1e-4 * total * np.eye(k * k).reshape(-1, k, k)
    # Cells are not taken below nothing: there the figure need not be smooth.
    down = np.minimum(steps, table)
    reach = (steps + down).sum(axis=(1, 2))
    slopes = (statistic(table + steps) - statistic(table - down)) * total / reach
    rows = given.answered
    moved = slopes[given.judge[rows] * k + given.gold[rows]]
    around = ratio_interval(given.weighted_sums(moved, rows), level)
    if around is None or not np.isfinite(moved).all():
        return None
    value, middle = float(statistic(table[None])[0]), given.mean(moved, rows)
    return Interval(max(value + around.low - middle, -1.0), value + around.high - middle)


def require_propensities(given: Cases) -> None:
    """Refuse labelled rows that nobody can weigh.

    Raises:
        LlmopsError: ``judge-no-propensity`` for a labelled row without one,
            ``judge-impossible-label`` for one whose propensity is 0.
    """
    if given.weights is None:
        return
    chance = given.floats("propensity")[given.labelled]
    for bad, slug, what in (
        (np.isnan(chance), "judge-no-propensity", "have no propensity"),
        (chance == 0, "judge-impossible-label", "have propensity 0: they could not be labelled"),
    ):
        if bad.any():
            raise LlmopsError(
                slug,
                f"{int(bad.sum()):,} of {len(chance):,} labelled decisions {what}",
                hint="propensity is the probability with which the row's truth came to be known",
                field="propensity",
            )


def support(given: Cases) -> tuple[Check, ...]:
    """The check that every row had a chance to be labelled; none without propensities."""
    if given.weights is None:
        return ()
    chance = given.floats("propensity")
    without = int((~(chance > 0)).sum())
    share = 1 - without / len(chance)
    return (
        Check(
            name="every request could have been labelled",
            measure=Measure(
                name="supported", label="decisions with a propensity above 0", value=share,
                unit="share", n=len(chance), method="logged propensities",
            ),
            on="value",
            op=">=",
            bound=1.0,
            verdict=Verdict.INCONCLUSIVE if without else Verdict.PASS,
            reason=f"{without:,} decisions had no chance of a label: nothing is known about them"
            if without
            else "labels may come from anywhere in the log",
            needed="labels drawn with some probability from every part of the traffic"
            if without
            else "",
        ),
    )  # fmt: skip


def weighting(given: Cases) -> tuple[tuple[Measure, ...], tuple[Finding, ...]]:
    """Effective sample size and the weighted quality of the weak model, and what to know of both.

    None of them without propensities.
    """
    if given.weights is None:
        return (), ()
    right, rows = given.right, given.labelled
    effective = effective_rows(given, right, rows)
    size = Measure(
        name="effective_sample_size", label="labels, as if drawn evenly", value=effective,
        unit="count", n=len(right), method="Kish, and the linearised variance",
    )  # fmt: skip
    findings = [
        Finding(
            slug="judge-weighted",
            severity="note",
            message="accuracy, rates, agreement, tasks, break-even, quality and cost are weighted "
            "by 1 / propensity; calibration speaks of the labelled rows as they are",
            field="propensity",
        )
    ]
    if effective < _FEW:
        findings.append(
            Finding(
                slug="judge-few-effective-labels",
                severity="warning",
                message=f"{len(right):,} labels are worth {effective:,.0f} evenly drawn ones: a "
                "few rows with small propensities carry the figures",
                hint="label more where the propensity is small",
                field="propensity",
            )
        )
    return (size,), tuple(findings)
