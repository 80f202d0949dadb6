"""What each model gives on each task, from rows of other clusters, where only one was observed."""

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.outcomes import Outcomes

__all__ = ["cross_fitted_means"]

Floats = npt.NDArray[np.float64]

_FOLDS = 5
_PRIOR = 5.0
"""Rows that a task's mean is pulled towards the model's mean with."""


def cross_fitted_means(outcomes: Outcomes, values: Floats, seed: int = 0) -> Floats:
    """``(n, m)`` means per task and model, none of them from the row's own cluster.

    Args:
        outcomes: the table.
        values: ``(n, m)`` what to average; NaN where not observed.
        seed: of the folds.

    Returns:
        Means that lean on the model's over all tasks where a task has few rows, and on that of
        all models where the model has none.
    """
    codes, dense = np.unique(outcomes.cluster, return_inverse=True)
    part = (np.random.default_rng(seed).permutation(len(codes)) % min(_FOLDS, len(codes)))[dense]
    means = np.empty(values.shape)
    for fold in np.unique(part).tolist():
        out = part == fold
        rest = ~out if (~out).any() else out
        table = _table(values[rest], outcomes.task[rest], len(outcomes.tasks))
        means[out] = table[outcomes.task[out]]
    return means


def _table(values: Floats, task: npt.NDArray[np.int64], tasks: int) -> Floats:
    """``(tasks, m)`` means of what was observed."""
    seen = ~np.isnan(values)
    filled = np.where(seen, values, 0.0)
    overall = float(filled.sum() / max(int(seen.sum()), 1))
    own = (filled.sum(axis=0) + overall) / (seen.sum(axis=0) + 1)
    sums, counts = np.zeros((tasks, values.shape[1])), np.zeros((tasks, values.shape[1]))
    np.add.at(sums, task, filled)
    np.add.at(counts, task, seen)
    return (sums + _PRIOR * own) / (counts + _PRIOR)
