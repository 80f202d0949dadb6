"""How many standard errors a harm may stray at each look before the change goes back.

Harm is looked at again and again, so its boundary must hold over all looks; the kinds differ in
when they spend the risk. Two of them (``naive``, ``fixed``) are what teams do instead.
"""

from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from llmops_cli.stats.group_sequential import spending_bounds
from llmops_cli.stats.mixture import mixture_critical, mixture_precision
from llmops_cli.stats.spending import obrien_fleming_spending, pocock_spending

__all__ = ["KINDS", "Kind", "harm_limits", "promotion_limits"]

Floats = npt.NDArray[np.float64]
Kind = Literal["mixture", "pocock", "obrien-fleming", "bonferroni", "fixed", "naive"]

KINDS: tuple[Kind, ...] = ("mixture", "pocock", "obrien-fleming", "bonferroni", "fixed", "naive")

_LEAST = 1e-9


def harm_limits(kind: Kind, information: Floats, expected: Floats, alpha: float) -> Floats:
    """Limits of the standardised harm.

    Args:
        kind: ``mixture`` holds however often and whenever one looks; ``pocock`` and
            ``obrien-fleming`` spend alpha over the expected looks (Lan and DeMets);
            ``bonferroni`` divides it by their number; ``fixed`` looks at the end only;
            ``naive`` ignores that there are many.
        information: ``(..., T)`` 1 / (1 / n_treated + 1 / n_control) as it came in.
        expected: ``(T,)`` the same as expected, rising; its last is the planned end.
        alpha: one-sided risk over all looks.

    Returns:
        ``(..., T)`` or ``(T,)`` critical values of z.
    """
    if kind == "mixture":
        precision = mixture_precision(float(expected[-1]), alpha)
        sizes = np.maximum(information, _LEAST)
        return mixture_critical(sizes, alpha=alpha, precision=precision, one_sided=True)
    if kind in {"pocock", "obrien-fleming"}:
        spending = pocock_spending if kind == "pocock" else obrien_fleming_spending
        return spending_bounds(expected, alpha, spending)
    reach = NormalDist().inv_cdf(1 - alpha / (len(expected) if kind == "bonferroni" else 1))
    limits = np.full(len(expected), reach)
    if kind == "fixed":
        limits[:-1] = np.inf
    return limits


def promotion_limits(expected: Floats, alpha: float, looks: int) -> Floats:
    """Standard errors that the harm must lie below the margin, to go on.

    Evidence of no harm is looked at a few times only, when each next equal part of it is in:
    O'Brien and Fleming's spending leaves almost all of alpha to the last.

    Args:
        expected: ``(T,)`` information expected at the looks, rising.
        alpha: one-sided risk over the stage.
        looks: how many of them may promote, at least 1.

    Returns:
        ``(T,)`` critical values; infinity where the look may not promote.
    """
    if looks == 1:
        only = np.full(len(expected), np.inf)
        only[-1] = NormalDist().inv_cdf(1 - alpha)
        return only
    parts = expected / expected[-1]
    wanted = np.arange(1, looks + 1) / looks
    # The last look is always one of them; a tiny tolerance forgives rounding.
    chosen = np.unique(np.minimum(np.searchsorted(parts, wanted - 1e-9), len(parts) - 1))
    limits = np.full(len(parts), np.inf)
    limits[chosen] = spending_bounds(expected[chosen], alpha, obrien_fleming_spending)
    return limits
