"""simulate-failover's event loop against a bare heap: what a played request costs.

The floor pushes and pops as many events as the simulator does, and does nothing at them. Both
are measured in turns, in processor time; the ratio is what may be compared between machines.
A long outage on a busy log is played whole, and told from parts of it.
"""

import heapq
import time

import numpy as np
import pandas as pd

from llmops_cli.failover.condensing import condensed
from llmops_cli.failover.condensing_rule import EVERYTHING, rule_of
from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.incidents import Incident, Outages
from llmops_cli.failover.load import Load
from llmops_cli.failover.play import play
from llmops_cli.failover.policy import Breaker, Deployment, FailoverPolicy
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.world import Manner, World

REQUESTS = 40_000
RUNS = 3
EVERY_S = 0.5
BUSY = 50.0
CHAIN = (
    Deployment(name="first", provider="p", model="m"),
    Deployment(name="second", provider="q", model="m", requests_per_minute=110),
)
MANNERS = (Manner(error_rate=0.01), Manner(error_rate=0.01))
FULL = Incident(start_s=0.0, duration_s=float("inf"), provider="p")
HALF = Incident(start_s=0.0, duration_s=float("inf"), form="brownout", share=0.5,
                error=FailureKind.OVERLOADED, provider="p")  # fmt: skip
SCENARIOS = {"quiet": (), "brown-out": (HALF,), "full outage": (FULL,)}
POLICIES = {
    "retries, then fallback": FailoverPolicy(breaker=None),
    "with circuit breaker": FailoverPolicy(breaker=Breaker()),
}


def load() -> Load:
    """Requests at an even pace that take two seconds each."""
    moments = [at * EVERY_S for at in range(REQUESTS)]
    return Load(moments, [2.0] * REQUESTS, [0.5] * REQUESTS, [900] * REQUESTS,
                list(range(REQUESTS)))  # fmt: skip


def played(policy: FailoverPolicy, incidents: tuple[Incident, ...], requests: Load) -> int:
    """Play the requests once; returns the attempts made."""
    world = World(CHAIN, MANNERS, Outages(incidents, CHAIN), requests, seed=0)
    return len(play(policy, CHAIN, world, requests).attempts)


def bare(events: int) -> None:
    """As many events through a heap that holds as many as the simulator's does."""
    heap: list[tuple[float, int, int, int, int]] = []
    for at in range(events):
        heapq.heappush(heap, (at + 4.0, at, 0, at, at))
        if len(heap) > 4:
            heapq.heappop(heap)


def main() -> None:
    """Print what a request costs."""
    requests = load()
    print(f"{'scenario':<12} {'policy':<23} {'requests/s':>10} {'µs each':>8} {'attempts':>8} "
          f"{'x bare heap':>11}")  # fmt: skip
    for scenario, incidents in SCENARIOS.items():
        for name, policy in POLICIES.items():
            ours, floor, attempts = [], [], 0
            for _ in range(RUNS):
                start = time.process_time()
                attempts = played(policy, incidents, requests)
                middle = time.process_time()
                bare(attempts)
                ours.append(middle - start)
                floor.append(time.process_time() - middle)
            print(f"{scenario:<12} {name:<23} {REQUESTS / min(ours):>10,.0f} "
                  f"{1e6 * min(ours) / REQUESTS:>8.1f} {attempts / REQUESTS:>8.2f} "
                  f"{min(ours) / min(floor):>11.1f}")  # fmt: skip


def busy_log(requests: int) -> Requests:
    """A log at BUSY requests a second, conversations of four."""
    draw = np.random.default_rng(0)
    used = np.zeros((requests, 5), dtype=np.int64)
    used[:, 0] = 900
    taken = draw.lognormal(0, 0.5, requests)
    return Requests(
        arrival_s=np.arange(requests) / BUSY, duration_s=taken, first_s=taken, tokens=used,
        task=np.zeros(requests, dtype=np.int64), tasks=("",),
        conversation=draw.integers(0, requests // 4, requests),
        error=np.full(requests, ""), model=np.full(requests, "m"),
        measured=np.ones(requests, dtype=bool), filled=0,
        began=pd.Timestamp("2026-01-05T10:00:00Z"),
    )  # fmt: skip


def long_episode() -> None:
    """Print what an outage of an hour on a busy log costs, whole and told from parts."""
    log, length = busy_log(round(BUSY * 4500)), 3600.0
    down = (Incident(start_s=60.0, duration_s=length, provider="p"),)
    chain = (CHAIN[0], Deployment(name="second", provider="q", model="m"))
    print(f"\nan hour's outage at {BUSY:g} requests/s{'whole s':>20} {'parts s':>8} {'played':>8}")
    for name, policy in POLICIES.items():
        known = [(item, Manner()) for item in chain]
        rule = rule_of(policy, known, down, (round(60 * BUSY), round(60 * BUSY * 900)))
        spent, played_parts = [], 0
        for how in (EVERYTHING, rule):
            start = time.process_time()
            part = condensed(log, down, 60.0, 60.0 + length + 330, how)
            world = World(chain, MANNERS, Outages(part.incidents, chain), part.load, seed=0)
            play(policy, chain, world, part.load)
            spent.append(time.process_time() - start)
            played_parts = len(part.row)
        print(f"{name:<46} {spent[0]:>8.1f} {spent[1]:>8.2f} {played_parts:>8,}")


if __name__ == "__main__":
    main()
    long_episode()
