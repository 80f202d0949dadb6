"""How many standard errors a harm may stray at each look before the change goes back.

Harm is looked at again and again, so its boundary must hold over all looks; the kinds differ in
when they spend the risk. Two of them (``naive``, ``fixed``) are what teams do instead.
"""

from functools import cache
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.boundary_choice import Boundaries
from llmops_cli.stats.group_sequential import spending_bounds
from llmops_cli.stats.mixture import mixture_critical, mixture_precision
from llmops_cli.stats.spending import Spending, obrien_fleming_spending, pocock_spending

__all__ = [
    "KINDS",
    "Kind",
    "benefit_limit",
    "end_limit",
    "harm_limits",
    "limits_at_parts",
    "parts_reached",
    "promotion_limits",
]

Floats = npt.NDArray[np.float64]
Kind = Literal["mixture", "pocock", "obrien-fleming", "bonferroni", "fixed", "naive"]

KINDS: tuple[Kind, ...] = ("mixture", "pocock", "obrien-fleming", "bonferroni", "fixed", "naive")

_LEAST = 1e-9

_SPENDING: dict[Kind, Spending] = {
    "pocock": pocock_spending,
    "obrien-fleming": obrien_fleming_spending,
}


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
        return spending_bounds(expected, alpha, _SPENDING[kind])
    reach = NormalDist().inv_cdf(1 - alpha / (len(expected) if kind == "bonferroni" else 1))
    limits = np.full(len(expected), reach)
    if kind == "fixed":
        limits[:-1] = np.inf
    return limits


def parts_reached(progress: Floats, looks: int) -> npt.NDArray[np.int64]:
    """The looks at which each next equal part is in: the first that reach it.

    Args:
        progress: ``(T,)`` parts of what is planned, never falling.
        looks: how many parts.
    """
    wanted = np.arange(1, looks + 1) / looks
    # A tiny tolerance forgives rounding.
    found = np.searchsorted(progress, wanted - 1e-9)
    return np.unique(found[found < len(progress)]).astype(np.int64)


def limits_at_parts(
    kind: Kind, information: Floats, looks: npt.NDArray[np.int64], alpha: float, *, over: bool
) -> Floats:
    """Critical values that spend a risk over chosen looks, as the information came in.

    Args:
        kind: ``pocock`` or ``obrien-fleming``.
        information: ``(T,)`` at every look, as parts of what is planned.
        looks: ``(K,)`` the chosen ones.
        alpha: one-sided risk over all of them.
        over: whether the last of them is the last that will be; it spends what is left.

    Returns:
        ``(T,)``; infinity at the looks that were not chosen.
    """
    limits = np.full(len(information), np.inf)
    if not len(looks):
        return limits
    spending = _SPENDING[kind]

    def spent(times: Floats, budget: float) -> Floats:
        return spending(np.append(times[:-1], 1.0) if over else times, budget)

    # Where an arm is still empty there is no information, and nothing to be decided.
    known = looks[information[looks] > 0]
    rising = np.unique(information[known], return_index=True)[1]
    if len(rising):
        chosen = known[np.sort(rising)]
        limits[chosen] = spending_bounds(information[chosen], alpha, spent, planned=1.0)
    return limits


@cache
def end_limit(kind: Kind, looks: int, alpha: float) -> float:
    """The critical value of the last of so many equally spaced looks."""
    if looks == 1:
        return NormalDist().inv_cdf(1 - alpha)
    parts = np.arange(1.0, looks + 1) / looks
    return float(limits_at_parts(kind, parts, np.arange(looks), alpha, over=True)[-1])


def benefit_limit(chosen: Boundaries, alpha: float) -> float:
    """Standard errors below the margin that go on at the end of a stage as long as planned."""
    if chosen.benefit == "fixed":
        return NormalDist().inv_cdf(1 - alpha)
    return end_limit(chosen.benefit, chosen.benefit_looks, alpha)


def promotion_limits(
    expected: Floats, alpha: float, looks: int, kind: Kind = "obrien-fleming"
) -> Floats:
    """Standard errors that the harm must lie below the margin, to go on.

    Evidence of no harm is looked at a few times only, when each next equal part of it is in:
    O'Brien and Fleming's spending leaves almost all of alpha to the last.

    Args:
        expected: ``(T,)`` information expected at the looks, rising.
        alpha: one-sided risk over the stage.
        looks: how many of them may promote, at least 1.
        kind: of the spending.

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
    limits[chosen] = spending_bounds(expected[chosen], alpha, _SPENDING[kind])
    return limits
