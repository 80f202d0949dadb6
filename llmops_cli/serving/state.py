"""The state of a fleet as flat arrays: which column of which array holds what.

The compiled loop knows no objects. A request, a replica and a cached block are rows; the names
below are their columns. ``build.py`` makes the arrays, the other files of the loop change them.
"""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["HELD_BY", "NEVER", "NONE", "Fleet"]

NONE = -1
NEVER = 1 << 60
"""A step that does not come."""

HELD_BY = 1 << 30
"""In Fleet.places with LRU, plus the running sequences that hold a block; less: where in the ring
of releases it is."""

# Phases of a request.
WAITING, PREFILLING, TRANSFERRED, DECODING, DONE = range(5)

# Fleet.settings, whole numbers.
(
    BATCHING,
    TOKEN_BUDGET,
    MAX_BATCH,
    BLOCK_TOKENS,
    CAPACITY,
    EVICTION,
    TIER_CAPACITY,
    ROUTING,
    ROUTED,  # replicas that requests are routed to: all, or the prefill pool
    FORM,
    STEPPED,
    RECORD,
    IMBALANCE_REQUESTS,
    SETTINGS,
) = range(14)

COEFFICIENTS = 11
"""At least as many as the longest form of step time has; the rest are zero."""

# Fleet.rates, real numbers, after the coefficients of the step time.
(
    LOAD_S,  # of one block from the second tier
    TRANSFER_S,  # of one token between pools
    LATENCY_S,
    THINK_S,
    INDEX_DELAY_S,
    OVERLAP_WEIGHT,
    MATCH_THRESHOLD,
    IMBALANCE_RATIO,
    LOAD_FACTOR,
    PREFIX_WEIGHT,
    QUEUE_WEIGHT,
    MEMORY_WEIGHT,
    RATES,
) = range(COEFFICIENTS, COEFFICIENTS + 13)

# Fleet.requests, one row each.
(
    INPUT,
    OUTPUT,
    CACHEABLE,  # full blocks of the prompt, 0 without prefix cache
    SESSION,
    FOLLOWER,  # the next request of the session in a closed loop
    PHASE,
    NEXT_IN_LINE,  # of the waiting queue
    KNOWN,  # tokens to compute before the next one is generated
    COMPUTED,
    GENERATED,
    REFERENCED,  # leading blocks of the prompt held in the prefix cache
    OWN,  # blocks held outside it
    FINISH_STEP,  # decode step of the replica after which it is done
    BLOCK_STEP,  # decode step before which it needs another block
    JOINED_STEP,  # decode step of the replica after which it joined
    EXPECTED,  # prompt tokens to compute, as the router saw them
    REPLICA,
    DECODE_REPLICA,
    HIT,
    TIER_HIT,
    PREEMPTIONS,
    REQUEST_COLUMNS,
) = range(22)

# Fleet.times, one row per request.
ARRIVAL, SCHEDULED, FIRST, FINISH, GAP, LAST, TIME_COLUMNS = range(7)

# Fleet.replicas, one row each.
(
    HEAD,  # of the waiting queue
    TAIL,
    QUEUED,
    RUNNING,
    PREFILL_FROM,  # place in the running list from which sequences may be prefilling
    BATCH,  # decoding sequences
    CONTEXT,  # tokens before the next one of each, together
    STEP,  # decode steps done
    NEXT_FINISH,  # the first FINISH_STEP among them
    NEXT_BLOCK,  # the first BLOCK_STEP among them
    PLANNED,  # iterations until the end that is in Fleet.ends
    DECODES,  # sequences that get a token in them
    TOKENS,  # prompt tokens computed in them
    UNFINISHED,  # of a static batch
    STALLED,  # some sequence's last token is not the last decode step's
    OWNED,  # blocks held outside the prefix cache
    HELD,  # cached blocks referenced by running sequences
    CACHED,  # cached blocks, referenced or not
    FREE,  # first unused place of the prefix cache
    FRONT,  # first place of the ring of releases that is not evicted
    BACK,  # the place after its last
    TICK,  # counts releases
    EVICTABLE,  # size of the heap of blocks, where eviction needs one
    TIER_USED,
    OUTSTANDING,
    PENDING,  # prompt tokens routed here and not computed, as the router counts
    CLAIMED,  # distinct full blocks of the requests routed here and not done
    SENT,  # distinct blocks ever routed here
    GAPS,  # height of the stack of gaps
    ITERATIONS,
    PREFILLED,
    PEAK,
    REPLICA_COLUMNS,
) = range(33)

# Fleet.clocks, one row per replica.
START, BUSY, LAST_DECODE, CLOCK_COLUMNS = range(4)

# Fleet.work, one row per replica and one to reckon with: the make-up of an iteration.
(
    NEW_TOKENS,
    CHUNKS,
    ATTENTION,  # sum over chunks of new tokens x (context before + half of the new ones)
    PREFIX,  # sum over chunks of the context before
    STEPS,  # decoding sequences
    STEP_CONTEXT,
    EMITTING,  # sequences that get a token
    SHARE,  # of KV memory in use
    LOADS,  # blocks loaded from the second tier
    UNTIL,  # when the last of them ends, after steps_until
    WORK_COLUMNS,
) = range(11)

