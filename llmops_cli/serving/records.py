"""The record of what happened, compiled: rows of events, and the longest gaps between tokens.

Of gaps only those are kept that no later one exceeds: a stack with falling values, in which the
longest since any step is the first after it.
"""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import compiled, inlined
from llmops_cli.serving.state import (
    BLOCKS,
    DECODE,
    DECODES,
    DURATION,
    EVENT_REPLICA,
    EVENT_REQUEST,
    EVENTS,
    GAPS,
    HELD,
    KIND,
    NONE,
    OWNED,
    PREFILL,
    RECORD,
    START,
    STEP,
    TIME,
    TOKENS,
    VALUE,
    Fleet,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Wholes = NDArray[np.int64]

__all__ = ["longest_gap", "note", "note_iterations", "push_gap"]

ITERATION = 5


@inlined
def note(fleet: Fleet, now: float, kind: int, r: int, q: int, value: int) -> None:
    """Write an event down, if asked for."""
    if fleet.settings[RECORD] == 1:
        _write(fleet.counters, fleet.events, fleet.event_times, now, (kind, r, q, value))


@compiled
def _write(
    counters: "Wholes", events: "Wholes", times: "Reals", now: float, what: tuple[int, ...]
) -> None:
    """Beyond the end of the record an event is only counted."""
    at = counters[EVENTS]
    counters[EVENTS] += 1
    if at >= len(events):
        return
    event = events[at]
    event[KIND], event[EVENT_REPLICA], event[EVENT_REQUEST], event[VALUE] = what
    event[PREFILL], event[DECODE], event[BLOCKS] = 0, 0, 0
    times[at, TIME], times[at, DURATION] = now, 0.0


@inlined
def note_iterations(fleet: Fleet, r: int, n: int, now: float) -> None:
    """Write down iterations that end now."""
    at = fleet.counters[EVENTS]
    started = fleet.clocks[r, START]
    note(fleet, started, ITERATION, r, NONE, n)
    if at >= len(fleet.events):
        return
    event, replica = fleet.events[at], fleet.replicas[r]
    event[PREFILL], event[DECODE] = replica[TOKENS], replica[DECODES]
    event[BLOCKS] = replica[OWNED] + replica[HELD]
    fleet.event_times[at, DURATION] = now - started


@inlined
def push_gap(steps: "Wholes", gaps: "Reals", replica: "Wholes", seconds: float) -> None:
    """The gap before the last decode step. A full stack keeps the longer of its last two."""
    top = replica[GAPS]
    while top > 0 and gaps[top - 1] <= seconds:
        top -= 1
    if top == len(gaps):
        top -= 1
        seconds = float(gaps[top])
    gaps[top] = seconds
    steps[top] = replica[STEP]
    replica[GAPS] = top + 1


@inlined
def longest_gap(steps: "Wholes", gaps: "Reals", height: int, joined: int) -> float:
    """The longest gap after this decode step."""
    low, high = 0, height
    while low < high:
        middle = (low + high) // 2
        if steps[middle] > joined:
            high = middle
        else:
            low = middle + 1
    return float(gaps[low]) if low < height else 0.0
