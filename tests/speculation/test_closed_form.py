"""The literature's formulas, to the printed digit, and what must hold of any formula."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.speculation.closed_form import (
    acceptance_for,
    beta_binomial_tokens,
    expected_tokens,
    operations_factor,
    optimal_drafted,
    tokens_by_position,
    tree_level_rate,
    tree_tokens,
    walltime_factor,
)

RATES = st.floats(0.0, 1.0)
DEPTHS = st.integers(0, 12)


@given(rate=RATES, depth=DEPTHS)
def test_a_chain_is_a_geometric_sum(rate: float, depth: int) -> None:
    total = sum(rate**at for at in range(depth + 1))
    assert expected_tokens(rate, depth) == pytest.approx(total, rel=1e-6)
    assert tokens_by_position([rate] * depth) == pytest.approx(total, rel=1e-9)


@given(rate=RATES, depth=st.integers(1, 12))
def test_acceptance_is_found_back_from_tokens(rate: float, depth: int) -> None:
    found = acceptance_for(tokens_by_position([rate] * depth), depth)
    assert found is not None
    assert tokens_by_position([found] * depth) == pytest.approx(
        tokens_by_position([rate] * depth), rel=1e-9
    )


@pytest.mark.parametrize(("tokens", "depth"), [(0.5, 3), (4.5, 3)])
def test_tokens_that_no_acceptance_gives_have_none(tokens: float, depth: int) -> None:
    assert acceptance_for(tokens, depth) is None


@pytest.mark.parametrize(
    ("rate", "cost"), list(product((0.3, 0.5, 0.7, 0.8, 0.9), (0.01, 0.05, 0.1, 0.4)))
)
def test_the_best_depth_beats_its_neighbours(rate: float, cost: float) -> None:
    best = optimal_drafted(rate, cost)
    here = walltime_factor(rate, best, cost)
    assert here >= walltime_factor(rate, best + 1, cost)
    assert best == 0 or here > walltime_factor(rate, best - 1, cost)
    # Corollary 3.9 of the paper: some depth pays exactly where acceptance exceeds the cost.
    assert (here > 1) == (rate > cost)


def test_drafting_one_token_pays_by_the_published_ratio() -> None:
    # Corollary 3.9: where one pays, the gain is at least (1 + alpha) / (1 + c).
    assert walltime_factor(0.7, 1, 0.1) == pytest.approx(1.7 / 1.1)


@given(rate=RATES, depth=DEPTHS, cost=st.floats(0.0, 1.0))
def test_operations_never_fall_below_those_of_plain_decoding(
    rate: float, depth: int, cost: float
) -> None:
    assert operations_factor(rate, depth, cost) >= 1 - 1e-9


@given(alpha=st.floats(0.1, 50), beta=st.floats(0.1, 50), depth=st.integers(1, 10))
def test_a_beta_law_gives_at_least_the_tokens_of_its_mean(
    alpha: float, beta: float, depth: int
) -> None:
    mean = alpha / (alpha + beta)
    assert beta_binomial_tokens(alpha, beta, depth) >= tokens_by_position([mean] * depth) - 1e-9


def test_a_narrow_beta_law_is_one_acceptance() -> None:
    assert beta_binomial_tokens(7e6, 3e6, 5) == pytest.approx(expected_tokens(0.7, 5), rel=1e-5)


@given(rates=st.lists(st.floats(0, 0.3), min_size=3, max_size=3), depth=st.integers(1, 4))
def test_a_tree_of_all_ranks_is_a_chain_of_its_levels(rates: list[float], depth: int) -> None:
    nodes = [node for size in range(1, depth + 1) for node in product(range(3), repeat=size)]
    level = tree_level_rate(rates, 3)
    assert tree_tokens(nodes, rates) == pytest.approx(tokens_by_position([level] * depth))


def test_a_tree_of_first_candidates_is_the_chain() -> None:
    nodes = [(0,), (0, 0), (0, 0, 0)]
    assert tree_tokens(nodes, [0.6, 0.2]) == pytest.approx(expected_tokens(0.6, 3))


def test_a_node_without_its_parent_is_refused() -> None:
    with pytest.raises(ValueError, match="parent"):
        tree_tokens([(0,), (1, 0)], [0.6, 0.2])
