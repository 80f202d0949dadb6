"""Risk and coverage: by hand, brute force over orders, invariants."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.stats.selective import Selective, risk_coverage

cases = st.lists(
    st.tuples(st.sampled_from([-math.inf, 0.1, 0.5, 0.9]), st.sampled_from([0.0, 1.0])),
    min_size=1,
    max_size=6,
)


def test_abstentions_are_told_apart_and_count_as_wrong() -> None:
    found = Selective(correct=60, answered=75, n=100)
    assert (found.coverage, found.accuracy, found.accuracy_of_all) == (0.75, 0.8, 0.6)
    both = found + Selective(0, 0, 50)
    assert both == Selective(60, 75, 150)


def test_no_answer_has_no_accuracy() -> None:
    assert math.isnan(Selective(0, 0, 9).accuracy)
    assert Selective(0, 0, 9).accuracy_of_all == 0


@pytest.mark.parametrize("counts", [(3, 2, 5), (1, 6, 5), (-1, 2, 5), (0, 0, 0)])
def test_counts_that_are_not_nested_are_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        Selective(*counts)


def test_a_curve_by_hand() -> None:
    found = risk_coverage(np.array([0.9, 0.9, 0.6, 0.2]), np.array([0.0, 1.0, 0.0, 1.0]))
    assert found.threshold.tolist() == [0.9, 0.6, 0.2]
    assert found.coverage.tolist() == [0.5, 0.75, 1.0]
    assert found.risk.tolist() == [0.5, 1 / 3, 0.5]
    assert found.area == pytest.approx((0.5 + 0.5 + 1 / 3 + 0.5) / 4)
    assert found.best_area == pytest.approx((0 + 0 + 1 / 3 + 2 / 4) / 4)


@given(cases)
def test_the_area_is_the_mean_over_all_orders_of_equal_confidence(
    pairs: list[tuple[float, float]],
) -> None:
    areas = []
    for order in itertools.permutations(pairs):
        if all(one[0] >= other[0] for one, other in itertools.pairwise(order)):
            wrong = np.cumsum([w for _, w in order])
            areas.append(float((wrong / np.arange(1, len(order) + 1)).mean()))
    confidence, wrong = (np.array(part) for part in zip(*pairs, strict=True))
    found = risk_coverage(confidence, wrong)
    assert math.isclose(found.area, float(np.mean(areas)), abs_tol=1e-9)
    assert found.excess_area >= -1e-12
    assert found.risk[-1] == pytest.approx(wrong.mean())


def test_a_perfect_order_has_no_excess() -> None:
    wrong = np.array([0.0, 0.0, 1.0, 1.0])
    assert risk_coverage(-wrong, wrong).excess_area == pytest.approx(0)
    assert risk_coverage(np.arange(4.0), wrong).excess_area > 0.3


@pytest.mark.parametrize(
    ("confidence", "wrong"),
    [([], []), ([0.1], [1.0, 0.0]), ([math.nan], [1.0]), ([0.1], [math.nan])],
)
def test_gaps_are_refused(confidence: list[float], wrong: list[float]) -> None:
    with pytest.raises(ValueError, match="needs cases"):
        risk_coverage(np.array(confidence), np.array(wrong))
