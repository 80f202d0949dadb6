"""Curves become figures with intervals, all from the same resamples of clusters."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.joint_bootstrap import Joint, joint_intervals
from llmops_cli.tiers.budgets import Board
from llmops_cli.tiers.metrics import METHODS, Anchors, Points, curve_figures, point_figures
from llmops_cli.tiers.policies import Curve, Estimate

__all__ = ["PolicyResult", "Resampling", "figures"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Resampling:
    """How intervals are drawn.

    Attributes:
        level: two-sided confidence.
        resamples: how many.
        seed: of the generator.
    """

    level: float
    resamples: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class PolicyResult:
    """One policy.

    Attributes:
        name: of the policy.
        kind: single, mix, table, oracle, router, external, cascade, cascade_routing or given.
        quality: ``(B,)`` mean quality per budget.
        cost_usd: ``(B,)`` mean US dollars per request.
        latency_s: ``(B,)`` mean seconds; None where nobody logged them.
        estimates: its figures.
    """

    name: str
    kind: str
    quality: Floats
    cost_usd: Floats
    latency_s: Floats | None
    estimates: tuple[Estimate, ...]

    def estimate(self, name: str) -> Estimate:
        """The figure of that name.

        Raises:
            KeyError: there is none.
        """
        return {one.name: one for one in self.estimates}[name]


def figures(board: Board, curves: list[Curve], resampling: Resampling) -> tuple[PolicyResult, ...]:
    """Figures of every curve, paired.

    Args:
        board: the comparison.
        curves: the single models first, in their order; one of kind table; the oracle last.
        resampling: of the clusters.
    """
    size = np.bincount(board.groups, minlength=board.size).astype(np.float64)
    sums = np.column_stack([size, *[part for curve in curves for part in _parts(curve)]])

    def statistic(totals: Floats) -> Floats:
        columns = [list(own.values()) for own in _every(board, curves, totals)]
        return np.column_stack([column for own in columns for column in own])

    found = joint_intervals(
        sums, statistic,
        level=resampling.level, resamples=resampling.resamples, seed=resampling.seed,
    )  # fmt: skip
    names = [list(own) for own in _every(board, curves, sums.sum(axis=0, keepdims=True))]
    starts = np.cumsum([0, *map(len, names)]).tolist()
    return tuple(
        _result(curve, _estimates(found, own, start), len(board.outcomes))
        for curve, own, start in zip(curves, names, starts, strict=False)
    )


def _every(board: Board, curves: list[Curve], totals: Floats) -> list[dict[str, Floats]]:
    points = _unpack(totals[:, 1:] / totals[:, :1], curves)
    anchors = _anchors(board, points, curves)
    return [_of(curve, one, anchors) for curve, one in zip(curves, points, strict=True)]


def _parts(curve: Curve) -> list[Floats]:
    every = (curve.quality, curve.cost_usd, curve.planned, curve.latency_s)
    return [part for part in every if part is not None]


def _unpack(means: Floats, curves: list[Curve]) -> list[Points]:
    points: list[Points] = []
    at = 0
    for curve in curves:
        found: list[Floats | None] = []
        for part in (curve.quality, curve.cost_usd, curve.planned, curve.latency_s):
            width = 0 if part is None else part.shape[1]
            found.append(means[:, at : at + width] if width else None)
            at += width
        quality, cost, planned, late = found
        if quality is not None and cost is not None:
            points.append(Points(quality, cost, planned, late))
    return points


def _anchors(board: Board, points: list[Points], curves: list[Curve]) -> Anchors:
    singles = points[: len(board.outcomes.models)]
    dearest = int(board.outcomes.cost_usd.mean(axis=0).argmax())
    table = next(at for at, curve in enumerate(curves) if curve.kind == "table")
    return Anchors(
        singles[board.cheapest],
        singles[board.reference],
        singles[dearest].cost_usd[:, 0],
        points[table],
        points[-1],
    )


def _of(curve: Curve, points: Points, anchors: Anchors) -> dict[str, Floats]:
    if curve.kind in ("single", "given"):
        return point_figures(points, anchors)
    return curve_figures(points, anchors)


def _estimates(found: Joint, names: list[str], start: int) -> tuple[Estimate, ...]:
    return tuple(
        Estimate.of(name, found, at, METHODS[name]) for at, name in enumerate(names, start=start)
    )


def _result(curve: Curve, estimates: tuple[Estimate, ...], rows: int) -> PolicyResult:
    late = curve.latency_s
    return PolicyResult(
        curve.name,
        curve.kind,
        curve.quality.sum(axis=0) / rows,
        curve.cost_usd.sum(axis=0) / rows,
        None if late is None else late.sum(axis=0) / rows,
        estimates,
    )
