"""Who is in the next iteration of a replica, compiled: admission and chunks.

Static and continuous batching compute whole prompts, chunked prefill cuts them at the budget of
the iteration. The queue is first come, first served: a head that does not fit is waited for.
"""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import inlined, pasted
from llmops_cli.serving.growth import grow
from llmops_cli.serving.prefix_cache import found, hold, room_for, store
from llmops_cli.serving.records import note
from llmops_cli.serving.second_tier import found_in_tier
from llmops_cli.serving.state import (
    ATTENTION,
    BATCH,
    BATCHING,
    BLOCK_STEP,
    BLOCK_TOKENS,
    CACHEABLE,
    CHUNKS,
    COMPUTED,
    CONTEXT,
    DECODING,
    EMITTING,
    FINISH_STEP,
    GENERATED,
    HEAD,
    HIT,
    INPUT,
    JOINED_STEP,
    KNOWN,
    LOADS,
    MAX_BATCH,
    NEVER,
    NEW_TOKENS,
    NEXT_BLOCK,
    NEXT_FINISH,
    NEXT_IN_LINE,
    NONE,
    OUTPUT,
    OWN,
    PHASE,
    PREEMPTIONS,
    PREFILL_FROM,
    PREFILLED,
    PREFILLING,
    PREFIX,
    QUEUED,
    REFERENCED,
    RUNNING,
    SCHEDULED,
    STALLED,
    STEP,
    TAIL,
    TIER_HIT,
    TOKEN_BUDGET,
    TRANSFERRED,
    UNFINISHED,
    Fleet,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Wholes = NDArray[np.int64]

__all__ = ["compose", "join_line", "start_decoding"]

STATIC, CONTINUOUS, CHUNKED = 0, 1, 2
ADMISSION = 1


@inlined
def join_line(requests: "Wholes", replica: "Wholes", q: int) -> None:
    """Wait at the end of the queue."""
    requests[q, NEXT_IN_LINE] = NONE
    if replica[QUEUED] == 0:
        replica[HEAD] = q
    else:
        requests[replica[TAIL], NEXT_IN_LINE] = q
    replica[TAIL] = q
    replica[QUEUED] += 1


@inlined
def _leave_line(fleet: Fleet, r: int) -> None:
    replica = fleet.replicas[r]
    replica[HEAD] = fleet.requests[replica[HEAD], NEXT_IN_LINE]
    replica[QUEUED] -= 1


@inlined
def start_decoding(request: "Wholes", replica: "Wholes", known: int, block_tokens: int) -> None:
    """A sequence of so many known tokens gets one more in each decode step from now on."""
    step = replica[STEP]
    request[PHASE] = DECODING
    request[JOINED_STEP] = step
    request[FINISH_STEP] = step + request[OUTPUT] - request[GENERATED]
    held = (request[REFERENCED] + request[OWN]) * block_tokens
    request[BLOCK_STEP] = step + held + 1 - known
    replica[BATCH] += 1
    replica[CONTEXT] += known - 1
    replica[NEXT_FINISH] = min(replica[NEXT_FINISH], request[FINISH_STEP])
    replica[NEXT_BLOCK] = min(replica[NEXT_BLOCK], request[BLOCK_STEP])


@inlined
def _compute(fleet: Fleet, r: int, q: int, tokens: int, now: float) -> None:
    """A chunk of this prompt is in the iteration."""
    request, work = fleet.requests[q], fleet.work[r]
    before = request[COMPUTED]
    work[NEW_TOKENS] += tokens
    work[CHUNKS] += 1
    work[ATTENTION] += tokens * (before + 0.5 * tokens)
    work[PREFIX] += before
    request[COMPUTED] = before + tokens
    fleet.replicas[r, PREFILLED] += tokens
    if request[COMPUTED] == request[KNOWN]:
        work[EMITTING] += 1
    full = min(request[COMPUTED] // fleet.settings[BLOCK_TOKENS], request[CACHEABLE])
    if full > request[REFERENCED]:
        store(fleet, r, q, full, now)


@pasted
def _admit_head(fleet: Fleet, r: int, now: float, most_tokens: int) -> bool:
    """Give the first in line its memory, if it fits and has no more than so many tokens to go."""
    replica, block_tokens = fleet.replicas[r], fleet.settings[BLOCK_TOKENS]
    q = replica[HEAD]
    request = fleet.requests[q]
    known = request[INPUT] + request[GENERATED]
    cacheable = min(request[CACHEABLE], (known - 1) // block_tokens)
    cached = found(fleet, r, q, cacheable)
    arrived = request[PHASE] == TRANSFERRED
    in_tier = 0 if arrived else found_in_tier(fleet, r, q, cached, cacheable)
    computed = known if arrived else (cached + in_tier) * block_tokens
    if known - computed > most_tokens:
        return False
    final = request[INPUT] + request[OUTPUT] - 1 if fleet.settings[BATCHING] == STATIC else known
    needed = (final - 1) // block_tokens + 1
    if not room_for(fleet, r, q, cached, needed):
        return False
    hold(fleet, r, q, cached, in_tier, needed, now)
    computed_blocks = cacheable if arrived else cached + in_tier
    if computed_blocks > cached:
        store(fleet, r, q, computed_blocks, now)
    _leave_line(fleet, r)
    fleet.running[r, replica[RUNNING]] = q
    replica[RUNNING] += 1
    request[KNOWN], request[COMPUTED] = known, computed
    fleet.work[r, LOADS] += in_tier
    note(fleet, now, ADMISSION, r, q, 0 if arrived else computed)
    if arrived:
        start_decoding(request, replica, known, block_tokens)
        replica[STALLED] = 1
        return True
    request[PHASE] = PREFILLING
    if request[PREEMPTIONS] == 0:
        request[HIT], request[TIER_HIT] = cached * block_tokens, in_tier * block_tokens
        fleet.times[q, SCHEDULED] = now
    return True


@inlined
def _admit(fleet: Fleet, r: int, now: float, budget: int) -> int:
    """Admit from the queue as long as places, memory and token budget last; how many."""
    replica = fleet.replicas[r]
    chunked = fleet.settings[BATCHING] == CHUNKED
    admitted = 0
    while replica[QUEUED] > 0 and replica[RUNNING] < fleet.settings[MAX_BATCH] and budget > 0:
        anything = chunked or admitted == 0
        if not _admit_head(fleet, r, now, NEVER if anything else budget):
            break
        admitted += 1
        q = fleet.running[r, replica[RUNNING] - 1]
        left = fleet.requests[q, KNOWN] - fleet.requests[q, COMPUTED]
        if left > 0:
            chunk = min(left, budget) if chunked else left
            _compute(fleet, r, q, chunk, now)
            budget -= chunk
        else:
            budget -= 1
    return admitted


@pasted
def compose(fleet: Fleet, r: int, now: float) -> bool:
    """Form the next iteration in Fleet.work; whether the sequences running have changed."""
    replica = fleet.replicas[r]
    fleet.work[r, :] = 0.0
    batching, budget = fleet.settings[BATCHING], fleet.settings[TOKEN_BUDGET]
    preempted = False
    if batching == CHUNKED:
        if replica[NEXT_BLOCK] == replica[STEP]:
            preempted = grow(fleet, r, now)
        budget -= replica[BATCH]
        if replica[RUNNING] > replica[BATCH]:  # one prompt was cut, and it is the last admitted
            q = fleet.running[r, replica[RUNNING] - 1]
            chunk = min(fleet.requests[q, KNOWN] - fleet.requests[q, COMPUTED], budget)
            _compute(fleet, r, q, chunk, now)
            budget -= chunk
    replica[PREFILL_FROM] = replica[BATCH]
    if preempted or (batching == STATIC and replica[RUNNING] > 0):
        return preempted
    admitted = _admit(fleet, r, now, budget) if replica[QUEUED] > 0 else 0
    if batching == STATIC:
        replica[UNFINISHED] = replica[RUNNING]
    due = batching == CONTINUOUS and replica[NEXT_BLOCK] == replica[STEP]
    if due and fleet.work[r, NEW_TOKENS] == 0.0:
        preempted = grow(fleet, r, now)
    return preempted or admitted > 0
