"""How much of the traffic the weak model can serve, as seen through an imperfect judge.

The judge's own share of yes is biased by its errors; few labels alone are noisy. Both together,
with the errors measured on the labels, give the share without the bias.
"""

import numpy as np

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import estimate
from llmops_cli.report import Column, Finding, Measure, Table
from llmops_cli.stats.agreement import Confusion
from llmops_cli.stats.bootstrap import bootstrap_statistic
from llmops_cli.stats.clustering import clustered_share_interval, clustering
from llmops_cli.stats.intervals import Interval, wilson
from llmops_cli.stats.prediction_powered import (
    Predicted,
    PredictionPowered,
    prediction_powered_mean,
)
from llmops_cli.stats.prevalence import CorrectedShare, rogan_gladen

__all__ = ["Corrected", "corrected"]

_FEW = 3
_FAR = 3.0


class Corrected:
    """The four estimates of the share of traffic whose weak answer will do.

    Attributes:
        measures: naive, gold alone, Rogan-Gladen, prediction-powered.
        findings: what speaks against them.
    """

    def __init__(self, measures: tuple[Measure, ...], findings: tuple[Finding, ...]) -> None:
        self.measures = measures
        self.findings = findings

    @property
    def table(self) -> Table:
        """The estimates side by side."""
        return Table(
            name="traffic_quality",
            title="Requests whose weak answer will do, through the judge",
            columns=(
                Column(name="estimate", label="estimate"),
                Column(name="share", label="share", unit="share"),
                Column(name="low", label="low", unit="share"),
                Column(name="high", label="high", unit="share"),
                Column(name="n", label="rows", unit="count"),
                Column(name="method", label="interval"),
            ),
            rows=tuple((m.title, m.value, m.low, m.high, m.n, m.method) for m in self.measures),
            note="the naive share holds the judge's errors; the corrected ones do not",
        )


def corrected(given: Cases, parameters: JudgeParameters) -> Corrected | None:
    """The estimates, where a judged log has labels for a part of it; None elsewhere."""
    # Both corrections take the labels for a random sample, which weighted ones are not.
    if parameters.kind != "binary" or given.weights is not None:
        return None
    judged = given.judge != given.missing
    others = judged & ~given.labelled
    if not others.any() or not given.answered.any():
        return None
    powered = _powered(given, others, parameters)
    corrected_ = _rogan_gladen(given, others, parameters)
    measures = (
        _naive(given, parameters),
        _gold_only(given, parameters),
        _measure_of(corrected_, given, others, parameters),
        *(() if powered is None else (_powered_measure(powered, given, others, parameters),)),
    )
    return Corrected(measures, _findings(corrected_, powered))


def _share(given: Cases, hits: np.ndarray, rows: np.ndarray, level: float) -> Interval:
    n, successes = int(rows.sum()), int((hits & rows).sum())
    if given.clusters is None:
        return wilson(successes, n, level)
    sums = given.counts(hits, rows)
    if len(sums) < 2:  # noqa: PLR2004 - one cluster says nothing about another
        return Interval(0.0, 1.0)
    return clustered_share_interval(successes, clustering(sums), level)


def _naive(given: Cases, parameters: JudgeParameters) -> Measure:
    rows = given.judge != given.missing
    return _plain("naive", "verdicts as they are", given, (given.judge == 1, rows), parameters)


def _gold_only(given: Cases, parameters: JudgeParameters) -> Measure:
    part = (given.gold == 1, given.labelled)
    return _plain("gold_only", "labels alone", given, part, parameters)


def _plain(
    name: str,
    label: str,
    given: Cases,
    part: tuple[np.ndarray, np.ndarray],
    parameters: JudgeParameters,
) -> Measure:
    hits, rows = part
    n = int(rows.sum())
    return estimate(
        f"traffic_{name}", label, int((hits & rows).sum()) / n,
        _share(given, hits, rows, parameters.level), level=parameters.level, n=n,
        method="Wilson" if given.clusters is None else "exact, at the effective sample size",
    )  # fmt: skip


def _rogan_gladen(
    given: Cases, others: np.ndarray, parameters: JudgeParameters
) -> CorrectedShare | None:
    known = given.labelled
    yes, truth = (given.judge == 1)[known], (given.gold == 1)[known]
    table = Confusion(
        tp=int((yes & truth).sum()), fp=int((yes & ~truth).sum()),
        tn=int((~yes & ~truth).sum()), fn=int((~yes & truth).sum()),
    )  # fmt: skip
    if not (table.positives and table.negatives):
        return None
    said = int((given.judge == 1)[others].sum())
    return rogan_gladen(said, int(others.sum()), table, parameters.level)


