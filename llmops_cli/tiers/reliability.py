"""What a cascade would be worth if its judge were right this often."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.bootstrap import cluster_sums
from llmops_cli.stats.joint_bootstrap import Joint, joint_intervals, resampling_groups
from llmops_cli.tiers.cascades import Ladder, accept_chance, replay
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.policies import Estimate, require_complete

__all__ = ["CascadePoint", "reliability_table"]

Floats = npt.NDArray[np.float64]

_RATES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5)
_METHOD = "exact expectation over verdicts, paired cluster bootstrap"
_KINDS = ("quality", "cost_usd", "quality_difference", "times_cheaper")


@dataclass(frozen=True, slots=True)
class CascadePoint:
    """A cascade whose judge is right with one probability, whatever the truth.

    Attributes:
        reliability: that probability.
        quality: mean quality.
        cost_usd: mean US dollars per request.
        difference: quality less that of the last model alone.
        times_cheaper: cost of the last model alone over that of the cascade; NaN where the
            cascade costs nothing.
    """

    reliability: float
    quality: Estimate
    cost_usd: Estimate
    difference: Estimate
    times_cheaper: Estimate


def reliability_table(
    outcomes: Outcomes,
    ladder: Ladder,
    reliabilities: tuple[float, ...] = _RATES,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[CascadePoint, ...]:
    """One point per reliability, intervals from shared resamples of clusters.

    Args:
        outcomes: the table, every model observed on every row.
        ladder: the models in order.
        reliabilities: chances that a verdict is right, on right and wrong answers alike.
        level: two-sided confidence of each interval.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        LlmopsError: a row without every outcome, or a reliability outside [0, 1].
    """
    require_complete(outcomes)
    groups = resampling_groups(outcomes.cluster, seed=seed)
    last = ladder.order[-1]
    columns = [outcomes.quality[:, last], outcomes.cost_usd[:, last], np.ones(len(outcomes))]
    for rate in reliabilities:
        served = replay(outcomes, ladder, accept_chance(outcomes, ladder, rate, rate))
        columns += [served.quality, served.cost_usd]
    sums = cluster_sums(np.column_stack(columns), groups)
    found = joint_intervals(sums, _figures, level=level, resamples=resamples, seed=seed)
    return tuple(_point(rate, found, 4 * at) for at, rate in enumerate(reliabilities))


def _figures(totals: Floats) -> Floats:
    """Four figures per reliability, side by side."""
    means = totals / totals[:, 2:3]
    quality, cost = means[:, 3::2], means[:, 4::2]
    cheaper = means[:, 1:2] / np.where(cost > 0, cost, np.nan)
    every = np.stack([quality, cost, quality - means[:, 0:1], cheaper], axis=2)
    return every.reshape(len(totals), -1)


def _point(rate: float, found: Joint, at: int) -> CascadePoint:
    figures = [Estimate.of(name, found, at + i, _METHOD) for i, name in enumerate(_KINDS)]
    return CascadePoint(rate, *figures)
