"""When a failed request is sent again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.live.completions import Failure
from llmops_cli.live.retrying import RetryPolicy

POLICY = RetryPolicy(attempts=4, first_wait_s=1.0, longest_backoff_s=3.0, longest_wait_s=60.0)
OVERLOADED = Failure("overloaded_error", status=529, retryable=True)


@pytest.mark.parametrize(
    ("attempt", "draw", "wait"),
    [(1, 0.0, 0.5), (1, 1.0, 1.0), (2, 1.0, 2.0), (3, 1.0, 3.0), (3, 0.0, 1.5), (4, 0.0, None)],
)
def test_waits_double_to_a_limit_and_end_with_the_attempts(
    attempt: int, draw: float, wait: float | None
) -> None:
    assert POLICY.wait_s(attempt, OVERLOADED, draw) == wait


def test_what_cannot_succeed_is_not_repeated() -> None:
    assert POLICY.wait_s(1, Failure("invalid_request_error", status=400), 0.5) is None


def test_a_provider_that_asks_for_too_long_a_wait_is_not_waited_for() -> None:
    asked = Failure("rate_limit_error", status=429, retryable=True, retry_after_s=61.0)
    assert POLICY.wait_s(1, asked, 0.0) is None


@given(st.floats(0, 60), st.integers(1, 3), st.floats(0, 1, exclude_max=True))
def test_no_request_comes_earlier_than_the_provider_asks(
    asked: float, attempt: int, draw: float
) -> None:
    failure = Failure("rate_limit_error", status=429, retryable=True, retry_after_s=asked)
    wait = POLICY.wait_s(attempt, failure, draw)
    assert wait is not None
    assert asked <= wait <= asked + 0.1


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_longer_than_the_limit(attempt: int, draw: float) -> None:
    wait = RetryPolicy(attempts=100).wait_s(attempt, OVERLOADED, draw)
    assert wait is not None
    assert 0 < wait <= RetryPolicy().longest_backoff_s
