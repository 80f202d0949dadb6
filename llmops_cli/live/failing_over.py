"""One request sent down a chain of deployments: the policy that was simulated, run.

Every step is :func:`llmops_cli.failover.decision.decide`, as in the simulator; this file only
sends, waits, hedges and tells the health what it saw.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

from llmops_cli.failover.decision import Asked, GiveUp, Send, Tried, decide, order_of
from llmops_cli.failover.failures import FailureKind, kind_of_status
from llmops_cli.failover.health import Health
from llmops_cli.failover.policy import Deployment, FailoverPolicy
from llmops_cli.live.completions import Completion, Failure

__all__ = ["Answered", "FailingOver", "Made", "failure_kind"]

Sender = Callable[[int, int], Awaitable[Completion]]
"""Sends a request to the deployment at a place of the chain, once, or raises :class:`Failure`; told
the place, and the number of the attempt from 0."""


@dataclass(frozen=True, slots=True)
class Made:
    """One attempt as it went.

    Attributes:
        place: of the deployment in the chain.
        number: of the attempt, from 0.
        sent_s: by the clock of the client.
        ended_s: when the client knew.
        outcome: the answer, or why there is none; None where a hedge won and it was dropped.
        hedge: whether it was sent beside another.
    """

    place: int
    number: int
    sent_s: float
    ended_s: float
    outcome: Completion | Failure | None
    hedge: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of one request.

    Attributes:
        made: its attempts, in the order they were sent.
        place: of the deployment that answered; None for nobody.
        completion: the answer.
        failure: what its last attempt met; None where it was answered or never sent.
        first: place of the deployment that it preferred.
    """

    made: tuple[Made, ...]
    place: int | None = None
    completion: Completion | None = None
    failure: Failure | None = None
    first: int = 0


def failure_kind(failure: Failure) -> FailureKind:
    """The row of the catalogue of failures that decides what follows."""
    return kind_of_status(failure.status, failure.kind)


Running = dict["asyncio.Task[Made]", Made]
"""What is in flight, and how it would be written down if it were dropped."""


@dataclass(slots=True)
class _Flight:
    asked: Asked
    tried: list[Tried] = field(default_factory=list[Tried])
    made: list[Made] = field(default_factory=list[Made])
    running: Running = field(default_factory=Running)
    sent: int = 0


class FailingOver:
    """A client of a whole chain; what it learns of the deployments holds for all its requests.

    Args:
        policy: what to do about failures.
        chain: the deployments, in the order of preference.
        clock: seconds, never going back.
        sleep: waits.
        draw: uniform in [0, 1).
    """

    def __init__(
        self,
        policy: FailoverPolicy,
        chain: Sequence[Deployment],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._policy, self._chain = policy, tuple(chain)
        self._clock, self._sleep, self._draw = clock, sleep, draw
        self._health = Health(policy, len(self._chain))

    async def complete(
        self, send: Sender, *, tokens: int = 0, places: Sequence[int] | None = None
    ) -> Answered:
        """Ask until somebody answers or the policy gives up.

        Args:
            send: sends the request to one deployment.
            tokens: input and the most output, for the context windows; 0 if unknown.
            places: of the deployments that can take it; None for all.
        """
        order = order_of(self._chain, self._draw())
        able = tuple(place for place in order if places is None or place in places)
        flight = _Flight(Asked(self._clock(), able, tokens))
        try:
            while True:
                step = self._decided(flight)
                if isinstance(step, GiveUp):
                    return _given_up(flight)
                if step.wait_s > 0:
                    await self._sleep(step.wait_s)
                won = await self._race(flight, step, send)
                if won is not None:
                    return won
        finally:
            for task in flight.running:
                task.cancel()
            # What a dropped attempt may cost is settled before anybody goes on.
            await asyncio.gather(*flight.running, return_exceptions=True)

    def _decided(self, flight: _Flight) -> Send | GiveUp:
        draw = self._draw() if flight.tried else 0.0
        moment = (self._clock(), draw)
        return decide(self._policy, self._chain, flight.asked, flight.tried, self._health, moment)

    async def _race(self, flight: _Flight, step: Send, send: Sender) -> Answered | None:
        self._start(flight, step.place, send, hedge=False)
        if step.hedge is not None and step.hedge_after_s is not None:
            await asyncio.wait(flight.running, timeout=step.hedge_after_s)
            late = not any(task.done() for task in flight.running)
            if late and self._health.may_repeat():
                self._start(flight, step.hedge, send, hedge=True)
        while flight.running:
            done, _ = await asyncio.wait(flight.running, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in flight.running if task in done]:
                won = self._seen(flight, task)
                if won is not None:
                    return won
        return None

    def _start(self, flight: _Flight, place: int, send: Sender, *, hedge: bool) -> None:
        began = self._clock()
        self._health.sent(place, began, again=flight.sent > 0)
        sent = Made(place, flight.sent, began, began, None, hedge)
        flight.sent += 1
        patience = self._patience_s(flight.asked, began)
        flight.running[asyncio.ensure_future(self._attempt(sent, send, patience))] = sent

    async def _attempt(self, sent: Made, send: Sender, patience_s: float) -> Made:
        outcome: Completion | Failure
        try:
            async with asyncio.timeout(patience_s):
                outcome = await send(sent.place, sent.number)
        except Failure as failure:
            outcome = failure
        except TimeoutError:
            outcome = Failure("timeout", retryable=True, perhaps_billed=True)
        return replace(sent, ended_s=self._clock(), outcome=outcome)

    def _patience_s(self, asked: Asked, now_s: float) -> float:
        deadline = self._policy.deadline_s
        left = float("inf") if deadline is None else asked.arrived_s + deadline - now_s
        return min(self._policy.timeout_s, left)

    def _seen(self, flight: _Flight, task: "asyncio.Task[Made]") -> Answered | None:
        del flight.running[task]
        made = task.result()
        flight.made.append(made)
        if isinstance(made.outcome, Completion):
            self._health.answered(made.place, made.ended_s)
            dropped = [replace(item, ended_s=made.ended_s) for item in flight.running.values()]
            every = sorted([*flight.made, *dropped], key=lambda item: item.number)
            return Answered(tuple(every), made.place, made.outcome, first=flight.asked.order[0])
        if made.outcome is not None:
            kind, wait = failure_kind(made.outcome), made.outcome.retry_after_s
            self._health.failed(made.place, made.ended_s, kind, wait)
            flight.tried.append(Tried(made.place, kind, wait))
        return None


def _given_up(flight: _Flight) -> Answered:
    last = flight.made[-1].outcome if flight.made else None
    return Answered(tuple(flight.made), failure=last if isinstance(last, Failure) else None)
