"""A router's score over all its cuts: quality against the share that goes to the strong model.

The figures that routers are published with (PGR, APGR, CPT), on one's own outcomes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["RoutingCurve", "routing_curve"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class RoutingCurve:
    """Quality of a router at several cuts, from the least to the most use of the strong model.

    Attributes:
        share: ``(m,)`` share of requests for the strong model, not falling.
        quality: ``(m,)`` mean outcome there.
        weak: mean outcome of the weak model alone.
        strong: that of the strong model alone.
    """

    share: Floats
    quality: Floats
    weak: float
    strong: float

    @property
    def recovered(self) -> Floats:
        """``(m,)`` performance gap recovered (PGR): 0 as the weak model, 1 as the strong one."""
        return (self.quality - self.weak) / (self.strong - self.weak)

    @property
    def average_recovered(self) -> float:
        """APGR: mean of the recovered gap over the shares that were seen.

        Source:
            Ong et al. (2024), RouteLLM, arXiv 2406.18665, section 3.2, as its code computes it:
            trapezoids over the observed shares, not over all of [0, 1].
        """
        width = float(self.share[-1] - self.share[0])
        return float(np.trapezoid(self.recovered, self.share)) / width if width > 0 else np.nan

    def call_threshold(self, recovered: float) -> float:
        """CPT: the share of strong calls at which that much of the gap is recovered.

        Interpolated in the order of the shares, as published figures are. Where quality falls
        between two cuts that order is not one, and :attr:`monotone` is False.
        """
        return float(np.interp(recovered, self.recovered, self.share))

    @property
    def monotone(self) -> bool:
        """Whether more use of the strong model never lowers quality at these cuts."""
        return bool((np.diff(self.recovered) >= 0).all())


def routing_curve(scores: Floats, weak: Floats, strong: Floats, cuts: int = 10) -> RoutingCurve:
    """Cut a score at its quantiles; from each cut on requests go to the strong model.

    Args:
        scores: ``(n,)`` how much the router wants the strong model.
        weak: ``(n,)`` outcome of the weak model: right or wrong, or a grade.
        strong: ``(n,)`` outcome of the strong model.
        cuts: bins of as many requests each; the curve has one point more.

    Raises:
        ValueError: lengths that differ, no request, or models of the same mean outcome.
    """
    if not (len(scores) == len(weak) == len(strong) and len(scores)):
        raise ValueError("a routing curve needs requests, each with a score and two outcomes")
    mean_weak, mean_strong = float(weak.mean()), float(strong.mean())
    if mean_weak == mean_strong:
        raise ValueError("the two models are equally good: there is no gap to recover")
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    # Outcomes with the strong model from position i on, for every i at once.
    kept = np.concatenate([[0.0], np.cumsum(weak[order])])
    sent = np.concatenate([[0.0], np.cumsum(strong[order])])
    edges = np.quantile(ordered, np.linspace(0, 1, cuts + 1))
    at = np.searchsorted(ordered, edges, side="left")
    # Beyond the last edge nothing is sent: the weak model alone is a point of the curve.
    at[-1] = len(ordered)
    total = kept[at] + sent[-1] - sent[at]
    share = 1 - at / len(ordered)
    return RoutingCurve(share[::-1], total[::-1] / len(ordered), mean_weak, mean_strong)
