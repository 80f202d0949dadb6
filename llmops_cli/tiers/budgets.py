"""Policies at equal budgets: settings chosen on some rows, scored on others.

On the rows to choose on, a family's settings and the cheapest model span a hull; each budget is a
mix of two of its vertices. Those mixes, and nothing else, are scored on the rows left out.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.frontier import upper_hull
from llmops_cli.tiers.folds import Fold
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Codes, Curve, Family, Served, serve_chosen

__all__ = ["Board", "Mix", "Training", "held_out", "plan", "serve_mixes"]

Floats = npt.NDArray[np.float64]

Training = Callable[[Fold], tuple[Family, Codes]]
"""From a fold, the fitted family and the rows on which its setting may be chosen."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Two settings and how often the second is used.

    Setting -1 is the cheapest model alone, -2 the reference model alone.
    """

    first: int
    second: int
    share: float


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """What every policy of a comparison shares.

    Attributes:
        outcomes: the table, every model observed on every row.
        folds: how its rows are cut.
        groups: ``(n,)`` codes of the clusters, or bags of clusters, to resample.
        budgets: ``(B,)`` places between the cheapest model's cost (0) and the reference's (1).
        cheapest: index of the cheapest model.
        reference: index of the model to compare with.
    """

    outcomes: Outcomes
    folds: tuple[Fold, ...]
    groups: Codes
    budgets: Floats
    cheapest: int
    reference: int

    @property
    def size(self) -> int:
        """Number of groups."""
        return int(self.groups.max()) + 1

    def total(self, rows: Codes, values: Floats) -> Floats:
        """``(G,)`` sums of the rows' values."""
        sums = np.bincount(self.groups[rows], weights=values, minlength=self.size)
        return sums.astype(np.float64)

    def single(self, rows: Codes, model: int) -> Served:
        """What the rows get from one model."""
        return serve_chosen(self.outcomes, rows, np.full(len(rows), model))


def plan(board: Board, family: Family, rows: Codes) -> list[Mix]:
    """The mix for each budget, and last the one that is to equal the reference's quality.

    Args:
        board: the comparison.
        family: the policy with a knob.
        rows: rows on which to choose.
    """
    tried = [_mean(board, rows, family, setting) for setting in range(-1, family.settings)]
    cost, quality = np.array(tried).T
    vertices = upper_hull(cost, quality)
    spent, gained = cost[vertices], quality[vertices]
    low = float(board.outcomes.cost_usd[rows, board.cheapest].mean())
    high = float(board.outcomes.cost_usd[rows, board.reference].mean())
    mixes = [
        _mix(vertices, spent, budget) for budget in (low + board.budgets * (high - low)).tolist()
    ]
    target = float(board.outcomes.quality[rows, board.reference].mean())
    dearer = gained[-1] < target or float(np.interp(target, gained, spent)) > high
    return [*mixes, Mix(-2, -2, 0.0) if dearer else _mix(vertices, gained, target)]


def _mean(board: Board, rows: Codes, family: Family, setting: int) -> tuple[float, float]:
    served = _serve(board, rows, family, setting)
    return float(served.cost_usd.mean()), float(served.quality.mean())


def _serve(board: Board, rows: Codes, family: Family, setting: int) -> Served:
    if setting < 0:
        return board.single(rows, board.cheapest if setting == -1 else board.reference)
    return family.serve(rows, setting)


def _mix(vertices: Codes, scale: Floats, at: float) -> Mix:
    """Between which two vertices a place on the scale (cost or quality) lies; settings from -1."""
    after = min(int(np.searchsorted(scale, at)), len(scale) - 1)
    before = max(after - 1, 0)
    run = scale[after] - scale[before]
    share = min(max((at - scale[before]) / run, 0.0), 1.0) if run > 0 else 1.0
    return Mix(int(vertices[before]) - 1, int(vertices[after]) - 1, float(share))


def serve_mixes(board: Board, family: Family, rows: Codes, mixes: list[Mix]) -> list[Served]:
    """What the rows get from each mix, in expectation; each setting is served once."""
    used = sorted({at for mix in mixes for at in (mix.first, mix.second)})
    served = {at: _serve(board, rows, family, at) for at in used}
    return [_blend(served[mix.first], served[mix.second], mix.share) for mix in mixes]


def _blend(first: Served, second: Served, share: float) -> Served:
    def of(left: Floats, right: Floats) -> Floats:
        return left + share * (right - left)

    late = (
        None
        if first.latency_s is None or second.latency_s is None
        else of(first.latency_s, second.latency_s)
    )
    return Served(of(first.quality, second.quality), of(first.cost_usd, second.cost_usd), late)


def held_out(board: Board, name: str, kind: str, train: Training) -> Curve:
    """A policy at every budget, each row served by settings that neither it nor its cluster chose.

    Args:
        board: the comparison.
        name: of the policy.
        kind: of the policy.
        train: fits a family to a fold.
    """
    columns = len(board.budgets) + 1
    quality, cost = (np.zeros((board.size, columns)) for _ in range(2))
    latency = None if board.outcomes.latency_s is None else np.zeros((board.size, columns))
    for fold in board.folds:
        family, rows = train(fold)
        mixes = plan(board, family, rows)
        for at, served in enumerate(serve_mixes(board, family, fold.score, mixes)):
            quality[:, at] += board.total(fold.score, served.quality)
            cost[:, at] += board.total(fold.score, served.cost_usd)
            if latency is not None and served.latency_s is not None:
                latency[:, at] += board.total(fold.score, served.latency_s)
    return Curve(
        name,
        kind,
        quality[:, :-1],
        cost[:, :-1],
        None if latency is None else latency[:, :-1],
        planned=np.column_stack([quality[:, -1], cost[:, -1]]),
    )
