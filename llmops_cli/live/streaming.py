"""An answer taken piece by piece: how long it is waited for, and whether it came to its end.

A stream that breaks off is never an answer: the caller gets all of it or a failure.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from typing import Any, Protocol

from llmops_cli.live.completions import Failure, Patience
from llmops_cli.live.failures import CONNECTION, CUT_SHORT, TIMEOUT
from llmops_cli.live.sending import malformed, understood

__all__ = ["Assembly", "assembled"]

_LINGER_S = 0.25
"""How long the end of a stream is waited for whose answer is there already."""

_HTTP = {"httpx", "httpx2", "httpcore", "httpcore2"}


class Assembly(Protocol):
    """Puts the events of one API together."""

    @property
    def begun(self) -> bool:
        """Whether something of the answer has come."""
        ...

    @property
    def whole(self) -> bool:
        """Whether all of it has come; nothing is waited for after that."""
        ...

    @property
    def ended(self) -> bool:
        """Whether the provider has said how it ends, were the stream to stop here."""
        ...

    def add(self, event: Any) -> None:  # noqa: ANN401 - an SDK's event
        """Take the next event."""
        ...


async def assembled(
    opening: Awaitable[Any],
    assembly: Assembly,
    patience: Patience,
    errors: Any,  # noqa: ANN401 - an SDK's module
) -> float | None:
    """Open a stream and feed its events to an assembly.

    Args:
        opening: of the stream, by an SDK.
        assembly: of its events.
        patience: how long is waited, from the opening on.
        errors: the SDK's module, for its exceptions.

    Returns:
        Seconds until something of the answer came.

    Raises:
        Failure: nothing came in time, it stalled, broke off, or cannot be read.
    """
    loop = asyncio.get_running_loop()
    began, first = loop.time(), None
    stream = await _within(opening, assembly, patience.first_token_s, errors)
    try:
        events = aiter(stream)
        while not assembly.whole:
            limit = _left(assembly, patience, loop.time() - began)
            event = await _within(anext(events, None), assembly, limit, errors)
            if event is None:
                break
            _taken(assembly, event)
            if first is None and assembly.begun:
                first = loop.time() - began
        await _run_out(events)
    finally:
        await stream.close()
    if not assembly.ended:
        raise _broken_off()
    return first


async def _run_out(events: AsyncIterator[Any]) -> None:
    # A stream left in its middle is torn down by the collector, in whatever thread that runs.
    with suppress(Exception):
        async with asyncio.timeout(_LINGER_S):
            async for _ in events:
                pass


def _taken(assembly: Assembly, event: Any) -> None:  # noqa: ANN401 - an SDK's event
    try:
        assembly.add(event)
    except (AttributeError, TypeError, ValueError, KeyError, IndexError):
        raise malformed() from None


def _left(assembly: Assembly, patience: Patience, passed_s: float) -> float | None:
    if assembly.begun:
        return patience.stall_s
    limit = patience.first_token_s
    return None if limit is None else max(limit - passed_s, 0.0)


async def _within(
    step: Awaitable[Any],
    assembly: Assembly,
    limit_s: float | None,
    errors: Any,  # noqa: ANN401 - an SDK's module
) -> Any:  # noqa: ANN401 - an SDK's stream or event
    try:
        with understood(errors):
            async with asyncio.timeout(limit_s):
                return await step
    except TimeoutError:
        if assembly.begun:
            raise _broken_off() from None
        raise Failure(TIMEOUT, retryable=True, perhaps_billed=True) from None
    except Failure as failure:
        if assembly.begun and failure.kind in {CONNECTION, TIMEOUT}:
            raise _broken_off() from None
        raise
    except Exception as error:
        # The HTTP library's own: neither SDK wraps what happens to a stream that has begun.
        if type(error).__module__.partition(".")[0] not in _HTTP:
            raise
        raise _broken_off() from None


def _broken_off() -> Failure:
    return Failure(CUT_SHORT, retryable=True, perhaps_billed=True)
