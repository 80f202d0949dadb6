"""Arrivals and transfers still to come, compiled: a binary heap by time, then by number."""

from llmops_cli.serving.compiled import compiled
from llmops_cli.serving.state import PLANS, Fleet

__all__ = ["pop_plan", "push_plan"]


@compiled
def _sooner(fleet: Fleet, one: int, other: int) -> bool:
    times, plans = fleet.plan_times, fleet.plans
    if times[one] != times[other]:
        return times[one] < times[other]
    return plans[one] < plans[other]


@compiled
def _swap(fleet: Fleet, one: int, other: int) -> None:
    times, plans = fleet.plan_times, fleet.plans
    times[one], times[other] = times[other], times[one]
    plans[one], plans[other] = plans[other], plans[one]


@compiled
def push_plan(fleet: Fleet, when: float, what: int) -> None:
    """Request ``what`` arrives then; or, if it is no less than their number, its KV cache does."""
    at = fleet.counters[PLANS]
    fleet.counters[PLANS] += 1
    fleet.plan_times[at], fleet.plans[at] = when, what
    while at > 0 and _sooner(fleet, at, (at - 1) // 2):
        _swap(fleet, at, (at - 1) // 2)
        at = (at - 1) // 2


@compiled
def pop_plan(fleet: Fleet) -> int:
    """What comes first, taken out."""
    what = fleet.plans[0]
    fleet.counters[PLANS] -= 1
    size = fleet.counters[PLANS]
    _swap(fleet, 0, size)
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _sooner(fleet, child + 1, child):
            child += 1
        if not _sooner(fleet, child, at):
            break
        _swap(fleet, at, child)
        at = child
    return what
