"""Resampled tables: theory, both kinds against each other, coverage."""

import numpy as np
import pytest

from llmops_cli.stats.balanced_agreement import matthews_correlation
from llmops_cli.stats.table_bootstrap import bootstrap_clustered_table, bootstrap_table


def share(tables: np.ndarray) -> np.ndarray:
    return tables[:, 0, 0] / tables.sum(axis=(1, 2))


def test_a_share_has_the_quantiles_of_the_binomial() -> None:
    found = bootstrap_table(np.array([[100, 250], [0, 50]]), share, level=0.9, resamples=20_000)
    reach = 1.645 * (0.25 * 0.75 / 400) ** 0.5
    assert found.low == pytest.approx(0.25 - reach, abs=0.004)
    assert found.high == pytest.approx(0.25 + reach, abs=0.004)


def test_clusters_of_one_case_are_cases() -> None:
    table = np.array([[30, 5], [10, 15]])
    cases = np.eye(4, dtype=np.int64)[np.repeat(np.arange(4), table.ravel())].reshape(-1, 2, 2)
    # Shares of 60 cases come in steps of 1/60.
    alone = bootstrap_table(table, share, resamples=20_000)
    grouped = bootstrap_clustered_table(cases, share, resamples=20_000)
    assert alone.low == pytest.approx(grouped.low, abs=0.017)
    assert alone.high == pytest.approx(grouped.high, abs=0.017)


def test_clusters_that_agree_with_themselves_say_less() -> None:
    tables = np.zeros((40, 2, 2), np.int64)
    tables[:10, 0, 0] = tables[10:, 1, 1] = 10
    apart = bootstrap_table(tables.sum(axis=0), share)
    together = bootstrap_clustered_table(tables, share)
    assert together.high - together.low > 2.5 * (apart.high - apart.low)


def test_nothing_to_resample_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one case"):
        bootstrap_table(np.zeros((2, 2), np.int64), share)
    with pytest.raises(ValueError, match="no resample"):
        bootstrap_table(np.array([[5, 0], [0, 0]]), matthews_correlation)
    with pytest.raises(ValueError, match="two clusters"):
        bootstrap_clustered_table(np.ones((1, 2, 2), np.int64), share)


@pytest.mark.slow
@pytest.mark.parametrize("n", [150, 600])
def test_coverage_of_a_resampled_correlation_is_nominal(n: int) -> None:
    shares = np.array([[0.62, 0.08], [0.06, 0.24]])
    truth = float(matthews_correlation(shares))
    draws = np.random.default_rng(n).multinomial(n, shares.ravel(), 1500).reshape(-1, 2, 2)
    found = [
        bootstrap_table(d, matthews_correlation, resamples=600, seed=s) for s, d in enumerate(draws)
    ]
    assert 0.925 <= np.mean([i.low <= truth <= i.high for i in found]) <= 0.97
