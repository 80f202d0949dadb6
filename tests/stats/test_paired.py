"""Paired comparisons: statsmodels, exact enumeration, coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from statsmodels.stats.contingency_tables import mcnemar as reference

from llmops_cli.stats.paired import mcnemar, paired_difference

counts = st.integers(0, 200)


@given(counts, counts)
def test_the_exact_test_agrees_with_statsmodels(first: int, second: int) -> None:
    expected = reference([[5, first], [second, 7]], exact=True).pvalue if first + second else 1.0
    assert math.isclose(mcnemar(first, second), expected, rel_tol=1e-9)


@given(counts, counts)
def test_mid_p_leaves_out_half_of_what_was_seen(first: int, second: int) -> None:
    n, seen = first + second, min(first, second)
    expected = 2 * binom.cdf(seen, n, 0.5) - binom.pmf(seen, n, 0.5) if n else 1.0
    assert math.isclose(mcnemar(first, second, mid_p=True), min(1, expected), rel_tol=1e-9)


def test_a_published_comparison() -> None:
    # RouterArena issue 190: 168 against 21 discordant cases, p about 1.15e-29.
    assert mcnemar(168, 21) == pytest.approx(1.15e-29, rel=0.01)


@given(counts, counts, counts)
def test_the_difference_mirrors_and_holds_the_estimate(first: int, second: int, rest: int) -> None:
    n = first + second + rest + 1
    found, mirrored = paired_difference(first, second, n), paired_difference(second, first, n)
    assert -1 <= found.low <= (first - second) / n <= found.high <= 1
    assert math.isclose(found.low, -mirrored.high, abs_tol=1e-12)


@pytest.mark.parametrize(("first", "second", "n"), [(3, 3, 5), (-1, 2, 5), (0, 0, 0)])
def test_impossible_counts_are_refused(first: int, second: int, n: int) -> None:
    with pytest.raises(ValueError, match="not parts"):
        paired_difference(first, second, n)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="not negative"):
        mcnemar(-1, 3)
    with pytest.raises(ValueError, match="confidence level"):
        paired_difference(1, 2, 9, 0.0)


@pytest.mark.parametrize(("first", "second"), [(0.02, 0.01), (0.1, 0.05), (0.3, 0.1)])
@pytest.mark.parametrize("n", [40, 150])
def test_coverage_of_the_difference_is_nominal_by_enumeration(
    first: float, second: float, n: int
) -> None:
    # Every pair of discordant counts with its exact probability, not a simulation.
    covered = 0.0
    for one in range(n + 1):
        rest = np.arange(n - one + 1)
        chance = binom.pmf(one, n, first) * binom.pmf(rest, n - one, second / (1 - first))
        for other in rest[chance > 1e-7]:
            found = paired_difference(one, int(other), n)
            covered += chance[other] * (found.low <= first - second <= found.high)
    assert covered >= 0.94
