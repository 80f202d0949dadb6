"""Several workers on one pile of work, in one event loop."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

__all__ = ["side_by_side"]


async def side_by_side(workers: int, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run so many workers until none has anything left.

    Args:
        workers: how many.
        work: makes one of them; they share what they take from.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
    except BaseExceptionGroup as several:
        # All of them fail for the same reason, such as a full disk: the first says it.
        raise several.exceptions[0] from None
