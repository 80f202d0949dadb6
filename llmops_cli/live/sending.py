"""What the two SDK clients share: sending, and bodies read strictly or not at all.

An answer without usage cannot be held against a budget, so it is no answer.
"""

from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec

from llmops_cli.live.completions import Failure, Usage
from llmops_cli.live.failures import MALFORMED, connection_failure, status_failure

__all__ = [
    "TOOL",
    "converted",
    "counted",
    "decoded",
    "malformed",
    "sent",
    "server_of",
    "understood",
]

TOOL = "give_verdict"
"""Name of the structured answer, where an API wants one."""

_HTTPS = 443
_HTTP = 80

Body = TypeVar("Body", bound=msgspec.Struct)


def malformed() -> Failure:
    """An answer came, was perhaps paid for, and cannot be read."""
    return Failure(MALFORMED, status=200, retryable=True, perhaps_billed=True)


async def sent(send: Callable[..., Awaitable[Any]], body: dict[str, Any], errors: Any) -> bytes:  # noqa: ANN401 - an SDK's module
    """The body of the answer.

    Args:
        send: the SDK's method, with raw responses.
        body: its arguments.
        errors: the SDK's module, for its exceptions.

    Raises:
        Failure: no answer, or an error status.
    """
    with understood(errors):
        answer = await send(**body)
    return answer.http_response.content


@contextmanager
def understood(errors: Any) -> Generator[None]:  # noqa: ANN401 - an SDK's module
    """Whatever an SDK raises becomes a :class:`Failure`."""
    try:
        yield
    except errors.APIStatusError as error:
        raise status_failure(error.status_code, error.response.headers, error.body) from None
    except errors.APITimeoutError as error:
        raise connection_failure(error, timed_out=True) from None
    except errors.APIConnectionError as error:
        raise connection_failure(error, timed_out=False) from None
    except (errors.APIError, ValueError):
        raise malformed() from None


def decoded(body: bytes, kind: type[Body]) -> Body:
    """The body as what the API promises.

    Raises:
        Failure: it is something else.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise malformed() from None


def converted(found: object, kind: type[Body]) -> Body:
    """A part of a stream as what the API promises.

    Raises:
        Failure: it is something else.
    """
    try:
        return msgspec.convert(found, kind)
    except (msgspec.ValidationError, RecursionError):
        raise malformed() from None


def counted(usage: Usage) -> Usage:
    """The usage, unless it contradicts itself: that is as good as none.

    Raises:
        Failure: it does.
    """
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_write_5m_tokens)
    if min(counts) < 0 or (usage.reasoning_tokens or 0) > usage.output_tokens:
        raise malformed()
    return usage


def server_of(url: Any) -> tuple[str, int]:  # noqa: ANN401 - of either SDK's HTTP library
    """Host and port of a base URL."""
    return url.host, url.port or (_HTTPS if url.scheme == "https" else _HTTP)
