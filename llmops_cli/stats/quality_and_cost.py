"""Quality and cost as one figure: a weighted harmonic mean, cost on a logarithmic scale."""

import numpy as np
import numpy.typing as npt

__all__ = ["quality_and_cost"]

Floats = npt.NDArray[np.float64]


def quality_and_cost(
    quality: float | Floats,
    cost: float | Floats,
    *,
    beta: float = 0.1,
    cheapest: float = 0.0044,
    dearest: float = 200.0,
) -> Floats:
    """The weighted harmonic mean of quality and of the cost's place between two ends.

    Args:
        quality: shares between 0 and 1, of any shape.
        cost: costs of the same shape; RouterArena's ends are US dollars per 1000 requests.
        beta: how much the cost's place weighs against quality.
        cheapest: cost that earns full marks.
        dearest: cost that earns none.

    Returns:
        Shares between 0 and 1; 0 where both parts are 0.

    Source:
        RouterArena, router_evaluation/compute_scores.py: S = (1 + beta) A C / (beta A + C),
        C = (log2 dearest - log2 cost) / (log2 dearest - log2 cheapest).
    """
    known = np.clip(np.asarray(cost, np.float64), cheapest, dearest)
    place = (np.log2(dearest) - np.log2(known)) / (np.log2(dearest) - np.log2(cheapest))
    below = beta * np.asarray(quality, np.float64) + place
    above = (1 + beta) * np.asarray(quality, np.float64) * place
    return np.where(below > 0, above / np.where(below > 0, below, 1.0), 0.0)
