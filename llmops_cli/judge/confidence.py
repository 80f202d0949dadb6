"""Does the judge know when it is right: calibration, and answering only when sure."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.clustered import ratio_interval
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import estimate
from llmops_cli.report import Column, Measure, Series, Table
from llmops_cli.stats.calibration import (
    brier_split,
    calibration_error,
    equal_mass_bins,
    reliability_table,
    spiegelhalter,
)
from llmops_cli.stats.intervals import Interval
from llmops_cli.stats.score_intervals import brier_intervals, risk_coverage_intervals
from llmops_cli.stats.selective import risk_coverage

__all__ = ["Stated", "stated"]

Floats = npt.NDArray[np.float64]

_CURVE = 40


@dataclass(frozen=True, slots=True, eq=False)
class Stated:
    """What the stated confidence is worth: figures, tables and the curve."""

    measures: tuple[Measure, ...]
    tables: tuple[Table, ...]
    series: tuple[Series, ...]


def stated(given: Cases, parameters: JudgeParameters) -> Stated | None:
    """Calibration of a logged confidence, or of a score that is a probability; None without."""
    found = _probabilities(given)
    if found is None:
        return None
    what, rows, probability, outcome = found
    # What the labelled rows were drawn for is not undone here, and must not look as if it were.
    what += "" if given.weights is None else ", labelled rows unweighted"
    gap, chance = calibration_error(probability, outcome)
    split = brier_split(probability, outcome)
    z = spiegelhalter(probability, outcome)
    n, level = len(probability), parameters.level
    squares = given.sums((probability - outcome) ** 2, rows)
    around = brier_intervals(
        probability, outcome, equal_mass_bins(probability, outcome), given.clusters_of(rows),
        level=level, seed=parameters.seed,
    )  # fmt: skip
    error, reliability, resolution, uncertainty = (
        (None,) * 4 if around is None
        else (around.calibration_error, around.reliability, around.resolution, around.uncertainty)
    )  # fmt: skip
    measures = (
        _estimated("calibration_error", f"calibration error of the {what}", gap, error, (n, level),
                   f"equal-mass bins; {chance:.3f} of it is expected by chance alone"),
        estimate("brier", f"Brier score of the {what}", split.score,
                 ratio_interval(squares, level), level=level, n=n, unit="",
                 method="Student over rows or clusters"),
        *(
            _estimated(f"brier_{name}", f"Brier: {label}", value, interval, (n, level),
                       "Murphy 1973; bootstrap")
            for name, label, value, interval in (
                ("reliability", "miscalibration", split.reliability, reliability),
                ("resolution", "resolution", split.resolution, resolution),
                ("uncertainty", "uncertainty", split.uncertainty, uncertainty),
            )
        ),
        _bare("calibration_p_value", "p-value of being calibrated",
              math.erfc(abs(z) / math.sqrt(2)) if math.isfinite(z) else None, n,
              "Spiegelhalter 1986, two-sided"),
    )  # fmt: skip
    surer = _surer(given)
    area, curve = _risk(given, surer, parameters) if surer is not None else ((), ())
    return Stated((*measures, *area), (_table(what, probability, outcome, level),), curve)


def _probabilities(
    given: Cases,
) -> tuple[str, npt.NDArray[np.bool_], Floats, Floats] | None:
    if "confidence" in given.columns:
        values = given.floats("confidence")
        rows = given.answered & np.isfinite(values)
        if rows.any():
            outcome = (given.judge == given.gold)[rows].astype(np.float64)
            return "confidence", rows, values[rows], outcome
    if "score" in given.columns and len(given.names) == 2:  # noqa: PLR2004 - yes and no
        values = given.floats("score")
        rows = given.labelled & np.isfinite(values)
        known = values[rows]
        if rows.any() and known.min() >= 0 and known.max() <= 1:
            return "score", rows, known, (given.gold == 1)[rows].astype(np.float64)
    return None


def _estimated(
    name: str,
    label: str,
    value: float,
    interval: Interval | None,
    size: tuple[int, float],
    method: str,
) -> Measure:
    n, level = size
    return estimate(name, label, value, interval, level=level, n=n, unit="", method=method)


def _bare(name: str, label: str, value: float | None, n: int, method: str) -> Measure:
    return Measure(name=name, label=label, value=value, n=n, method=method)


def _surer(given: Cases) -> Floats | None:
    """How sure the judge is of each labelled decision; minus infinity where it abstains."""
    if "confidence" not in given.columns:
        return None
    values = given.floats("confidence")
    silent = ~np.isfinite(values) | (given.judge == given.missing)
    return np.where(silent, -np.inf, values)[given.labelled]


def _risk(
    given: Cases, surer: Floats, parameters: JudgeParameters
) -> tuple[tuple[Measure, ...], tuple[Series, ...]]:
    wrong, uneven = 1 - given.right, "" if given.weights is None else ", labelled rows unweighted"
    found, size = risk_coverage(surer, wrong), (len(surer), parameters.level)
    area, excess = risk_coverage_intervals(
        surer, wrong, given.labelled_clusters, level=parameters.level, seed=parameters.seed
    ) or (None, None)
    measures = (
        _estimated("risk_coverage_area", f"area under risk and coverage{uneven}", found.area,
                   area, size, "mean error over all coverages, surest first (AURC); bootstrap"),
        _estimated("risk_coverage_excess", f"of it, by a wrong order of sureness{uneven}",
                   found.excess_area, excess, size,
                   "area less that of a judge who knows when it is right; bootstrap"),
    )  # fmt: skip
    at = np.unique(np.linspace(0, len(found.coverage) - 1, _CURVE).round().astype(int))
    curve = Series(
        name="risk_coverage",
        title="Error when only the surest verdicts are used",
        x_label="share answered",
        y_label="share wrong",
        x=tuple(found.coverage[at].tolist()),
        y=tuple(found.risk[at].tolist()),
    )
    return measures, (curve,)


def _table(what: str, probability: Floats, outcome: Floats, level: float) -> Table:
    return Table(
        name="calibration",
        title=f"Stated {what} and what came true",
        columns=(
            Column(name="from", label="from", unit="share"),
            Column(name="to", label="to", unit="share"),
            Column(name="n", label="rows", unit="count"),
            Column(name="stated", label="stated", unit="share"),
            Column(name="observed", label="true", unit="share"),
            Column(name="low", label="low", unit="share"),
            Column(name="high", label="high", unit="share"),
        ),
        rows=tuple(
            (b.low, b.high, b.n, b.stated, b.observed, b.interval.low, b.interval.high)
            for b in reliability_table(probability, outcome, level=level)
        ),
        note=f"bins of about as many rows each; Wilson intervals, {100 * level:g} %",
    )
