"""The figures that routers are published with, on one's own log and with intervals.

APGR and CPT want a score that can be cut anywhere, and both models' outcomes; the arena score
wants what the chosen model got right and cost.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from llmops_cli.judge.cases import Cases
from llmops_cli.judge.clustered import ratio_interval
from llmops_cli.judge.model import JudgeParameters
from llmops_cli.judge.reliability import estimate
from llmops_cli.judge.routing_curve import RoutingCurve, routing_curve
from llmops_cli.judge.thresholds import cut_scores
from llmops_cli.report import Measure
from llmops_cli.stats.bootstrap import renumbered
from llmops_cli.stats.intervals import Interval
from llmops_cli.stats.quality_and_cost import quality_and_cost
from llmops_cli.stats.table_bootstrap import bootstrap_clustered_table, bootstrap_table

__all__ = ["arena_figure", "curve_figures"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Statistic = Callable[[Floats], Floats]
Rows = npt.NDArray[np.bool_]

_CUTS = 10
_RESAMPLES = 1000
_FEW = 2
_FEWEST_ROWS = 50


def curve_figures(given: Cases, parameters: JudgeParameters) -> tuple[Measure, ...]:
    """APGR, and CPT at 50 % and 80 % of the gap; none without a score and both outcomes.

    Cuts lie at the deciles of the score, and stay where they are when rows are resampled: they
    are what the router is set to.
    """
    found = _scored(given, parameters)
    if found is None:
        return ()
    rows, score, weak, strong = found
    curve = routing_curve(score, weak, strong, _CUTS)
    tables, alone = _tables(given, rows, (score, weak, strong)), given.clusters is None
    over = "rows" if alone else "clusters"
    method = f"RouteLLM's, at the deciles of the score; bootstrap over {over}"
    return tuple(
        estimate(
            name, label, figure(curve), _interval(tables, figure, parameters, alone=alone),
            level=parameters.level, n=int(rows.sum()), unit="" if name == "apgr" else "share",
            method=method + ("" if curve.monotone else "; quality falls between two cuts"),
        )
        for name, label, figure in _FIGURES
    )  # fmt: skip


_FIGURES: tuple[tuple[str, str, Callable[[RoutingCurve], float]], ...] = (
    ("apgr", "gap recovered, mean over cuts (APGR)", lambda curve: curve.average_recovered),
    ("cpt_50", "strong calls for half the gap (CPT 50 %)", lambda curve: curve.call_threshold(0.5)),
    ("cpt_80", "strong calls for 80 % of the gap", lambda curve: curve.call_threshold(0.8)),
)


def _scored(
    given: Cases, parameters: JudgeParameters
) -> tuple[Rows, Floats, Floats, Floats] | None:
    outcomes = {"weak_correct", "strong_correct"} <= given.columns.keys()
    if parameters.kind != "binary" or not outcomes or given.weights is not None:
        return None
    sure = cut_scores(given)
    if sure is None:
        return None
    weak, strong = given.codes("weak_correct"), given.codes("strong_correct")
    rows = np.isfinite(sure) & (weak < _FEW) & (strong < _FEW)
    if rows.sum() < _FEWEST_ROWS or weak[rows].sum() >= strong[rows].sum():
        return None
    # The surer the judge is of the weak answer, the less the strong model is wanted.
    score = -sure[rows]
    return rows, score, weak[rows].astype(np.float64), strong[rows].astype(np.float64)


def _tables(given: Cases, rows: Rows, part: tuple[Floats, Floats, Floats]) -> Ints:
    """``(G, bins, 2, 2)`` counts of each cluster (of all rows without) by cut and outcomes."""
    score, weak, strong = part
    edges = np.quantile(score, np.linspace(0, 1, _CUTS + 1))[1:-1]
    place = np.searchsorted(edges, score, side="right")
    cell = (place * 2 + weak.astype(np.int64)) * 2 + strong.astype(np.int64)
    own = np.zeros(len(cell), np.int64)
    if given.clusters is not None:
        own = renumbered(given.clusters[rows])
    groups, size = int(own.max()) + 1, _CUTS * 4
    counts = np.bincount(own * size + cell, minlength=groups * size)
    return counts.reshape(groups, _CUTS, 2, 2).astype(np.int64)


def _curves(tables: Floats) -> list[RoutingCurve]:
    """A curve of each table, from nothing sent to the strong model to everything."""
    n, weak, strong = (
        tables.sum(axis=(2, 3)),
        tables[:, :, 1].sum(axis=2),
        tables[..., 1].sum(axis=2),
    )
    size = n.sum(axis=1, keepdims=True)

    def sent(values: Floats) -> Floats:
        above = np.cumsum(values[:, ::-1], axis=1)
        return np.concatenate([np.zeros_like(size), above], axis=1)

    share = sent(n) / size
    quality = (weak.sum(axis=1, keepdims=True) - sent(weak) + sent(strong)) / size
    found = zip(share, quality, strict=True)
    return [RoutingCurve(x, y, float(y[0]), float(y[-1])) for x, y in found]


def _of_curves(figure: Callable[[RoutingCurve], float]) -> Statistic:
    """A figure of every resampled table; NaN where there is no gap to recover."""

    def found(tables: Floats) -> Floats:
        curves = _curves(tables)
        return np.array([figure(c) if c.strong > c.weak else np.nan for c in curves])

    return found


def _interval(
    tables: Ints,
    figure: Callable[[RoutingCurve], float],
    parameters: JudgeParameters,
    *,
    alone: bool,
) -> Interval | None:
    if not alone and len(tables) < _FEW:
        return None
    resample = bootstrap_table if alone else bootstrap_clustered_table
    return resample(
        tables[0] if alone else tables, _of_curves(figure),
        level=parameters.level, resamples=_RESAMPLES, seed=parameters.seed,
    )  # fmt: skip


def arena_figure(
    given: Cases, rows: Rows, quality: Floats, usd: Floats, parameters: JudgeParameters
) -> tuple[Measure, ...]:
    """RouterArena's score of following the judge.

    Args:
        given: the decisions.
        rows: ``(n,)`` those with outcome and cost.
        quality: outcome of each of them, following the judge.
        usd: its cost, the judge's own included.
        parameters: level and seed.
    """
    if not rows.any():
        return ()
    good, paid = given.mean(quality, rows), 1000 * given.mean(usd, rows)
    value = float(quality_and_cost(good, paid))
    # How the score moves with either mean: it is smooth, so its error is theirs.
    step = 1e-6
    by_quality = float(quality_and_cost(good + step, paid) - value) / step
    dearer = float(quality_and_cost(good, paid * (1 + step)) - value)
    by_cost = dearer / (step * paid) if paid > 0 else 0.0
    moved = by_quality * (quality - good) + by_cost * (1000 * usd - paid)
    around = ratio_interval(given.weighted_sums(moved, rows), parameters.level)
    interval = None if around is None else Interval(value + around.low, value + around.high)
    return (
        estimate(
            "arena_score", "arena score, following the judge", value, interval,
            level=parameters.level, n=len(usd), unit="",
            method="RouterArena's, beta 0.1; delta method, Student over rows or clusters",
        ),
    )  # fmt: skip
