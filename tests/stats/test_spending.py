"""Spending functions: ends, order, definitions."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from llmops_cli.stats.spending import (
    Spending,
    hwang_shih_decani_spending,
    obrien_fleming_spending,
    pocock_spending,
    power_spending,
)

FUNCTIONS = [
    obrien_fleming_spending,
    pocock_spending,
    power_spending(0.5),
    power_spending(3),
    hwang_shih_decani_spending(-4),
    hwang_shih_decani_spending(0),
    hwang_shih_decani_spending(2),
]
functions = pytest.mark.parametrize("function", FUNCTIONS)


@functions
@given(alpha=st.floats(1e-4, 0.5))
def test_spending_rises_to_the_whole_budget_and_stays_there(
    function: Spending, alpha: float
) -> None:
    spent = function(np.linspace(0.01, 1.2, 120), alpha)
    assert (np.diff(spent) >= -1e-15).all()
    assert (spent >= 0).all()
    assert math.isclose(spent[-1], alpha, rel_tol=1e-9)


def test_definitions_written_out() -> None:
    t = np.array([0.2, 0.7])
    fleming = 2 * (1 - norm.cdf(norm.ppf(1 - 0.025 / 2) / np.sqrt(t)))
    assert np.allclose(obrien_fleming_spending(t, 0.025), fleming, atol=1e-12)
    assert np.allclose(pocock_spending(t, 0.025), 0.025 * np.log(1 + (math.e - 1) * t), atol=1e-15)
    family = 0.025 * (1 - np.exp(4 * t)) / (1 - math.exp(4))
    assert np.allclose(hwang_shih_decani_spending(-4)(t, 0.025), family, atol=1e-15)
    assert np.allclose(power_spending(2)(t, 0.025), 0.025 * t**2)


@functions
def test_information_that_is_not_positive_is_refused(function: Spending) -> None:
    with pytest.raises(ValueError, match="positive"):
        function(np.array([0.0, 0.5]), 0.05)


def test_a_power_is_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        power_spending(0)
