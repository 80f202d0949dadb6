"""Speedups from tokens per step and what steps cost: by batch, over a load, where they end."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.speculation.costs import Costs
from llmops_cli.speculation.estimate import Tokens
from llmops_cli.stats.bootstrap import percentiles

__all__ = ["Estimate", "best_depths", "breaks_even_at", "by_batch", "over_load"]

Floats = npt.NDArray[np.float64]
Depths = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and the ends of its interval; both None where nothing was sampled."""

    value: float
    low: float | None = None
    high: float | None = None


def by_batch(tokens: Tokens, costs: Costs, depth: int) -> tuple[Floats, Floats, Floats]:
    """Speedup of one depth at every batch: value, low and high.

    The low end takes few tokens at the step times that are worst for it, the high end many at
    the best. Without a sample both ends are the value at the best and worst step times.
    """
    needed = costs.needed[:, depth, :]
    inside = tokens.interval(depth)
    few, many = (inside.low, inside.high) if inside else (tokens.value[depth],) * 2
    return tokens.value[depth] / needed[0], few / needed.max(axis=0), many / needed.min(axis=0)


def best_depths(tokens: Tokens, costs: Costs) -> Depths:
    """(B,) the depth that is fastest at each batch by the central step times; 0 is plain."""
    return np.argmax(tokens.value[:, None] / costs.needed[0], axis=0).astype(np.int64)


def over_load(tokens: Tokens, costs: Costs, depths: Depths, shares: Floats) -> Estimate:
    """How much sooner the same tokens come over a load.

    Args:
        tokens: per step.
        costs: at the batches of the load.
        depths: (B,) of the draft at each of them; 0 is plain decoding.
        shares: (B,) of the time of decoding without speculation.

    Returns:
        Time now over time then: the harmonic mean of the speedups, since the work at a batch is
        done in its share of the time divided by its speedup.
    """
    at = np.arange(len(depths))
    needed = costs.needed[:, depths, at] * shares
    value = 1 / float(needed[0] @ (1 / tokens.value[depths]))
    if not len(tokens.drawn):
        return Estimate(value)
    times = (1 / tokens.drawn[:, depths]) @ needed.T
    inside = [percentiles(1 / times[:, model], tokens.level) for model in range(len(needed))]
    return Estimate(value, min(i.low for i in inside), max(i.high for i in inside))


def drawn_over_load(tokens: Tokens, costs: Costs, depths: Depths, shares: Floats) -> Floats:
    """(R,) speedups over a load of resampled requests, at the central step times."""
    at = np.arange(len(depths))
    needed = costs.needed[0, depths, at] * shares
    return 1 / ((1 / tokens.drawn[:, depths]) @ needed)


def breaks_even_at(batches: Floats, curve: Floats) -> int | None:
    """The largest batch at which a speedup is at least 1: 0 for none, None for no end.

    It need not be that at every smaller one: few sequences wake few experts, and each drafted
    token wakes more.
    """
    pays = np.flatnonzero(curve >= 1)
    if not len(pays):
        return 0
    return None if pays[-1] == len(curve) - 1 else int(batches[pays[-1]])
