"""Weighted kappa: scikit-learn, statsmodels, frozen figures of another package, coverage."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from llmops_cli.stats.agreement import cohen_kappa, kappa_interval
from llmops_cli.stats.ordinal_agreement import (
    linear_weights,
    mean_cost,
    quadratic_weights,
    weighted_kappa,
    weighted_kappa_interval,
)

WEIGHTS = {"linear": linear_weights, "quadratic": quadratic_weights}
kinds = pytest.mark.parametrize("kind", WEIGHTS)
tables = st.integers(2, 5).flatmap(
    lambda k: arrays.arrays(np.int64, (k, k), elements=st.integers(0, 60))
)


@kinds
@given(table=tables)
def test_weighted_kappa_agrees_with_scikit_learn(kind: str, table: np.ndarray) -> None:
    rows, columns = np.nonzero(table)
    assume(len(set(rows) | set(columns)) >= 2)
    often = table[rows, columns]
    expected = cohen_kappa_score(
        np.repeat(rows, often), np.repeat(columns, often), weights=kind,
        labels=list(range(len(table))),
    )  # fmt: skip
    found = weighted_kappa(table, WEIGHTS[kind](len(table)))
    assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


@kinds
@pytest.mark.parametrize("table", [[[40, 7], [9, 30]], [[40, 7, 3], [9, 30, 8], [1, 2, 11]]])
def test_the_interval_agrees_with_statsmodels(kind: str, table: list[list[int]]) -> None:
    counts = np.array(table)
    theirs = cohens_kappa(counts, wt=kind)
    reach = (theirs.kappa_upp - theirs.kappa) / (1 - theirs.kappa**2)
    found = weighted_kappa_interval(counts, WEIGHTS[kind](len(counts)))
    assert math.isclose(math.atanh(found.low), math.atanh(theirs.kappa) - reach, abs_tol=1e-9)
    assert math.isclose(math.atanh(found.high), math.atanh(theirs.kappa) + reach, abs_tol=1e-9)


@kinds
@given(table=tables)
def test_an_interval_holds_the_value_and_stays_in_range(kind: str, table: np.ndarray) -> None:
    assume(table.sum() > 0)
    weights = WEIGHTS[kind](len(table))
    value, found = float(weighted_kappa(table, weights)), weighted_kappa_interval(table, weights)
    assert math.isnan(value) == math.isnan(found.low)
    assert math.isnan(value) or -1 <= found.low <= value + 1e-9
    assert math.isnan(value) or value - 1e-9 <= found.high <= 1


def test_perfect_agreement_of_few_is_no_certainty() -> None:
    few, many = (weighted_kappa_interval(np.diag([n, n]), np.eye(2)) for n in (5, 500))
    assert few.high == many.high == 1
    assert few.low < 0.5 < many.low < 1


# irrCAC 0.4.4, irrCAC.table.CAC(table, weights=kind, digits=14).cohen().
@pytest.mark.parametrize(
    ("kind", "value"), [("linear", 0.60189873417722), ("quadratic", 0.64357798165138)]
)
def test_weighted_kappa_is_that_of_irrcac(kind: str, value: float) -> None:
    table = np.array([[40, 7, 3], [9, 30, 8], [1, 2, 11]])
    assert math.isclose(weighted_kappa(table, WEIGHTS[kind](3)), value, abs_tol=1e-12)


@given(tables)
def test_credit_for_nothing_but_agreement_is_plain_kappa(table: np.ndarray) -> None:
    rows, columns = np.nonzero(table)
    assume(len(set(rows) | set(columns)) >= 2)
    weights = np.eye(len(table))
    assert math.isclose(weighted_kappa(table, weights), cohen_kappa(table), abs_tol=1e-9)


def test_plain_kappa_has_the_same_error_on_the_plain_scale() -> None:
    table = np.array([[40, 7, 3], [9, 30, 8], [1, 2, 11]])
    kappa, plain = cohen_kappa(table), kappa_interval(table)
    found = weighted_kappa_interval(table, np.eye(3))
    reach = (plain.high - kappa) / (1 - kappa**2)
    assert math.isclose(math.atanh(found.high) - math.atanh(kappa), reach, rel_tol=1e-9)


def test_near_misses_cost_less_than_far_ones() -> None:
    near = np.array([[20, 5, 0], [0, 20, 0], [0, 0, 20]])
    far = np.array([[20, 0, 5], [0, 20, 0], [0, 0, 20]])
    for weights in (linear_weights(3), quadratic_weights(3)):
        assert weighted_kappa(near, weights) > weighted_kappa(far, weights)


def test_one_answer_throughout_has_no_kappa() -> None:
    table = np.array([[9, 0], [0, 0]])
    assert math.isnan(weighted_kappa(table, linear_weights(2)))
    assert math.isnan(weighted_kappa_interval(table, linear_weights(2)).low)


def test_mean_cost_is_what_the_cases_cost() -> None:
    costs = np.array([[0.0, 5.0], [1.0, 0.0]])
    assert mean_cost(np.array([[10, 2], [4, 4]]), costs) == pytest.approx((2 * 5 + 4) / 20)
    stack = np.array([[[1, 1], [1, 1]], [[0, 4], [0, 0]]])
    assert np.array_equal(mean_cost(stack, costs), [1.5, 5.0])


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="same shape"):
        weighted_kappa(np.ones((2, 2)), linear_weights(3))
    with pytest.raises(ValueError, match="two categories"):
        quadratic_weights(1)


@pytest.mark.slow
@kinds
@pytest.mark.parametrize("n", [100, 400])
def test_coverage_of_weighted_kappa_is_nominal(kind: str, n: int) -> None:
    shares = np.array([[0.4, 0.06, 0.02], [0.05, 0.2, 0.04], [0.01, 0.04, 0.18]])
    weights = WEIGHTS[kind](3)
    truth = float(weighted_kappa(shares, weights))
    draws = np.random.default_rng(n).multinomial(n, shares.ravel(), 3000).reshape(-1, 3, 3)
    found = [weighted_kappa_interval(draw, weights) for draw in draws]
    assert 0.93 <= np.mean([i.low <= truth <= i.high for i in found]) <= 0.97
