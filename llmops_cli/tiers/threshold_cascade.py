"""A cascade with one constant cut per tier on a judge's logged score."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.budgets import Board, Training
from llmops_cli.tiers.cascades import Ladder, logged_scores
from llmops_cli.tiers.folds import Fold
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Codes, Served

__all__ = ["Thresholds", "threshold_cascade"]

Floats = npt.NDArray[np.float64]

_MOST_CUTS = 400


@dataclass(frozen=True, slots=True, eq=False)
class Thresholds:
    """A cascade that accepts an answer whose score reaches its tier's cut.

    Attributes:
        scores: ``(n, k-1)`` of each answer but the last.
        cuts: ``(P, k-1)`` settings.
        outcome: ``(n, k)`` quality, cost and time by the tier whose answer is accepted.
    """

    scores: Floats
    cuts: Floats
    outcome: Served

    @property
    def settings(self) -> int:
        """One per row of cuts."""
        return len(self.cuts)

    def serve(self, rows: Codes, setting: int) -> Served:
        """What the rows get at one set of cuts."""
        accept = self.scores[rows] >= self.cuts[setting]
        # The first accepted answer, else the last one.
        tier = np.where(accept.any(axis=1), accept.argmax(axis=1), accept.shape[1])
        late = self.outcome.latency_s
        return Served(
            self.outcome.quality[rows, tier],
            self.outcome.cost_usd[rows, tier],
            None if late is None else late[rows, tier],
        )


def _by_tier(outcomes: Outcomes, ladder: Ladder) -> Served:
    """What a request gets and has spent if each tier's answer is accepted."""
    order = list(ladder.order)
    late = outcomes.latency_s
    return Served(
        outcomes.quality[:, order],
        _spent(outcomes.cost_usd[:, order], ladder.judge_cost_usd),
        None if late is None else _spent(late[:, order], ladder.judge_latency_s),
    )


def _spent(price: Floats, judging: float) -> Floats:
    total = np.asarray((price + judging).cumsum(axis=1), np.float64)
    total[:, -1] -= judging
    return total


def threshold_cascade(board: Board, ladder: Ladder, judge: str) -> Training:
    """A cascade of constant cuts on a judge's logged scores, cut on the training rows.

    Args:
        board: the comparison.
        ladder: the models in order.
        judge: name of the logged scores.

    Raises:
        LlmopsError: no such score, or values that are missing.
    """
    scores = logged_scores(board.outcomes, ladder, judge)
    outcome = _by_tier(board.outcomes, ladder)

    def train(fold: Fold) -> tuple[Thresholds, Codes]:
        cuts = _cuts(scores[fold.training])
        return Thresholds(scores, cuts, outcome), fold.training

    return train


def _cuts(scores: Floats) -> Floats:
    """Every combination of a few quantiles per tier, and of accepting nothing there."""
    tiers = scores.shape[1]
    each = max(2, min(20, int(_MOST_CUTS ** (1 / tiers))))
    places = np.linspace(0, 1, each)
    quantiles = [np.unique(np.append(np.quantile(s, places), np.inf)) for s in scores.T]
    grid = np.meshgrid(*quantiles, indexing="ij")
    return np.column_stack([axis.ravel() for axis in grid])
