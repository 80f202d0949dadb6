"""One model per request, chosen beforehand: static tables, learned routers, logged scores, oracle.

All are the same rule, the model of the best quality less lambda times cost, over different
estimates of the two; lambda is the knob.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.tiers.budgets import Board, Training, plan, serve_mixes
from llmops_cli.tiers.estimates import Expected, learned, table_of_tasks, truth
from llmops_cli.tiers.folds import Fold
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Codes, Served, serve_chosen

__all__ = ["Routed", "external", "learned_router", "oracle", "price_grid", "static_table"]

Floats = npt.NDArray[np.float64]

_KNOB = 60

_SURE = 1.645
"""Standard errors that a router must gain before it replaces the table: 95 %, one-sided."""


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """The model of the best ``quality - price * cost``; the first of them where they tie.

    Attributes:
        outcomes: the table.
        quality: ``(n, m)`` estimates; only rows that are served need be filled.
        cost: ``(n, m)`` estimates, in any unit.
        prices: ``(P,)`` quality that a unit of cost must earn.
    """

    outcomes: Outcomes
    quality: Floats
    cost: Floats
    prices: Floats

    @property
    def settings(self) -> int:
        """One per price."""
        return len(self.prices)

    def serve(self, rows: Codes, setting: int) -> Served:
        """What the rows get at a price."""
        worth = self.quality[rows] - self.prices[setting] * self.cost[rows]
        return serve_chosen(self.outcomes, rows, worth.argmax(axis=1))


def price_grid(cost: Floats, knob: int = _KNOB) -> Floats:
    """Prices of cost in quality, from one that ignores cost to one that ignores quality.

    Args:
        cost: ``(n, m)`` costs.
        knob: how many prices, besides 0.
    """
    means = np.unique(cost.mean(axis=0))
    gaps = np.diff(means)
    gaps = gaps[gaps > 1e-9 * means[-1]] if len(gaps) else gaps
    if not len(gaps):
        return np.zeros(1)
    return np.append(0.0, np.geomspace(1e-3 / means[-1], 10 / gaps.min(), knob))


def _routed(board: Board, expected: Expected, rows: Codes) -> Routed:
    """Estimates of some rows, filled into arrays of all."""
    quality, cost = (np.full_like(board.outcomes.quality, np.nan) for _ in range(2))
    quality[rows], cost[rows] = expected(rows)
    return Routed(board.outcomes, quality, cost, price_grid(cost[rows]))


def oracle(board: Board) -> Training:
    """Knows every outcome beforehand: what no router can beat."""
    family = _routed(board, truth(board.outcomes), np.arange(len(board.outcomes)))
    return lambda fold: (family, fold.training)


def static_table(board: Board) -> Training:
    """One model per task: the plan that needs no router."""
    return lambda fold: (_table(board, fold), fold.tune)


def _table(board: Board, fold: Fold) -> Routed:
    rows = np.concatenate([fold.tune, fold.score])
    return _routed(board, table_of_tasks(board.outcomes, fold.fit), rows)


def learned_router(board: Board, learner: str, seed: int = 0) -> Training:
    """A router learned from task, length and words; falls back on the table where it is no better.

    Args:
        board: the comparison.
        learner: logistic, knn or boosting.
        seed: of the learner.
    """

    def train(fold: Fold) -> tuple[Routed, Codes]:
        table = _table(board, fold)
        rows = np.concatenate([fold.tune, fold.score])
        own = _routed(board, learned(board.outcomes, fold.fit, learner, seed), rows)
        half = Routed(
            board.outcomes,
            (table.quality + own.quality) / 2,
            (table.cost + own.cost) / 2,
            table.prices,
        )
        return _better(board, table, (half, own), fold.tune), fold.tune

    return train


def _better(board: Board, table: Routed, others: tuple[Routed, ...], rows: Codes) -> Routed:
    """The one with the greatest gain over the table, if that is more than chance would give.

    A router without a signal would otherwise be chosen for its luck on these rows.
    """
    base = _mean_quality(board, table, rows)
    best, most = table, 0.0
    for other in others:
        gain = _mean_quality(board, other, rows) - base
        sums = board.total(rows, gain)
        error = float(np.sqrt((sums**2).sum())) / len(rows)
        mean = float(gain.mean())
        if mean > max(_SURE * error, most):
            best, most = other, mean
    return best


def _mean_quality(board: Board, family: Routed, rows: Codes) -> Floats:
    """``(r,)`` quality of each row, over all budgets."""
    mixes = plan(board, family, rows)[:-1]
    served = serve_mixes(board, family, rows, mixes)
    return np.mean([one.quality for one in served], axis=0)


def external(board: Board, name: str) -> Training:
    """A router whose scores were logged, cut where rows other than the scored ones say.

    Scores ``(n,)`` say how much a request wants the reference model rather than the cheapest;
    scores ``(n, m)`` are estimates of each model's quality.

    Raises:
        LlmopsError: no such score, or one that is missing on some row.
    """
    scores = _score(board.outcomes, name)
    if scores.ndim == 1:
        return lambda fold: (_two_models(board, scores, fold.training), fold.training)

    def train(fold: Fold) -> tuple[Routed, Codes]:
        _, cost = table_of_tasks(board.outcomes, fold.fit)(np.arange(len(scores)))
        return Routed(board.outcomes, scores, cost, price_grid(cost)), fold.tune

    return train


def _two_models(board: Board, scores: Floats, rows: Codes) -> Routed:
    """Cost 1 for the reference, so that the price is the score a request must exceed."""
    quality = np.full(board.outcomes.quality.shape, -np.inf)
    quality[:, board.cheapest], quality[:, board.reference] = 0.0, scores
    cost = np.zeros_like(quality)
    cost[:, board.reference] = 1.0
    cuts = np.quantile(scores[rows], np.linspace(0, 1, _KNOB + 1))
    below = np.nextafter(cuts[0], -np.inf)
    return Routed(board.outcomes, quality, cost, np.unique(np.append(below, cuts)))


def _score(outcomes: Outcomes, name: str) -> Floats:
    found = dict(outcomes.scores).get(name)
    if found is None:
        known = ", ".join(name for name, _ in outcomes.scores) or "none"
        raise LlmopsError("tiers-no-score", f"no score {name!r}", hint=f"scores here: {known}")
    if not np.isfinite(found).all():
        missing = int((~np.isfinite(found)).sum())
        raise LlmopsError("tiers-score-missing", f"score {name!r} lacks {missing} values")
    return found