# Fleet.slots: places of the prefix cache where eviction is not LRU. POSITION is that in the heap.
BLOCK, POSITION, NEXT_FREE, REFERENCES, USES, DEPTH, SLOT_COLUMNS = range(7)

# Fleet.tier, BLOCK and these. The last row of each replica is the end of the ring.
PREVIOUS, NEXT, TIER_COLUMNS = range(1, 4)

# Fleet.counters.
DRAWS, TURN, EVENTS, PLANS, LOG_FROM, LOG_TO, COUNTERS = range(7)

# Fleet.events and Fleet.event_times.
KIND, EVENT_REPLICA, EVENT_REQUEST, VALUE, PREFILL, DECODE, BLOCKS, EVENT_COLUMNS = range(8)
TIME, DURATION, EVENT_TIME_COLUMNS = range(3)


class Fleet(NamedTuple):
    """Everything the loop knows; D distinct blocks, R replicas, N requests.

    Attributes:
        settings: int64 (SETTINGS,).
        rates: float64 (RATES,).
        starts: int64 (N + 1,), of the trace.
        blocks: int64, of the trace.
        requests: int64 (N, REQUEST_COLUMNS).
        times: float64 (N, TIME_COLUMNS).
        replicas: int64 (R, REPLICA_COLUMNS).
        clocks: float64 (R, CLOCK_COLUMNS).
        ends: float64 (R,), when the iterations planned end; infinite when idle.
        work: float64 (R + 1, WORK_COLUMNS).
        running: int64 (R, most at once), in order of admission.
        places: int32 (R, D), where in the prefix cache a block is, or NONE. By replica, so that
            the blocks of a prompt, often numbered in a row, share a line of the processor's cache.
        ring_of_releases: int32 (R, 2 x capacity), blocks as they became unused; (R, 0) if not LRU.
        slots: int32 (R, capacity, SLOT_COLUMNS); (R, 0, SLOT_COLUMNS) for LRU.
        heap: int32 (R, capacity), evictable places; (R, 0) for LRU.
        order: int64 (R, capacity, 2), by what the heap is ordered.
        following: int64, per block of the trace the next request that holds it, for CLAIRVOYANT.
        next_use: int64 (D,), the same as of now.
        tier_places: int32 (R, D) or (R, 0).
        tier: int32 (R, capacity of the second tier + 1, TIER_COLUMNS).
        believed: int32 (R, D), as ``places``, as far as the router knows.
        claims: int32 (R, D) or (R, 0), requests routed and not done that hold a block.
        home: int64 (sessions,), where a session went first.
        ring: int64, owners of the points of the hash ring.
        ring_from: int64 (N,), where on the ring a request starts.
        costs: float64 (R,), to compare.
        log_times: float64, when the prefix caches changed, for a late index.
        log: int64, what changed.
        plan_times: float64 (2 N + 1,), heap of arrivals and transfers to come.
        plans: int64 (2 N + 1,), request, plus N for a transfer.
        gap_steps: int64 (R, most), decode steps with a longer gap than any later one.
        gaps: float64 (R, most).
        seed: uint64 (1,).
        counters: int64 (COUNTERS,).
        events: int64 (most, EVENT_COLUMNS).
        event_times: float64 (most, EVENT_TIME_COLUMNS).
    """

    settings: "NDArray[np.int64]"
    rates: "NDArray[np.float64]"
    starts: "NDArray[np.int64]"
    blocks: "NDArray[np.int64]"
    requests: "NDArray[np.int64]"
    times: "NDArray[np.float64]"
    replicas: "NDArray[np.int64]"
    clocks: "NDArray[np.float64]"
    ends: "NDArray[np.float64]"
    work: "NDArray[np.float64]"
    running: "NDArray[np.int64]"
    places: "NDArray[np.int32]"
    ring_of_releases: "NDArray[np.int32]"
    slots: "NDArray[np.int32]"
    heap: "NDArray[np.int32]"
    order: "NDArray[np.int64]"
    following: "NDArray[np.int64]"
    next_use: "NDArray[np.int64]"
    tier_places: "NDArray[np.int32]"
    tier: "NDArray[np.int32]"
    believed: "NDArray[np.int32]"
    claims: "NDArray[np.int32]"
    home: "NDArray[np.int64]"
    ring: "NDArray[np.int64]"
    ring_from: "NDArray[np.int64]"
    costs: "NDArray[np.float64]"
    log_times: "NDArray[np.float64]"
    log: "NDArray[np.int64]"
    plan_times: "NDArray[np.float64]"
    plans: "NDArray[np.int64]"
    gap_steps: "NDArray[np.int64]"
    gaps: "NDArray[np.float64]"
    seed: "NDArray[np.uint64]"
    counters: "NDArray[np.int64]"
    events: "NDArray[np.int64]"
    event_times: "NDArray[np.float64]"
