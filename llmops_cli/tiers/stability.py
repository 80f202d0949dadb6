"""How much of a plan is chance: how often it comes out again, and what it is worth on other rows.

A plan is chosen where it looks best, so on its own rows it looks better than it is.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.assignment import Assignment, assign_totals
from llmops_cli.tiers.cells import Cells
from llmops_cli.tiers.evaluation import Evaluated, evaluate
from llmops_cli.tiers.model import TierParameters

__all__ = ["FOLDS", "Stability", "cross_fitted", "stability"]

Floats = npt.NDArray[np.float64]

FOLDS = 5

_WORK = 4e8
_MOST, _FEWEST = 200, 20


@dataclass(frozen=True, slots=True, eq=False)
class Stability:
    """How a plan fares when its clusters are drawn again.

    Attributes:
        survives: ``(K,)`` share of resamples that give a class the same model.
        infeasible: share of resamples in which no plan meets the limits.
        resamples: how many were drawn.
    """

    survives: Floats
    infeasible: float
    resamples: int


def stability(cells: Cells, plan: Assignment, given: TierParameters) -> Stability:
    """Draw clusters again, assign again, and compare class by class."""
    size = int(np.clip(_WORK // max(1, cells.sums.size), _FEWEST, _MOST))
    groups = len(cells)
    draw = np.random.default_rng(given.seed)
    same, failed = np.zeros(len(cells.tasks)), 0
    for _ in range(size):
        weights = draw.multinomial(groups, np.full(groups, 1 / groups)).astype(np.float64)
        found = assign_totals(cells, cells.totals(weights), given, exact=False)
        if isinstance(found, Assignment):
            same += found.model == plan.model
        else:
            failed += 1
    return Stability(same / size, failed / size, size)


def cross_fitted(cells: Cells, given: TierParameters) -> Evaluated | None:
    """Choose a plan without a fold of the clusters, hold it against that fold, and so for all.

    Returns:
        What plans chosen this way are worth on rows they were not chosen on; None where there
        are fewer groups of clusters than folds. A fold whose rest has no plan keeps the
        reference.
    """
    groups = len(cells)
    if groups < 2 * FOLDS:
        return None
    fold = np.random.default_rng(given.seed).permutation(groups) % FOLDS
    plans: list[Floats] = []
    for number in range(FOLDS):
        rest = cells.totals((fold != number).astype(np.float64))
        found = assign_totals(cells, rest, given, exact=False)
        keep = np.zeros((len(cells.tasks), len(cells.models)))
        keep[:, cells.reference] = 1.0
        plans.append(found.share if isinstance(found, Assignment) else keep)
    return evaluate(cells, plans, fold=fold, level=given.level, seed=given.seed)
