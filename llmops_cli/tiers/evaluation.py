"""What a plan costs and gives on data, class by class, with intervals from its clusters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.intervals import Interval
from llmops_cli.tiers.cells import Cells

__all__ = ["Evaluated", "evaluate", "resampled"]

Floats = npt.NDArray[np.float64]

_RESAMPLES = 1000
_NUMBERS = 20_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """A plan beside the reference model; every interval is of ``level``.

    Attributes:
        quality: mean of the plan.
        cost_usd: mean US dollars of a request.
        base_quality: mean of the reference.
        base_cost_usd: of the reference.
        saving: share of the reference's cost that is saved.
        saving_interval: of it.
        loss: quality of the reference minus that of the plan.
        loss_interval: of it.
        class_loss: ``(K,)`` the same in each class; NaN where nothing is known.
        class_low: ``(K,)`` lower end; NaN where all rows are of one cluster.
        class_high: ``(K,)`` upper end.
        level: two-sided confidence.
    """

    quality: float
    cost_usd: float
    base_quality: float
    base_cost_usd: float
    saving: float
    saving_interval: Interval
    loss: float
    loss_interval: Interval
    class_loss: Floats
    class_low: Floats
    class_high: Floats
    level: float


def evaluate(
    cells: Cells,
    shares: Floats | Sequence[Floats],
    *,
    fold: npt.NDArray[np.int64] | None = None,
    level: float = 0.90,
    seed: int = 0,
) -> Evaluated:
    """Evaluate a plan, or the plan of each fold on that fold.

    Args:
        cells: sums of the outcomes.
        shares: ``(K, m)`` plan, or one plan per fold.
        fold: ``(g,)`` fold of each group, where there are several plans.
        level: two-sided confidence.
        seed: of the bootstrap over groups of clusters.

    Source:
        Davison and Hinkley (1997), Bootstrap Methods and their Application, section 3.8:
        clusters are drawn whole; plan and reference are taken from the same draw.
    """
    plans = [shares] if isinstance(shares, np.ndarray) else list(shares)
    which = np.zeros(len(cells), np.int64) if fold is None else fold
    mine = _sums(cells, plans, which)
    base = np.zeros(plans[0].shape)
    base[:, cells.reference] = 1.0
    theirs = _sums(cells, [base], np.zeros(len(cells), np.int64))
    whole = np.concatenate([cells.requests[:, :, None], mine, theirs], axis=2)
    values = _figures(whole.sum(axis=0)[None])
    weights = resampled(len(cells), whole[0].size, seed)
    drawn = _figures(np.tensordot(weights, whole, axes=1)) if len(cells) > 1 else values
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = _quantiles(drawn.by_class, tails)
    # Of one cluster alone no spread is seen, which is not the same as none.
    kept = np.all([plan[:, cells.reference] == 1 for plan in plans], axis=0)
    unknown = cells.alone & ~kept
    low, high = np.where(unknown, np.nan, low), np.where(unknown, np.nan, high)
    # The reference everywhere saves and loses nothing, whatever the rows.
    sure = len(cells) > 1 or bool(kept.all())
    return Evaluated(
        quality=float(values.quality[0]),
        cost_usd=float(values.cost[0]),
        base_quality=float(values.base_quality[0]),
        base_cost_usd=float(values.base_cost[0]),
        saving=float(values.saving[0]),
        saving_interval=_interval(drawn.saving, tails, known=sure),
        loss=float(values.loss[0]),
        loss_interval=_interval(drawn.loss, tails, known=sure),
        class_loss=values.by_class[0],
        class_low=low,
        class_high=high,
        level=level,
    )


def resampled(groups: int, numbers: int, seed: int) -> Floats:
    """``(R, g)`` how often each group counts in each resample; fewer for large tables."""
    size = int(np.clip(_NUMBERS // max(1, numbers), 100, _RESAMPLES))
    draw = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), size=size)
    return draw.astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Figures:
    quality: Floats
    cost: Floats
    base_quality: Floats
    base_cost: Floats
    by_class: Floats

    @property
    def saving(self) -> Floats:
        with np.errstate(invalid="ignore", divide="ignore"):
            return 1 - self.cost / self.base_cost

    @property
    def loss(self) -> Floats:
        return self.base_quality - self.quality


def _sums(cells: Cells, plans: Sequence[Floats], which: npt.NDArray[np.int64]) -> Floats:
    """``(g, K, 3)`` of the plan of each group: weight, quality and cost."""
    found = np.zeros((len(cells), len(cells.tasks), 3))
    # Models of a split class were not seen equally often: each weighs by its share alone.
    counts = cells.sums[..., 0].sum(axis=0)
    for number, plan in enumerate(plans):
        with np.errstate(invalid="ignore", divide="ignore"):
            part = np.where(counts > 0, plan / counts, 0.0)
        mine = which == number
        found[mine] = np.einsum("km,gkmx->gkx", part, cells.sums[mine, :, :, :3])
    return found


def _figures(totals: Floats) -> _Figures:
    """From ``(R, K, 7)`` sums: requests, and weight, quality and cost of plan and reference."""
    requests, weight, quality, cost, base_weight, base_quality, base_cost = np.moveaxis(
        totals, -1, 0
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        mine, theirs = quality / weight, base_quality / base_weight
        paid, due = cost / weight, base_cost / base_weight
    known = (weight > 0) & (base_weight > 0)
    part = np.where(known, requests, 0.0)
    part = part / np.maximum(part.sum(axis=1, keepdims=True), 1e-300)

    def mean(values: Floats) -> Floats:
        return np.sum(part * np.where(known, values, 0.0), axis=1)

    by_class = np.where(known, theirs - mine, np.nan)
    return _Figures(mean(mine), mean(paid), mean(theirs), mean(due), by_class)


def _quantiles(values: Floats, tails: list[float]) -> tuple[Floats, Floats]:
    nothing = np.isnan(values).all(axis=0)
    filled = np.where(nothing, 0.0, values)
    low, high = np.nanquantile(filled, tails, axis=0)
    return np.where(nothing, np.nan, low), np.where(nothing, np.nan, high)


def _interval(values: Floats, tails: list[float], *, known: bool) -> Interval:
    values = values[np.isfinite(values)]
    if not known or not len(values):
        return Interval(float("-inf"), float("inf"))
    low, high = np.quantile(values, tails)
    return Interval(float(low), float(high))
