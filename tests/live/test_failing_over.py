"""The client of a chain does what the simulator said it would, attempt by attempt."""

# ruff: noqa: SLF001 - the loop of virtual time is made of asyncio's own parts

import asyncio
import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.load import Load
from llmops_cli.failover.play import play
from llmops_cli.failover.policy import Backoff, Breaker, Deployment, FailoverPolicy
from llmops_cli.failover.world import Answer
from llmops_cli.live.completions import Completion, Failure, Usage
from llmops_cli.live.failing_over import Answered, FailingOver, failure_kind

CHAIN = tuple(Deployment(name=name, provider=name, model="m") for name in "abc")
GOOD = Completion("yes", "m", "r", "stop", Usage(1, 1))
FAULTS = {
    FailureKind.RATE_LIMITED: (429, "rate_limit_error"),
    FailureKind.OVERLOADED: (529, "overloaded_error"),
    FailureKind.UNAVAILABLE: (500, "api_error"),
    FailureKind.CONNECTION: (None, "connection_error"),
    FailureKind.BAD_REQUEST: (400, "invalid_request_error"),
    FailureKind.NO_MONEY: (429, "insufficient_quota"),
}

Script = Sequence[Sequence[Answer]]
"""By place: what each further attempt there meets, however the requests come."""


class Clockwork(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next thing that happens: hours pass in milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:
            while self._scheduled and self._scheduled[0]._cancelled:
                heapq.heappop(self._scheduled)._scheduled = False
            if self._scheduled:
                self.now = max(self.now, self._scheduled[0]._when)
        super()._run_once()


@dataclass
class Scripted:
    """Deployments that answer by script, to the simulator and to the client."""

    script: Script
    met: dict[int, int] = field(default_factory=dict)

    def next(self, place: int) -> Answer:
        at = self.met.get(place, 0)
        self.met[place] = at + 1
        return self.script[place][at % len(self.script[place])]

    def answer(self, request: int, place: int, number: int, now_s: float) -> Answer:
        del request, number, now_s
        return self.next(place)

    async def send(self, place: int, number: int) -> Completion:
        del number
        found = self.next(place)
        await asyncio.sleep(found.after_s)
        if found.kind is None:
            return GOOD
        status, code = FAULTS[found.kind]
        raise Failure(code, status=status, retryable=True, retry_after_s=found.retry_after_s)


def simulated(policy: FailoverPolicy, script: Script, arrivals: list[float]) -> list[tuple]:
    n = len(arrivals)
    load = Load(arrivals, [1.0] * n, [1.0] * n, [0] * n, list(range(n)))
    seen = play(policy, CHAIN, Scripted(script), load)  # type: ignore[arg-type]
    return [(a.place, round(a.sent_s, 6), round(a.ended_s, 6), a.kind) for a in seen.attempts]


def lived(policy: FailoverPolicy, script: Script, arrivals: list[float]) -> list[tuple]:
    async def all_of_them() -> list[Answered]:
        loop = asyncio.get_running_loop()
        client = FailingOver(policy, CHAIN, clock=loop.time, draw=lambda: 0.0)
        deployments = Scripted(script)

        async def one(at: float) -> Answered:
            await asyncio.sleep(at)
            return await client.complete(deployments.send)

        return await asyncio.gather(*(one(at) for at in arrivals))

    with asyncio.Runner(loop_factory=Clockwork) as runner:
        answered = runner.run(all_of_them())
    made = sorted((m for each in answered for m in each.made), key=lambda item: item.sent_s)
    return [
        (
            item.place,
            round(item.sent_s, 6),
            round(item.ended_s, 6),
            failure_kind(item.outcome) if isinstance(item.outcome, Failure) else None,
        )
        for item in made
    ]


answers = st.builds(
    Answer,
    after_s=st.sampled_from([0.13, 0.71, 2.9, 40.0]),
    kind=st.sampled_from([None, None, *FAULTS]),
    retry_after_s=st.sampled_from([None, None, 1.3, 500.0]),
)
policies = st.builds(
    FailoverPolicy,
    timeout_s=st.sampled_from([2.03, 30.07]),
    deadline_s=st.sampled_from([None, 7.01]),
    # No jitter: the simulator draws by request, the client as it comes.
    backoff=st.builds(Backoff, attempts=st.integers(1, 4), jitter=st.just(0.0)),
    breaker=st.none()
    | st.builds(
        Breaker,
        allowed_failures=st.sampled_from([0, 1, 3]),
        cooldown_s=st.sampled_from([0.57, 11.3]),
        probes=st.booleans(),
        opens_on_rate_limit=st.booleans(),
    ),
    max_fallbacks=st.integers(0, 3),
    moves_first=st.booleans(),
    other_provider=st.booleans(),
    retry_budget=st.sampled_from([None, 0.0, 0.3]),
    budget_burst=st.just(2.0),
    when_all_open=st.sampled_from(["fail", "send"]),
)


@settings(max_examples=150, deadline=None)
@given(
    policy=policies,
    script=st.lists(st.lists(answers, min_size=1, max_size=6), min_size=3, max_size=3),
    gaps=st.lists(st.sampled_from([0.311, 1.717, 9.19, 61.3]), min_size=1, max_size=8),
)
def test_recorded_attempts_equal_the_simulators_events(
    policy: FailoverPolicy, script: Script, gaps: list[float]
) -> None:
    """One decision function: same script, same attempts, same times, same failures."""
    arrivals = [0.0]
    for gap in gaps:
        arrivals.append(arrivals[-1] + gap)
    assert lived(policy, script, arrivals) == simulated(policy, script, arrivals)


def test_a_hedge_that_wins_drops_the_other() -> None:
    policy = FailoverPolicy(breaker=None, hedge_after_s=1.0)
    script = [[Answer(5.0)], [Answer(0.5)], [Answer(1.0)]]
    assert lived(policy, script, [0.0]) == [(0, 0.0, 1.5, None), (1, 1.0, 1.5, None)]


def test_a_hedge_is_not_sent_where_the_first_is_done_in_time() -> None:
    policy = FailoverPolicy(breaker=None, hedge_after_s=1.0)
    script = [[Answer(0.9)], [Answer(0.5)], [Answer(1.0)]]
    assert lived(policy, script, [0.0]) == [(0, 0.0, 0.9, None)]


def test_both_failing_the_request_goes_on() -> None:
    policy = FailoverPolicy(breaker=None, hedge_after_s=1.0, backoff=Backoff(attempts=1))
    down = FailureKind.UNAVAILABLE
    script = [[Answer(3.0, down)], [Answer(0.5, down)], [Answer(1.0)]]
    assert [each[:3] for each in lived(policy, script, [0.0])] == [
        (0, 0.0, 3.0),
        (1, 1.0, 1.5),
        (2, 3.0, 4.0),
    ]


def test_a_client_that_is_cancelled_leaves_nothing_running() -> None:
    async def cancelled() -> int:
        client = FailingOver(FailoverPolicy(), CHAIN)

        async def forever(*_: int) -> Completion:
            await asyncio.sleep(1000)
            return GOOD

        task = asyncio.ensure_future(client.complete(forever))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(cancelled()) == 1


def test_each_deployment_has_its_own_wait_for_a_hedge() -> None:
    policy = FailoverPolicy(
        breaker=Breaker(allowed_failures=0, cooldown_s=99.0),
        backoff=Backoff(attempts=1),
        hedge_after_s={"a": 1.0, "b": 2.0},
    )
    script = [[Answer(0.5, FailureKind.UNAVAILABLE)], [Answer(0.5), Answer(9.0)], [Answer(1.0)]]
    # The second request finds the first deployment shut: the wait is that of the next.
    for attempts in (lived, simulated):
        sent = [each[:2] for each in attempts(policy, script, [0.0, 10.0])]
        assert sent == [(0, 0.0), (1, 0.5), (1, 10.0), (2, 12.0)]
