"""One replica over time, compiled: iterations begin, are cut short by an arrival, and end.

Pure decoding is planned up to the next step that changes anything, as one stretch of iterations;
whatever happens on the replica happens at the end of a stretch.
"""

from llmops_cli.serving.batching import compose, start_decoding
from llmops_cli.serving.compiled import compiled, inlined, pasted
from llmops_cli.serving.iteration import elapsed_s, end_s, steps_until
from llmops_cli.serving.plans import push_plan
from llmops_cli.serving.prefix_cache import let_go
from llmops_cli.serving.records import longest_gap, note, note_iterations, push_gap
from llmops_cli.serving.router import answered, gone
from llmops_cli.serving.state import (
    BATCH,
    BATCHING,
    BLOCK_STEP,
    BLOCK_TOKENS,
    BUSY,
    CAPACITY,
    COMPUTED,
    CONTEXT,
    DECODES,
    DECODING,
    DONE,
    EMITTING,
    FINISH,
    FINISH_STEP,
    FIRST,
    FOLLOWER,
    FORM,
    GAP,
    GAPS,
    GENERATED,
    HELD,
    INPUT,
    ITERATIONS,
    JOINED_STEP,
    KNOWN,
    LAST,
    LAST_DECODE,
    LATENCY_S,
    MAX_BATCH,
    NEVER,
    NEW_TOKENS,
    NEXT_BLOCK,
    NEXT_FINISH,
    NONE,
    OUTPUT,
    OWNED,
    PEAK,
    PHASE,
    PLANNED,
    PREFILL_FROM,
    PREFILLING,
    QUEUED,
    RECORD,
    ROUTED,
    RUNNING,
    SHARE,
    STALLED,
    START,
    STEP,
    STEP_CONTEXT,
    STEPS,
    THINK_S,
    TOKENS,
    TRANSFER_S,
    UNFINISHED,
    UNTIL,
    Fleet,
)

__all__ = ["begin", "cut", "end"]

STATIC, CHUNKED = 0, 2
FIRST_TOKEN, FINISHED = 2, 4
IDLE = float("inf")


@pasted
def begin(fleet: Fleet, r: int, now: float) -> None:
    """Plan what the replica does next, from now on."""
    replica, work = fleet.replicas[r], fleet.work[r]
    changed = compose(fleet, r, now)
    replica[TOKENS] = int(work[NEW_TOKENS])
    replica[PLANNED] = 0
    if replica[RUNNING] == 0:
        fleet.ends[r] = IDLE
        return
    together = fleet.settings[BATCHING] == CHUNKED or replica[TOKENS] == 0
    replica[DECODES] = replica[BATCH] if together else 0
    if together:
        work[STEPS], work[STEP_CONTEXT] = replica[BATCH], replica[CONTEXT]
        work[EMITTING] += replica[BATCH]
    in_use = replica[OWNED] + replica[HELD]
    work[SHARE] = in_use / fleet.settings[CAPACITY]
    replica[PEAK] = max(replica[PEAK], in_use)
    replica[PLANNED] = 1
    if replica[TOKENS] == 0 and not changed:
        replica[PLANNED] = min(replica[NEXT_FINISH], replica[NEXT_BLOCK]) - replica[STEP]
    fleet.clocks[r, START] = now
    fleet.ends[r] = end_s(fleet.rates, fleet.settings, work, now, replica[PLANNED])


@inlined
def cut(fleet: Fleet, r: int, now: float) -> None:
    """A request came: end the stretch with the iteration that is under way."""
    replica = fleet.replicas[r]
    settled = replica[QUEUED] > 1 or replica[RUNNING] == fleet.settings[MAX_BATCH]
    if replica[PLANNED] == 1 or settled or fleet.settings[BATCHING] == STATIC:
        return
    start, work = fleet.clocks[r, START], fleet.work[r]
    n = steps_until(fleet.rates, fleet.settings, work, start, replica[PLANNED], now)
    replica[PLANNED] = n
    fleet.ends[r] = work[UNTIL]


@pasted
def _account(fleet: Fleet, r: int, now: float) -> None:
    """Busy time, iterations, and the gaps between tokens of the stretch that ends now."""
    replica, clock, n = fleet.replicas[r], fleet.clocks[r], fleet.replicas[r, PLANNED]
    clock[BUSY] += now - clock[START]
    replica[ITERATIONS] += n
    if replica[DECODES] == 0:
        replica[STALLED] = 1
        return
    work, form = fleet.work[r], fleet.settings[FORM]
    first = elapsed_s(fleet.rates, form, work, 1)
    if replica[STALLED] == 1:
        _close_stall(fleet, r, clock[START] + first)
    longest = first
    if n > 1:
        work[STEP_CONTEXT] += (n - 1) * work[STEPS]
        longest = max(first, elapsed_s(fleet.rates, form, work, 1))
    replica[STEP] += n
    replica[CONTEXT] += n * replica[BATCH]
    clock[LAST_DECODE] = now
    push_gap(fleet.gap_steps[r], fleet.gaps[r], replica, longest)


