"""Figures of a cost-quality curve, from totals over clusters: many resamples at once.

Every curve of one comparison is read off the same totals, so that differences are paired.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.frontier import Hulls, hulls, least_cost, mean_height
from llmops_cli.stats.quality_and_cost import quality_and_cost

__all__ = ["METHODS", "Anchors", "Points", "curve_figures", "point_figures"]

Floats = npt.NDArray[np.float64]

_RECOVERED = {"cpt20": 0.2, "cpt50": 0.5, "cpt80": 0.8}
_THOUSAND = 1000.0

METHODS = {
    "quality": "mean over requests",
    "cost_usd": "mean over requests, everything each of them paid",
    "latency_s": "mean over requests, one model after the other",
    "saving": "1 - cost / cost of the reference model",
    "aiq": "area under the non-decreasing hull between the cheapest and the dearest model's cost, "
    "over their distance; left of the curve the cheapest model's quality",
    "apgr": "share of the gap from the cheapest to the reference model's quality that the hull "
    "recovers, averaged over the costs between them",
    "cpt20": "share of the way from the cheapest to the reference model's cost at which the hull "
    "recovers 20 % of the gap",
    "cpt50": "as cpt20, 50 %",
    "cpt80": "as cpt20, 80 %",
    "qnc": "least cost on the hull that equals the reference model's quality, over its cost; "
    "1 where none does",
    "saving_at_equal_quality": "1 - qnc",
    "performance_gain": "quality at the greatest budget less the reference model's",
    "gap_to_oracle": "the oracle's quality at the greatest budget less this one's",
    "arena_score": "best over the curve of (1 + 0.1) A C / (0.1 A + C), C the place of the cost "
    "of 1000 requests between $200 and $0.0044 on a logarithmic scale",
    "gain_over_table": "quality less the static table's, averaged over equal planned budgets; "
    "settings chosen on other rows",
    "cost_over_table": "cost over the static table's at those budgets, less 1",
    "saving_as_planned": "1 - cost / cost of the reference model, at the setting that equalled "
    "its quality on other rows",
    "loss_as_planned": "the reference model's quality less that of this setting",
}
"""What each figure is, in a sentence."""


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """A curve in R resamples.

    Attributes:
        quality: ``(R, B)`` means.
        cost_usd: ``(R, B)`` means.
        planned: ``(R, 2)`` mean quality and cost of the setting planned for equal quality; None
            for a policy without a knob.
        latency_s: ``(R, B)`` means; None where nobody logged it.
    """

    quality: Floats
    cost_usd: Floats
    planned: Floats | None = None
    latency_s: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Anchors:
    """What curves are measured against, in the same R resamples.

    Attributes:
        weak: the cheapest model, ``(R, 1)`` points.
        strong: the reference model.
        dearest_usd: ``(R,)`` cost of the dearest model.
        table: the static table.
        oracle: the oracle.
    """

    weak: Points
    strong: Points
    dearest_usd: Floats
    table: Points
    oracle: Points


def point_figures(points: Points, anchors: Anchors) -> dict[str, Floats]:
    """``(R,)`` figures of a policy without a knob."""
    late = {} if points.latency_s is None else {"latency_s": points.latency_s[:, 0]}
    return {
        "quality": points.quality[:, 0],
        "cost_usd": points.cost_usd[:, 0],
        **late,
        "saving": 1 - _over(points.cost_usd[:, 0], anchors.strong.cost_usd[:, 0]),
        **_against(points, anchors),
    }


def curve_figures(points: Points, anchors: Anchors) -> dict[str, Floats]:
    """``(R,)`` figures of a policy at several budgets.

    Source:
        AIQ: Hu et al. (2024), RouterBench, arXiv 2403.12031; its code divides the area by the
        greatest cost instead of the range and leaves out what lies left of the cheapest point.
        APGR, CPT: Ong et al. (2024), RouteLLM, arXiv 2406.18665, on the hull and with cost in
        place of the share of calls, the same for two models of constant cost. QNC: Jitkrittum et
        al. (2025), UniRoute. Arena score: RouterArena, router_evaluation/compute_scores.py.
    """
    found = hulls(points.cost_usd, points.quality)
    weak, strong = anchors.weak, anchors.strong
    reached = least_cost(found, strong.quality[:, 0])
    relative = np.minimum(_over(reached, strong.cost_usd[:, 0]), 1.0)
    return {
        "aiq": mean_height(found, weak.cost_usd[:, 0], anchors.dearest_usd, weak.quality[:, 0]),
        **_recovery(found, weak, strong),
        "qnc": relative,
        "saving_at_equal_quality": 1 - relative,
        **_against(points, anchors),
        "gain_over_table": (points.quality - anchors.table.quality).mean(axis=1),
        "cost_over_table": _over(points.cost_usd.sum(axis=1), anchors.table.cost_usd.sum(axis=1))
        - 1,
        **_planned(points, strong),
    }


def _recovery(found: Hulls, weak: Points, strong: Points) -> dict[str, Floats]:
    low, high, floor = weak.cost_usd[:, 0], strong.cost_usd[:, 0], weak.quality[:, 0]
    gap = np.where(strong.quality[:, 0] > floor, strong.quality[:, 0] - floor, np.nan)
    figures = {"apgr": (mean_height(found, low, high, floor) - floor) / gap}
    for name, share in _RECOVERED.items():
        target = floor + share * np.nan_to_num(gap, nan=np.inf)
        figures[name] = _over(least_cost(found, target) - low, high - low)
    return figures


def _against(points: Points, anchors: Anchors) -> dict[str, Floats]:
    best = points.quality[:, -1]
    scores = quality_and_cost(points.quality, _THOUSAND * points.cost_usd)
    return {
        "performance_gain": best - anchors.strong.quality[:, 0],
        "gap_to_oracle": anchors.oracle.quality[:, -1] - best,
        "arena_score": scores.max(axis=1),
    }


def _planned(points: Points, strong: Points) -> dict[str, Floats]:
    if points.planned is None:
        return {}
    return {
        "saving_as_planned": 1 - _over(points.planned[:, 1], strong.cost_usd[:, 0]),
        "loss_as_planned": strong.quality[:, 0] - points.planned[:, 0],
    }


def _over(above: Floats, below: Floats) -> Floats:
    """Quotient; NaN where there is nothing to divide by."""
    return above / np.where(below > 0, below, np.nan)
