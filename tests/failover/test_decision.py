"""The decision, case by case: what follows a failure of each kind."""

from typing import Literal

import pytest

from llmops_cli.failover.decision import Asked, GiveUp, Send, Step, Tried, decide, order_of
from llmops_cli.failover.failures import HANDLING, FailureKind, kind_of_status
from llmops_cli.failover.health import Health
from llmops_cli.failover.policy import Backoff, Breaker, Deployment, FailoverPolicy

A = Deployment(name="a", provider="x", model="m", context_window_tokens=1000)
B = Deployment(name="b", provider="y", model="m", context_window_tokens=5000)
C = Deployment(name="c", provider="x", model="m", context_window_tokens=500)
CHAIN = (A, B, C)
ONCE = FailoverPolicy(breaker=None, backoff=Backoff(attempts=1))


def step(
    policy: FailoverPolicy, *tried: Tried, tokens: int = 0, health: Health | None = None
) -> Step:
    known = health or Health(policy, len(CHAIN))
    return decide(policy, CHAIN, Asked(0.0, (0, 1, 2), tokens), tried, known, (10.0, 0.5))


@pytest.mark.parametrize("kind", list(FailureKind))
def test_what_cannot_help_elsewhere_is_not_sent_elsewhere(kind: FailureKind) -> None:
    found = step(ONCE, Tried(0, kind))
    if kind is FailureKind.CONTENT_POLICY or not HANDLING[kind].move:
        assert found == GiveUp(kind)
    else:
        assert found == Send(1)


def test_a_prompt_that_does_not_fit_goes_where_the_window_is_larger() -> None:
    assert step(ONCE, Tried(0, FailureKind.CONTEXT_WINDOW)) == Send(1)
    assert step(ONCE, Tried(1, FailureKind.CONTEXT_WINDOW)) == GiveUp(FailureKind.CONTEXT_WINDOW)


def test_a_prompt_known_not_to_fit_is_never_sent_there() -> None:
    assert step(ONCE, tokens=3000) == Send(1)
    assert step(ONCE, Tried(1, FailureKind.UNAVAILABLE), tokens=800) == Send(0)
    assert step(ONCE, Tried(0, FailureKind.UNAVAILABLE), Tried(1, FailureKind.UNAVAILABLE),
                tokens=800) == GiveUp(FailureKind.UNAVAILABLE)  # fmt: skip


def test_a_prompt_that_fits_nowhere_is_left_to_the_first_to_refuse() -> None:
    assert step(ONCE, tokens=9000) == Send(0)


def test_content_moves_to_another_provider_only_where_the_policy_says_so() -> None:
    moving = FailoverPolicy(breaker=None, other_provider=True)
    assert step(moving, Tried(0, FailureKind.CONTENT_POLICY)) == Send(1)
    same = (Tried(0, FailureKind.CONTENT_POLICY), Tried(1, FailureKind.CONTENT_POLICY))
    assert step(moving, *same) == Send(2)


def test_retries_come_before_the_fallback_unless_moving_comes_first() -> None:
    policy = FailoverPolicy(breaker=None, backoff=Backoff(attempts=2, jitter=0))
    failed = Tried(0, FailureKind.OVERLOADED)
    assert step(policy, failed) == Send(0, 0.5)
    assert step(policy, failed, failed) == Send(1)
    moving = FailoverPolicy(breaker=None, backoff=Backoff(attempts=2, jitter=0), moves_first=True)
    assert step(moving, failed) == Send(1)


def test_the_providers_word_on_the_wait_comes_first_and_a_long_one_means_elsewhere() -> None:
    policy = FailoverPolicy(breaker=None, backoff=Backoff(attempts=3, longest_wait_s=20))
    assert step(policy, Tried(0, FailureKind.RATE_LIMITED, 3.0)) == Send(0, pytest.approx(3.05))
    assert step(policy, Tried(0, FailureKind.RATE_LIMITED, 600.0)) == Send(1)


def test_a_refused_account_is_not_asked_again() -> None:
    policy = FailoverPolicy(breaker=None, backoff=Backoff(attempts=5))
    assert step(policy, Tried(0, FailureKind.NO_MONEY)) == Send(1)


def test_fallbacks_are_counted() -> None:
    policy = FailoverPolicy(breaker=None, backoff=Backoff(attempts=1), max_fallbacks=1)
    both = (Tried(0, FailureKind.OVERLOADED), Tried(1, FailureKind.OVERLOADED))
    assert step(policy, *both) == GiveUp(FailureKind.OVERLOADED)


def test_nothing_is_sent_after_the_deadline() -> None:
    policy = FailoverPolicy(breaker=None, deadline_s=10.2)
    assert step(policy, Tried(0, FailureKind.OVERLOADED)) == GiveUp(FailureKind.OVERLOADED)
    with_room = FailoverPolicy(breaker=None, deadline_s=12)
    assert isinstance(step(with_room, Tried(0, FailureKind.OVERLOADED)), Send)


@pytest.mark.parametrize(("wanted", "found"), [("send", Send(0)), ("fail", GiveUp(None))])
def test_where_everything_is_left_alone_the_policy_says_what_happens(
    wanted: Literal["send", "fail"], found: Step
) -> None:
    policy = FailoverPolicy(
        breaker=Breaker(allowed_failures=0), backoff=Backoff(attempts=1), when_all_open=wanted
    )
    health = Health(policy, len(CHAIN))
    for place in range(len(CHAIN)):
        health.failed(place, 9.0, FailureKind.UNAVAILABLE)
    assert step(policy, health=health) == found


def test_the_hedge_is_the_next_healthy_deployment() -> None:
    assert step(FailoverPolicy(breaker=None, hedge_after_s=1.0)) == Send(
        0, hedge=1, hedge_after_s=1.0
    )


def test_first_attempts_follow_the_weights() -> None:
    weighted = (
        Deployment(name="a", provider="x", model="m", weight=1),
        Deployment(name="b", provider="x", model="m"),
        Deployment(name="c", provider="x", model="m", weight=3),
    )
    firsts = [order_of(weighted, at / 1000)[0] for at in range(1000)]
    assert [firsts.count(place) for place in range(3)] == [250, 0, 750]
    assert order_of(weighted, 0.9) == (2, 0, 1)


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (429, "", FailureKind.RATE_LIMITED),
        (429, "insufficient_quota", FailureKind.NO_MONEY),
        (529, "overloaded_error", FailureKind.OVERLOADED),
        (400, "context_length_exceeded", FailureKind.CONTEXT_WINDOW),
        (400, "invalid_request_error", FailureKind.BAD_REQUEST),
        (501, "", FailureKind.UNAVAILABLE),
        (499, "", FailureKind.BAD_REQUEST),
        (401, "authentication_error", FailureKind.NOT_ALLOWED),
        (404, "", FailureKind.NOT_FOUND),
        (None, "over_cap", FailureKind.OVER_CAP),
        (None, "", FailureKind.CONNECTION),
        (None, "timeout", FailureKind.TIMEOUT),
    ],
)
def test_an_error_is_sorted_by_its_code_then_by_its_status(
    status: int | None, code: str, kind: FailureKind
) -> None:
    assert kind_of_status(status, code) is kind
