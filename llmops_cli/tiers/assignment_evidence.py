"""What the data show of each task class and model: means, and how much worse at most.

A model is held against the reference on the requests that both answered.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.multiplicity import holm
from llmops_cli.tiers.cells import Cells, Totals
from llmops_cli.tiers.model import Evidence

__all__ = ["Shown", "shown"]

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """What is known; the axes are class ``K`` and model ``m``.

    Attributes:
        weight: ``(K,)`` share of requests.
        rows: ``(K,)`` requests.
        quality: ``(K, m)`` mean; that of the reference plus the paired difference where there
            are pairs. NaN where the model was not seen.
        cost_usd: ``(K, m)`` mean per request.
        slow: ``(K, m)`` share of answers slower than the limit; NaN where no latency is known.
        low: ``(K, m)`` lower bound of the quality; all bounds hold together.
        reach: ``(K, m)`` from the quality down to it, before it is cut at 0.
        error: ``(K, m)`` standard error of the difference to the reference.
        freedom: ``(K, m)`` degrees of freedom of it.
        enough: ``(K, m)`` whether the class has rows enough, with this model and the reference.
        tests: how many bounds hold together.
        reference: index of the reference.
    """

    weight: Floats
    rows: Floats
    quality: Floats
    cost_usd: Floats
    slow: Floats
    low: Floats
    reach: Floats
    error: Floats
    freedom: Floats
    enough: Flags
    tests: int
    reference: int

    @property
    def base(self) -> Floats:
        """``(K, 1)`` quality of the reference."""
        return self.quality[:, [self.reference]]

    def values(self, evidence: Evidence) -> Floats:
        """``(K, m)`` quality as floors take it."""
        return self.low if evidence == "lower" else self.quality

    def not_inferior(self, margin: Floats, alpha: float) -> Flags:
        """``(K, m)`` whether a model is shown to lose less than the class's margin.

        Args:
            margin: ``(K,)`` the loss that matters; NaN for none.
            alpha: chance of any false claim, over all classes and models (Holm).
        """
        from scipy.special import stdtr  # noqa: PLC0415 - scipy is slow to load

        asked = self.enough & ~np.isnan(margin)[:, None]
        asked[:, self.reference] = False
        found = np.zeros(self.enough.shape, np.bool_)
        if asked.any():
            excess = (self.quality - self.base + margin[:, None])[asked]
            p_values = 1 - stdtr(self.freedom[asked], excess / self.error[asked])
            found[asked] = holm(p_values) <= alpha
        found[:, self.reference] = True
        return found


def shown(cells: Cells, totals: Totals, *, alpha: float, min_rows: int) -> Shown:
    """Means and bounds of every class and model.

    Bounds are one-sided and hold together with confidence ``1 - alpha`` (Bonferroni over the
    classes and models that have rows enough).

    Args:
        cells: for the reference.
        totals: sums over all groups, or over a resample of them.
        alpha: chance that any bound is wrong.
        min_rows: fewer paired requests show nothing.

    Source:
        Difference of means between clusters of unequal size: Cochran (1977), Sampling
        Techniques, section 9A; one win and one loss are added to every cell so that rows that
        all agree are no proof: Bonett and Price (2012), Journal of Educational and Behavioral
        Statistics 37:479-488.
    """
    from scipy.special import stdtrit  # noqa: PLC0415 - scipy is slow to load

    with np.errstate(invalid="ignore", divide="ignore"):
        mean = totals.quality / totals.count
        slow = totals.slow / totals.timed
        difference = totals.difference / totals.paired
    mean = np.where(totals.count > 0, mean, np.nan)
    base = mean[:, [cells.reference]]
    quality = np.where(totals.paired > 0, base + difference, mean)
    error, freedom = _errors(totals)
    enough = (totals.paired >= min_rows) & (totals.groups > 1)
    enough[:, cells.reference] = totals.count[:, cells.reference] > 0
    tests = max(1, int(enough.sum() - enough[:, cells.reference].sum()))
    reach = stdtrit(freedom, 1 - alpha / tests) * error
    low = np.clip(quality - reach, 0.0, 1.0)
    low[:, cells.reference] = quality[:, cells.reference]
    reach[:, cells.reference] = 0.0
    with np.errstate(invalid="ignore", divide="ignore"):
        cost = np.where(totals.count > 0, totals.cost / totals.count, np.nan)
    return Shown(
        weight=totals.requests / totals.requests.sum(),
        rows=totals.requests,
        quality=quality,
        cost_usd=cost,
        slow=np.where(totals.timed > 0, slow, np.nan),
        low=low,
        reach=reach,
        error=error,
        freedom=freedom,
        enough=enough,
        tests=tests,
        reference=cells.reference,
    )


def _errors(totals: Totals) -> tuple[Floats, Floats]:
    """Standard error of the mean difference, and its degrees of freedom."""
    rows = totals.paired + 2
    mean = totals.difference / rows
    own, cross, sizes = np.moveaxis(totals.squares, -1, 0)
    between = np.maximum(own - 2 * mean * cross + mean**2 * sizes, 0.0)
    between += (1 - mean) ** 2 + (1 + mean) ** 2
    return np.sqrt(between) / rows, np.maximum(totals.groups - 1, 1.0)
