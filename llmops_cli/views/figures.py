"""Curves that share axes, put together as one figure; what is drawable of them, on one scale."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeGuard

from llmops_cli.report import Series

__all__ = ["Figure", "Point", "drawable", "figures_of"]

_ABSURD = 1e300

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Figure:
    """One or more curves under one title, on the axes of the first."""

    title: str
    curves: tuple[Series, ...]

    @property
    def points(self) -> list[list[Point | None]]:
        """Of each curve; None is a gap."""
        return [
            [
                (x, y) if drawable(x) and drawable(y) else None
                for x, y in zip(curve.x, curve.y, strict=True)
            ]
            for curve in self.curves
        ]

    @property
    def known(self) -> list[Point]:
        """Points of all curves that have a place."""
        return [point for points in self.points for point in points if point is not None]


def figures_of(series: Iterable[Series]) -> tuple[Figure, ...]:
    """Curves by their chart, in the order in which the charts come first."""
    charts = dict[object, list[Series]]()
    for curve in series:
        # Without a chart a curve is one of its own, whatever it is called.
        charts.setdefault(curve.chart or id(curve), []).append(curve)
    return tuple(
        Figure(curves[0].chart or curves[0].title, tuple(curves)) for curves in charts.values()
    )


def drawable(value: float | None) -> TypeGuard[float]:
    """Whether a value has a place on an axis; NaN, infinity and the absurd have none."""
    return value is not None and math.isfinite(value) and abs(value) < _ABSURD
