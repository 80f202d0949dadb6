"""Mixture boundaries: the reference's check numbers, algebra, false alarms."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from llmops_cli.stats.mixture import always_valid_p, mixture_critical, mixture_precision

PRECISION = mixture_precision(5000, 0.05)


def test_the_reference_tuning() -> None:
    assert round(PRECISION, 10) == 0.0015872309


# Reference section 2: the same digits from gbstats 0.8.0.
@pytest.mark.parametrize(
    ("n", "critical"),
    [(100, 6.6944), (500, 3.8551), (1000, 3.3639), (5000, 3.0352), (20_000, 3.1271),
     (100_000, 3.3369)],
)  # fmt: skip
def test_two_sided_critical_values_of_the_reference(n: int, critical: float) -> None:
    found = mixture_critical(np.array([float(n)]), precision=PRECISION)
    assert round(float(found[0]), 4) == critical


def test_the_one_sided_critical_value_of_the_reference() -> None:
    found = mixture_critical(np.array([5000.0]), precision=PRECISION, one_sided=True)
    assert round(float(found[0]), 4) == 2.7795


def test_the_boundary_is_tightest_near_its_tuning() -> None:
    sizes = np.geomspace(100, 1e6, 2000)
    widths = mixture_critical(sizes, precision=PRECISION) / np.sqrt(sizes)
    relative = widths * np.sqrt(sizes)
    assert 3000 < sizes[np.argmin(relative)] < 12_000


@pytest.mark.parametrize("z", [0.0, 1.3, 3.0])
def test_always_valid_p_is_the_inverse_of_the_mixture_integrated_numerically(z: float) -> None:
    variance, prior = 0.04, 0.09
    estimate = z * math.sqrt(variance)

    def ratio(effect: float) -> float:
        log = norm.logpdf(estimate, effect, variance**0.5) - norm.logpdf(estimate, 0, variance**0.5)
        return math.exp(log) * norm.pdf(effect, 0, prior**0.5)

    evidence = quad(ratio, -4, 4, epsabs=0, epsrel=1e-12, limit=300)[0]
    found = always_valid_p(np.array([estimate]), np.array([variance]), prior_variance=prior)
    assert math.isclose(found[0], min(1.0, 1 / evidence), rel_tol=1e-9)


def test_p_and_boundary_decide_alike() -> None:
    # Unit variance: prior variance rho^2, estimate variance 1/n.
    sizes = np.array([50.0, 5000.0, 80_000.0])
    critical = mixture_critical(sizes, precision=PRECISION)
    for n, z in zip(sizes, critical, strict=True):
        p = always_valid_p(np.array([z / n**0.5]), np.array([1 / n]), prior_variance=PRECISION)
        assert math.isclose(p[0], 0.05, rel_tol=1e-9)


def test_p_never_rises() -> None:
    estimates = np.random.default_rng(0).normal(size=50)
    p = always_valid_p(estimates, 1 / np.arange(1.0, 51), prior_variance=1.0, null=0.2)
    assert (np.diff(p) <= 0).all()


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="tuning needs"):
        mixture_precision(0, 0.05)
    with pytest.raises(ValueError, match="positive sizes"):
        mixture_critical(np.zeros(1), precision=1.0)
    with pytest.raises(ValueError, match="positive variance"):
        always_valid_p(np.zeros(2), np.ones(1), prior_variance=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("one_sided", [False, True])
def test_false_alarms_under_continuous_looks_stay_below_alpha(*, one_sided: bool) -> None:
    draw, runs = np.random.default_rng(3), 4000
    sizes = np.arange(1.0, 5001)
    precision = mixture_precision(500, 0.05)
    critical = mixture_critical(sizes, precision=precision, one_sided=one_sided)
    alarms = 0
    for _ in range(runs):
        z = np.cumsum(draw.normal(size=5000)) / np.sqrt(sizes)
        alarms += bool(((z if one_sided else np.abs(z)) > critical).any())
    assert 0.01 < alarms / runs <= 0.055