def _measure_of(
    found: CorrectedShare | None, given: Cases, others: np.ndarray, parameters: JudgeParameters
) -> Measure:
    name, label, n = "traffic_rogan_gladen", "Rogan-Gladen, on the unlabelled", int(others.sum())
    if found is None or found.refused:
        return estimate(
            name, label, None, None, level=parameters.level, n=n,
            method="refused: sensitivity + specificity is not shown to exceed 1",
        )  # fmt: skip
    interval: Interval | None = found.interval
    method = "Lang-Reiczigel"
    if given.clusters is not None:
        resampled = _resampled(given, others, parameters)
        method = "wider of Lang-Reiczigel and cluster bootstrap"
        interval = resampled and Interval(
            min(found.interval.low, resampled.low), max(found.interval.high, resampled.high)
        )
    return estimate(
        name, label, found.value, interval, level=parameters.level, n=n, method=method
    )  # fmt: skip


def _resampled(given: Cases, others: np.ndarray, parameters: JudgeParameters) -> Interval | None:
    """The corrected share over resampled clusters, labelled and unlabelled rows together."""
    rows = given.labelled | others
    own = given.clusters_of(rows)
    if own is None or own.max() < 1:
        return None
    # Unlabelled, truly yes, truly no; of each those to which the judge says yes and the others.
    kind = 2 * np.where(others, 0, np.where(given.gold == 1, 1, 2)) + (given.judge != 1)
    cells = np.bincount(6 * own + kind[rows], minlength=6 * (int(own.max()) + 1)).reshape(-1, 6)
    said, unsaid, hits, misses, slips, rejections = cells.T
    parts = (said + unsaid, said, hits + misses, hits, slips + rejections, rejections)
    sums = np.column_stack(parts).astype(np.float64)
    return bootstrap_statistic(
        sums, _corrected_share, level=parameters.level, resamples=1000, seed=parameters.seed
    )


def _corrected_share(totals: np.ndarray) -> np.ndarray:
    n, said, positives, hits, negatives, rejections = totals.T
    with np.errstate(divide="ignore", invalid="ignore"):
        specificity = rejections / negatives
        share = (said / n + specificity - 1) / (hits / positives + specificity - 1)
    return np.clip(share, 0.0, 1.0)


def _powered(
    given: Cases, others: np.ndarray, parameters: JudgeParameters
) -> PredictionPowered | None:
    known = given.labelled
    # No verdict predicts no: any rule will do, as long as it is the same for all rows.
    said = (given.judge == 1).astype(np.float64)
    clusters = None
    if given.clusters is not None:
        own = given.labelled_clusters
        if own is None or own.max() + 1 < _FEW:
            return None
        clusters = (given.clusters[known], given.clusters[others])
    if int(known.sum()) < _FEW:
        return None
    truth = (given.gold[known] == 1).astype(np.float64)
    return prediction_powered_mean(
        Predicted(truth, said[known], said[others], clusters), level=parameters.level
    )


def _powered_measure(
    found: PredictionPowered, given: Cases, others: np.ndarray, parameters: JudgeParameters
) -> Measure:
    return estimate(
        "traffic_prediction_powered", "prediction-powered (PPI++)",
        min(max(found.value, 0.0), 1.0),
        Interval(max(found.interval.low, 0.0), min(found.interval.high, 1.0)),
        level=parameters.level, n=int(given.labelled.sum() + others.sum()),
        method=f"{found.method}, power {found.power:.2f}: {found.labels:,} labels are worth "
        f"{found.worth:,.0f}",
    )  # fmt: skip


def _findings(
    corrected_: CorrectedShare | None, powered: PredictionPowered | None
) -> tuple[Finding, ...]:
    found: list[Finding] = []
    if corrected_ is None or corrected_.refused:
        found.append(
            Finding(
                slug="judge-uncorrectable",
                severity="warning",
                message="sensitivity + specificity is not shown to exceed 1: the judge's share of "
                "yes says nothing about the traffic",
                hint="label more decisions of both kinds, or use the labels alone",
            )
        )
    elif corrected_.clipped:
        found.append(
            Finding(
                slug="judge-correction-clipped",
                severity="warning",
                message=f"the corrected share comes out at {100 * corrected_.raw:.1f} % and is "
                "cut: on the unlabelled rows the judge errs otherwise than on the labelled ones",
            )
        )
    if powered is not None and abs(powered.gap) > _FAR:
        found.append(
            Finding(
                slug="judge-labels-not-random",
                severity="warning",
                message=f"the judge says yes to labelled and unlabelled rows at rates "
                f"{abs(powered.gap):.1f} standard errors apart: the labels are no random sample",
                hint="draw the rows to label at random, or weigh every figure with suspicion",
            )
        )
    return tuple(found)
