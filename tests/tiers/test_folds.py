"""Folds: whole clusters, every row scored once, no row both learned from and scored."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.tiers.folds import folds

codes = st.lists(st.integers(0, 30), min_size=3, max_size=120).filter(lambda c: len(set(c)) > 2)


@given(codes, st.integers(3, 7), st.integers(0, 5))
def test_every_row_is_scored_once_and_no_cluster_is_on_two_sides(
    clusters: list[int], count: int, seed: int
) -> None:
    cluster = np.array(clusters)
    cut = folds(cluster, count, seed)
    assert np.array_equal(np.sort(np.concatenate([f.score for f in cut])), np.arange(len(cluster)))
    for fold in cut:
        parts = [set(cluster[rows].tolist()) for rows in (fold.fit, fold.tune, fold.score)]
        assert all(parts)
        assert sum(map(len, parts)) == len(set(clusters))
        assert len(fold.training) + len(fold.score) == len(cluster)


def test_parts_are_about_as_large_when_clusters_are_not() -> None:
    cluster = np.repeat(np.arange(60), np.random.default_rng(0).integers(1, 30, 60))
    sizes = [len(fold.score) for fold in folds(cluster)]
    assert max(sizes) - min(sizes) < 30


def test_clusters_that_are_all_alike_are_dealt_out() -> None:
    assert [len(fold.score) for fold in folds(np.arange(103))] == [21, 21, 21, 20, 20]


def test_of_very_many_rows_some_choose_and_all_are_scored() -> None:
    cut = folds(np.arange(130_000))
    assert [len(fold.tune) for fold in cut] == [20_000] * 5
    assert [len(fold.training) for fold in cut] == [20_000] * 5
    assert sum(len(fold.score) for fold in cut) == 130_000
    assert not np.intersect1d(cut[0].training, cut[0].score).size


def test_the_seed_decides() -> None:
    one, same, other = (folds(np.arange(50), seed=seed)[0].score.tolist() for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_fewer_than_three_clusters_are_inconclusive() -> None:
    with pytest.raises(LlmopsError, match="2 independent groups") as raised:
        folds(np.array([0, 0, 1, 1]))
    assert raised.value.exit_code == ExitCode.INCONCLUSIVE
