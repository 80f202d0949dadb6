"""Kappa and the two-by-two table against scikit-learn and statsmodels."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa

from llmops_cli.stats.agreement import Confusion, cohen_kappa, kappa_interval

cells = st.integers(0, 60)
confusions = st.builds(Confusion, tp=cells, fp=cells, tn=cells, fn=cells)


@given(st.integers(2, 4).flatmap(lambda k: arrays.arrays(np.int64, (k, k), elements=cells)))
def test_kappa_agrees_with_scikit_learn(table: np.ndarray) -> None:
    rows, columns = np.nonzero(table)
    if len(set(rows) | set(columns)) < 2:
        return
    first = np.repeat(rows, table[rows, columns])
    second = np.repeat(columns, table[rows, columns])
    assert math.isclose(
        cohen_kappa(table), cohen_kappa_score(first, second), rel_tol=1e-9, abs_tol=1e-9
    )


@pytest.mark.parametrize(
    "table", [[[40, 7], [9, 30]], [[1, 0], [2, 97]], [[40, 7, 3], [9, 30, 8], [1, 2, 11]]]
)
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_kappa_interval_agrees_with_statsmodels(table: list[list[int]], level: float) -> None:
    counts = np.array(table)
    theirs = cohens_kappa(counts)
    reach = (theirs.kappa_upp - theirs.kappa) / 1.959963984540054
    z = {0.9: 1.6448536269514722, 0.95: 1.959963984540054}[level]
    found = kappa_interval(counts, level)
    assert math.isclose(found.low, max(-1, theirs.kappa - z * reach), abs_tol=1e-9)
    assert math.isclose(found.high, min(1, theirs.kappa + z * reach), abs_tol=1e-9)


def test_kappa_is_undefined_where_chance_agreement_is_total() -> None:
    table = np.array([[12, 0], [0, 0]])
    assert math.isnan(cohen_kappa(table))
    assert math.isnan(kappa_interval(table).low)


@pytest.mark.parametrize("table", [np.zeros((2, 2), int), np.ones((2, 3), int), np.ones(4, int)])
def test_no_table_no_kappa(table: np.ndarray) -> None:
    with pytest.raises(ValueError, match="square table"):
        cohen_kappa(table)


@given(confusions)
def test_the_parts_of_a_confusion_add_up(found: Confusion) -> None:
    assert found.positives + found.negatives == found.n == found.said_yes + found.said_no
    assert found.table().sum() == found.n
    assert np.trace(found.table()) == found.correct


@given(confusions, confusions)
def test_confusions_add_like_their_tables(one: Confusion, other: Confusion) -> None:
    assert np.array_equal((one + other).table(), one.table() + other.table())
