"""Many figures from the same resamples: against the bootstrap of one, pairing, bags, coverage."""

import numpy as np
import pytest

from llmops_cli.stats.bootstrap import bootstrap_ratio, cluster_sums
from llmops_cli.stats.joint_bootstrap import joint_intervals, resampling_groups


def ratio(totals: np.ndarray) -> np.ndarray:
    return totals[:, :1] / totals[:, 1:2]


def test_one_figure_agrees_with_the_bootstrap_of_one() -> None:
    draw = np.random.default_rng(1)
    sums = np.column_stack([draw.gamma(2, 1, 80), draw.integers(1, 9, 80).astype(float)])
    joint = joint_intervals(sums, ratio, resamples=20_000)
    alone = bootstrap_ratio(sums, resamples=20_000)
    width = alone.high - alone.low
    assert joint.value[0] == pytest.approx(sums[:, 0].sum() / sums[:, 1].sum())
    assert abs(joint.low[0] - alone.low) < 0.03 * width
    assert abs(joint.high[0] - alone.high) < 0.03 * width


def test_a_figure_less_itself_is_always_nothing() -> None:
    sums = np.random.default_rng(2).random((50, 2))

    def difference(totals: np.ndarray) -> np.ndarray:
        return np.column_stack([totals[:, 0], totals[:, 0] - totals[:, 0]])

    found = joint_intervals(sums, difference)
    assert found.high[0] > found.low[0]
    assert (found.low[1], found.high[1]) == (0.0, 0.0)


def test_figures_that_are_nowhere_finite_have_no_interval() -> None:
    def statistic(totals: np.ndarray) -> np.ndarray:
        return np.column_stack([totals[:, 0], np.full(len(totals), np.nan)])

    found = joint_intervals(np.random.default_rng(3).random((20, 1)), statistic)
    assert np.isfinite(found.low[0])
    assert np.isnan(found.low[1])


def test_a_figure_that_is_often_infinite_has_no_finite_upper_end() -> None:
    sums = np.array([[1.0]] * 2 + [[0.0]] * 8)

    def waiting(totals: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            return 1 / totals

    found = joint_intervals(sums, waiting, resamples=500)
    assert found.value[0] == 0.5
    assert found.low[0] < 0.5
    assert found.high[0] == np.inf


def test_one_cluster_has_no_spread() -> None:
    found = joint_intervals(np.array([[3.0, 4.0]]), ratio)
    assert found.value[0] == 0.75
    assert np.isnan(found.low[0])


def test_resamples_drawn_in_parts_are_as_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmops_cli.stats.joint_bootstrap._CELLS", 70)
    seen: list[int] = []

    def statistic(totals: np.ndarray) -> np.ndarray:
        seen.append(len(totals))
        return totals

    joint_intervals(np.ones((10, 1)), statistic, resamples=25)
    assert seen == [1, 7, 7, 7, 4]


def test_few_clusters_stay_as_they_are_and_many_share_bags() -> None:
    few = resampling_groups(np.array([7, 7, 3, 9]))
    assert few.tolist() == [1, 1, 0, 2]
    clusters = np.repeat(np.arange(5000), 2)
    bags = resampling_groups(clusters, most=100)
    assert (bags[::2] == bags[1::2]).all()
    assert np.bincount(bags).tolist() == [100] * 100


def test_bags_vary_as_clusters_do() -> None:
    draw = np.random.default_rng(4)
    values = np.column_stack([draw.gamma(2, 1, 20_000), np.ones(20_000)])
    clusters = np.arange(20_000) // 4
    width = []
    for most in (2000, 20_000):
        groups = resampling_groups(clusters, most=most)
        found = joint_intervals(cluster_sums(values, groups), ratio, resamples=1000)
        width.append(found.high[0] - found.low[0])
    assert width[0] == pytest.approx(width[1], rel=0.15)


@pytest.mark.slow
def test_the_intervals_of_two_figures_cover_as_stated() -> None:
    draw = np.random.default_rng(5)
    hits = np.zeros(2)
    for run in range(400):
        size = draw.integers(1, 9, 60)
        first, second = draw.binomial(size, 0.7), draw.binomial(size, 0.6)
        sums = np.column_stack([first, second, size]).astype(float)

        def both(t: np.ndarray) -> np.ndarray:
            return np.column_stack([t[:, 0] / t[:, 2], (t[:, 0] - t[:, 1]) / t[:, 2]])

        found = joint_intervals(sums, both, level=0.9, resamples=600, seed=run)
        truth = np.array([0.7, 0.1])
        hits += (found.low <= truth) & (truth <= found.high)
    assert ((hits / 400 >= 0.86) & (hits / 400 <= 0.94)).all()
