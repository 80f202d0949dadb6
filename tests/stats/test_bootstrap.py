"""The cluster bootstrap: against scipy's, against theory, and by its invariants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import bootstrap

from llmops_cli.stats.bootstrap import (
    _distinct,  # pyright: ignore[reportPrivateUsage] - both of its ways must agree
    bootstrap_ratio,
    bootstrap_statistic,
    cluster_sums,
    percentiles,
    pooled_totals,
    ratios,
    renumbered,
    resampled_totals,
)


@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(1, 40), st.integers(1, 3)), elements=st.integers(-9, 9)
    ),
    st.data(),
)
def test_cluster_sums_are_the_sums_of_each_cluster(values: np.ndarray, data: st.DataObject) -> None:
    codes = np.array(
        data.draw(st.lists(st.integers(0, 6), min_size=len(values), max_size=len(values)))
    )
    sums = cluster_sums(values, codes)
    assert len(sums) == codes.max() + 1
    for code in range(len(sums)):
        assert np.array_equal(sums[code], values[codes == code].sum(axis=0))


@given(
    st.lists(st.one_of(st.integers(-4, 9), st.sampled_from([-(2**60), 2**60, 10**7])), max_size=30)
)
def test_groups_are_numbered_in_the_order_of_their_codes(codes: list[int]) -> None:
    given_codes = np.array(codes, dtype=np.int64)
    wanted = np.unique(given_codes, return_inverse=True)[1]
    assert renumbered(given_codes).tolist() == wanted.tolist()


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_rows_that_stand_for_many_clusters_are_drawn_as_those_clusters(scale: float) -> None:
    # Whole numbers take another way to the different rows than halves.
    sums = scale * np.array([[1.0, 3.0], [0.0, 2.0], [1.0, 3.0], [2.0, 2.0]])
    counts = np.array([3, 1, 4, 2])
    pooled = pooled_totals(sums, counts, resamples=50, seed=3)
    every = np.repeat(sums, counts, axis=0)
    assert np.array_equal(pooled, pooled_totals(every, resamples=50, seed=3))
    wanted = percentiles(ratios(pooled), 0.9)
    assert bootstrap_ratio(every, level=0.9, resamples=50, seed=3) == wanted


def test_lengths_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="3 rows but 2 cluster codes"):
        cluster_sums(np.ones((3, 2)), np.zeros(2, np.int64))


def test_a_ratio_interval_agrees_with_scipy() -> None:
    draw = np.random.default_rng(3)
    sums = np.column_stack([draw.gamma(2, 3, 60), draw.gamma(4, 2, 60)])

    def ratio(top: np.ndarray, bottom: np.ndarray, axis: int) -> np.ndarray:
        return top.sum(axis=axis) / bottom.sum(axis=axis)

    theirs = bootstrap(
        tuple(sums.T), ratio, paired=True, vectorized=True, method="percentile",
        n_resamples=20_000, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    found = bootstrap_ratio(sums, resamples=20_000, seed=1)
    width = theirs.high - theirs.low
    assert abs(found.low - theirs.low) < 0.03 * width
    assert abs(found.high - theirs.high) < 0.03 * width


@given(
    arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6)),
    st.floats(0.01, 0.999),
)
def test_percentiles_are_those_of_numpy_to_the_last_digit(values: np.ndarray, level: float) -> None:
    found = percentiles(np.append(values, np.nan), level)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    assert (found.low, found.high) == (low, high)


def test_the_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    sums = np.random.default_rng(5).random((50, 2)) + 1
    assert bootstrap_ratio(sums, seed=7) == bootstrap_ratio(sums, seed=7)
    assert bootstrap_ratio(sums, seed=7) != bootstrap_ratio(sums, seed=8)


def test_the_order_of_clusters_does_not_matter() -> None:
    sums = np.random.default_rng(5).random((50, 2)) + 1
    assert bootstrap_ratio(sums) == bootstrap_ratio(sums[::-1].copy())


def test_clusters_with_the_same_totals_are_drawn_together_without_changing_the_spread() -> None:
    # 400 clusters of two kinds: the ratio is a binomial share, whose quantiles are known.
    sums = np.array([[1.0, 1.0]] * 100 + [[0.0, 1.0]] * 300)
    found = bootstrap_ratio(sums, level=0.90, resamples=20_000)
    reach = 1.645 * (0.25 * 0.75 / 400) ** 0.5
    assert found.low == pytest.approx(0.25 - reach, abs=0.004)
    assert found.high == pytest.approx(0.25 + reach, abs=0.004)


def test_resamples_without_a_denominator_are_left_out() -> None:
    found = bootstrap_ratio(np.array([[1.0, 2.0], [0.0, 0.0]]))
    assert (found.low, found.high) == (0.5, 0.5)


def test_no_spread_no_interval() -> None:
    with pytest.raises(ValueError, match="needs two clusters"):
        bootstrap_ratio(np.ones((1, 2)))
    with pytest.raises(ValueError, match="no resample"):
        bootstrap_ratio(np.zeros((3, 2)))


def test_any_statistic_of_totals() -> None:
    sums = np.random.default_rng(2).random((80, 3))
    found = bootstrap_statistic(sums, lambda totals: totals[:, 0] + totals[:, 2], level=0.8)
    assert found.low < sums[:, 0].sum() + sums[:, 2].sum() < found.high


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [40, 200])
def test_coverage_of_the_ratio_is_nominal(clusters: int) -> None:
    # Clusters of random size whose rows agree with each other; truth by construction 0.6.
    draw = np.random.default_rng(clusters)
    hits, runs = 0, 600
    for run in range(runs):
        size = draw.integers(1, 12, clusters)
        share = draw.beta(3, 2, clusters)
        sums = np.column_stack([draw.binomial(size, share), size]).astype(float)
        found = bootstrap_ratio(sums, level=0.90, resamples=800, seed=run)
        hits += found.low <= 0.6 <= found.high
    assert 0.86 <= hits / runs <= 0.94


@given(
    st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 5)), min_size=2, max_size=40),
    st.sampled_from([1.0, 0.5]),
)
def test_equal_rows_are_counted_as_by_sorting(rows: list[tuple[int, int]], scale: float) -> None:
    # Whole numbers take a table in place of a sort; others do not.
    sums = scale * np.array(rows, dtype=float)
    found, counts = _distinct(sums)
    wanted, wanted_counts = np.unique(sums, axis=0, return_counts=True)
    assert np.array_equal(found, wanted)
    assert np.array_equal(counts, wanted_counts)


def test_totals_of_resamples_vary_as_sums_of_clusters_do() -> None:
    sums = np.random.default_rng(1).normal(2, 1, (400, 2))
    drawn = resampled_totals(sums, resamples=4000, seed=2)
    assert drawn.mean(axis=0) == pytest.approx(sums.sum(axis=0), rel=0.01)
    assert drawn.var(axis=0) == pytest.approx(400 * sums.var(axis=0), rel=0.08)
