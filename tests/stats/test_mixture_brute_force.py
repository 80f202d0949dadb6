"""Mixture boundaries against the mixture itself: integrated numerically, solved for its limit."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from llmops_cli.stats.mixture import mixture_critical, mixture_precision

SIZES = (20.0, 400.0, 5000.0, 30_000.0, 1e6)
PRECISION = mixture_precision(5000, 0.05)


def evidence(z: float, n: float, precision: float, *, one_sided: bool) -> float:
    """The likelihood ratio of a normal estimate, mixed over effects; in standard errors."""
    spread = math.sqrt(precision * n)  # of the effects

    def mixed(effect: float) -> float:
        log = z * effect - effect**2 / 2 - (effect / spread) ** 2 / 2
        return math.exp(log) / spread / math.sqrt(2 * math.pi) * (2 if one_sided else 1)

    centre, width = z * spread**2 / (1 + spread**2), spread / math.sqrt(1 + spread**2)
    low, high = centre - 12 * width, centre + 12 * width
    low = max(0.0, low) if one_sided else low
    return float(quad(mixed, low, high, points=[centre], epsabs=0, epsrel=1e-13, limit=400)[0])


def solved(n: float, alpha: float, precision: float, *, one_sided: bool) -> float:
    def short(z: float) -> float:
        return math.log(evidence(z, n, precision, one_sided=one_sided)) + math.log(alpha)

    return float(brentq(short, 0.0, 36.0, xtol=1e-13, rtol=1e-14))


def ours(n: float, alpha: float, precision: float, *, one_sided: bool) -> float:
    found = mixture_critical(np.array([n]), alpha=alpha, precision=precision, one_sided=one_sided)
    return float(found[0])


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("alpha", [0.002, 0.05, 0.2])
def test_the_two_sided_confidence_sequence_is_that_of_the_mixture(n: float, alpha: float) -> None:
    exact = solved(n, alpha, PRECISION, one_sided=False)
    assert ours(n, alpha, PRECISION, one_sided=False) == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("alpha", [0.002, 0.05, 0.2])
def test_the_one_sided_boundary_is_never_below_that_of_the_mixture_and_near_it(
    n: float, alpha: float
) -> None:
    exact = solved(n, alpha, PRECISION, one_sided=True)
    closed = ours(n, alpha, PRECISION, one_sided=True)
    assert exact <= closed + 1e-9
    assert closed <= 1.15 * exact


def test_the_exact_one_sided_boundary_of_the_reference() -> None:
    # confseq 0.0.11, one-sided normal mixture at its optimum.
    assert solved(5000, 0.05, PRECISION, one_sided=True) == pytest.approx(2.7661, abs=0.006)
    assert ours(5000, 0.05, PRECISION, one_sided=True) == pytest.approx(2.7795, abs=5e-5)
