"""A ratio of sums over clusters: against resampling, and where it is a plain mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.stats.bootstrap import bootstrap_ratio
from llmops_cli.stats.ratio_metric import ratio_metric


def users(seed: int, groups: int = 3000) -> np.ndarray:
    """Cost and requests of users: heavy ones ask more often, and dearer questions."""
    draw = np.random.default_rng(seed)
    requests = 1 + draw.poisson(draw.gamma(1.0, 3.0, groups))
    return np.column_stack([draw.gamma(2.0, 1.0, groups) * requests**1.3, requests])


def test_the_error_is_that_of_resampled_users() -> None:
    sums = users(1)
    found = ratio_metric(sums)
    resampled = bootstrap_ratio(sums, level=0.6827, resamples=4000)
    assert found.error == pytest.approx((resampled.high - resampled.low) / 2, rel=0.05)
    assert found.value == pytest.approx(sums[:, 0].sum() / sums[:, 1].sum())
    # The mean of each user's own ratio is something else.
    assert abs((sums[:, 0] / sums[:, 1]).mean() - found.value) > 5 * found.error


@given(st.lists(st.floats(0, 100), min_size=2, max_size=50))
def test_one_row_per_cluster_is_a_plain_mean(values: list[float]) -> None:
    table = np.array(values)
    found = ratio_metric(np.column_stack([table, np.ones(len(values))]))
    assert found.value == pytest.approx(table.mean())
    assert found.error == pytest.approx(table.std(ddof=1) / np.sqrt(len(values)), abs=1e-9)


@pytest.mark.parametrize("sums", [np.ones((1, 2)), np.zeros((3, 2))])
def test_what_is_no_ratio(sums: np.ndarray) -> None:
    with pytest.raises(ValueError, match="a ratio needs"):
        ratio_metric(sums)
