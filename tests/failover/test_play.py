"""The event loop: closed forms, queues that keep nothing, and the laws every run obeys."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.incidents import Incident, Outages
from llmops_cli.failover.load import Load
from llmops_cli.failover.play import LOST, Played, play
from llmops_cli.failover.policy import Backoff, Breaker, Deployment, FailoverPolicy
from llmops_cli.failover.world import Manner, World

Player = Callable[..., Played]
Chain = tuple[Deployment, ...]

NONE = Backoff(attempts=1)


@pytest.mark.parametrize("failing", [0.1, 0.3, 0.5, 0.9])
def test_attempts_and_losses_follow_the_geometric_formula(
    played: Player, chain: Chain, failing: float
) -> None:
    """1 + p + p^2 attempts and p^3 lost, of three attempts that fail with p each."""
    policy = FailoverPolicy(breaker=None, backoff=Backoff(attempts=3))
    n = 6000
    seen = played(policy, requests=n, deployments=chain[:1], manners=(Manner(error_rate=failing),))
    attempts = len(seen.attempts) / n
    expected = 1 + failing + failing**2
    spread = math.sqrt(failing * (1 - failing) * (1 + 3 * failing) / n)
    assert attempts == pytest.approx(expected, abs=5 * spread)
    lost = float((seen.place == LOST).mean())
    assert lost == pytest.approx(failing**3, abs=5 * math.sqrt(failing**3 / n))


def test_a_retry_budget_caps_the_load_of_a_full_outage(played: Player, chain: Chain) -> None:
    """Reference: a budget of 10 % caps the attempts at 1.10 per request."""
    down = (Incident(start_s=0, duration_s=math.inf),)
    policy = FailoverPolicy(breaker=None, retry_budget=0.1)
    seen = played(policy, down, requests=5000, deployments=chain[:1])
    assert len(seen.attempts) / 5000 == pytest.approx(1.10, abs=0.003)


def test_independent_outages_multiply(played: Player) -> None:
    qa, qb = 0.2, 0.3
    manners = (Manner(error_rate=qa), Manner(error_rate=qb))
    policy = FailoverPolicy(breaker=None, backoff=NONE)
    n = 20_000
    seen = played(policy, requests=n, manners=manners)
    lost = float((seen.place == LOST).mean())
    assert lost == pytest.approx(qa * qb, abs=4 * math.sqrt(qa * qb / n))


def test_litellms_outage_without_cooldown(played: Player) -> None:
    """Issue 40405: 33 primary attempts for 11 requests in 60 s, 5 to 6 s each."""
    down = (Incident(start_s=0, duration_s=60, provider="a", responds_s=1.0),)
    policy = FailoverPolicy(breaker=None, backoff=Backoff(attempts=3, jitter=0.5))
    seen = played(policy, down, requests=11, every_s=5.4)
    assert sum(item.place == 0 for item in seen.attempts) == 33
    took = seen.ended_s - 5.4 * np.arange(11)
    assert (took > 4.5).all()
    assert (took < 6.0).all()


def test_litellms_outage_with_cooldown(played: Player) -> None:
    """The same with allowed_fails 1 and cooldown 30 s: 4 primary attempts for 15 requests."""
    down = (Incident(start_s=0, duration_s=60, provider="a", responds_s=0.3),)
    breaker = Breaker(allowed_failures=1, failure_share=None, cooldown_s=30, probes=False)
    policy = FailoverPolicy(breaker=breaker, backoff=Backoff(attempts=3))
    seen = played(policy, down, requests=15, every_s=4.0)
    assert sum(item.place == 0 for item in seen.attempts) == 4
    took = seen.ended_s - 4.0 * np.arange(15)
    assert float(np.median(took)) == pytest.approx(1.0)


def test_a_backup_without_headroom_is_a_cascade_of_429s(played: Player, chain: Chain) -> None:
    down = (Incident(start_s=0, duration_s=math.inf, provider="a"),)
    small = (chain[0], Deployment(name="second", provider="b", model="m", requests_per_minute=30))
    policy = FailoverPolicy(breaker=None, backoff=NONE)
    seen = played(policy, down, requests=600, every_s=0.5, deployments=small)
    refused = [item for item in seen.attempts if item.kind is FailureKind.RATE_LIMITED]
    # 300 s at 30 a minute, and a full bucket at the start.
    assert int((seen.place == 1).sum()) == pytest.approx(30 + 150, abs=2)
    assert len(refused) == 600 - int((seen.place == 1).sum())


def test_the_wait_a_limit_names_is_enough(played: Player) -> None:
    slow = (Deployment(name="only", provider="a", model="m", tokens_per_minute=6000),)
    policy = FailoverPolicy(breaker=None, backoff=Backoff(attempts=2))
    seen = played(policy, requests=1, deployments=slow, manners=(Manner(),), tokens=6000)
    assert seen.place.tolist() == [0]
    twice = played(policy, requests=2, every_s=0.0, deployments=slow, tokens=6000)
    assert twice.place.tolist() == [0, 0]
    assert twice.ended_s[1] == pytest.approx(61.1, abs=0.15)


def test_a_silent_provider_costs_its_timeout(played: Player) -> None:
    silent = (Incident(start_s=0, duration_s=100, provider="a", responds_s=math.inf),)
    policy = FailoverPolicy(breaker=None, backoff=NONE, timeout_s=7)
    seen = played(policy, silent, requests=3, every_s=10)
    assert [item.kind for item in seen.attempts[::2]] == [FailureKind.TIMEOUT] * 3
    assert (seen.ended_s - 10 * np.arange(3)).tolist() == [8.0, 8.0, 8.0]


def test_a_slow_provider_is_left_at_the_timeout(played: Player) -> None:
    slow = (Incident(start_s=0, duration_s=100, form="slow", slower=20, provider="a"),)
    policy = FailoverPolicy(breaker=None, backoff=NONE, timeout_s=10)
    seen = played(policy, slow, requests=2, every_s=50)
    assert seen.place.tolist() == [1, 1]


def test_a_slow_first_token_is_not_waited_for(played: Player) -> None:
    slow = (Incident(start_s=0, duration_s=100, form="slow", slower=20, provider="a"),)
    policy = FailoverPolicy(breaker=None, backoff=NONE, first_token_s=5)
    seen = played(policy, slow, requests=2, every_s=50)
    assert seen.place.tolist() == [1, 1]
    assert [item.ended_s - item.sent_s for item in seen.attempts] == [5, 1, 5, 1]


policies = st.builds(
    FailoverPolicy,
    timeout_s=st.sampled_from([0.5, 2.0, 30.0]),
    deadline_s=st.sampled_from([None, 3.0]),
    backoff=st.builds(Backoff, attempts=st.integers(1, 4), jitter=st.sampled_from([0.0, 0.5, 1.0])),
    breaker=st.none()
    | st.builds(
        Breaker,
        allowed_failures=st.sampled_from([None, 0, 2]),
        cooldown_s=st.sampled_from([0.0, 5.0]),
        probes=st.booleans(),
    ),
    moves_first=st.booleans(),
    retry_budget=st.sampled_from([None, 0.0, 0.2]),
    hedge_after_s=st.sampled_from([None, 0.4]),
    when_all_open=st.sampled_from(["fail", "send"]),
)


@settings(max_examples=60, deadline=None)
@given(policy=policies, failing=st.tuples(st.floats(0, 1), st.floats(0, 1)), seed=st.integers(0, 9))
def test_every_request_ends_once_and_nobody_answers_who_was_not_asked(
    policy: FailoverPolicy, failing: tuple[float, float], seed: int
) -> None:
    chain = (
        Deployment(name="a", provider="x", model="m", requests_per_minute=200),
        Deployment(name="b", provider="y", model="m"),
    )
    n = 60
    load = Load([0.3 * at for at in range(n)], [1.0] * n, [0.2] * n, [1] * n, list(range(n)))
    manners = tuple(Manner(error_rate=each) for each in failing)
    incidents = (Incident(start_s=5, duration_s=5, form="brownout", share=0.5),)
    world = World(chain, manners, Outages(incidents, chain), load, seed=seed)
    seen = play(policy, chain, world, load, seed=seed)
    answered = {(item.request, item.place) for item in seen.attempts if item.kind is None}
    for request, place in enumerate(seen.place.tolist()):
        assert (place == LOST) or (request, place) in answered
    own = [[a for a in seen.attempts if a.request == r and not a.hedge] for r in range(n)]
    most = policy.backoff.attempts
    assert all(sum(a.place == p for a in each) <= most for each in own for p in (0, 1))
    assert all(a.ended_s - a.sent_s <= policy.timeout_s + 1e-9 for a in seen.attempts)
    assert (seen.ended_s >= np.array(load.arrivals_s)).all()
    again = play(
        policy,
        chain,
        World(chain, manners, Outages(incidents, chain), load, seed=seed),
        load,
        seed=seed,
    )
    assert again.attempts == seen.attempts
