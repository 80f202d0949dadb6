"""The sixteen faults of Failover Bench (methodology 0.1), at the client and in the simulator.

Times are those of the catalogue made short; what counts is who was asked, how often, in
which order, and that an answer is whole or an error.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.load import Load
from llmops_cli.failover.play import LOST, play
from llmops_cli.failover.policy import Backoff, Breaker, Deployment, FailoverPolicy
from llmops_cli.failover.world import Answer
from llmops_cli.live import open_client
from llmops_cli.live.completions import Client, Completion, Failure, Patience
from llmops_cli.live.failing_over import Answered, FailingOver, failure_kind

SERVER = run_path(str(Path(__file__).with_name("streaming_provider.py")))
streaming, Fault, HEALTHY = SERVER["streaming"], SERVER["Fault"], SERVER["HEALTHY"]
ANSWER = SERVER["ANSWER"]

PATIENCE_S = 2.0
POLICY = FailoverPolicy(
    timeout_s=20.0,
    first_token_s=PATIENCE_S,
    stall_s=PATIENCE_S,
    backoff=Backoff(attempts=2, first_wait_s=0.05, jitter=0.0),
    breaker=Breaker(allowed_failures=3, cooldown_s=0.6),
)
CHAIN = (
    Deployment(name="first", provider="p", model="first", context_window_tokens=1000),
    Deployment(name="second", provider="q", model="second", context_window_tokens=9000),
)
BOTH = pytest.mark.parametrize("provider", ["anthropic", "openai"])
CUT = FailureKind.CUT_SHORT


@dataclass(frozen=True)
class Case:
    """One fault.

    Attributes:
        faults: what the first deployment does, attempt by attempt; the last for ever.
        kinds: failures of its attempts.
        fallback: whether the second deployment answers; None where nobody does.
        takes_s: how long a failing attempt takes.
    """

    faults: tuple[Any, ...]
    kinds: tuple[FailureKind, ...]
    fallback: bool | None
    takes_s: float = 0.0


def twice(kind: FailureKind) -> tuple[FailureKind, ...]:
    return (kind, kind)


CASES = {
    "S01 429 with retry-after": Case(
        (Fault(429, "rate_limit_error", {"retry-after": "0.1"}), HEALTHY),
        (FailureKind.RATE_LIMITED,),
        fallback=False,
    ),
    "S02 429 without retry-after": Case(
        (Fault(429, "rate_limit_error"),), twice(FailureKind.RATE_LIMITED), fallback=True
    ),
    "S03 500 once": Case((Fault(500), HEALTHY), (FailureKind.UNAVAILABLE,), fallback=False),
    "S04 503 for good": Case((Fault(503),), twice(FailureKind.UNAVAILABLE), fallback=True),
    "S05 reset before headers": Case(
        (Fault(0), HEALTHY), (FailureKind.CONNECTION,), fallback=False
    ),
    "S06 no response at all": Case(
        (Fault(silent_s=4.0),), twice(FailureKind.TIMEOUT), fallback=True, takes_s=PATIENCE_S
    ),
    "S07 slow first token": Case(
        (Fault(wait_s=3.0),), twice(FailureKind.TIMEOUT), fallback=True, takes_s=PATIENCE_S
    ),
    "S08 stream cut": Case((Fault(words=40),), twice(CUT), fallback=True),
    "S09 stream stalls": Case(
        (Fault(words=20, stall_s=3.0),), twice(CUT), fallback=True, takes_s=PATIENCE_S
    ),
    "S10 malformed chunk": Case(
        (Fault(garbage=10), HEALTHY), (FailureKind.MALFORMED,), fallback=False
    ),
    "S11 no sentinel": Case((Fault(done=False),), (), fallback=False),
    "S12 context length": Case(
        (Fault(400, "context_length_exceeded"),), (FailureKind.CONTEXT_WINDOW,), fallback=True
    ),
    "S13 content filter": Case(
        (Fault(400, "content_policy_violation"),), (FailureKind.CONTENT_POLICY,), fallback=None
    ),
    "S16 accounting": Case((Fault(503),), twice(FailureKind.UNAVAILABLE), fallback=True),
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "sk-test-0123456789abcdef")


def body(model: str) -> dict[str, Any]:
    return {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "sixty"}]}


def ask(client: Client, failing_over: FailingOver) -> Callable[[], Any]:
    async def send(place: int, _: int) -> Completion:
        patience = Patience(POLICY.first_token_s, POLICY.stall_s)
        return await client.converse(body(CHAIN[place].model), patience)

    return lambda: failing_over.complete(send)


def run(provider: str, url: str) -> tuple[Answered, float]:
    async def once() -> tuple[Answered, float]:
        client = open_client(provider, base_url=url)
        try:
            # The SDKs load with the first answer; the clock starts after that.
            await client.converse(body("warm"), Patience())
            began = time.monotonic()
            found = await ask(client, FailingOver(POLICY, CHAIN))()
            return found, time.monotonic() - began
        finally:
            await client.close()

    return asyncio.run(once())


def script(case: Case) -> Callable[[dict[str, Any], int], Any]:
    def chosen(asked: dict[str, Any], before: int) -> Any:  # noqa: ANN401 - a Fault
        if asked["model"] != "first":
            return HEALTHY
        return case.faults[min(before, len(case.faults) - 1)]

    return chosen


class Expected:
    """What the simulator is told of a case: the answers, one after another."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def answer(self, request: int, place: int, number: int, now_s: float) -> Answer:
        del request, now_s
        kinds = self.case.kinds
        if place == 0 and number < len(kinds):
            wait = 0.1 if self.case.faults[0].headers else None
            slow = self.case.takes_s > 0 and kinds[number] is FailureKind.TIMEOUT
            after = float("inf") if slow else self.case.takes_s
            return Answer(after, kinds[number], wait, None)
        return Answer(0.0)


