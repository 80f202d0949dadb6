"""Quality and saving against reliability: what a better or a worse judge would do here.

Computed by formula, with errors independent of the strong model's outcome; what the logged
judge did stands beside it.
"""

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.spending import Prices
from llmops_cli.report import Column, Scalar, Series, Table
from llmops_cli.stats.deferral import Deferral

__all__ = ["frontier", "reliability_curves", "reliability_table"]

Floats = npt.NDArray[np.float64]

_RATES = np.linspace(0.5, 1.0, 11)
_SENSITIVITIES = np.linspace(0.5, 1.0, 6)


def _by_formula(kinds: Deferral, paid: Prices | None) -> tuple[Floats, Floats | None]:
    """Points gained at every reliability, and the cost over that of the strong model."""
    gained = 100 * (np.asarray(kinds.quality(_RATES, _RATES)) - kinds.dear)
    if paid is None:
        return gained, None
    cost = kinds.cost(_RATES, _RATES, kept=paid.kept, dear=paid.strong)
    return gained, np.asarray(cost) / paid.strong


def reliability_curves(kinds: Deferral, paid: Prices | None) -> tuple[Series, ...]:
    """Quality gained, and cost where it is known, of a judge right with probability r."""
    gained, cost = _by_formula(kinds, paid)
    title = "Quality gained over the strong model alone, points"
    quality = _curve("quality_by_reliability", title, "points", gained)
    if cost is None:
        return (quality,)
    title = "Cost, of the strong model alone"
    return quality, _curve("cost_by_reliability", title, "share", cost)


def _curve(name: str, title: str, y_label: str, values: Floats) -> Series:
    return Series(
        name=name,
        title=title,
        x_label="reliability",
        y_label=y_label,
        x=tuple(np.round(_RATES, 3).tolist()),
        y=tuple(np.round(values, 9).tolist()),
    )


def reliability_table(
    kinds: Deferral, paid: Prices | None, judge: tuple[float, float | None, float | None]
) -> Table:
    """The same in figures, and where this judge stands.

    Args:
        kinds: the four kinds of request.
        paid: mean costs, where they are known.
        judge: accuracy of this judge, and what it really gained and cost.
    """
    gained, cost = _by_formula(kinds, paid)
    shares = [None] * len(_RATES) if cost is None else cost.tolist()
    rows = [
        _row("by formula", *figures)
        for figures in zip(_RATES.tolist(), gained.tolist(), shares, strict=True)
    ]
    accuracy, points, share = judge
    rows.append(_row("this judge, as logged", accuracy, points, share))
    rows.sort(key=lambda row: float(row[1] or 0.0))
    return Table(
        name="reliability_curve",
        title="What a judge of some reliability does on this traffic",
        columns=(
            Column(name="judge", label="judge"),
            Column(name="reliability", label="right in", unit="share"),
            Column(name="quality", label="quality gained", unit="points"),
            Column(name="cost", label="cost, of strong", unit="share"),
            Column(name="times_cheaper", label="cheaper", unit="ratio"),
        ),
        rows=tuple(rows),
        note="by formula: equally often wrong on both kinds of request, independently of the "
        "strong model's outcome",
    )


def _row(judge: str, rate: float, points: float | None, share: float | None) -> tuple[Scalar, ...]:
    return judge, rate, points, share, 1 / share if share else None


def frontier(kinds: Deferral, paid: Prices | None) -> Table:
    """The specificity that each sensitivity needs: to lose no quality, and to save money."""
    rows = [_needs(kinds, paid, float(rate)) for rate in _SENSITIVITIES]
    return Table(
        name="frontier",
        title="What each sensitivity needs: break-even frontier",
        columns=(
            Column(name="sensitivity", label="sensitivity", unit="share"),
            Column(name="specificity_for_quality", label="specificity at least", unit="share"),
            Column(name="specificity_for_saving", label="to save, at most", unit="share"),
        ),
        rows=tuple(rows),
        note="at least: quality not below the strong model alone; at most: more escalation than "
        "that costs more than the strong model alone",
    )


def _needs(kinds: Deferral, paid: Prices | None, sensitivity: float) -> tuple[Scalar, ...]:
    quality = float(kinds.specificity_for_quality(sensitivity))
    return sensitivity, _possible(quality), _saving(kinds, paid, sensitivity)


def _saving(kinds: Deferral, paid: Prices | None, sensitivity: float) -> float | None:
    wrong = 1 - kinds.cheap
    if paid is None or wrong <= 0:
        return None
    # Cheaper exactly when the escalated share stays below 1 - kept / strong.
    room = 1 - paid.kept / paid.strong - kinds.cheap * (1 - sensitivity)
    return min(max(room / wrong, 0.0), 1.0)


def _possible(specificity: float) -> float | None:
    return max(specificity, 0.0) if specificity <= 1 else None
