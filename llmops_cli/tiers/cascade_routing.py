"""After every answer, the best next step: stop, or ask whichever model is worth it.

Optimal cascades ask the models in a given order; cascade routing may ask any. Both have one price
of cost per number of answers seen, and those prices are the knob.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.budgets import Board, Training
from llmops_cli.tiers.cascades import Ladder, logged_scores
from llmops_cli.tiers.estimates import Expected, learned, table_of_tasks
from llmops_cli.tiers.folds import Fold
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Codes, Served
from llmops_cli.tiers.routers import price_grid
from llmops_cli.tiers.supermodels import Beliefs, Supermodels

__all__ = [
    "Stepwise",
    "believe",
    "outcome_of_sets",
    "price_paths",
    "stepwise",
]

Floats = npt.NDArray[np.float64]

_KNOB = 50

_SHIFTS = (-4, -2, 0, 2, 4)
"""Steps on the grid of prices by which a later price may differ from the first."""


def price_paths(cost: Floats, knob: int = _KNOB, shifts: tuple[int, ...] = _SHIFTS) -> Floats:
    """``(P, m)`` prices of cost, by how many models have run.

    Args:
        cost: ``(n, m)`` costs, which set the scale.
        knob: how many first prices, besides 0.
        shifts: how far the second price, and all later ones together, stray from the first.
    """
    grid, models = price_grid(cost, knob), cost.shape[1]
    first = np.arange(len(grid))
    later = shifts if models > 2 else (0,)  # noqa: PLR2004 - two models make one later decision
    paths = {
        tuple(np.clip([at, at + second, *[at + third] * (models - 2)], 0, len(grid) - 1).tolist())
        for at in first.tolist()
        for second in shifts
        for third in later
    }
    return grid[np.array(sorted(paths))][:, :models]


@dataclass(frozen=True, slots=True, eq=False)
class Stepwise:
    """Cascade or cascade routing over some models, for some rows of the table.

    Attributes:
        sets: what is best next, for each of these rows.
        place: ``(n,)`` position of a row of the table among them.
        prices: ``(P, m)`` price of cost by the number of models that have run.
        outcome: ``(r, sets)`` quality, cost and time by the set of models that ran.
    """

    sets: Supermodels
    place: Codes
    prices: Floats
    outcome: Served

    @property
    def settings(self) -> int:
        """One per path of prices."""
        return len(self.prices)

    def serve(self, rows: Codes, setting: int) -> Served:
        """What the rows get: the answer thought best of those that were paid for."""
        at = self.place[rows]
        run = self._walk(at, self.prices[setting].tolist())
        late = self.outcome.latency_s
        return Served(
            self.outcome.quality[at, run],
            self.outcome.cost_usd[at, run],
            None if late is None else late[at, run],
        )

    def _walk(self, at: Codes, prices: list[float]) -> Codes:
        """``(r,)`` the models that each row has run when it stops."""
        run = np.zeros(len(at), np.int64)
        going = np.ones(len(at), np.bool_)
        for price in prices:
            after = run.copy()
            for state in np.flatnonzero(np.bincount(run[going])).tolist():
                here = going & (run == state)
                after[here] = self.sets.step(state, price)[at[here]]
            going = after != run
            run = after
        return run


def outcome_of_sets(outcomes: Outcomes, ladder: Ladder, rows: Codes, thought: Floats) -> Served:
    """``(r, 2^m)`` what each set of models gives and costs, every answer judged.

    Args:
        outcomes: the table.
        ladder: the models; bit i of a set stands for the i-th.
        rows: rows of the table.
        thought: ``(r, m)`` quality of each answer as it is judged; the best thought is given.
    """
    order = np.array(ladder.order)
    member = np.arange(1 << len(order))[:, None] >> np.arange(len(order)) & 1 > 0
    chosen = np.where(member[None], thought[:, None, :], -np.inf).argmax(axis=2)
    late = outcomes.latency_s
    return Served(
        np.take_along_axis(outcomes.quality[rows][:, order], chosen, axis=1),
        (outcomes.cost_usd[rows][:, order] + ladder.judge_cost_usd) @ member.T,
        None if late is None else (late[rows][:, order] + ladder.judge_latency_s) @ member.T,
    )


def stepwise(board: Board, ladder: Ladder, judge: str, *, nested: bool) -> Training:
    """An optimal cascade (``nested``) or cascade routing, on a judge's logged scores.

    Args:
        board: the comparison.
        ladder: the models; in this order for a cascade.
        judge: name of the scores ``(n, m)`` of each answer, or ``(n,)`` of the first one's.
        nested: only in the order of the ladder.
    """

    def train(fold: Fold) -> tuple[Stepwise, Codes]:
        rows = np.concatenate([fold.tune, fold.score])
        found = believe(board.outcomes, ladder, judge, fold.fit, rows)
        place = np.full(len(board.outcomes), -1)
        place[rows] = np.arange(len(rows))
        paths = price_paths(found.cost_usd)
        outcome = outcome_of_sets(board.outcomes, ladder, rows, found.after)
        return Stepwise(Supermodels(found, nested=nested), place, paths, outcome), fold.tune

    return train


def believe(outcomes: Outcomes, ladder: Ladder, judge: str, fit: Codes, rows: Codes) -> Beliefs:
    """Estimates before and after each answer, learned from the rows ``fit``.

    Before: a logistic router where there is text, else the mean of the task. After: least squares
    of the outcome on that and the judge's score; without a score, as before.

    Args:
        outcomes: the table.
        ladder: the models.
        judge: name of the logged scores.
        fit: rows to learn from.
        rows: rows to estimate.
    """
    order = list(ladder.order)
    expect = _before(outcomes, fit)
    known = np.clip(expect(fit)[0][:, order], 0.0, 1.0)
    before, cost = (part[:, order] for part in expect(rows))
    scores = _scores(outcomes, ladder, judge)
    after, learned_from = before.copy(), known.copy()
    for at, model in enumerate(order):
        if np.isfinite(scores[:, at]).all():
            design = _design(known[:, at], scores[fit, at])
            line = np.linalg.lstsq(design, outcomes.quality[fit, model])[0]
            learned_from[:, at] = np.clip(design @ line, 0.0, 1.0)
            after[:, at] = np.clip(_design(before[:, at], scores[rows, at]) @ line, 0.0, 1.0)
    moved = learned_from - known
    covariance = np.asarray(moved.T @ moved / len(fit), np.float64)
    return Beliefs(before, after, cost + ladder.judge_cost_usd, covariance)


def _before(outcomes: Outcomes, fit: Codes) -> Expected:
    if outcomes.text is None:
        return table_of_tasks(outcomes, fit)
    return learned(outcomes, fit, "logistic")


def _design(before: Floats, score: Floats) -> Floats:
    return np.column_stack([np.ones(len(before)), before, score])


def _scores(outcomes: Outcomes, ladder: Ladder, judge: str) -> Floats:
    """``(n, k)`` scores of the ladder's answers; a column of NaN where none was logged."""
    judged = logged_scores(outcomes, ladder, judge)
    found = dict(outcomes.scores)[judge]
    last = np.full(len(outcomes), np.nan) if found.ndim == 1 else found[:, ladder.order[-1]]
    return np.column_stack([judged, last])
