"""Alpha: published example, frozen figures of another package, brute force over pairs, coverage."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from llmops_cli.stats.krippendorff import (
    SCALES,
    krippendorff_alpha,
    krippendorff_interval,
    krippendorff_interval_of_two,
    krippendorff_of_two,
)

_ = np.nan
# The four observers and twelve units of Krippendorff (2011); its values are .743,
# .815 and .849. The digits are those of the package krippendorff 0.9.0.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
)


@pytest.mark.parametrize(
    ("scale", "alpha"),
    [
        ("nominal", 0.743421052631579),
        ("ordinal", 0.8153875037548814),
        ("interval", 0.8491071428571428),
    ],
)
def test_the_published_example(scale: str, alpha: float) -> None:
    assert math.isclose(krippendorff_alpha(PUBLISHED, scale), alpha, abs_tol=1e-12)


@given(
    arrays.arrays(np.int64, (3, 3), elements=st.integers(0, 6)),
    st.sampled_from(["nominal", "ordinal"]),
)
def test_a_table_of_two_raters_gives_what_its_units_give(table: np.ndarray, scale: str) -> None:
    # A category that nobody uses has no rank.
    assume((table.sum(axis=0) + table.sum(axis=1) > 0).all())
    units = np.argwhere(table >= 0).repeat(table.ravel(), axis=0).T.astype(float)
    found = krippendorff_of_two(table[None].astype(float), scale)[0]
    assert found == pytest.approx(krippendorff_alpha(units, scale), abs=1e-12, nan_ok=True)


def test_a_table_has_no_interval_scale() -> None:
    with pytest.raises(ValueError, match="nominal or an ordinal"):
        krippendorff_of_two(np.ones((1, 2, 2)), "interval")


def brute_force(ratings: np.ndarray, scale: str) -> float:
    units = [column[np.isfinite(column)] for column in ratings.T]
    units = [unit for unit in units if len(unit) >= 2]
    pooled = np.concatenate(units)

    def distance(one: float, other: float) -> float:
        if scale == "nominal":
            return float(one != other)
        if scale == "interval":
            return (one - other) ** 2
        low, high = sorted((one, other))
        between = np.sum((pooled >= low) & (pooled <= high))
        return (between - (np.sum(pooled == low) + np.sum(pooled == high)) / 2) ** 2

    def total(values: np.ndarray) -> float:
        return sum(distance(a, b) for a, b in itertools.permutations(values, 2))

    observed = sum(total(unit) / (len(unit) - 1) for unit in units) / len(pooled)
    expected = total(pooled) / (len(pooled) * (len(pooled) - 1))
    return 1 - observed / expected


@pytest.mark.parametrize("scale", SCALES)
@settings(max_examples=40)
@given(
    ratings=arrays.arrays(
        np.float64,
        st.tuples(st.integers(2, 4), st.integers(2, 7)),
        elements=st.sampled_from([_, 1.0, 2.0, 3.0, 5.0]),
    )
)
def test_alpha_agrees_with_all_pairs_of_ratings(scale: str, ratings: np.ndarray) -> None:
    paired = ratings[:, np.isfinite(ratings).sum(axis=0) >= 2]
    assume(len(np.unique(paired[np.isfinite(paired)])) >= 2)
    expected = brute_force(ratings, scale)
    assert math.isclose(krippendorff_alpha(ratings, scale), expected, abs_tol=1e-9)


def test_large_numbers_do_not_cancel() -> None:
    ratings = np.random.default_rng(1).normal(size=(3, 50))
    ratings[1] = ratings[0] + 0.1 * ratings[1]
    plain = krippendorff_alpha(ratings, "interval")
    assert math.isclose(krippendorff_alpha(ratings + 1e6, "interval"), plain, abs_tol=1e-8)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("ratings", [np.full((2, 4), 3.0), np.full((2, 4), _), np.eye(1)])
def test_without_difference_or_pair_there_is_no_alpha(scale: str, ratings: np.ndarray) -> None:
    assert math.isnan(krippendorff_alpha(ratings, scale))


def test_what_is_no_table_or_no_scale_is_refused() -> None:
    with pytest.raises(ValueError, match="table of raters"):
        krippendorff_alpha(np.ones(3))
    with pytest.raises(ValueError, match="not 'ratio'"):
        krippendorff_alpha(PUBLISHED, "ratio")
    with pytest.raises(ValueError, match="at most 100 ranks"):
        krippendorff_alpha(np.tile(np.arange(101.0), (2, 1)), "ordinal")


def test_an_interval_over_clusters_is_wider_than_over_their_copies() -> None:
    once = np.random.default_rng(3).integers(0, 3, (3, 30)).astype(float)
    once[1] = np.where(np.random.default_rng(4).random(30) < 0.7, once[0], once[1])
    copies = np.tile(once, (1, 5))
    clusters = np.tile(np.arange(30), 5)
    together = krippendorff_interval(copies, clusters=clusters, resamples=500)
    apart = krippendorff_interval(copies, resamples=500)
    assert together.high - together.low > 1.8 * (apart.high - apart.low)


@pytest.mark.parametrize("scale", ["nominal", "ordinal"])
def test_the_interval_of_two_raters_is_that_of_their_units_to_the_last_digit(scale: str) -> None:
    draw = np.random.default_rng(5)
    table = draw.integers(1, 9, (3, 3))
    pairs = draw.permutation(np.argwhere(table).repeat(table.ravel(), axis=0))
    clusters = draw.integers(0, 7, len(pairs))
    tables = np.zeros((7, 3, 3))
    np.add.at(tables, (clusters, *pairs.T), 1)
    grouped = krippendorff_interval(pairs.T.astype(float), scale, clusters=clusters, resamples=200)
    assert krippendorff_interval_of_two(tables, scale, resamples=200) == grouped
    cells = np.eye(9).reshape(9, 3, 3)
    alone = krippendorff_interval_of_two(cells, scale, counts=table.ravel(), resamples=200)
    assert alone == krippendorff_interval(pairs.T.astype(float), scale, resamples=200)


@pytest.mark.slow
@pytest.mark.parametrize("scale", SCALES)
def test_coverage_of_alpha_is_nominal(scale: str) -> None:
    def draw(generator: np.random.Generator, units: int) -> np.ndarray:
        truth = generator.integers(0, 4, units)
        noise = generator.integers(-1, 2, (3, units)) * (generator.random((3, units)) < 0.4)
        ratings = np.clip(truth + noise, 0, 3).astype(float)
        ratings[generator.random((3, units)) < 0.15] = np.nan
        return ratings

    truth = krippendorff_alpha(draw(np.random.default_rng(0), 400_000), scale)
    hits, runs = 0, 400
    for run in range(runs):
        ratings = draw(np.random.default_rng(run + 1), 150)
        found = krippendorff_interval(ratings, scale, resamples=600, seed=run)
        hits += found.low <= truth <= found.high
    assert 0.915 <= hits / runs <= 0.98
