"""When a failed request is sent again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.failover.policy import Backoff

POLICY = Backoff(attempts=4, first_wait_s=1.0, longest_backoff_s=3.0, longest_wait_s=60.0)


@pytest.mark.parametrize(
    ("attempt", "draw", "wait"),
    [(1, 0.0, 0.5), (1, 1.0, 1.0), (2, 1.0, 2.0), (3, 1.0, 3.0), (3, 0.0, 1.5), (4, 0.0, None)],
)
def test_waits_double_to_a_limit_and_end_with_the_attempts(
    attempt: int, draw: float, wait: float | None
) -> None:
    assert POLICY.wait_s(attempt, None, draw) == wait


def test_a_provider_that_asks_for_too_long_a_wait_is_not_waited_for() -> None:
    assert POLICY.wait_s(1, 61.0, 0.0) is None


@given(st.floats(0, 60), st.integers(1, 3), st.floats(0, 1, exclude_max=True))
def test_no_request_comes_earlier_than_the_provider_asks(
    asked: float, attempt: int, draw: float
) -> None:
    wait = POLICY.wait_s(attempt, asked, draw)
    assert wait is not None
    assert asked <= wait <= asked + 0.1


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_longer_than_the_limit(attempt: int, draw: float) -> None:
    wait = Backoff(attempts=100).wait_s(attempt, None, draw)
    assert wait is not None
    assert 0 < wait <= Backoff().longest_backoff_s
