"""Resampled stretches of time, against resamples made row by row."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.stats.block_bootstrap import Stretches, stretches_of

Floats = npt.NDArray[np.float64]


def drawn(stretches: Stretches, values: Floats, resample: int) -> Floats:
    """The values of one resample, written out."""
    times = stretches.draws[resample].astype(int)
    return np.concatenate([np.tile(values[stretches.of == k], n) for k, n in enumerate(times)])


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=30),
    st.sampled_from([0.01, 0.5, 0.9, 0.99, 1.0]),
    st.integers(1, 8),
)
def test_quantiles_and_totals_are_those_of_resamples_written_out(
    numbers: list[int], share: float, count: int
) -> None:
    values = np.array(numbers, np.float64)
    stretches = stretches_of(np.arange(len(values), dtype=float), count, resamples=5)
    quantiles, totals = stretches.quantiles(values, share), stretches.totals(values)
    for at in range(5):
        rows = drawn(stretches, values, at)
        assert totals[at] == pytest.approx(rows.sum())
        if len(rows):
            assert quantiles[at] == np.quantile(rows, share, method="inverted_cdf")
        else:
            assert np.isnan(quantiles[at])


@pytest.mark.parametrize(("n", "apart"), [(20_000, 0.0), (100_000, 1e-3)])
def test_many_values_are_told_apart_finely(n: int, apart: float) -> None:
    values = np.random.default_rng(1).exponential(size=n)
    stretches = stretches_of(np.arange(n, dtype=float), 20, resamples=5)
    for share in (0.5, 0.9, 0.99):
        found = stretches.quantiles(values, share)
        exact = [
            np.quantile(drawn(stretches, values, at), share, method="inverted_cdf")
            for at in range(5)
        ]
        assert found == pytest.approx(exact, rel=apart)


def test_what_is_no_value_is_left_out_of_a_quantile() -> None:
    values = np.array([1.0, np.nan, 3.0, np.nan])
    stretches = stretches_of(np.arange(4.0), 2, resamples=6)
    assert set(stretches.quantiles(values, 1.0)) <= {1.0, 3.0}
    assert np.isnan(stretches.quantiles(np.full(4, np.nan), 0.5)).all()


def test_rows_of_one_instant_are_one_stretch() -> None:
    stretches = stretches_of(np.zeros(5), 10, resamples=3)
    assert stretches.count == 1
    assert stretches.totals(np.ones(5)).tolist() == [5, 5, 5]


def test_the_interval_covers_where_rows_hang_together() -> None:
    # An autoregressive path: rows resampled one by one would be far too sure of its mean.
    covered, narrow, runs, n = 0, 0, 200, 2000
    for run in range(runs):
        noise = np.random.default_rng(run).normal(size=n)
        path = np.empty(n)
        path[0] = noise[0]
        for at in range(1, n):
            path[at] = 0.9 * path[at - 1] + noise[at]
        stretches = stretches_of(np.arange(n, dtype=float), 25, resamples=200, seed=run)
        means = stretches.totals(path) / stretches.totals(np.ones(n))
        low, high = np.quantile(means, [0.05, 0.95])
        covered += low <= 0 <= high
        narrow += abs(path.mean()) <= 1.645 * path.std() / np.sqrt(n)
    assert 0.8 < covered / runs < 0.97
    assert narrow / runs < 0.5
