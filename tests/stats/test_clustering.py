"""Intracluster correlation and intervals of clustered shares: by hand, limits, coverage."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import f_oneway
from statsmodels.stats.proportion import proportion_confint

from llmops_cli.stats.clustering import Clustering, clustered_share_interval, clustering

clusters = st.lists(
    st.integers(1, 9).flatmap(lambda m: st.tuples(st.integers(0, m), st.just(m))),
    min_size=2,
    max_size=12,
)


def rows_of(pairs: list[tuple[int, int]]) -> list[np.ndarray]:
    return [np.repeat([1.0, 0.0], [hits, size - hits]) for hits, size in pairs]


@given(clusters)
def test_the_correlation_is_that_of_one_way_analysis_of_variance(
    pairs: list[tuple[int, int]],
) -> None:
    rows = rows_of(pairs)
    within = sum(float(((r - r.mean()) ** 2).sum()) for r in rows)
    total = sum(size for _, size in pairs)
    assume(total > len(pairs) and within > 0)
    ratio = f_oneway(*rows).statistic  # between over within mean square
    sizes = np.array([size for _, size in pairs])
    typical = (total - (sizes**2).sum() / total) / (len(pairs) - 1)
    expected = (ratio - 1) / (ratio + typical - 1)
    found = clustering(np.array(pairs, float))
    assert math.isclose(found.correlation, expected, rel_tol=1e-9, abs_tol=1e-9)
    effect = 1 + ((sizes**2).sum() / total - 1) * expected
    assert math.isclose(found.design_effect, max(1.0, effect), rel_tol=1e-9)
    assert found.effective_rows == pytest.approx(total / found.design_effect)


def test_graded_values_use_their_squares() -> None:
    rows = [np.array([1.0, 2.0, 4.0]), np.array([5.0, 6.5]), np.array([0.0, 0.5, 1.0, 0.2])]
    sums = np.array([[r.sum(), len(r)] for r in rows])
    found = clustering(sums, np.array([(r**2).sum() for r in rows]))
    ratio = f_oneway(*rows).statistic
    typical = (9 - (9 + 4 + 16) / 9) / 2
    assert found.correlation == pytest.approx((ratio - 1) / (ratio + typical - 1), rel=1e-12)


def test_identical_rows_count_once() -> None:
    found = clustering(np.array([[4.0, 4.0]] * 10 + [[0.0, 4.0]] * 15))
    assert (found.correlation, found.design_effect, found.effective_rows) == (1.0, 4.0, 25.0)


@pytest.mark.parametrize("pairs", [[(1, 1), (0, 1)], [(3, 3), (2, 2)]])
def test_single_rows_or_no_spread_show_no_correlation(pairs: list[tuple[int, int]]) -> None:
    assert clustering(np.array(pairs, float)).correlation == 0


@pytest.mark.parametrize("sums", [[[3.0, 5.0]], [[3.0, 5.0], [0.0, 0.0]]])
def test_clustering_needs_two_clusters_with_rows(sums: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="two clusters"):
        clustering(np.array(sums))


@given(st.integers(1, 99), st.floats(0.6, 0.99))
def test_independent_rows_have_the_exact_interval(successes: int, level: float) -> None:
    found = clustered_share_interval(successes, Clustering(100, 100, 0.0, 1.0), level)
    low, high = proportion_confint(successes, 100, alpha=1 - level, method="beta")
    assert math.isclose(found.low, low, abs_tol=1e-9)
    assert math.isclose(found.high, high, abs_tol=1e-9)


def test_without_a_failure_every_cluster_counts_as_one_row() -> None:
    found = clustered_share_interval(400, Clustering(20, 400, 0.0, 1.0))
    low, high = proportion_confint(20, 20, alpha=0.05, method="beta")
    assert (found.low, found.high) == (pytest.approx(low), high)


def test_one_cluster_says_nothing_and_impossible_counts_are_refused() -> None:
    assert clustered_share_interval(3, Clustering(1, 5, 0.0, 1.0)).high == 1.0
    with pytest.raises(ValueError, match="is not a share"):
        clustered_share_interval(6, Clustering(2, 5, 0.0, 1.0))
    with pytest.raises(ValueError, match="confidence level"):
        clustered_share_interval(3, Clustering(2, 5, 0.0, 1.0), 1.0)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.7, 0.93])
@pytest.mark.parametrize(("groups", "alike"), [(25, 0.3), (60, 0.1), (200, 0.3)])
def test_coverage_of_a_clustered_share_is_nominal(share: float, groups: int, alike: float) -> None:
    draw, hits, naive, runs = np.random.default_rng(groups), 0, 0, 1000
    strength = 1 / alike - 1
    for _ in range(runs):
        size = draw.integers(1, 15, groups)
        right = draw.binomial(size, draw.beta(share * strength, (1 - share) * strength, groups))
        found = clustering(np.column_stack([right, size]).astype(float))
        interval = clustered_share_interval(int(right.sum()), found)
        plain = clustered_share_interval(
            int(right.sum()), Clustering(found.rows, found.rows, 0.0, 1.0)
        )
        hits += interval.low <= share <= interval.high
        naive += plain.low <= share <= plain.high
    # 95 % intervals; 1,000 runs leave the rate uncertain by 0.7 points.
    assert hits / runs >= 0.93
    assert naive / runs < 0.92
