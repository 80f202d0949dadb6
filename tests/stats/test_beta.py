"""The beta law and Student's quantile against scipy's."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betainc, betaincinv, stdtrit

from llmops_cli.stats.beta import beta_below, beta_quantile, student_quantile

shapes = st.one_of(st.floats(0.5, 50), st.floats(50, 1e4), st.integers(1, 2_000_000).map(float))


@given(a=shapes, b=shapes, x=st.floats(0, 1))
def test_probability_is_that_of_scipy(a: float, b: float, x: float) -> None:
    assert beta_below(a, b, x) == pytest.approx(float(betainc(a, b, x)), rel=1e-9, abs=1e-12)


@given(a=shapes, b=shapes, share=st.sampled_from([1e-6, 0.025, 0.05, 0.5, 0.9, 0.95, 0.975]))
def test_quantile_is_that_of_scipy(a: float, b: float, share: float) -> None:
    found = beta_quantile(a, b, share)
    assert found == pytest.approx(float(betaincinv(a, b, share)), rel=1e-10, abs=0)
    assert beta_below(a, b, found) == pytest.approx(share, rel=1e-9)


@pytest.mark.parametrize("freedom", [1, 2, 3, 10.5, 99, 12_345, 1e6, 1e7])
@pytest.mark.parametrize("share", [0.001, 0.025, 0.05, 0.5, 0.8, 0.975, 0.995])
def test_student_is_that_of_scipy(freedom: float, share: float) -> None:
    wanted = float(stdtrit(freedom, share))
    assert student_quantile(freedom, share) == pytest.approx(wanted, rel=1e-10, abs=1e-12)


@pytest.mark.parametrize(("x", "wanted"), [(0.0, 0.0), (1.0, 1.0)])
def test_the_ends_are_certain(x: float, wanted: float) -> None:
    assert (beta_below(2, 3, x), beta_quantile(2, 3, x)) == (wanted, wanted)


@pytest.mark.parametrize(
    ("a", "b", "x"), [(0, 1, 0.5), (1, -1, 0.5), (math.inf, 1, 0.5), (1, 1, 1.5), (1, 1, math.nan)]
)
def test_what_is_no_beta_law_is_refused(a: float, b: float, x: float) -> None:
    with pytest.raises(ValueError, match=r"beta law|between 0 and 1"):
        beta_below(a, b, x)


def test_a_sure_share_has_no_student_quantile() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        student_quantile(5, 1.0)
