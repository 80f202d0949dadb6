"""Tokens per step from logs with planted truths: covered, and shortcuts shown to overstate."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from llmops_cli.speculation.closed_form import expected_tokens, tokens_by_position
from llmops_cli.speculation.estimate import beta_shapes, request_tokens, tokens_per_step
from llmops_cli.speculation.evidence import at_temperature, drift_of, requests_needed, temperatures
from llmops_cli.speculation.model import Acceptance, SpeculationParameters
from llmops_cli.speculation.shortcuts import mean_acceptance, shortcuts

Planted = Callable[..., Acceptance]


def of_fixed_tokens(alpha: float, beta: float, depth: int) -> float:
    """Tokens per step over requests of one length whose acceptance has a beta law."""
    rates = np.random.default_rng(99).beta(alpha, beta, 100_000)
    return 1 / float(np.mean([1 / (rates**0 + sum(rates**k for k in range(1, depth + 1)))]))


def test_at_the_logged_depth_it_is_tokens_over_steps(planted: Planted) -> None:
    seen = planted([0.2, 0.9, 0.6], 4, 300, np.random.default_rng(0))
    assert tokens_per_step(seen).value[-1] == pytest.approx(seen.tokens.sum() / seen.steps.sum())
    assert tokens_per_step(seen).value[0] == 1


@pytest.mark.parametrize("depth", [1, 3, 6])
def test_intervals_cover_heterogeneous_requests(planted: Planted, depth: int) -> None:
    truth = of_fixed_tokens(4, 2, depth)
    inside = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        seen = planted(generator.beta(4, 2, 50), 6, 100, generator)
        found = tokens_per_step(seen, resamples=300, seed=seed).interval(depth)
        inside += found.low <= truth <= found.high
    # 95 % intervals; with fifty requests a few per cent less, and 100 draws scatter.
    assert inside >= 87


def test_one_acceptance_for_all_overstates_heterogeneous_requests(planted: Planted) -> None:
    generator = np.random.default_rng(5)
    seen = planted(generator.beta(1.0, 0.6, 600), 8, 200, generator)
    tokens = tokens_per_step(seen, resamples=500)
    alike = shortcuts(seen, tokens, 8).alike
    # The formula does not only exceed the estimate but lies beyond its interval.
    assert alike > tokens.interval(8).high
    truth = of_fixed_tokens(1.0, 0.6, 8)
    assert tokens.interval(8).low <= truth <= tokens.interval(8).high
    assert alike > 1.05 * truth


def test_the_first_position_overstates_drafts_that_get_worse(planted: Planted) -> None:
    generator = np.random.default_rng(6)
    seen = planted([0.8] * 60, 6, 400, generator, decay=0.85)
    tokens = tokens_per_step(seen, resamples=500)
    truth = tokens_by_position([0.8 * 0.85**at for at in range(6)])
    assert tokens.interval(6).low <= truth <= tokens.interval(6).high
    assert shortcuts(seen, tokens, 6).first > 1.2 * truth


def test_alike_requests_need_no_law(planted: Planted) -> None:
    generator = np.random.default_rng(7)
    seen = planted([0.7] * 200, 5, 300, generator)
    tokens = tokens_per_step(seen, resamples=300)
    assert tokens.correlation < 0.01
    assert mean_acceptance(seen) == pytest.approx(0.7, abs=0.01)
    for depth in range(1, 6):
        assert tokens.value[depth] == pytest.approx(expected_tokens(0.7, depth), rel=0.02)


def test_a_planted_beta_law_is_found(planted: Planted) -> None:
    generator = np.random.default_rng(8)
    seen = planted(generator.beta(6, 3, 400), 1, 300, generator)
    alpha, beta = beta_shapes(tokens_per_step(seen, resamples=10))
    assert 1 / (alpha + beta + 1) == pytest.approx(0.1, abs=0.03)
    # By steps, of which hard requests take more: a little below the mean of 2 / 3.
    assert alpha / (alpha + beta) == pytest.approx(0.655, abs=0.02)


def test_a_depth_that_was_not_served_is_the_one_that_would_have_been(planted: Planted) -> None:
    rates = np.random.default_rng(9).beta(2, 1.5, 400)
    deep = planted(rates, 8, 300, np.random.default_rng(1))
    shallow = planted(rates, 2, 300, np.random.default_rng(2))
    served = shallow.tokens.sum() / shallow.steps.sum()
    assert tokens_per_step(deep, resamples=10).value[2] == pytest.approx(served, rel=0.03)
    # What a step accepted at most two of, weighted by the steps of the deep draft, is not it.
    naive = 1 + deep.accepted[:, :2].sum() / deep.steps.sum()
    assert naive < 0.95 * served


def test_tokens_never_fall_with_depth(planted: Planted) -> None:
    generator = np.random.default_rng(10)
    seen = planted(generator.beta(1, 1, 40), 7, 60, generator)
    tokens = tokens_per_step(seen, resamples=200)
    assert (np.diff(tokens.value) >= 0).all()
    assert (np.diff(tokens.drawn, axis=1) >= -1e-12).all()


@pytest.mark.parametrize("rate", [0.0, 1.0])
def test_all_or_nothing_is_not_certain(planted: Planted, rate: float) -> None:
    seen = planted([rate] * 30, 3, 40, np.random.default_rng(0))
    tokens = tokens_per_step(seen, resamples=200)
    found = tokens.interval(3)
    assert found.high - found.low > 0.1
    assert found.low - 1e-9 <= tokens.value[3] <= found.high + 1e-9


def test_one_request_has_no_interval(planted: Planted) -> None:
    seen = planted([0.6], 3, 100, np.random.default_rng(0))
    assert tokens_per_step(seen).interval(2) is None


def test_a_request_of_few_steps_is_drawn_towards_the_others(planted: Planted) -> None:
    generator = np.random.default_rng(3)
    seen = planted([*generator.beta(8, 4, 50), 0.0], 3, 60, generator)
    lonely = seen.only(np.arange(51) >= 0)
    lonely.steps[-1], lonely.reached[-1] = 1.0, [1, 0, 0]
    of_each, correlation = request_tokens(lonely)
    assert 0 < correlation < 1
    assert 1.5 < of_each[-1, -1] < of_each[:-1, -1].mean()


def test_thousands_of_requests_are_drawn_in_groups(planted: Planted) -> None:
    few = planted([0.6] * 50, 2, 20, np.random.default_rng(1))
    many = few.only(np.tile(np.arange(50), 100))
    wide, narrow = (tokens_per_step(s, resamples=300).interval(2) for s in (few, many))
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(10, rel=0.3)


def test_drift_is_seen_and_steadiness_is_not(planted: Planted) -> None:
    generator = np.random.default_rng(11)
    steady = planted(generator.beta(6, 3, 80), 4, 100, generator)
    falling = planted([0.8] * 40 + [0.5] * 40, 4, 100, generator)
    given = SpeculationParameters(resamples=500)
    assert not drift_of(steady, given).shown
    found = drift_of(falling, given)
    assert found.shown
    expected = expected_tokens(0.5, 4) - expected_tokens(0.8, 4)
    assert found.difference == pytest.approx(expected, abs=0.15)


def test_false_alarms_of_drift_are_rare(planted: Planted) -> None:
    alarms = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        seen = planted(generator.beta(4, 2, 40), 3, 40, generator)
        alarms += drift_of(seen, SpeculationParameters(resamples=300, seed=seed)).shown
    assert alarms <= 5


def test_too_few_requests_say_nothing_of_drift(planted: Planted) -> None:
    seen = planted([0.5] * 10, 3, 40, np.random.default_rng(0))
    assert drift_of(seen, SpeculationParameters()) is None


def test_only_requests_of_the_served_temperature_count(planted: Planted) -> None:
    generator = np.random.default_rng(12)
    seen = planted([0.8] * 40 + [0.5] * 40, 4, 100, generator)
    seen = replace(seen, temperature=np.repeat([0.0, 1.0], 40))
    assert temperatures(seen) == (0.0, 1.0)
    cold = tokens_per_step(at_temperature(seen, 0.0), resamples=300).interval(4)
    mixed = tokens_per_step(seen, resamples=300).interval(4)
    assert cold.low <= expected_tokens(0.8, 4) <= cold.high
    assert mixed.high < expected_tokens(0.8, 4)
    assert len(at_temperature(seen, 0.5)) == 80


def test_as_many_requests_as_were_named_decide() -> None:
    found = requests_needed(50, 1.3, (1.1, 1.5), 1.25)
    assert found == 800
    # Sixteen times the requests, a quarter of the reach: 0.05, which just meets the bound.
    assert 1.3 - 0.2 * (50 / found) ** 0.5 == pytest.approx(1.25)
    assert requests_needed(50, 1.25, (1.1, 1.5), 1.25) is None
