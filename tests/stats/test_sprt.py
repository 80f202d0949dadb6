"""Wald's test: the reference's limits, exact errors against simulation, walks."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.stats.sprt import Sprt

GATE = Sprt(low=0.78, high=0.85, alpha=0.05, beta=0.20)


def test_limits_and_steps_are_walds() -> None:
    assert GATE.limits == pytest.approx((math.log(0.2 / 0.95), math.log(0.8 / 0.05)), rel=1e-12)
    assert GATE.steps == pytest.approx((math.log(0.85 / 0.78), math.log(0.15 / 0.22)), rel=1e-12)


@given(st.lists(st.sampled_from([0.0, 1.0]), max_size=300))
def test_a_walk_by_brute_force(values: list[float]) -> None:
    fail, passed = GATE.limits
    ratio, expected = 0.0, (0.0, 0.0, float(len(values)))
    for case, value in enumerate(values, 1):
        ratio += math.log(0.85 / 0.78) if value else math.log(0.15 / 0.22)
        if ratio >= passed - 1e-12 or ratio <= fail + 1e-12:
            expected = (1.0, 0.0, case) if ratio > 0 else (0.0, 1.0, case)
            break
    found = GATE.walk(np.array(values))
    assert (found.above, found.below, found.cases) == expected
    assert found.open == 1 - found.above - found.below


@pytest.mark.parametrize(
    "test", [GATE, Sprt(low=0.8, high=0.9), Sprt(low=0.02, high=0.04, alpha=0.01, beta=0.1)]
)
def test_both_errors_are_exactly_below_their_bounds(test: Sprt) -> None:
    at_low, at_high = test.operating(test.low, 2000), test.operating(test.high, 2000)
    assert at_low.above <= test.alpha / (1 - test.beta)
    assert at_high.below <= test.beta / (1 - test.alpha)
    assert at_low.above <= test.alpha
    assert at_high.below <= test.beta


@pytest.mark.parametrize("share", [0.78, 0.82, 0.9])
def test_the_exact_operation_agrees_with_walks(share: float) -> None:
    draw, runs = np.random.default_rng(1), 2000
    walks = [GATE.walk((draw.random(400) < share).astype(float)) for _ in range(runs)]
    exact = GATE.operating(share, 400)
    assert np.mean([w.above for w in walks]) == pytest.approx(exact.above, abs=0.035)
    assert np.mean([w.below for w in walks]) == pytest.approx(exact.below, abs=0.035)
    assert np.mean([w.cases for w in walks]) == pytest.approx(exact.cases, rel=0.06)


def test_certain_outcomes_take_the_fewest_cases() -> None:
    successes = math.ceil(GATE.limits[1] / GATE.steps[0])
    found = GATE.operating(1.0, 1000)
    assert (found.above, found.below, found.cases) == (1.0, 0.0, successes)
    assert GATE.operating(0.0, 1000).below == 1.0


def test_a_cap_leaves_the_rest_open() -> None:
    found = GATE.operating(0.82, 20)
    assert found.open > 0.3
    assert found.cases <= 20


@pytest.mark.parametrize(
    "wrong",
    [{"low": 0.9}, {"low": 0.0}, {"high": 1.0}, {"alpha": 0.0}, {"alpha": 0.6, "beta": 0.5}],
)
def test_hypotheses_that_cannot_be_told_apart_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"two shares|together below 1"):
        Sprt(**{"low": 0.78, "high": 0.85, **wrong})


def test_impossible_values_are_refused() -> None:
    with pytest.raises(ValueError, match="0 or 1"):
        GATE.walk(np.array([0.5]))
    with pytest.raises(ValueError, match="positive cap"):
        GATE.operating(0.5, 0)
