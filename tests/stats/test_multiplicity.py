"""Adjusted p-values: statsmodels, order, and what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from llmops_cli.stats.multiplicity import benjamini_hochberg, holm

METHODS = {"holm": holm, "fdr_bh": benjamini_hochberg}
methods = pytest.mark.parametrize("method", METHODS)
p_values = arrays.arrays(np.float64, st.integers(1, 30), elements=st.floats(0, 1))


@methods
@settings(max_examples=15)  # their Holm collects garbage at every call
@given(p=p_values)
def test_adjusted_values_agree_with_statsmodels(method: str, p: np.ndarray) -> None:
    expected = multipletests(p, method=method)[1]
    assert np.allclose(METHODS[method](p), expected, rtol=1e-9, atol=1e-12)


@methods
@given(p=p_values)
def test_adjusting_keeps_the_order_and_never_helps(method: str, p: np.ndarray) -> None:
    adjusted = METHODS[method](p)
    assert (adjusted >= p - 1e-15).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


@methods
def test_no_question_no_answer(method: str) -> None:
    assert METHODS[method](np.array([])).shape == (0,)


@methods
@pytest.mark.parametrize("wrong", [[0.5, np.nan], [-0.1], [1.1], [[0.5]]])
def test_what_is_no_p_value_is_refused(method: str, wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        METHODS[method](np.array(wrong))


@pytest.mark.slow
def test_error_rates_by_simulation() -> None:
    draw, runs, found = np.random.default_rng(2), 4000, np.zeros(2)
    for _ in range(runs):
        # Twelve questions, eight of them without an effect, sharing some noise.
        z = draw.normal(size=12) * 0.8 + 0.6 * draw.normal()
        z[8:] += 3
        p = norm.sf(z)
        found[0] += (holm(p)[:8] <= 0.05).any()
        rejected = benjamini_hochberg(p) <= 0.10
        found[1] += rejected[:8].sum() / max(rejected.sum(), 1)
    assert found[0] / runs <= 0.055
    assert found[1] / runs <= 0.105
