"""Generated decisions of a routing judge with truth and both models' outcomes and costs."""

from dataclasses import dataclass

import numpy as np

__all__ = ["FEW", "STRONG", "WEAK", "RoutingTruth", "decisions"]

_TASKS = ("extract", "summarise", "reason")
_WEAK_RIGHT = {"extract": 0.88, "summarise": 0.74, "reason": 0.52}
_STRONG_AFTER = {True: 0.92, False: 0.62}
"""Chance that the strong model is right, by whether the weak one is."""


@dataclass(frozen=True, slots=True)
class RoutingTruth:
    """What is planted: rows, rows per template, and how often the judge is right."""

    rows: int
    per_cluster: int
    sensitivity: float
    specificity: float


STRONG = RoutingTruth(rows=1500, per_cluster=5, sensitivity=0.91, specificity=0.85)
WEAK = RoutingTruth(rows=600, per_cluster=5, sensitivity=0.74, specificity=0.66)
FEW = RoutingTruth(rows=45, per_cluster=1, sensitivity=0.88, specificity=0.82)


def decisions(truth: RoutingTruth, seed: int) -> list[dict[str, str]]:
    """One row per decision, as text ready for CSV."""
    draw = np.random.default_rng(seed)
    rows: list[dict[str, str]] = []
    for number in range(truth.rows):
        cluster = number // truth.per_cluster
        task = _TASKS[cluster % len(_TASKS)]
        weak = bool(draw.random() < _WEAK_RIGHT[task])
        strong = bool(draw.random() < _STRONG_AFTER[weak])
        right = draw.random() < (truth.sensitivity if weak else truth.specificity)
        length = float(draw.lognormal(0, 0.3))
        rows.append(
            {
                "id": f"d{number:04d}",
                "judge": str(int(weak if right else not weak)),
                "gold": str(int(weak)),
                "cluster": f"template-{cluster:03d}",
                "task": task,
                "weak_correct": str(int(weak)),
                "strong_correct": str(int(strong)),
                "weak_cost_usd": f"{0.0004 * length:.6f}",
                "strong_cost_usd": f"{0.0061 * length:.6f}",
                "judge_cost_usd": "0.000150",
            }
        )
    return rows
