"""One call: money reserved, a request sent, waited for and sent again, all of it kept."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from llmops_cli.failover.policy import Backoff
from llmops_cli.live.budget import Budget
from llmops_cli.live.completions import Client, Completion, Failure, Request
from llmops_cli.live.estimates import largest_usage
from llmops_cli.live.recording import Attempt

__all__ = ["Asker", "Reply"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of one call.

    Attributes:
        attempts: in order; none where there was no money for the first.
        completion: the answer.
        failure: why there is none.
        unaffordable: whether the budget ended it.
    """

    attempts: tuple[Attempt, ...]
    completion: Completion | None = None
    failure: Failure | None = None
    unaffordable: bool = False

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

    async def ask(self, request: Request) -> Reply:
        """Send a request until it is answered, refused for good, or too dear."""
        most = self.budget.usd(largest_usage(request))
        attempts: list[Attempt] = []
        while True:
            if not await self.budget.reserve(most):
                return Reply(tuple(attempts), unaffordable=True)
            attempts.append(await self._attempt(request, most))
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

    async def _attempt(self, request: Request, most: float) -> Attempt:
        started, clock = time.time_ns(), time.monotonic_ns()
        charged = most  # if this is cancelled, nobody knows whether it was billed
        try:
            try:
                outcome: Completion | Failure = await self.client.complete(request)
            except Failure as failure:
                outcome = failure
            ended = started + time.monotonic_ns() - clock
            charged = self._charged(outcome, most)
        finally:
            await self.budget.settle(most, charged)
        return Attempt(started, ended, outcome, charged if self.budget.priced else None)

    def _charged(self, outcome: Completion | Failure, most: float) -> float:
        if isinstance(outcome, Completion):
            return self.budget.usd(outcome.usage)
        # Nobody says what it cost: the cap holds only if it is taken at its most.
        return most if outcome.perhaps_billed else 0.0
