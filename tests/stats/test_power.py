"""Sample sizes and decision bounds: published figures, statsmodels, simulation, invariants."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.power import NormalIndPower

from llmops_cli.stats.power import (
    Comparison,
    harm_bounds,
    non_inferiority_sample,
)


def sample(variance: float, margin: float, ratio: float, alpha: float, power: float) -> float:
    given_ = Comparison(variance=variance, margin=margin, ratio=ratio, alpha=alpha)
    return non_inferiority_sample(given_, power)


def test_published_sample_of_an_even_split() -> None:
    assert math.ceil(sample(0.02 * 0.98, 0.005, 1, 0.025, 0.9)) == 16_476


def test_published_sample_of_a_five_percent_canary() -> None:
    n = sample(0.02 * 0.98, 0.005, 19, 0.025, 0.9)
    assert (math.ceil(n), math.ceil(19 * n)) == (8_672, 164_757)


@pytest.mark.parametrize("ratio", [1.0, 3.0, 19.0])
@pytest.mark.parametrize("effect", [0.1, 0.3])
def test_samples_agree_with_statsmodels(ratio: float, effect: float) -> None:
    # Their effect is margin / standard deviation, here with variance 1.
    theirs = NormalIndPower().solve_power(
        effect, alpha=0.05, power=0.8, ratio=ratio, alternative="larger"
    )
    assert math.isclose(sample(1.0, effect, ratio, 0.05, 0.8), theirs, rel_tol=1e-6)


shares = st.floats(0.001, 0.25)


@given(shares, st.floats(0.001, 0.1), st.floats(1, 50), st.floats(0.01, 0.2))
def test_harder_questions_need_more(
    variance: float, margin: float, ratio: float, alpha: float
) -> None:
    base = sample(variance, margin, ratio, alpha, 0.8)
    assert sample(variance, margin, ratio, alpha, 0.9) > base
    assert sample(variance, margin, ratio, alpha / 2, 0.8) > base
    assert sample(variance, margin / 2, ratio, alpha, 0.8) > base
    assert sample(2 * variance, margin, ratio, alpha, 0.8) > base
    assert sample(variance, margin, ratio / 2, alpha, 0.8) > base


@given(shares, st.floats(1, 3), st.floats(0.001, 0.1), st.floats(1, 50))
def test_at_the_planned_size_the_bounds_leave_the_planned_errors(
    variance: float, growth: float, margin: float, ratio: float
) -> None:
    given_ = Comparison(
        variance=variance,
        variance_at_margin=growth * variance,
        margin=margin,
        ratio=ratio,
        alpha=0.05,
    )
    n = non_inferiority_sample(given_, 0.8)
    promote, roll_back = harm_bounds(given_, n)
    harmless = math.sqrt((variance + variance / ratio) / n)
    harmful = math.sqrt((growth * variance + variance / ratio) / n)
    assert math.isclose(norm.cdf(promote / harmless), 0.8, rel_tol=1e-6)
    assert math.isclose(norm.cdf((promote - margin) / harmful), 0.05, rel_tol=1e-6)
    assert math.isclose(norm.sf(roll_back / harmless), 0.05, rel_tol=1e-6)


def test_no_sample_no_decision() -> None:
    given_ = Comparison(variance=0.1, margin=0.01)
    assert harm_bounds(given_, 0) == (-math.inf, math.inf)


@pytest.mark.parametrize("wrong", [{"margin": 0}, {"variance": -1}, {"ratio": 0}, {"alpha": 1.0}])
def test_impossible_questions_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"sample size|lies between"):
        Comparison(**{"variance": 0.1, "margin": 0.01, **wrong})


def test_an_impossible_power_is_refused() -> None:
    with pytest.raises(ValueError, match="power lies"):
        non_inferiority_sample(Comparison(variance=0.1, margin=0.01), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize(("p", "margin", "ratio"), [(0.05, 0.02, 9.0), (0.02, 0.02, 19.0)])
def test_the_planned_size_holds_error_and_power_by_simulation(
    p: float, margin: float, ratio: float
) -> None:
    worse = p + margin
    given_ = Comparison(
        variance=p * (1 - p),
        variance_at_margin=worse * (1 - worse),
        margin=margin,
        ratio=ratio,
        alpha=0.05,
    )
    treated = math.ceil(non_inferiority_sample(given_, 0.8))
    promote, _ = harm_bounds(given_, treated)
    draw, runs = np.random.default_rng(11), 40_000
    control = draw.binomial(round(ratio * treated), p, runs) / round(ratio * treated)
    promoted = [
        float((draw.binomial(treated, truth, runs) / treated - control < promote).mean())
        for truth in (p, worse)
    ]
    assert promoted[0] == pytest.approx(0.8, abs=0.03)
    assert promoted[1] <= 0.056
