"""What an error of a provider means for the call and for the run."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from llmops_cli.live.failures import connection_failure, status_failure


@pytest.mark.parametrize(
    ("status", "retryable", "fatal"),
    [
        (400, False, False), (401, False, True), (402, False, True), (403, False, True),
        (404, False, True), (408, True, False), (409, True, False), (413, False, False),
        (422, False, False), (429, True, False), (500, True, False), (503, True, False),
        (529, True, False),
    ],
)  # fmt: skip
def test_statuses_are_repeated_given_up_or_the_end(
    status: int, *, retryable: bool, fatal: bool
) -> None:
    found = status_failure(status, {}, None)
    assert (found.retryable, found.fatal, found.kind) == (retryable, fatal, str(status))
    assert not found.perhaps_billed


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "error", "error": {"type": "overloaded_error"}}, "overloaded_error"),
        ({"code": "rate_limit_exceeded", "type": "requests"}, "rate_limit_exceeded"),
        ({"error": {"code": None, "type": "server_error"}}, "server_error"),
        ({"error": {"type": "the prompt 'secret' is bad"}}, "500"),
        ({"error": "no object"}, "500"),
        (["list"], "500"),
        ("text", "500"),
        (None, "500"),
    ],
)
def test_only_a_plain_code_of_the_body_is_kept(body: object, kind: str) -> None:
    assert status_failure(500, {}, body).kind == kind


def test_an_empty_account_is_the_end_though_it_says_429() -> None:
    found = status_failure(429, {}, {"error": {"code": "insufficient_quota"}})
    assert (found.retryable, found.fatal) == (False, True)


@pytest.mark.parametrize(("said", "retryable"), [("true", True), ("false", False)])
def test_the_provider_knows_best_whether_to_repeat(said: str, *, retryable: bool) -> None:
    for status in (400, 500):
        assert status_failure(status, {"x-should-retry": said}, None).retryable is retryable


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_the_wait_a_provider_asks_for(headers: dict[str, str], wait: float | None) -> None:
    assert status_failure(429, headers, None).retry_after_s == wait


def test_a_date_to_wait_for_is_so_many_seconds_away() -> None:
    now = datetime.now(tz=UTC)
    later = status_failure(429, {"retry-after": format_datetime(now + timedelta(days=1))}, None)
    past = status_failure(429, {"retry-after": format_datetime(now - timedelta(days=1))}, None)
    assert later.retry_after_s is not None
    assert 86_000 < later.retry_after_s <= 86_400
    assert past.retry_after_s == 0.0


class ConnectError(Exception):
    """As the HTTP library calls it."""


@pytest.mark.parametrize(("cause", "billed"), [(ConnectError(), False), (OSError(), True)])
def test_only_what_was_never_sent_is_surely_free(cause: Exception, *, billed: bool) -> None:
    error = RuntimeError()
    error.__cause__ = cause
    found = connection_failure(error, timed_out=False)
    assert (found.kind, found.retryable, found.perhaps_billed) == ("connection_error", True, billed)
    assert connection_failure(error, timed_out=True).kind == "timeout"
