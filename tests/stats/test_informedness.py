"""Sensitivity + specificity - 1: by hand, symmetry, refusals, coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.stats.agreement import Confusion
from llmops_cli.stats.balanced_agreement import balanced_accuracy
from llmops_cli.stats.informedness import informedness
from llmops_cli.stats.intervals import wilson

counts = st.integers(0, 80)
tables = st.builds(Confusion, tp=counts, fp=counts, tn=counts, fn=counts).filter(
    lambda found: found.positives > 0 and found.negatives > 0
)


@given(tables, st.floats(0.5, 0.99))
def test_the_ends_add_the_squares_of_the_two_wilson_reaches(table: Confusion, level: float) -> None:
    found = informedness(table, level)
    hits = wilson(table.tp, table.positives, level)
    rejections = wilson(table.tn, table.negatives, level)
    down = (found.sensitivity - hits.low) ** 2 + (found.specificity - rejections.low) ** 2
    up = (found.sensitivity - hits.high) ** 2 + (found.specificity - rejections.high) ** 2
    assert math.isclose((found.value - found.interval.low) ** 2, down, abs_tol=1e-9)
    assert math.isclose((found.value - found.interval.high) ** 2, up, abs_tol=1e-9)
    assert -1 - 1e-9 <= found.interval.low <= found.interval.high <= 1 + 1e-9


@given(tables)
def test_a_test_read_backwards_knows_as_much_with_the_other_sign(table: Confusion) -> None:
    found = informedness(table).interval
    backwards = informedness(Confusion(tp=table.fn, fp=table.tn, tn=table.fp, fn=table.tp)).interval
    assert math.isclose(found.low, -backwards.high, abs_tol=1e-9)


@given(tables)
def test_balanced_accuracy_is_half_of_one_more(table: Confusion) -> None:
    found = informedness(table)
    assert math.isclose((1 + found.value) / 2, balanced_accuracy(table.table()), abs_tol=1e-9)
    assert found.balanced_accuracy.low <= (1 + found.value) / 2 <= found.balanced_accuracy.high


def test_a_coin_is_not_established_and_a_good_test_is() -> None:
    assert not informedness(Confusion(tp=30, fp=28, tn=32, fn=30)).established
    assert informedness(Confusion(tp=50, fp=10, tn=50, fn=10)).established


@pytest.mark.parametrize("table", [Confusion(5, 0, 0, 1), Confusion(0, 5, 1, 0)])
def test_one_class_alone_is_refused(table: Confusion) -> None:
    with pytest.raises(ValueError, match="a true and a false case"):
        informedness(table)


@pytest.mark.slow
@pytest.mark.parametrize(("hits", "rejections"), [(0.9, 0.7), (0.98, 0.6), (0.55, 0.5)])
@pytest.mark.parametrize(("true", "false"), [(40, 20), (200, 100)])
def test_coverage_is_nominal(hits: float, rejections: float, true: int, false: int) -> None:
    draw = np.random.default_rng(true)
    tp, tn = (
        draw.binomial(true, hits, 4000).tolist(),
        draw.binomial(false, rejections, 4000).tolist(),
    )
    found = [
        informedness(Confusion(tp=a, fn=true - a, tn=b, fp=false - b)).interval
        for a, b in zip(tp, tn, strict=True)
    ]
    assert 0.935 <= np.mean([i.low <= hits + rejections - 1 <= i.high for i in found]) <= 0.97
