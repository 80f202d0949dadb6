"""Rogan-Gladen: algebra, the published interval written out, refusals, coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from llmops_cli.stats.agreement import Confusion
from llmops_cli.stats.prevalence import rogan_gladen


@given(st.integers(0, 1000), st.integers(60, 100), st.integers(60, 100))
def test_the_correction_undoes_the_errors_of_the_test(yes: int, hits: int, rejections: int) -> None:
    known = Confusion(tp=hits, fn=100 - hits, tn=rejections, fp=100 - rejections)
    found = rogan_gladen(yes, 1000, known)
    if found.refused:
        return
    sensitivity, specificity = hits / 100, rejections / 100
    measured = found.raw * sensitivity + (1 - found.raw) * (1 - specificity)
    assert math.isclose(measured, yes / 1000, abs_tol=1e-9)
    assert found.value == min(max(found.raw, 0), 1)
    assert found.clipped == (found.raw != found.value)
    assert 0 <= found.interval.low <= found.interval.high <= 1


def test_the_delta_method_error_written_out() -> None:
    known = Confusion(tp=85, fn=15, tn=48, fp=12)
    found = rogan_gladen(300, 1000, known)
    knows = 0.85 + 0.8 - 1
    value = (0.3 + 0.8 - 1) / knows
    variance = 0.3 * 0.7 / 1000 + value**2 * 0.85 * 0.15 / 100 + (1 - value) ** 2 * 0.8 * 0.2 / 60
    assert math.isclose(found.raw, value, abs_tol=1e-12)
    assert math.isclose(found.error, math.sqrt(variance) / knows, abs_tol=1e-12)


def test_the_error_is_the_spread_of_the_estimate() -> None:
    draw, runs = np.random.default_rng(8), 200_000
    hits, rejections = draw.binomial(400, 0.85, runs) / 400, draw.binomial(300, 0.8, runs) / 300
    yes = draw.binomial(2000, 0.3 * 0.85 + 0.7 * 0.2, runs) / 2000
    spread = float(((yes + rejections - 1) / (hits + rejections - 1)).std())
    known = Confusion(tp=340, fn=60, tn=240, fp=60)
    assert rogan_gladen(790, 2000, known).error == pytest.approx(spread, rel=0.03)


def test_the_interval_of_lang_and_reiczigel_written_out() -> None:
    # Equations 6, 7, 16 and 17 with primes spelled out; equation 4 in its corrected form.
    yes, n, known = 120, 500, Confusion(tp=90, fn=10, tn=70, fp=10)
    z = norm.ppf(0.975)
    ns, nc = 102, 82
    se, sp = 91 / ns, 71 / nc
    n_prime = n + z**2
    ap = (yes + z**2 / 2) / n_prime
    p = (ap + sp - 1) / (se + sp - 1)
    shift = 2 * z**2 * (p * se * (1 - se) / ns - (1 - p) * sp * (1 - sp) / nc)
    variance = ap * (1 - ap) / n_prime + p**2 * se * (1 - se) / ns
    variance = (variance + (1 - p) ** 2 * sp * (1 - sp) / nc) / (se + sp - 1) ** 2
    found = rogan_gladen(yes, n, known).interval
    assert math.isclose(found.low, p + shift - z * math.sqrt(variance), abs_tol=1e-12)
    assert math.isclose(found.high, p + shift + z * math.sqrt(variance), abs_tol=1e-12)


@pytest.mark.parametrize(
    "known", [Confusion(tp=30, fn=30, tn=30, fp=30), Confusion(tp=3, fn=1, tn=2, fp=1)]
)
def test_a_test_too_near_a_coin_is_not_corrected_for(known: Confusion) -> None:
    found = rogan_gladen(50, 100, known)
    assert found.refused
    assert math.isnan(found.value)
    assert math.isnan(found.error)
    assert not found.clipped
    assert (found.interval.low, found.interval.high) == (0.0, 1.0)


def test_more_yes_than_the_test_can_say_is_cut_and_said() -> None:
    found = rogan_gladen(99, 100, Confusion(tp=80, fn=20, tn=90, fp=10))
    assert (found.value, found.clipped, found.interval.high) == (1.0, True, 1.0)


@pytest.mark.parametrize(("yes", "n"), [(3, 2), (-1, 5), (0, 0)])
def test_impossible_counts_are_refused(yes: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        rogan_gladen(yes, n, Confusion(9, 1, 9, 1))


def test_impossible_levels_and_one_class_are_refused() -> None:
    with pytest.raises(ValueError, match="confidence level"):
        rogan_gladen(1, 2, Confusion(9, 1, 9, 1), 1.0)
    with pytest.raises(ValueError, match="a true and a false case"):
        rogan_gladen(1, 2, Confusion(9, 0, 0, 1))


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.05, 0.3, 0.8])
@pytest.mark.parametrize(("hits", "rejections"), [(0.9, 0.85), (0.75, 0.7), (0.97, 0.6)])
@pytest.mark.parametrize(("true", "false", "n"), [(60, 40, 1000), (300, 200, 20_000)])
def test_coverage_is_at_least_nominal(
    share: float, hits: float, rejections: float, true: int, false: int, n: int
) -> None:
    draw, runs = np.random.default_rng(true), 3000
    tp, tn = (
        draw.binomial(true, hits, runs).tolist(),
        draw.binomial(false, rejections, runs).tolist(),
    )
    yes = draw.binomial(n, share * hits + (1 - share) * (1 - rejections), runs).tolist()
    found = [
        rogan_gladen(y, n, Confusion(tp=a, fn=true - a, tn=b, fp=false - b)).interval
        for y, a, b in zip(yes, tp, tn, strict=True)
    ]
    assert np.mean([i.low <= share <= i.high for i in found]) >= 0.94
