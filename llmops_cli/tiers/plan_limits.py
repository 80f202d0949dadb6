"""A plan on new rows against what it may cost, take, and send to one model."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Check, Measure
from llmops_cli.tiers.assignment_problem import SLOW_SHARE
from llmops_cli.tiers.cells import Cells
from llmops_cli.tiers.evaluation import resampled
from llmops_cli.tiers.plan import Limits

__all__ = ["budget_check", "limit_checks"]

Floats = npt.NDArray[np.float64]

_MORE = "outcomes of more clusters"
_METHOD = "bootstrap over clusters, on rows that the plan was not chosen on"
_COUNT, _COST, _TIMED, _SLOW = 0, 2, 5, 6


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """The rows as they are, then resamples of their clusters; ``R`` in all.

    Attributes:
        part: ``(R, K)`` share of the requests of each class.
        sums: ``(R, K, m, 7)`` as those of the cells.
    """

    part: Floats
    sums: Floats

    def mean(self, share: Floats, above: int, below: int) -> Floats:
        """``(R,)`` mean over requests of a quotient of two sums, each class by its models."""
        used = share > 0
        with np.errstate(invalid="ignore", divide="ignore"):
            each = self.sums[..., above] / self.sums[..., below]
        by_class = np.sum(np.where(used, share * each, 0.0), axis=2)
        # A class without a row in a resample weighs nothing there.
        return np.sum(np.where(self.part > 0, self.part * by_class, 0.0), axis=1)


def _drawn(cells: Cells, seed: int) -> _Drawn:
    weights = np.ones((1, len(cells)))
    if len(cells) > 1:
        weights = np.vstack([weights, resampled(len(cells), cells.sums[0].size, seed)])
    requests = weights @ cells.requests
    part = requests / np.maximum(requests.sum(axis=1, keepdims=True), 1.0)
    return _Drawn(part, np.tensordot(weights, cells.sums, axes=1))


def limit_checks(
    cells: Cells, share: Floats, limits: Limits, level: float, seed: int
) -> Iterator[Check]:
    """A check for every limit of the plan.

    Args:
        cells: sums of the new rows, slow ones by the plan's own p95.
        share: ``(K, m)`` part of each class that each model gets.
        limits: of the plan.
        level: two-sided confidence.
        seed: of the bootstrap.
    """
    if limits.budget_usd_per_1000 is None and limits.max_p95_s is None and not limits.capacity:
        return
    drawn, say = _drawn(cells, seed), _Said(level, cells.clusters)
    if limits.budget_usd_per_1000 is not None:
        cost = 1000 * drawn.mean(share, _COST, _COUNT)
        yield budget_check(say.measure(_COST_NAMES, cost, "usd", (0.0, None)), limits)
    if limits.max_p95_s is not None:
        slow = drawn.mean(share, _SLOW, _TIMED)
        names = ("slow_share", f"slower than {limits.max_p95_s:g} s")
        measure = say.measure(names, slow, "share", (0.0, 1.0))
        yield Check.at_most("the p95 holds", measure, SLOW_SHARE, needed=_MORE)
    for model, most in limits.capacity.items():
        at = cells.models.index(model) if model in cells.models else None
        sent = drawn.part @ share[:, at] if at is not None else np.zeros(len(drawn.part))
        names = ("share_of_requests", f"requests that go to {model}")
        measure = say.measure(names, sent, "share", (0.0, 1.0))
        yield Check.at_most(f"the capacity of {model} holds", measure, most, needed=_MORE)


_COST_NAMES = ("cost_usd_per_1000", "cost of 1,000 requests")


def budget_check(cost: Measure, limits: Limits) -> Check:
    """The budget of a plan that has one."""
    assert limits.budget_usd_per_1000 is not None  # noqa: S101 - as it says
    return Check.at_most("the budget holds", cost, limits.budget_usd_per_1000, needed=_MORE)


@dataclass(frozen=True, slots=True)
class _Said:
    level: float
    clusters: int

    def measure(
        self,
        names: tuple[str, str],
        values: Floats,
        unit: str,
        widest: tuple[float | None, float | None],
    ) -> Measure:
        """The first value with the spread of the others; of one cluster nothing is known."""
        low, high = widest
        known = values[1:][np.isfinite(values[1:])]
        if len(known):
            tails = [(1 - self.level) / 2, (1 + self.level) / 2]
            low, high = np.quantile(known, tails).tolist()
        name, label = names
        return Measure(
            name=name,
            label=label,
            value=float(values[0]) if np.isfinite(values[0]) else None,
            unit=unit,  # type: ignore[arg-type] - one of the report's own
            low=low,
            high=high,
            level=self.level,
            n=self.clusters,
            method=_METHOD,
        )
