"""Quality and cost as one figure: RouterArena's published row, and its limits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.stats.quality_and_cost import quality_and_cost


def test_the_row_that_routerarena_publishes_unrounded() -> None:
    assert 100 * float(quality_and_cost(0.7518957671, 8.5434721952)) == pytest.approx(65.8647, 1e-6)


@given(st.floats(0.01, 1), st.floats(0.005, 190))
def test_it_lies_between_quality_and_the_place_of_the_cost(quality: float, cost: float) -> None:
    place = (np.log2(200) - np.log2(cost)) / (np.log2(200) - np.log2(0.0044))
    found = float(quality_and_cost(quality, cost))
    assert min(quality, place) - 1e-12 <= found <= max(quality, place) + 1e-12


def test_costs_beyond_the_ends_count_as_the_ends_and_nothing_is_worth_nothing() -> None:
    found = quality_and_cost(np.array([0.5, 0.5, 0.0]), np.array([0.0, 1e6, 1e6]))
    assert found[0] == pytest.approx(float(quality_and_cost(0.5, 0.0044)))
    assert found[1] == 0.0
    assert found[2] == 0.0
