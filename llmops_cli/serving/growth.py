"""Memory for the tokens to come, compiled: decoding sequences grow, the last admitted give way."""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import compiled, inlined
from llmops_cli.serving.prefix_cache import hold_more, let_go, make_room
from llmops_cli.serving.records import longest_gap, note
from llmops_cli.serving.state import (
    BATCH,
    BLOCK_STEP,
    BLOCK_TOKENS,
    CAPACITY,
    CONTEXT,
    DECODING,
    FINISH_STEP,
    GAP,
    GAPS,
    GENERATED,
    HEAD,
    HELD,
    INPUT,
    JOINED_STEP,
    LAST,
    LAST_DECODE,
    NEVER,
    NEXT_BLOCK,
    NEXT_FINISH,
    NEXT_IN_LINE,
    NONE,
    OUTPUT,
    OWN,
    OWNED,
    PHASE,
    PREEMPTIONS,
    QUEUED,
    RUNNING,
    STEP,
    TAIL,
    WAITING,
    Fleet,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Wholes = NDArray[np.int64]

__all__ = ["grow"]

PREEMPTION = 3


@inlined
def _next_steps(requests: "Wholes", replica: "Wholes", running: "Wholes") -> None:
    """Find again when the next decoding sequence is done or needs a block."""
    finish = block = NEVER
    for i in range(replica[RUNNING]):
        q = running[i]
        if requests[q, PHASE] == DECODING:
            finish = min(finish, requests[q, FINISH_STEP])
            block = min(block, requests[q, BLOCK_STEP])
    replica[NEXT_FINISH], replica[NEXT_BLOCK] = finish, block


@compiled
def _preempt_last(fleet: Fleet, r: int, now: float) -> int:
    """The sequence admitted last loses its memory and waits first in line."""
    replica = fleet.replicas[r]
    replica[RUNNING] -= 1
    q = fleet.running[r, replica[RUNNING]]
    request = fleet.requests[q]
    if request[PHASE] == DECODING:
        steps, gaps, height = fleet.gap_steps[r], fleet.gaps[r], replica[GAPS]
        gap = longest_gap(steps, gaps, height, request[JOINED_STEP])
        fleet.times[q, GAP] = max(fleet.times[q, GAP], gap)
        if request[JOINED_STEP] < replica[STEP]:
            fleet.times[q, LAST] = fleet.clocks[r, LAST_DECODE]
        left = request[FINISH_STEP] - replica[STEP]
        request[GENERATED] = request[OUTPUT] - left
        replica[BATCH] -= 1
        replica[CONTEXT] -= request[INPUT] + request[GENERATED] - 1
    let_go(fleet, r, q)
    request[PHASE] = WAITING
    request[PREEMPTIONS] += 1
    request[NEXT_IN_LINE] = replica[HEAD] if replica[QUEUED] > 0 else NONE
    if replica[QUEUED] == 0:
        replica[TAIL] = q
    replica[HEAD] = q
    replica[QUEUED] += 1
    note(fleet, now, PREEMPTION, r, q, request[GENERATED])
    return q


@inlined
def grow(fleet: Fleet, r: int, now: float) -> bool:
    """One block for every decoding sequence whose next token needs it; whether any was preempted.

    Where there is room for all the whole fleet, a copy of hundreds of numbers, is not passed on.
    """
    replica, capacity = fleet.replicas[r], fleet.settings[CAPACITY]
    if replica[OWNED] + replica[HELD] + replica[BATCH] > capacity:
        return _grow_or_preempt(fleet, r, now)
    _grow_all(fleet.requests, replica, fleet.running[r], fleet.settings[BLOCK_TOKENS])
    make_room(fleet, r, now)
    return False


@compiled
def _grow_all(requests: "Wholes", replica: "Wholes", running: "Wholes", block_tokens: int) -> None:
    finish = block = NEVER
    for i in range(replica[RUNNING]):
        request = requests[running[i]]
        if request[PHASE] != DECODING:
            continue
        if request[BLOCK_STEP] <= replica[STEP]:
            request[OWN] += 1
            replica[OWNED] += 1
            request[BLOCK_STEP] += block_tokens
        finish, block = min(finish, request[FINISH_STEP]), min(block, request[BLOCK_STEP])
    replica[NEXT_FINISH], replica[NEXT_BLOCK] = finish, block


@compiled
def _grow_or_preempt(fleet: Fleet, r: int, now: float) -> bool:
    """In order of admission; where memory is full the last admitted give theirs back."""
    replica = fleet.replicas[r]
    preempted = False
    i = 0
    while i < replica[RUNNING]:
        q = fleet.running[r, i]
        i += 1
        if fleet.requests[q, PHASE] != DECODING or fleet.requests[q, BLOCK_STEP] > replica[STEP]:
            continue
        victim = NONE
        while victim != q and replica[OWNED] + replica[HELD] >= fleet.settings[CAPACITY]:
            victim = _preempt_last(fleet, r, now)
            preempted = True
        if victim != q:
            hold_more(fleet, r, q, 1, now)
            fleet.requests[q, BLOCK_STEP] += fleet.settings[BLOCK_TOKENS]
    _next_steps(fleet.requests, replica, fleet.running[r])
    return preempted