@BOTH
@pytest.mark.parametrize(
    "name",
    [
        # Silence is waited for: twice two seconds, so that no busy machine seems silent.
        pytest.param(name, marks=pytest.mark.slow) if case.takes_s else name
        for name, case in CASES.items()
    ],
)
def test_each_fault_is_survived_as_the_simulator_predicts(provider: str, name: str) -> None:
    case = CASES[name]
    with streaming(script(case)) as book:
        found, took = run(provider, book.url(provider))
    met = [failure_kind(m.outcome) for m in found.made if isinstance(m.outcome, Failure)]
    assert tuple(met) == case.kinds
    if case.fallback is None:
        assert found.completion is None
        assert found.failure is not None
    else:
        assert found.completion is not None
        assert found.completion.text == ANSWER
        assert found.completion.model == f"{CHAIN[int(case.fallback)].model}-served"
        assert found.completion.usage.output_tokens == 60
    load = Load([0.0], [1.0], [0.0], [0], [0])
    world: Any = Expected(case)
    seen = play(POLICY, CHAIN, world, load)
    assert [(a.place, a.kind) for a in seen.attempts] == [
        (m.place, failure_kind(m.outcome) if isinstance(m.outcome, Failure) else None)
        for m in found.made
    ]
    assert bool(seen.place[0] == LOST) is (found.completion is None)
    # The loopback takes a moment of its own, on a busy machine many.
    assert seen.ended_s[0] - 0.01 <= took < seen.ended_s[0] + 10.0


@BOTH
def test_s14_a_cut_answer_is_asked_for_anew_and_never_continued(provider: str) -> None:
    """A fallback that refuses a prefilled answer never sees one."""
    case = Case((Fault(words=40),), twice(CUT), fallback=True)
    with streaming(script(case)) as book:
        found, _ = run(provider, book.url(provider))
    assert found.completion is not None
    assert all(item["messages"][-1]["role"] == "user" for item in book.bodies)


@pytest.mark.slow
def test_s15_a_flapping_primary_is_left_probed_and_returned_to() -> None:
    """Down for a while, then healthy: served by the backup, probed seldom, back soon."""
    down_s, every_s, count = 1.5, 0.15, 20

    async def all_of_them(book: Any) -> list[tuple[float, Answered]]:  # noqa: ANN401 - a Book
        client = open_client("anthropic", base_url=book.url("anthropic"))
        asked = ask(client, FailingOver(POLICY, CHAIN))
        await client.converse(body("warm"), Patience())
        began = time.monotonic()
        try:
            found: list[tuple[float, Answered]] = []
            for at in range(count):
                await asyncio.sleep(max(0.0, began + at * every_s - time.monotonic()))
                found.append((time.monotonic() - began, await asked()))
            return found
        finally:
            await client.close()

    moments: list[float] = []

    def flapping(asked: dict[str, Any], before: int) -> Any:  # noqa: ANN401 - a Fault
        del before
        moments.append(time.monotonic())
        failing = asked["model"] == "first" and moments[-1] - moments[0] < down_s
        return Fault(503) if failing else HEALTHY

    with streaming(flapping) as book:
        found = asyncio.run(all_of_them(book))
        asked = book.of("first")
    assert all(item.completion is not None for _, item in found)
    during = [moment for moment in asked if moment - moments[0] < down_s]
    # Four attempts open it; then one probe per cooldown of 0.6 s.
    assert len(during) <= 4 + 2 * int(down_s / 0.6)
    assert found[-1][1].place == 0
    recovered = next(at for at, item in found if at > 0.3 and item.place == 0)
    assert recovered < down_s + 0.6 + 3 * every_s + 2.0
