"""Calibration: scikit-learn, algebra, order of cases, and what chance alone does."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from llmops_cli.stats.calibration import (
    brier_split,
    calibration_error,
    reliability_table,
    spiegelhalter,
)
from llmops_cli.stats.intervals import wilson

cases = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.7, 0.93, 1.0]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=60,
).map(lambda pairs: tuple(np.array(part) for part in zip(*pairs, strict=True)))
bins = st.integers(1, 12)


@given(cases, bins)
def test_the_parts_add_up_to_the_brier_score_of_scikit_learn(
    data: tuple[np.ndarray, np.ndarray], count: int
) -> None:
    stated, outcomes = data
    found = brier_split(stated, outcomes, count)
    expected = brier_score_loss(outcomes, stated, pos_label=1)
    assert math.isclose(found.score, expected, abs_tol=1e-9)
    parts = found.reliability - found.resolution + found.uncertainty + found.rest
    assert math.isclose(parts, expected, abs_tol=1e-9)


@given(cases, bins)
def test_the_rest_is_variance_within_bins_less_twice_the_covariance(
    data: tuple[np.ndarray, np.ndarray], count: int
) -> None:
    stated, outcomes = data
    rest = 0.0
    for row in reliability_table(stated, outcomes, count):
        inside = (stated >= row.low) & (stated <= row.high)
        away = stated[inside] - row.stated
        rest += float((away**2 - 2 * away * (outcomes[inside] - row.observed)).sum())
    found = brier_split(stated, outcomes, count)
    assert math.isclose(found.rest, rest / len(stated), abs_tol=1e-9)


def test_one_probability_per_bin_leaves_no_rest_and_gives_murphys_split() -> None:
    stated = np.repeat([0.2, 0.6, 0.9], [5, 5, 10])
    outcomes = np.concatenate([[1.0] * 2, [0.0] * 3, [1.0] * 3, [0.0] * 2, [1.0] * 7, [0.0] * 3])
    found = brier_split(stated, outcomes, 20)
    assert found.rest == pytest.approx(0, abs=1e-12)
    assert found.reliability == pytest.approx((5 * 0.2**2 + 5 * 0 + 10 * 0.2**2) / 20)
    assert found.resolution == pytest.approx((5 * 0.2**2 + 5 * 0 + 10 * 0.1**2) / 20)
    assert found.uncertainty == pytest.approx(0.24)


@given(cases, bins, st.randoms())
def test_the_order_of_cases_does_not_matter(
    data: tuple[np.ndarray, np.ndarray], count: int, random: object
) -> None:
    stated, outcomes = data
    order = list(range(len(stated)))
    random.shuffle(order)  # type: ignore[attr-defined]
    shuffled = reliability_table(stated[order], outcomes[order], count)
    for one, other in zip(reliability_table(stated, outcomes, count), shuffled, strict=True):
        assert (one.n, one.low, one.high) == (other.n, other.low, other.high)
        assert math.isclose(one.observed, other.observed, abs_tol=1e-12)


@given(cases, bins)
def test_bins_part_the_cases_in_order(data: tuple[np.ndarray, np.ndarray], count: int) -> None:
    stated, outcomes = data
    rows = reliability_table(stated, outcomes, count)
    assert sum(row.n for row in rows) == len(stated)
    assert len(rows) <= count
    assert all(row.low <= row.stated + 1e-12 and row.stated <= row.high + 1e-12 for row in rows)
    assert all(one.high < other.low for one, other in pairwise(rows))


def test_distinct_probabilities_fill_bins_evenly_and_carry_wilson_intervals() -> None:
    stated, outcomes = np.linspace(0, 1, 40), np.tile([1.0, 0.0, 1.0, 1.0], 10)
    rows = reliability_table(stated, outcomes, 8, 0.9)
    assert [row.n for row in rows] == [5] * 8
    assert rows[0].interval == wilson(4, 5, 0.9)


@given(cases, bins)
def test_the_calibration_error_is_the_mean_distance_of_the_table(
    data: tuple[np.ndarray, np.ndarray], count: int
) -> None:
    rows = reliability_table(*data, count)
    expected = sum(row.n * abs(row.stated - row.observed) for row in rows) / len(data[0])
    assert math.isclose(calibration_error(*data, count)[0], expected, abs_tol=1e-9)


def test_chance_alone_is_told_apart_from_a_wrong_probability() -> None:
    draw = np.random.default_rng(1)
    stated = draw.beta(4, 2, 3000)
    found = [calibration_error(stated, (draw.random(3000) < p).astype(float))
             for p in (stated, stated - 0.1)]  # fmt: skip
    assert found[0][0] < 1.5 * found[0][1]
    assert found[1][0] > 4 * found[1][1]
    assert found[0][1] == found[1][1]


def test_spiegelhalter_by_hand() -> None:
    stated, outcomes = np.array([0.8, 0.3, 0.9]), np.array([1.0, 1.0, 0.0])
    above = sum((y - p) * (1 - 2 * p) for p, y in zip(stated, outcomes, strict=True))
    spread = sum((1 - 2 * p) ** 2 * p * (1 - p) for p in stated)
    assert math.isclose(spiegelhalter(stated, outcomes), above / math.sqrt(spread), abs_tol=1e-12)
    assert math.isnan(spiegelhalter(np.array([0.5, 1.0]), np.array([1.0, 1.0])))


def test_too_extreme_probabilities_are_positive() -> None:
    assert spiegelhalter(np.full(100, 0.95), np.tile([1.0, 1.0, 1.0, 0.0], 25)) > 5
    assert spiegelhalter(np.full(100, 0.6), np.ones(100)) < -5


@pytest.mark.parametrize(
    ("stated", "outcomes", "message"),
    [
        ([], [], "needs cases"),
        ([0.5], [1.0, 0.0], "needs cases"),
        ([1.2], [1.0], "lie between 0 and 1"),
        ([math.nan], [1.0], "lie between 0 and 1"),
        ([0.5], [0.5], "are 0 or 1"),
    ],
)
def test_what_is_no_probability_or_outcome_is_refused(
    stated: list[float], outcomes: list[float], message: str
) -> None:
    for function in (brier_split, calibration_error, reliability_table, spiegelhalter):
        with pytest.raises(ValueError, match=message):
            function(np.array(stated), np.array(outcomes))


def test_no_bin_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one bin"):
        brier_split(np.ones(1), np.ones(1), 0)


@pytest.mark.slow
def test_calibrated_probabilities_do_what_chance_is_said_to_do() -> None:
    draw, runs = np.random.default_rng(3), 4000
    far, errors, expected = 0, 0.0, 0.0
    for _ in range(runs):
        stated = draw.beta(5, 2, 400)
        outcomes = (draw.random(400) < stated).astype(float)
        far += abs(spiegelhalter(stated, outcomes)) > 1.959964
        error, by_chance = calibration_error(stated, outcomes)
        errors, expected = errors + error, expected + by_chance
    assert far / runs == pytest.approx(0.05, abs=0.01)
    assert errors / runs == pytest.approx(expected / runs, rel=0.03)
