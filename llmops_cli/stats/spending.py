"""How much of an error budget may be spent by when: cumulative spending functions.

Each takes the share of the information that is in, 0 < t <= 1, and the whole budget, and gives
what may be spent up to then; at t = 1 all of it. A budget is one-sided.
"""

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

__all__ = [
    "Spending",
    "hwang_shih_decani_spending",
    "obrien_fleming_spending",
    "pocock_spending",
    "power_spending",
]

Floats = npt.NDArray[np.float64]
Spending = Callable[[Floats, float], Floats]


def obrien_fleming_spending(times: Floats, alpha: float) -> Floats:
    """Almost nothing early: 2 (1 - Phi(z_{alpha/2} / sqrt t)).

    Args:
        times: ``(K,)`` shares of the information.
        alpha: the whole budget.

    Source:
        Lan and DeMets (1983), Biometrika 70:659-663.
    """
    from scipy.special import ndtr  # noqa: PLC0415 - scipy is slow to load

    quantile = NormalDist().inv_cdf(alpha / 2)
    return np.asarray(2 * ndtr(quantile / np.sqrt(_clipped(times))), dtype=np.float64)


def pocock_spending(times: Floats, alpha: float) -> Floats:
    """Evenly, a little more early: alpha ln(1 + (e - 1) t).

    Args:
        times: ``(K,)`` shares of the information.
        alpha: the whole budget.

    Source:
        Lan and DeMets (1983), Biometrika 70:659-663.
    """
    return alpha * np.log1p((np.e - 1) * _clipped(times))


def power_spending(rho: float) -> Spending:
    """The family alpha t^rho: 1 is even, 3 is near O'Brien and Fleming.

    Args:
        rho: positive.

    Source:
        Kim and DeMets (1987), Biometrika 74:149-154.
    """
    if not rho > 0:
        raise ValueError("a power of spending is positive")
    return lambda times, alpha: alpha * _clipped(times) ** rho


def hwang_shih_decani_spending(gamma: float) -> Spending:
    """The family alpha (1 - e^(-gamma t)) / (1 - e^(-gamma)): -4 is late, 1 is near Pocock.

    Args:
        gamma: any number; 0 is even.

    Source:
        Hwang, Shih and De Cani (1990), Statistics in Medicine 9:1439-1445.
    """
    if gamma == 0:
        return power_spending(1.0)
    return lambda times, alpha: alpha * np.expm1(-gamma * _clipped(times)) / np.expm1(-gamma)


def _clipped(times: Floats) -> Floats:
    if not (np.asarray(times) > 0).all():
        raise ValueError("information is positive")
    return np.minimum(times, 1.0)
