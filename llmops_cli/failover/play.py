"""One scenario under one policy, event by event: requests come, attempts end, waits are over.

Every decision is :func:`llmops_cli.failover.decision.decide`, which the live client asks too.
"""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from llmops_cli.failover.decision import Asked, GiveUp, Send, Step, Tried, decide, order_of
from llmops_cli.failover.draws import CHOICE, JITTER, uniform
from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.health import Health
from llmops_cli.failover.load import Load
from llmops_cli.failover.policy import Deployment, FailoverPolicy
from llmops_cli.failover.world import Answer, World

__all__ = ["KINDS", "LOST", "Attempt", "Played", "play"]

KINDS: tuple[FailureKind, ...] = tuple(FailureKind)
"""Failures by their number in :class:`Played`."""

LOST = -1
"""Place of a request that nobody answered."""

_SEND, _ANSWER, _HEDGE = range(3)


class Attempt(NamedTuple):
    """One attempt as it went; a tuple, because millions are made and kept.

    Attributes:
        request: its place in the load.
        place: of the deployment.
        sent_s: when.
        ended_s: when the client knew.
        kind: of the failure; None for an answer.
        retry_after_s: what the provider said of the wait.
        hedge: whether it was sent beside another.
    """

    request: int
    place: int
    sent_s: float
    ended_s: float
    kind: FailureKind | None
    retry_after_s: float | None = None
    hedge: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Played:
    """What became of the requests.

    Attributes:
        place: ``(n,)`` int64, who answered; :data:`LOST` for nobody.
        ended_s: ``(n,)`` float64, when the request was over.
        preferred: ``(n,)`` int64, the deployment it would have gone to.
        attempts: in the order they were sent.
    """

    place: npt.NDArray[np.int64]
    ended_s: npt.NDArray[np.float64]
    preferred: npt.NDArray[np.int64]
    attempts: tuple[Attempt, ...]


@dataclass(slots=True)
class _Flight:
    """A request that is not over."""

    asked: Asked
    tried: list[Tried] = field(default_factory=list[Tried])
    made: int = 0
    waiting: int = 0
    over: bool = False


def play(
    policy: FailoverPolicy,
    chain: Sequence[Deployment],
    world: World,
    load: Load,
    *,
    seed: int = 0,
) -> Played:
    """Play requests through a policy.

    Args:
        policy: what the client does about failures.
        chain: the deployments.
        world: what comes back; used up by this.
        load: the requests.
        seed: of the choice by weight and of the jitter.
    """
    client = _Client(policy, chain, world, load, seed)
    for request, arrival_s in enumerate(load.arrivals_s):
        client.until(arrival_s)
        client.arrive(request, arrival_s)
    client.until(float("inf"))
    return Played(client.place, client.ended, client.preferred, tuple(client.attempts))


