"""Intervals of a share: against statsmodels, by their defining properties, and by coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.proportion import proportion_confint

from llmops_cli.stats.intervals import Interval, clopper_pearson, wilson


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int]:
    n = draw(st.integers(1, 5000))
    return draw(st.integers(0, n)), n


levels = st.floats(0.5, 0.999)


@given(counts(), levels)
def test_wilson_agrees_with_statsmodels(pair: tuple[int, int], level: float) -> None:
    low, high = proportion_confint(*pair, alpha=1 - level, method="wilson")
    found = wilson(*pair, level)
    assert math.isclose(found.low, low, abs_tol=1e-9)
    assert math.isclose(found.high, high, abs_tol=1e-9)


@given(counts(), levels)
def test_clopper_pearson_agrees_with_statsmodels(pair: tuple[int, int], level: float) -> None:
    low, high = proportion_confint(*pair, alpha=1 - level, method="beta")
    found = clopper_pearson(*pair, level)
    assert math.isclose(found.low, low, abs_tol=1e-9)
    assert math.isclose(found.high, high, abs_tol=1e-9)


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
@given(pair=counts(), level=levels)
def test_an_interval_holds_the_estimate_and_mirrors(
    interval: type[Interval], pair: tuple[int, int], level: float
) -> None:
    successes, n = pair
    found, mirrored = interval(successes, n, level), interval(n - successes, n, level)
    assert 0 <= found.low <= successes / n <= found.high <= 1
    assert math.isclose(found.low, 1 - mirrored.high, abs_tol=1e-9)


@given(pair=counts())
def test_more_confidence_is_wider(pair: tuple[int, int]) -> None:
    narrow, wide = clopper_pearson(*pair, 0.9), clopper_pearson(*pair, 0.95)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


@pytest.mark.parametrize("share", [0.02, 0.3, 0.8, 0.97])
@pytest.mark.parametrize("n", [7, 50, 400])
def test_each_clopper_pearson_end_covers_at_least_its_level(share: float, n: int) -> None:
    # Exact, not simulated: add up the probability of every outcome whose bound holds.
    outcomes = np.arange(n + 1)
    weights = binom.pmf(outcomes, n, share)
    found = [clopper_pearson(int(k), n, 0.90) for k in outcomes]
    below = sum(w for w, i in zip(weights, found, strict=True) if i.low <= share)
    above = sum(w for w, i in zip(weights, found, strict=True) if share <= i.high)
    assert below >= 0.95
    assert above >= 0.95


@pytest.mark.parametrize("interval", [wilson, clopper_pearson])
@pytest.mark.parametrize(("successes", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_impossible_counts_are_refused(interval: type[Interval], successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        interval(successes, n)


@pytest.mark.parametrize("level", [0.0, 1.0, 1.5])
def test_impossible_levels_are_refused(level: float) -> None:
    with pytest.raises(ValueError, match="confidence level"):
        wilson(1, 2, level)