@compiled
def _close_stall(fleet: Fleet, r: int, now: float) -> None:
    """The first decode step after an iteration without one: each sequence waited its own time."""
    replica = fleet.replicas[r]
    replica[STALLED] = 0
    for i in range(replica[RUNNING]):
        q = fleet.running[r, i]
        if fleet.requests[q, PHASE] != DECODING:
            continue
        last = fleet.clocks[r, LAST_DECODE]
        if fleet.requests[q, JOINED_STEP] == replica[STEP]:
            last = fleet.times[q, LAST]
        fleet.times[q, GAP] = max(fleet.times[q, GAP], now - last)


@inlined
def _finish(fleet: Fleet, r: int, q: int, now: float) -> None:
    request = fleet.requests[q]
    request[PHASE] = DONE
    request[GENERATED] = request[OUTPUT]
    fleet.times[q, FINISH] = now
    gone(fleet, r, q)
    note(fleet, now, FINISHED, r, q, request[OUTPUT])
    if request[FOLLOWER] != NONE:
        push_plan(fleet, now + fleet.rates[THINK_S], request[FOLLOWER])
    if fleet.settings[BATCHING] == STATIC:
        fleet.replicas[r, UNFINISHED] -= 1
    else:
        let_go(fleet, r, q)


@compiled
def _hand_over(fleet: Fleet, r: int, q: int, now: float) -> None:
    """Send the KV cache to the decode pool."""
    let_go(fleet, r, q)
    gone(fleet, r, q)
    fleet.requests[q, PHASE] = DONE  # here
    fleet.replicas[r, UNFINISHED] -= 1
    seconds = fleet.rates[LATENCY_S] + fleet.rates[TRANSFER_S] * fleet.requests[q, INPUT]
    push_plan(fleet, now + seconds, q + len(fleet.requests))


@inlined
def _emit(fleet: Fleet, r: int, q: int, now: float) -> None:
    """A prefill is done and gives the next token."""
    request, times = fleet.requests[q], fleet.times[q]
    request[GENERATED] += 1
    if request[GENERATED] == 1:
        times[FIRST] = now
        answered(fleet, r, q)
        note(fleet, now, FIRST_TOKEN, r, q, 0)
    else:
        times[GAP] = max(times[GAP], now - times[LAST])
    times[LAST] = now
    if request[GENERATED] == request[OUTPUT]:
        _finish(fleet, r, q, now)
    elif r < fleet.settings[ROUTED] and fleet.settings[ROUTED] < len(fleet.ends):
        _hand_over(fleet, r, q, now)
    else:
        known = request[INPUT] + request[GENERATED]
        start_decoding(request, fleet.replicas[r], known, fleet.settings[BLOCK_TOKENS])


@inlined
def _finish_decoding(fleet: Fleet, r: int, now: float) -> None:
    replica, steps, gaps = fleet.replicas[r], fleet.gap_steps[r], fleet.gaps[r]
    for i in range(replica[RUNNING]):
        q = fleet.running[r, i]
        request = fleet.requests[q]
        if request[PHASE] == DECODING and request[FINISH_STEP] == replica[STEP]:
            gap = longest_gap(steps, gaps, replica[GAPS], request[JOINED_STEP])
            fleet.times[q, GAP] = max(fleet.times[q, GAP], gap)
            if fleet.settings[BATCHING] != STATIC:
                replica[BATCH] -= 1
                replica[CONTEXT] -= request[INPUT] + request[OUTPUT] - 1
            _finish(fleet, r, q, now)


@inlined
def _drop_done(fleet: Fleet, r: int) -> None:
    """Close up the running list, unless it is a static batch not done yet; find its next steps."""
    replica = fleet.replicas[r]
    kept, finish, block = 0, NEVER, NEVER
    static = fleet.settings[BATCHING] == STATIC
    for i in range(replica[RUNNING]):
        q = fleet.running[r, i]
        request = fleet.requests[q]
        if static and replica[UNFINISHED] == 0:
            let_go(fleet, r, q)
        elif static or request[PHASE] != DONE:
            fleet.running[r, kept] = q
            kept += 1
        if request[PHASE] == DECODING:
            finish, block = min(finish, request[FINISH_STEP]), min(block, request[BLOCK_STEP])
    replica[RUNNING] = kept
    replica[NEXT_FINISH], replica[NEXT_BLOCK] = finish, block
    if kept == 0:
        replica[BATCH] = replica[CONTEXT] = replica[GAPS] = 0


@pasted
def end(fleet: Fleet, r: int, now: float) -> None:
    """The iterations planned end now: tokens come out, sequences finish."""
    replica = fleet.replicas[r]
    if fleet.settings[RECORD] == 1:
        note_iterations(fleet, r, replica[PLANNED], now)
    _account(fleet, r, now)
    finishing = replica[DECODES] > 0 and replica[STEP] == replica[NEXT_FINISH]
    if finishing:
        _finish_decoding(fleet, r, now)
    if replica[TOKENS] > 0:
        for i in range(replica[PREFILL_FROM], replica[RUNNING]):
            q = fleet.running[r, i]
            request = fleet.requests[q]
            if request[PHASE] == PREFILLING and request[COMPUTED] == request[KNOWN]:
                _emit(fleet, r, q, now)
                finishing = finishing or request[PHASE] == DONE
    if finishing:
        _drop_done(fleet, r)
