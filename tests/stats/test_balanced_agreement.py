"""Agreement under imbalance: scikit-learn, frozen figures of another package, coverage."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import balanced_accuracy_score, matthews_corrcoef

from llmops_cli.stats.balanced_agreement import (
    balanced_accuracy,
    gwet_ac1,
    gwet_interval,
    matthews_correlation,
)

tables = st.integers(2, 4).flatmap(
    lambda k: arrays.arrays(np.int64, (k, k), elements=st.integers(0, 60))
)


def cases(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows, columns = np.nonzero(table)
    often = table[rows, columns]
    return np.repeat(rows, often), np.repeat(columns, often)


@given(tables)
def test_balanced_accuracy_agrees_with_scikit_learn(table: np.ndarray) -> None:
    assume((table.sum(axis=0) > 0).all())
    said, truth = cases(table)
    expected = balanced_accuracy_score(truth, said)
    assert math.isclose(balanced_accuracy(table), expected, abs_tol=1e-9)


def test_balanced_accuracy_needs_every_class_of_the_truth() -> None:
    assert math.isnan(balanced_accuracy(np.array([[5, 0], [2, 0]])))


@given(tables)
def test_matthews_agrees_with_scikit_learn(table: np.ndarray) -> None:
    assume(min((table.sum(axis=axis) > 0).sum() for axis in (0, 1)) >= 2)
    said, truth = cases(table)
    assert math.isclose(matthews_correlation(table), matthews_corrcoef(truth, said), abs_tol=1e-9)


@pytest.mark.parametrize("table", [[[12, 0], [0, 0]], [[7, 5], [0, 0]], [[3, 0], [9, 0]]])
def test_a_constant_has_no_correlation(table: list[list[int]]) -> None:
    assert math.isnan(matthews_correlation(np.array(table)))


# irrCAC 0.4.4, irrCAC.table.CAC(table, digits=14).gwet(): coefficient and standard error.
IRRCAC = [
    ([[118, 5], [2, 0]], 0.94077633760872, 0.02296455124793),
    ([[40, 7], [9, 30]], 0.63287086446105, 0.08370432427288),
    ([[40, 7, 3], [9, 30, 8], [1, 2, 11]], 0.60809697540308, 0.06207187099857),
    ([[1, 0], [2, 97]], 0.97918401332223, 0.01486219234894),
]


@pytest.mark.parametrize(("table", "value", "error"), IRRCAC)
def test_ac1_and_its_error_are_those_of_irrcac(
    table: list[list[int]], value: float, error: float
) -> None:
    counts = np.array(table)
    assert math.isclose(gwet_ac1(counts), value, abs_tol=1e-12)
    found = gwet_interval(counts, 0.95)
    reach = 1.959963984540054 * error / (1 - value)
    assert math.isclose(1 - found.low, (1 - value) * math.exp(reach), abs_tol=1e-9)
    assert math.isclose(1 - found.high, (1 - value) * math.exp(-reach), abs_tol=1e-9)


@given(tables)
def test_ac1_by_hand(table: np.ndarray) -> None:
    assume(table.sum() > 0)
    n, size = table.sum(), len(table)
    shares = [(table[k].sum() + table[:, k].sum()) / (2 * n) for k in range(size)]
    chance = sum(share * (1 - share) for share in shares) / (size - 1)
    expected = (np.trace(table) / n - chance) / (1 - chance)
    assert math.isclose(gwet_ac1(table), expected, abs_tol=1e-9)


@given(tables)
def test_an_interval_holds_the_value_and_stays_in_range(table: np.ndarray) -> None:
    assume(table.sum() > 0)
    found = gwet_interval(table)
    assert -1 <= found.low <= gwet_ac1(table) + 1e-12
    assert gwet_ac1(table) <= found.high + 1e-12
    assert found.high <= 1


def test_perfect_agreement_of_few_is_no_certainty() -> None:
    few, many = (gwet_interval(np.diag([n, n])) for n in (5, 500))
    assert few.high == many.high == 1
    assert few.low < 0.5 < many.low < 1


def test_a_stack_of_tables_gives_what_each_gives() -> None:
    stack = np.random.default_rng(0).integers(1, 30, (7, 3, 3))
    for function in (balanced_accuracy, matthews_correlation, gwet_ac1):
        assert np.array_equal(function(stack), [float(function(table)) for table in stack])


@pytest.mark.parametrize("function", [balanced_accuracy, matthews_correlation, gwet_ac1])
@pytest.mark.parametrize("table", [np.ones((2, 3)), np.ones(4)])
def test_tables_are_square(function: object, table: np.ndarray) -> None:
    with pytest.raises(ValueError, match="square"):
        function(table)  # type: ignore[operator]


def test_chance_needs_two_categories_and_an_interval_a_case() -> None:
    with pytest.raises(ValueError, match="two categories"):
        gwet_ac1(np.array([[3]]))
    with pytest.raises(ValueError, match="at least one case"):
        gwet_interval(np.zeros((2, 2), np.int64))


@pytest.mark.slow
@pytest.mark.parametrize("n", [60, 200, 1000])
@pytest.mark.parametrize(
    "shares",
    [
        [[0.80, 0.06], [0.04, 0.10]],
        [[0.93, 0.03], [0.02, 0.02]],
        [[0.40, 0.15], [0.15, 0.30]],
        [[0.5, 0.05, 0.02], [0.04, 0.2, 0.03], [0.01, 0.03, 0.12]],
    ],
)
def test_coverage_of_ac1_is_nominal(shares: list[list[float]], n: int) -> None:
    truth = float(gwet_ac1(np.array(shares)))
    runs, size = 3000, len(shares)
    draws = np.random.default_rng(n).multinomial(n, np.ravel(shares), runs)
    found = [gwet_interval(draw.reshape(size, size)) for draw in draws]
    assert 0.935 <= np.mean([i.low <= truth <= i.high for i in found]) <= 0.975
