"""Betting bounds: literal transcription, frozen figures of other packages, false alarms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from llmops_cli.stats.betting import (
    betting_evidence,
    betting_interval,
    betting_path,
    empirical_bernstein_path,
)

EIGHT_OF_TEN = (np.arange(500) * 7 % 10 < 8).astype(float)
RARE = np.tile(np.concatenate([[1.0], np.zeros(49)]), 200)
streams = arrays.arrays(np.float64, st.integers(1, 60), elements=st.floats(0, 1))


def literally(
    values: np.ndarray, candidates: np.ndarray, level: float, cap: float
) -> tuple[np.ndarray, np.ndarray]:
    """The capital processes, one value and one candidate at a time."""
    alpha, mean_sum, spread_sum, spread = 1 - level, 0.5, 0.25, 0.25
    up, down = np.ones((len(values), len(candidates))), np.ones((len(values), len(candidates)))
    for t, x in enumerate(values, 1):
        bet = math.sqrt(2 * math.log(2 / alpha) / (spread * t * math.log(t + 1)))
        for i, m in enumerate(candidates):
            before_up, before_down = (up[t - 2, i], down[t - 2, i]) if t > 1 else (1.0, 1.0)
            up[t - 1, i] = before_up * (1 + min(bet, cap / m) * (x - m))
            down[t - 1, i] = before_down * (1 - min(bet, cap / (1 - m)) * (x - m))
        mean_sum += x
        spread_sum += (x - mean_sum / (t + 1)) ** 2
        spread = spread_sum / (t + 1)
    return up, down


@given(streams, st.floats(0.05, 0.95), st.sampled_from([0.5, 0.75]))
def test_evidence_by_brute_force(values: np.ndarray, candidate: float, cap: float) -> None:
    up, down = literally(values, np.array([candidate]), 0.95, cap)
    found = betting_evidence(values, candidate, cap=cap)
    assert np.allclose(found[0], np.log(up[:, 0]), rtol=1e-9, atol=1e-9)
    assert np.allclose(found[1], np.log(down[:, 0]), rtol=1e-9, atol=1e-9)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.9, 0.95]))
def test_the_path_by_brute_force(seed: int, level: float) -> None:
    values = np.random.default_rng(seed).beta(4, 1, 80)
    candidates = np.arange(1, 40) / 40
    up, down = literally(values, candidates, level, 0.5)
    limit = 2 / (1 - level)
    found = betting_path(values, level=level, grid=40)
    for t in range(len(values)):
        low = candidates[(up[: t + 1] >= limit).any(axis=0)]
        high = candidates[(down[: t + 1] >= limit).any(axis=0)]
        assert found.low[t] == pytest.approx(low.max() if len(low) else 0.0, abs=1e-12)
        assert found.high[t] == pytest.approx(high.min() if len(high) else 1.0, abs=1e-12)


# ville 0.1.0, BettingCS(alpha=.05, grid=100001), widened to its neighbouring grid points.
@pytest.mark.parametrize(
    ("n", "low", "high"),
    [(50, 0.62101, 0.94333), (200, 0.70689, 0.89283), (500, 0.7369, 0.86678)],
)
def test_the_interval_is_that_of_ville(n: int, low: float, high: float) -> None:
    found = betting_interval(EIGHT_OF_TEN[:n])
    assert found.low == pytest.approx(low, abs=2.1e-5)
    assert found.high == pytest.approx(high, abs=2.1e-5)


@given(streams, st.floats(0.6, 0.99))
def test_the_bounds_are_where_the_evidence_reaches_its_limit(
    values: np.ndarray, level: float
) -> None:
    found, limit = betting_interval(values, level=level), math.log(2 / (1 - level))
    path = betting_path(values, level=level)
    for candidate in (found.low - 1e-6, found.low + 1e-6):
        if 1e-6 < candidate < 1 - 1e-6 and path.low[-1] <= path.high[-1]:
            refuted = betting_evidence(values, candidate, level=level)[0].max() >= limit
            assert refuted == (candidate < found.low)
    assert path.low[-1] <= found.low + 1e-9 or path.low[-1] > path.high[-1]


@given(streams)
def test_mirrored_values_have_mirrored_bounds(values: np.ndarray) -> None:
    found, mirrored = betting_interval(values), betting_interval(1 - values)
    assert math.isclose(found.low, 1 - mirrored.high, abs_tol=1e-9)


def test_a_finer_grid_approaches_the_exact_interval_from_outside() -> None:
    found = betting_interval(EIGHT_OF_TEN)
    for grid in (100, 1000):
        path = betting_path(EIGHT_OF_TEN, grid=grid)
        assert found.low - 1 / grid <= path.low[-1] <= found.low + 1e-12
        assert found.high - 1e-12 <= path.high[-1] <= found.high + 1 / grid


def test_running_bounds_never_widen() -> None:
    for path in (betting_path(EIGHT_OF_TEN), empirical_bernstein_path(EIGHT_OF_TEN)):
        assert (np.diff(path.low) >= 0).all()
        assert (np.diff(path.high) <= 0).all()


def test_a_mean_that_moved_shows_as_bounds_that_cross() -> None:
    moved = np.concatenate([np.zeros(400), np.ones(4000)])
    path, found = betting_path(moved), betting_interval(moved)
    assert path.high[-1] < path.low[-1]
    assert found.low <= path.high[-1] <= path.low[-1] <= found.high


# The reference's check numbers; ville 0.1.0 gives the same five digits.
@pytest.mark.parametrize(
    ("n", "low", "high"), [(1000, 0.00443, 0.03704), (10_000, 0.01479, 0.02586)]
)
def test_empirical_bernstein_bounds_of_a_rare_event(n: int, low: float, high: float) -> None:
    path = empirical_bernstein_path(RARE[:n])
    assert (round(path.low[-1], 5), round(path.high[-1], 5)) == (low, high)


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [
        (50, 0.5868857590964314, 1.0),
        (200, 0.7025181068817684, 0.8977288157134353),
        (500, 0.7354911642768862, 0.8644684158520364),
    ],
)
def test_empirical_bernstein_bounds_are_those_of_ville(n: int, low: float, high: float) -> None:
    path = empirical_bernstein_path(EIGHT_OF_TEN[:n])
    assert path.low[-1] == pytest.approx(low, abs=1e-12)
    assert path.high[-1] == pytest.approx(high, abs=1e-12)


def test_betting_is_tighter_than_empirical_bernstein() -> None:
    bet, path = betting_interval(RARE), empirical_bernstein_path(RARE)
    assert bet.high - bet.low < 0.9 * (path.high[-1] - path.low[-1])


@pytest.mark.parametrize("values", [[], [0.5, 1.2], [-0.1], [math.nan]])
def test_values_outside_the_unit_interval_are_refused(values: list[float]) -> None:
    for function in (betting_interval, betting_path, empirical_bernstein_path):
        with pytest.raises(ValueError, match="between 0 and 1"):
            function(np.array(values))


def test_impossible_settings_are_refused() -> None:
    for wrong in ({"level": 1.0}, {"cap": 0.0}):
        with pytest.raises(ValueError, match="a level and a cap"):
            betting_interval(EIGHT_OF_TEN, **wrong)
    with pytest.raises(ValueError, match="candidate mean"):
        betting_evidence(EIGHT_OF_TEN, 1.0)
    with pytest.raises(ValueError, match="two steps"):
        betting_path(EIGHT_OF_TEN, grid=1)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.8, 0.5, 0.98])
def test_a_gate_that_looks_after_every_label_is_wrong_no_more_often_than_alpha(
    truth: float,
) -> None:
    draw, runs, limit = np.random.default_rng(9), 3000, math.log(20)
    wrong = np.zeros(2)
    for _ in range(runs):
        values = (draw.random(2000) < truth).astype(float)
        up, down = betting_evidence(values, truth, level=0.90)
        wrong += up.max() >= limit, down.max() >= limit
    assert (wrong / runs <= 0.05).all()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["binary", "graded"])
def test_running_intervals_cover_at_every_look(kind: str) -> None:
    draw, runs, missed = np.random.default_rng(5), 1500, np.zeros(2)
    for _ in range(runs):
        values = draw.beta(4, 1, 800)
        if kind == "binary":
            values = (draw.random(800) < values).astype(float)
        found, path = betting_interval(values), empirical_bernstein_path(values)
        missed += not found.low <= 0.8 <= found.high, not path.low[-1] <= 0.8 <= path.high[-1]
    assert (missed / runs <= 0.05).all()


@pytest.mark.slow
def test_looking_after_every_label_at_a_fixed_interval_is_what_this_prevents() -> None:
    draw, runs, alarms = np.random.default_rng(7), 1000, 0
    looks = np.arange(20, 2001)
    for _ in range(runs):
        shares = np.cumsum(draw.random(2000) < 0.8)[19:] / looks
        alarms += (shares - 1.645 * np.sqrt(shares * (1 - shares) / looks) > 0.8).any()
    assert alarms / runs > 0.25
