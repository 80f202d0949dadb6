"""One call: money reserved, a request sent, waited for and sent again, all of it kept."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from llmops_cli.failover.policy import Backoff
from llmops_cli.live.budget import Budget
from llmops_cli.live.completions import Client, Completion, Failure, Request
from llmops_cli.live.estimates import largest_usage
from llmops_cli.live.inflight import INTERRUPTED
from llmops_cli.live.recording import Attempt

__all__ = ["Asker", "Note", "Reply"]

Note = Callable[[Sequence[Attempt]], None]
"""Told the attempts of a call so far: when the last is about to be sent, and when it has ended."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one call.

    Attributes:
        attempts: in order; none where there was no money for the first.
        completion: the answer.
        failure: why there is none.
        unaffordable: whether the budget ended it.
        played: whether it is from a cassette, and nothing was sent.
    """

    attempts: tuple[Attempt, ...]
    completion: Completion | None = None
    failure: Failure | None = None
    unaffordable: bool = False
    played: bool = False

    @property
    def charged_usd(self) -> float | None:
        """Of all attempts; None where no price is known."""
        known = [item.charged_usd for item in self.attempts if item.charged_usd is not None]
        return sum(known) if known else None


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one provider within one budget.

    Attributes:
        client: of the provider.
        budget: shared by all calls.
        retries: when to ask again.
        stopping: whether the run ends, so that nothing is repeated any more.
        draw: uniform in [0, 1), for the jitter.
    """

    client: Client
    budget: Budget
    retries: Backoff
    stopping: Callable[[], bool]
    draw: Callable[[], float] = field(default=random.random)

    async def ask(self, request: Request, note: Note = lambda _: None) -> Reply:
        """Send a request until it is answered, refused for good, or too dear.

        Args:
            request: to send.
            note: writes down what is in flight.
        """
        most = self.budget.usd(largest_usage(request))
        attempts: list[Attempt] = []
        while True:
            if not await self.budget.reserve(most):
                return Reply(tuple(attempts), unaffordable=True)
            await self._attempt(request, most, attempts, note)
            outcome = attempts[-1].outcome
            if isinstance(outcome, Completion):
                return Reply(tuple(attempts), completion=outcome)
            wait = self._wait_s(len(attempts), outcome)
            if wait is None or self.stopping():
                return Reply(tuple(attempts), failure=outcome)
            await asyncio.sleep(wait)

    def _wait_s(self, made: int, failure: Failure) -> float | None:
        if not failure.retryable:
            return None
        return self.retries.wait_s(made, failure.retry_after_s, self.draw())

    async def _attempt(
        self, request: Request, most: float, attempts: list[Attempt], note: Note
    ) -> None:
        started, clock = time.time_ns(), time.monotonic_ns()
        charged = most  # if this is cancelled, nobody knows whether it was billed
        unknown = Failure(INTERRUPTED, perhaps_billed=True)
        begun = Attempt(started, started, unknown, most if self.budget.priced else None)
        attempts.append(begun)
        try:
            note(attempts)
            try:
                outcome: Completion | Failure = await self.client.complete(request)
            except Failure as failure:
                outcome = failure
            ended = started + time.monotonic_ns() - clock
            charged = self._charged(outcome, most)
            usd = charged if self.budget.priced else None
            attempts[-1] = replace(begun, ended_ns=ended, outcome=outcome, charged_usd=usd)
            note(attempts)
        finally:
            await self.budget.settle(most, charged)

    def _charged(self, outcome: Completion | Failure, most: float) -> float:
        if isinstance(outcome, Completion):
            return self.budget.usd(outcome.usage)
        # Nobody says what it cost: the cap holds only if it is taken at its most.
        return most if outcome.perhaps_billed else 0.0
