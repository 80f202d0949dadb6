"""Deferral to the dear answer: the reference's figures, its formulas written out, simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.stats.deferral import Deferral

counts = st.integers(0, 500)
deferrals = st.builds(Deferral, counts, counts, counts, counts.map(lambda n: n + 1))
rates = st.floats(0, 1)


# Reference section 0.2; 1004 / 1079 = 0.93049, which it rounds up to 0.931.
@pytest.mark.parametrize(
    ("n01", "n10", "expected"),
    [(2496, 742, 0.771), (382, 94, 0.803), (547, 112, 0.830), (432, 96, 0.818), (564, 99, 0.851),
     (1004, 75, 0.930), (667, 187, 0.781)],
)  # fmt: skip
def test_break_even_of_public_traffic(n01: int, n10: int, expected: float) -> None:
    found = Deferral(both=100, only_cheap=n10, only_dear=n01, neither=50)
    assert round(found.break_even, 3) == expected


@given(deferrals, rates, rates)
def test_quality_and_deferrals_are_those_of_the_reference_formulas(
    found: Deferral, tpr: float, tnr: float
) -> None:
    right, wrong = found.both + found.only_cheap, found.only_dear + found.neither
    p = right / found.n
    a = found.both / right if right else 0.0
    b = found.only_dear / wrong
    quality = p * tpr + p * (1 - tpr) * a + (1 - p) * tnr * b
    assert math.isclose(found.quality(tpr, tnr), quality, abs_tol=1e-9)
    escalated = p * (1 - tpr) + (1 - p) * tnr
    assert math.isclose(found.deferred(tpr, tnr), escalated, abs_tol=1e-9)
    assert math.isclose(found.cost(tpr, tnr, kept=0.2, dear=3.0), 0.2 + 3 * escalated, abs_tol=1e-9)


@given(deferrals)
def test_a_perfect_test_gets_all_that_either_can_and_a_wrong_one_only_what_both_do(
    found: Deferral,
) -> None:
    assert found.quality(1.0, 1.0) == (found.n - found.neither) / found.n
    assert found.quality(0.0, 0.0) == found.both / found.n
    assert found.quality(0.0, 1.0) == found.dear
    assert found.quality(1.0, 0.0) == found.cheap


@given(deferrals)
def test_at_break_even_nothing_is_lost_or_won(found: Deferral) -> None:
    rate = found.break_even
    if math.isnan(rate):
        assert found.only_cheap == found.only_dear == 0
    else:
        assert math.isclose(found.quality(rate, rate), found.dear, abs_tol=1e-9)


@given(deferrals, rates, st.floats(0, 0.2))
def test_on_the_quality_frontier_exactly_the_allowed_loss_is_lost(
    found: Deferral, tpr: float, loss: float
) -> None:
    tnr = found.specificity_for_quality(tpr, loss)
    if math.isnan(tnr):
        assert found.only_dear == 0
    else:
        assert math.isclose(found.quality(tpr, tnr), found.dear - loss, abs_tol=1e-9)


@given(deferrals, rates, st.floats(0.01, 0.5), st.floats(0.1, 1))
def test_on_the_cost_frontier_exactly_the_wanted_share_is_spent(
    found: Deferral, tnr: float, kept: float, share: float
) -> None:
    tpr = found.sensitivity_for_saving(tnr, kept=kept, dear=2.0, share=share)
    if math.isnan(tpr):
        assert found.cheap == 0
    else:
        assert math.isclose(found.cost(tpr, tnr, kept=kept, dear=2.0), share * 2.0, abs_tol=1e-9)


def test_arrays_of_rates_give_arrays() -> None:
    found = Deferral(500, 100, 300, 100)
    grid = np.linspace(0.5, 1, 6)
    assert found.quality(grid, grid).tolist() == [found.quality(r, r) for r in grid.tolist()]  # type: ignore[union-attr]
    assert np.isnan(Deferral(5, 1, 0, 2).specificity_for_quality(grid)).all()
    assert np.isnan(Deferral(0, 0, 5, 2).sensitivity_for_saving(grid, kept=0.1, dear=1.0)).all()


def test_independent_errors_do_by_simulation_what_the_formula_says() -> None:
    found, draw, runs = Deferral(500, 100, 300, 100), np.random.default_rng(1), 400_000
    kinds = draw.choice(4, runs, p=[0.5, 0.1, 0.3, 0.1])
    cheap, dear = kinds <= 1, (kinds == 0) | (kinds == 2)
    kept = np.where(cheap, draw.random(runs) < 0.9, draw.random(runs) < 0.3)
    assert found.quality(0.9, 0.7) == pytest.approx(np.where(kept, cheap, dear).mean(), abs=0.003)
    assert found.deferred(0.9, 0.7) == pytest.approx(1 - kept.mean(), abs=0.003)


def test_impossible_counts_and_prices_are_refused() -> None:
    with pytest.raises(ValueError, match="paired cases"):
        Deferral(0, 0, 0, 0)
    with pytest.raises(ValueError, match="paired cases"):
        Deferral(3, -1, 0, 0)
    with pytest.raises(ValueError, match="has a price"):
        Deferral(3, 1, 1, 1).sensitivity_for_saving(0.5, kept=0.1, dear=0.0)
