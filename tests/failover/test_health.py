"""The circuit breaker and the retry budget."""

from typing import Any

import pytest

from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.health import Health
from llmops_cli.failover.policy import Breaker, FailoverPolicy

DOWN = FailureKind.UNAVAILABLE


def health(**breaker: Any) -> Health:  # noqa: ANN401 - any field of a breaker
    return Health(FailoverPolicy(breaker=Breaker(**breaker), timeout_s=10), 2)


def test_it_opens_after_more_failures_than_allowed_and_closes_after_a_probe() -> None:
    known = health(allowed_failures=1, failure_share=None, cooldown_s=30)
    known.failed(0, 0.0, DOWN)
    assert known.available(0, 0.0)
    known.failed(0, 1.0, DOWN)
    assert not known.available(0, 1.0)
    assert not known.available(0, 30.9)
    assert known.available(1, 1.0)
    assert known.available(0, 31.0)
    known.sent(0, 31.0, again=False)
    assert not known.available(0, 31.1)
    known.answered(0, 32.0)
    assert known.available(0, 32.0)


def test_a_failed_probe_opens_it_again() -> None:
    known = health(allowed_failures=1, failure_share=None, cooldown_s=30)
    known.failed(0, 0.0, DOWN)
    known.failed(0, 0.0, DOWN)
    known.sent(0, 30.0, again=False)
    known.failed(0, 31.0, DOWN)
    assert not known.available(0, 60.9)
    assert known.available(0, 61.0)


def test_a_probe_that_never_ends_does_not_keep_it_shut() -> None:
    known = health(allowed_failures=0, failure_share=None, cooldown_s=30)
    known.failed(0, 0.0, DOWN)
    known.sent(0, 30.0, again=False)
    assert not known.available(0, 40.0)
    assert known.available(0, 40.1)


def test_without_probes_the_count_starts_anew() -> None:
    known = health(allowed_failures=1, failure_share=None, cooldown_s=30, probes=False)
    known.failed(0, 0.0, DOWN)
    known.failed(0, 0.0, DOWN)
    known.failed(0, 30.0, DOWN)
    assert known.available(0, 30.0)
    known.failed(0, 30.5, DOWN)
    assert not known.available(0, 30.5)


def test_the_share_says_nothing_below_the_least_attempts() -> None:
    known = health(failure_share=0.5, least_attempts=5)
    for at in range(4):
        known.failed(0, at, DOWN)
    assert known.available(0, 4)
    known.failed(0, 4, DOWN)
    assert not known.available(0, 4)


def test_half_of_the_attempts_is_not_more_than_half() -> None:
    known = health(failure_share=0.5, least_attempts=4)
    for at in range(4):
        (known.failed(0, at, DOWN) if at % 2 else known.answered(0, at))
    assert known.available(0, 4)


def test_what_is_older_than_the_window_is_forgotten() -> None:
    known = health(allowed_failures=1, failure_share=None, window_s=60)
    known.failed(0, 0.0, DOWN)
    known.failed(0, 60.1, DOWN)
    assert known.available(0, 60.1)


@pytest.mark.parametrize(
    "kind", [FailureKind.BAD_REQUEST, FailureKind.CONTEXT_WINDOW, FailureKind.CONTENT_POLICY]
)
def test_what_is_wrong_with_a_request_says_nothing_of_the_deployment(kind: FailureKind) -> None:
    known = health(allowed_failures=0, failure_share=None)
    known.failed(0, 0.0, kind)
    assert known.available(0, 0.0)


def test_a_refused_account_is_left_alone_for_minutes() -> None:
    known = health(allowed_failures=10, cooldown_s=5)
    known.failed(0, 0.0, FailureKind.NO_MONEY)
    assert not known.available(0, 299.0)
    assert known.available(0, 300.0)


def test_a_rate_limit_closes_it_off_for_as_long_as_the_provider_asks() -> None:
    known = health(opens_on_rate_limit=True, cooldown_s=5)
    known.failed(0, 0.0, FailureKind.RATE_LIMITED, 20.0)
    assert not known.available(0, 19.0)
    known = health(opens_on_rate_limit=True, cooldown_s=5)
    known.failed(0, 0.0, FailureKind.RATE_LIMITED)
    assert known.available(0, 5.0)


def test_the_retry_budget_is_a_share_of_requests_in_the_long_run() -> None:
    known = Health(FailoverPolicy(retry_budget=0.1, budget_burst=2), 1)
    repeated = 0
    for at in range(1000):
        known.sent(0, at, again=False)
        while known.may_repeat():
            known.sent(0, at, again=True)
            repeated += 1
    # The burst, and a tenth of a thousand; sums of tenths are not exact.
    assert repeated in {101, 102}
