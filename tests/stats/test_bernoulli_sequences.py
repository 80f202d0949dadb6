"""Bernoulli mixtures: numerical integration, monotony, false alarms by exact enumeration."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import beta

from llmops_cli.stats.bernoulli_sequences import (
    bernoulli_evidence,
    bernoulli_interval,
    bernoulli_path,
)


def one(value: int) -> np.ndarray:
    return np.array([value])


@pytest.mark.parametrize("candidate", [0.02, 0.5, 0.8, 0.97])
@pytest.mark.parametrize(("successes", "n"), [(0, 0), (0, 9), (7, 9), (40, 50), (180, 200)])
@pytest.mark.parametrize("prior", [(1.0, 1.0), (3.0, 1.5), (2.0, 9.0)])
def test_evidence_is_the_mixture_integrated_numerically(
    candidate: float, successes: int, n: int, prior: tuple[float, float]
) -> None:
    law = beta(*prior)

    def ratio(share: float) -> float:
        hits = (share / candidate) ** successes
        return hits * ((1 - share) / (1 - candidate)) ** (n - successes) * law.pdf(share)

    peak = min(max(successes / max(n, 1), candidate + 1e-9), 1 - 1e-9)
    parts = [quad(ratio, candidate, peak, epsabs=0, epsrel=1e-11, limit=200)[0],
             quad(ratio, peak, 1, epsabs=0, epsrel=1e-11, limit=200)[0]]  # fmt: skip
    expected = sum(parts) / law.sf(candidate)
    found = bernoulli_evidence(one(successes), one(n), candidate, prior=prior)[0]
    assert math.isclose(math.exp(found), expected, rel_tol=1e-9)


@given(st.integers(1, 3000), st.data())
def test_evidence_falls_as_the_candidate_rises_to_the_observed_share(
    n: int, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, n))
    candidates = np.linspace(1e-4, max(successes / n, 2e-4), 200, endpoint=False)
    many = np.ones(200, np.int64)
    found = bernoulli_evidence(successes * many, n * many, candidates)
    assert (np.diff(found) <= 1e-9).all()


@given(st.integers(1, 3000), st.sampled_from([0.9, 0.95]), st.data())
def test_the_bounds_are_where_the_evidence_reaches_its_limit(
    n: int, level: float, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, n))
    found, limit = bernoulli_interval(successes, n, level), math.log(2 / (1 - level))
    assert 0 <= found.low <= successes / n <= found.high <= 1
    if found.low > 0:
        evidence = bernoulli_evidence(one(successes), one(n), found.low)[0]
        assert evidence == pytest.approx(limit, abs=1e-6 * n)
    mirrored = bernoulli_interval(n - successes, n, level)
    assert math.isclose(found.low, 1 - mirrored.high, abs_tol=1e-9)


def test_bounds_of_many_looks_are_those_of_each() -> None:
    successes, n = np.array([0, 4, 45, 800]), np.array([0, 5, 50, 1000])
    low, high = bernoulli_path(successes, n)
    for look in range(4):
        found = bernoulli_interval(int(successes[look]), int(n[look]))
        assert (found.low, found.high) == (low[look], high[look])
    assert (low[0], high[0]) == (0, 1)


def test_extreme_tails_understate_instead_of_failing() -> None:
    # The chance that a share of 1 in a million exceeds 0.9 is no floating-point number.
    found = bernoulli_evidence(one(1), one(1_000_000), 0.9)[0]
    assert np.isfinite(found)


def test_impossible_counts_and_candidates_are_refused() -> None:
    with pytest.raises(ValueError, match="part of the trials"):
        bernoulli_evidence(one(3), one(2), 0.5)
    with pytest.raises(ValueError, match="candidate share"):
        bernoulli_evidence(one(1), one(2), 1.0)
    with pytest.raises(ValueError, match="confidence level"):
        bernoulli_interval(1, 2, 1.0)


@pytest.mark.parametrize("share", [0.8, 0.02, 0.5])
@pytest.mark.parametrize("below", [1.0, 0.9])
def test_the_false_alarm_rate_of_looking_after_every_case_is_exact_and_below_alpha(
    share: float, below: float
) -> None:
    # Not simulated: the probability of every path that has not yet crossed, 400 cases long.
    truth, alpha, alarms = share * below, 0.05, 0.0
    chances = np.ones(1)
    for n in range(1, 401):
        grown = np.zeros(n + 1)
        grown[1:] += truth * chances
        grown[:-1] += (1 - truth) * chances
        counts = np.arange(n + 1)
        crossed = bernoulli_evidence(counts, np.full(n + 1, n), share) >= math.log(1 / alpha)
        alarms += float(grown[crossed].sum())
        chances = np.where(crossed, 0.0, grown)
    assert alarms <= alpha
    assert below < 1 or alarms > alpha / 5


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.03, 0.8])
def test_bounds_cover_at_every_look(truth: float) -> None:
    # A bound misses the truth exactly when the evidence against it has reached the limit.
    draw, runs, limit = np.random.default_rng(2), 2000, math.log(2 / 0.05)
    n = np.tile(np.unique(np.geomspace(1, 5000, 120).astype(np.int64)), (runs, 1))
    successes = np.array([np.cumsum(draw.random(5000) < truth)[n[0] - 1] for _ in range(runs)])
    above = bernoulli_evidence(successes, n, truth) >= limit
    below = bernoulli_evidence(n - successes, n, 1 - truth) >= limit
    assert (above | below).any(axis=1).mean() <= 0.05
    low, high = bernoulli_path(successes[0], n[0])
    assert np.array_equal(low > truth, above[0])
    assert np.array_equal(high < truth, below[0])
