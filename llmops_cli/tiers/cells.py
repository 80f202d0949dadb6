"""Sums of outcomes by task class and model, kept apart by group of clusters for resampling.

Everything that this room says of a class and a model comes from these sums, so a million rows
are passed over once.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.tiers.outcomes import Outcomes

__all__ = ["Cells", "Totals", "cells_of"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int64]

_MOST_GROUPS, _FEWEST_GROUPS = 2000, 200
_NUMBERS = 40_000_000
"""Numbers kept at most in all arrays together: 320 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class Totals:
    """Sums over some groups; the axes are class ``K`` and model ``m``.

    Attributes:
        requests: ``(K,)``.
        count: ``(K, m)`` answers with quality and cost.
        quality: ``(K, m)`` sum over them.
        cost: ``(K, m)`` sum over them, USD.
        paired: ``(K, m)`` requests that the reference answered too.
        difference: ``(K, m)`` sum of quality minus that of the reference, over those.
        squares: ``(K, m, 3)`` sums over groups of difference squared, difference times paired,
            and paired squared: the spread of the mean between groups.
        groups: ``(K, m)`` groups that have a pair.
        timed: ``(K, m)`` answers with a latency.
        slow: ``(K, m)`` those slower than the limit.
    """

    requests: Floats
    count: Floats
    quality: Floats
    cost: Floats
    paired: Floats
    difference: Floats
    squares: Floats
    groups: Floats
    timed: Floats
    slow: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """The sums of ``g`` groups.

    Attributes:
        models: ``(m,)`` names.
        tasks: ``(K,)`` names.
        reference: index of the model everything is held against.
        clusters: how many there are in the data.
        pooled: whether groups are several clusters each, drawn together at random.
        requests: ``(g, K)``.
        sums: ``(g, K, m, 7)`` count, quality, cost, paired, difference, timed, slow.
    """

    models: tuple[str, ...]
    tasks: tuple[str, ...]
    reference: int
    clusters: int
    pooled: bool
    requests: Floats
    sums: Floats

    def __len__(self) -> int:
        """Groups."""
        return len(self.requests)

    @property
    def alone(self) -> Flags:
        """``(K,)`` classes all of whose rows are of one group: they show no spread."""
        return (self.requests > 0).sum(axis=0) < 2  # noqa: PLR2004 - two show some

    def totals(self, weights: Floats | None = None) -> Totals:
        """Add groups up.

        Args:
            weights: ``(g,)`` how often each group counts; once where absent.
        """
        weight = np.ones(len(self)) if weights is None else weights
        whole = (weight @ self.sums.reshape(len(self), -1)).reshape(self.sums.shape[1:])
        paired, difference = self.sums[..., 3], self.sums[..., 4]
        squares = np.stack(
            [
                np.einsum("g,gkm,gkm->km", weight, one, other)
                for one, other in ((difference, difference), (difference, paired), (paired, paired))
            ],
            axis=-1,
        )
        return Totals(
            requests=weight @ self.requests,
            count=whole[..., 0],
            quality=whole[..., 1],
            cost=whole[..., 2],
            paired=whole[..., 3],
            difference=whole[..., 4],
            squares=squares,
            groups=np.einsum("g,gkm->km", weight, paired > 0),
            timed=whole[..., 5],
            slow=whole[..., 6],
        )


def cells_of(
    outcomes: Outcomes, reference: int, *, slower_than_s: float | None = None, seed: int = 0
) -> Cells:
    """Sum the outcomes up.

    Args:
        outcomes: of ``n`` requests and ``m`` models.
        reference: index of the model everything is held against.
        slower_than_s: a latency beyond which an answer is slow.
        seed: of the drawing of groups, where clusters are too many to be kept apart.
    """
    classes, width = len(outcomes.tasks), len(outcomes.models)
    # Rows that were left out may have been all of a cluster.
    found, cluster = np.unique(outcomes.cluster, return_inverse=True)
    clusters = len(found)
    fitting = _NUMBERS // max(1, classes * (7 * width + 1))
    most = int(np.clip(fitting, _FEWEST_GROUPS, _MOST_GROUPS))
    group = cluster.astype(np.int64)
    if clusters > most:
        # Dealt out like cards: every group is of as many clusters.
        group = (np.random.default_rng(seed).permutation(clusters) % most)[cluster]
    groups = min(clusters, most)
    place = group * classes + outcomes.task
    size = groups * classes
    sums = np.empty((size, width, 7))
    base = outcomes.quality[:, reference]
    known_base = ~(np.isnan(base) | np.isnan(outcomes.cost_usd[:, reference]))
    for model in range(width):
        columns = _columns(outcomes, model, known_base, base, slower_than_s)
        for number, values in enumerate(columns):
            sums[:, model, number] = np.bincount(place, weights=values, minlength=size)
    return Cells(
        models=outcomes.models,
        tasks=outcomes.tasks,
        reference=reference,
        clusters=clusters,
        pooled=clusters > most,
        requests=np.bincount(place, minlength=size).reshape(groups, classes).astype(np.float64),
        sums=sums.reshape(groups, classes, width, 7),
    )


def _columns(
    outcomes: Outcomes,
    model: int,
    known_base: npt.NDArray[np.bool_],
    base: Floats,
    slower_than_s: float | None,
) -> tuple[Floats, ...]:
    quality, cost = outcomes.quality[:, model], outcomes.cost_usd[:, model]
    known = ~(np.isnan(quality) | np.isnan(cost))
    both = known & known_base
    none = np.zeros(len(quality))
    latency = none if outcomes.latency_s is None else outcomes.latency_s[:, model]
    timed = ~np.isnan(latency) if outcomes.latency_s is not None else none > 0
    slow = latency > slower_than_s if slower_than_s is not None else none > 0
    return (
        known.astype(np.float64),
        np.where(known, quality, 0.0),
        np.where(known, cost, 0.0),
        both.astype(np.float64),
        np.where(both, quality - base, 0.0),
        timed.astype(np.float64),
        (timed & slow).astype(np.float64),
    )
