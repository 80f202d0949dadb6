"""Arrivals and transfers still to come, compiled: a binary heap by time, then by number."""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import compiled, inlined
from llmops_cli.serving.state import PLANS, Fleet

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Wholes = NDArray[np.int64]

__all__ = ["pop_plan", "push_plan"]


@inlined
def _sooner(times: "Reals", plans: "Wholes", one: int, other: int) -> bool:
    if times[one] != times[other]:
        return times[one] < times[other]
    return plans[one] < plans[other]


@inlined
def _swap(times: "Reals", plans: "Wholes", one: int, other: int) -> None:
    times[one], times[other] = times[other], times[one]
    plans[one], plans[other] = plans[other], plans[one]


@inlined
def push_plan(fleet: Fleet, when: float, what: int) -> None:
    """Request ``what`` arrives then; or, if it is no less than their number, its KV cache does."""
    _push(fleet.plan_times, fleet.plans, fleet.counters, when, what)


@compiled
def _push(times: "Reals", plans: "Wholes", counters: "Wholes", when: float, what: int) -> None:
    at = counters[PLANS]
    counters[PLANS] += 1
    times[at], plans[at] = when, what
    while at > 0 and _sooner(times, plans, at, (at - 1) // 2):
        _swap(times, plans, at, (at - 1) // 2)
        at = (at - 1) // 2


@compiled
def pop_plan(times: "Reals", plans: "Wholes", counters: "Wholes") -> int:
    """What comes first, taken out."""
    what = plans[0]
    counters[PLANS] -= 1
    size = counters[PLANS]
    _swap(times, plans, 0, size)
    at = 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _sooner(times, plans, child + 1, child):
            child += 1
        if not _sooner(times, plans, child, at):
            break
        _swap(times, plans, at, child)
        at = child
    return what