class _Client:
    def __init__(
        self,
        policy: FailoverPolicy,
        chain: Sequence[Deployment],
        world: World,
        load: Load,
        seed: int,
    ) -> None:
        self._policy, self._chain, self._world = policy, chain, world
        self._load, self._seed = load, seed
        self._weighted = any(item.weight for item in chain)
        self._order = order_of(chain, 0.0)
        self._health = Health(policy, len(chain))
        self._flights: dict[int, _Flight] = {}
        self._events: list[tuple[float, int, int, int, int]] = []
        self._count = 0
        self.attempts: list[Attempt] = []
        self.place = np.full(len(load), LOST, dtype=np.int64)
        self.preferred = np.zeros(len(load), dtype=np.int64)
        self.ended = np.zeros(len(load))

    def until(self, moment_s: float) -> None:
        """Let everything happen that comes before a moment, and at it."""
        while self._events and self._events[0][0] <= moment_s:
            now, _, what, request, detail = heapq.heappop(self._events)
            if what == _ANSWER:
                self._answer(request, self.attempts[detail], now)
            elif what == _SEND:
                self._send(request, detail, now)
            else:
                self._hedge(request, detail, now)

    def arrive(self, request: int, now_s: float) -> None:
        """A request comes."""
        order = self._order
        if self._weighted:
            draw = uniform(self._seed, self._load.numbers[request], 0, CHOICE)
            order = order_of(self._chain, draw)
        self.preferred[request] = order[0]
        self._flights[request] = _Flight(Asked(now_s, order, self._load.tokens[request]))
        self._next(request, now_s)

    def _next(self, request: int, now_s: float) -> None:
        flight = self._flights[request]
        draw = 0.0  # a first attempt does not wait
        if flight.tried:
            draw = uniform(self._seed, self._load.numbers[request], flight.made, JITTER)
        step: Step = decide(
            self._policy, self._chain, flight.asked, flight.tried, self._health, (now_s, draw)
        )
        if isinstance(step, GiveUp):
            self._over(request, LOST, now_s)
        elif step.wait_s > 0:
            flight.waiting += 1
            self._later(now_s + step.wait_s, _SEND, request, step.place)
        else:
            self._first(request, step, now_s)

    def _first(self, request: int, step: Send, now_s: float) -> None:
        self._flights[request].waiting += 1
        self._send(request, step.place, now_s)
        if step.hedge is not None and step.hedge_after_s is not None:
            self._later(now_s + step.hedge_after_s, _HEDGE, request, step.hedge)

    def _send(self, request: int, place: int, now_s: float, *, hedge: bool = False) -> None:
        flight = self._flights[request]
        self._health.sent(place, now_s, again=flight.made > 0)
        met = self._world.answer(request, place, flight.made, now_s)
        flight.made += 1
        patience = self._patience_s(flight.asked, met, now_s)
        if met.after_s > patience:
            end, kind, wait = now_s + patience, FailureKind.TIMEOUT, None
        else:
            end, kind, wait = now_s + met.after_s, met.kind, met.retry_after_s
        self._later(end, _ANSWER, request, len(self.attempts))
        self.attempts.append(Attempt(request, place, now_s, end, kind, wait, hedge))

    def _patience_s(self, asked: Asked, met: Answer, now_s: float) -> float:
        patience, policy = self._policy.timeout_s, self._policy
        if policy.deadline_s is not None:
            patience = min(patience, asked.arrived_s + policy.deadline_s - now_s)
        if policy.first_token_s is not None:
            first = met.after_s if met.first_s is None else met.first_s
            if first > policy.first_token_s:
                patience = min(patience, policy.first_token_s)
        return patience

    def _hedge(self, request: int, place: int, now_s: float) -> None:
        flight = self._flights.get(request)
        if flight is None or flight.over or flight.tried or not self._health.may_repeat():
            return
        flight.waiting += 1
        self._send(request, place, now_s, hedge=True)

    def _answer(self, request: int, attempt: Attempt, now_s: float) -> None:
        flight = self._flights[request]
        flight.waiting -= 1
        if attempt.kind is None:
            self._health.answered(attempt.place, now_s)
            if not flight.over:
                self._over(request, attempt.place, now_s)
        else:
            self._health.failed(attempt.place, now_s, attempt.kind, attempt.retry_after_s)
            flight.tried.append(Tried(attempt.place, attempt.kind, attempt.retry_after_s))
            if not flight.over and not flight.waiting:
                self._next(request, now_s)
        if flight.over and not flight.waiting:
            self._flights.pop(request, None)

    def _over(self, request: int, place: int, now_s: float) -> None:
        flight = self._flights[request]
        flight.over = True
        self.place[request], self.ended[request] = place, now_s
        if not flight.waiting:
            self._flights.pop(request, None)

    def _later(self, moment_s: float, what: int, request: int, detail: int) -> None:
        self._count += 1
        heapq.heappush(self._events, (moment_s, self._count, what, request, detail))
