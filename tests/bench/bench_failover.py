"""simulate-failover's event loop against a bare heap: what a played request costs.

The floor pushes and pops as many events as the simulator does, and does nothing at them. Both
are measured in turns, in processor time; the ratio is what may be compared between machines.
"""

import heapq
import time

from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.incidents import Incident, Outages
from llmops_cli.failover.load import Load
from llmops_cli.failover.play import play
from llmops_cli.failover.policy import Breaker, Deployment, FailoverPolicy
from llmops_cli.failover.world import Manner, World

REQUESTS = 40_000
RUNS = 3
EVERY_S = 0.5
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


if __name__ == "__main__":
    main()
