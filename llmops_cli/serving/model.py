"""What a fleet is asked to do, and what it did: the policy of a simulation and its outcome.

Every rule of the simulator that a reader might want to change is a field here, and nothing else
is: times are seconds, memory is counted in blocks of KV cache.
"""

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from llmops_cli.hardware.step_time import StepTime

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "Batching",
    "EventKind",
    "Events",
    "Eviction",
    "Memory",
    "Outcome",
    "Policy",
    "Pools",
    "Router",
    "Routing",
    "Scheduler",
    "SecondTier",
]


class Batching(IntEnum):
    """Who shares an iteration of the engine."""

    STATIC = 0
    """Request level: a batch is formed when the replica is idle and runs until its longest answer
    is done; a finished sequence keeps its place, its memory and its share of the work."""

    CONTINUOUS = 1
    """Iteration level, prefill first: whole prompts as long as the queue and the budget last,
    otherwise one token for every running sequence. Running sequences wait during a prefill."""

    CHUNKED = 2
    """Iteration level, hybrid: one token for every running sequence, the rest of the token budget
    goes to prompts, cut where it ends (Sarathi-Serve, vLLM V1)."""


class Eviction(IntEnum):
    """Which unused block of the prefix cache makes room."""

    LRU = 0
    """The one unused for longest; of one request, its last block first."""

    LFU = 1
    """The one used by fewest requests since it came in; ties as LRU."""

    LENGTH_AWARE = 2
    """The one farthest from the start of its prompt; ties as LRU."""

    CLAIRVOYANT = 3
    """The one whose next request, anywhere in the trace, is farthest off; ties as LENGTH_AWARE."""


class Routing(IntEnum):
    """Which replica a request goes to. Ties are drawn by the seed."""

    ROUND_ROBIN = 0
    RANDOM = 1
    LEAST_OUTSTANDING = 2
    """The fewest requests waiting or running."""

    POWER_OF_TWO = 3
    """The fewer outstanding of two replicas drawn at random."""

    SESSION_AFFINITY = 4
    """Where the session's first request went; that one, and one without session, to the fewest
    outstanding."""

    BOUNDED_HASH = 5
    """Consistent hashing with bounded loads: clockwise from the hash of the session (or of the
    first block) to the first replica below ``load_factor`` times the mean load."""

    PREFIX_TREE = 6
    """As SGLang's router: the replica that was sent the longest prefix of this prompt, where that
    is more than ``match_threshold`` of it; else the one that was sent the fewest distinct blocks.
    Under imbalance, the fewest outstanding."""

    KV_COST = 7
    """As Dynamo's router: lowest ``overlap_weight`` x blocks still to prefill + blocks in use."""

    SCORED = 8
    """As llm-d's: highest weighted sum of prefix match, short queue and free KV memory, each
    0 to 1."""

    CLAIRVOYANT = 9
    """Where its first token would come first by the step time itself: after the iteration under
    way, in one with all prompts sent there and not answered. True caches, no delay. Greedy: the
    best for this request, not for the trace."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scheduler:
    """How a replica forms its iterations.

    Attributes:
        batching: see :class:`Batching`.
        token_budget: most tokens of an iteration; for CHUNKED at least ``max_batch``, for the
            others the most prompt tokens of one prefill (a longer prompt goes alone).
        max_batch: most sequences at once.
    """

    batching: Batching = Batching.CHUNKED
    token_budget: int = 8192
    max_batch: int = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class SecondTier:
    """Slower memory that takes what the prefix cache evicts, least recently used out first.

    Attributes:
        blocks: capacity per replica.
        bytes_per_s: bandwidth of loading into the first tier; a load lengthens the iteration
            that admits its request.
        kv_bytes_per_token: of the model.
    """

    blocks: int
    bytes_per_s: float
    kv_bytes_per_token: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Memory:
    """KV memory of one replica.

    Attributes:
        blocks: capacity. Blocks of running sequences are held, the rest is prefix cache.
        block_tokens: tokens per block; None takes the trace's, or 16 where that has no blocks.
            A trace with blocks of another size is refused.
        prefix_caching: False computes every prompt whole.
        eviction: see :class:`Eviction`.
        second_tier: None for none.
    """

    blocks: int
    block_tokens: int | None = None
    prefix_caching: bool = True
    eviction: Eviction = Eviction.LRU
    second_tier: SecondTier | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Router:
    """Where requests go; each parameter belongs to the routing its comment names.

    Attributes:
        routing: see :class:`Routing`.
        index_delay_s: KV_COST and SCORED: how old the router's knowledge of cached blocks is.
        overlap_weight: KV_COST.
        match_threshold: PREFIX_TREE: share of the prompt, 0 to 1.
        imbalance_requests: PREFIX_TREE: imbalance needs more outstanding requests between the
            fullest and the emptiest replica than this ...
        imbalance_ratio: ... and more than this many times the emptiest's.
        load_factor: BOUNDED_HASH, above 1.
        prefix_weight: SCORED, as the next two; llm-d's published 3, 2, 2.
        queue_weight: SCORED.
        memory_weight: SCORED.
    """

    routing: Routing = Routing.ROUND_ROBIN
    index_delay_s: float = 0.0
    overlap_weight: float = 1.0
    match_threshold: float = 0.5
    imbalance_requests: int = 32
    imbalance_ratio: float = 1.1
    load_factor: float = 1.25
    prefix_weight: float = 3.0
    queue_weight: float = 2.0
    memory_weight: float = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Pools:
    """Prefill and decode on separate replicas.

    The first token is produced by the prefill; the KV cache then travels, and decoding goes on
    in the decode replica with the fewest outstanding requests. Prefill blocks become cache as
    soon as the prefill ends; the decode replica computes a preempted sequence again itself.

    Attributes:
        decode_replicas: of the policy's replicas, how many only decode (the last ones).
        kv_bytes_per_token: of the model.
        bytes_per_s: of one transfer; transfers do not share it.
        latency_s: added to each transfer.
    """

    decode_replicas: int
    kv_bytes_per_token: float
    bytes_per_s: float
    latency_s: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """One fleet, as a line of the comparison.

    Attributes:
        name: what a report calls it.
        replicas: how many, prefill and decode pools together.
        step_time: how long an iteration takes.
        memory: KV memory of each replica.
        scheduler: batching of each replica.
        router: where requests go.
        pools: None serves each request on one replica.
        think_s: None replays the arrivals of the trace. A number closes the loop: the first
            request of a session arrives as in the trace, each later one this long after the
            answer before it. Requests without session arrive as in the trace.
    """

    name: str
    replicas: int
    step_time: StepTime
    memory: Memory
    scheduler: Scheduler = field(default_factory=Scheduler)
    router: Router = field(default_factory=Router)
    pools: Pools | None = None
    think_s: float | None = None


class EventKind(IntEnum):
    """What an event says; ``Events.value`` in parentheses."""

    ARRIVAL = 0
    """A request was routed to this replica (outstanding requests there, itself not counted)."""

    ADMISSION = 1
    """It got memory and its first iteration begins (cached tokens, both tiers)."""

    FIRST_TOKEN = 2
    """(0)"""

    PREEMPTION = 3
    """It lost its memory and waits again, first in line (tokens generated so far)."""

    FINISH = 4
    """(tokens generated)"""

    ITERATION = 5
    """One or more iterations of unchanged make-up begin; ``request`` is -1 (how many)."""

    TRANSFER = 6
    """Its KV cache reached this decode replica (tokens moved)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Events:
    """Everything that happened, in the order it happened, as parallel arrays.

    Attributes:
        time_s: float64. Iterations count at their start, but stand where they end: at equal
            positions the order of the array, not of time_s, is the order of effect.
        kind: int64, see :class:`EventKind`.
        replica: int64.
        request: int64, row of the trace, or -1.
        value: int64, see :class:`EventKind`.
        duration_s: float64, of iterations, all of ``value`` together; 0 for other events.
        prefill_tokens: int64, of iterations: prompt tokens computed.
        decoding: int64, of iterations: sequences that get one token each.
        blocks: int64: blocks in use by running sequences at the start of an iteration.
    """

    time_s: "NDArray[np.float64]"
    kind: "NDArray[np.int64]"
    replica: "NDArray[np.int64]"
    request: "NDArray[np.int64]"
    value: "NDArray[np.int64]"
    duration_s: "NDArray[np.float64]"
    prefill_tokens: "NDArray[np.int64]"
    decoding: "NDArray[np.int64]"
    blocks: "NDArray[np.int64]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What one policy did with one trace; per-request arrays are in the order of the trace.

    Attributes:
        policy: what was simulated.
        arrival_s: float64, when the request arrived: the trace's, or later in a closed loop.
        scheduled_s: float64, start of its first iteration.
        first_token_s: float64, end of the iteration that produced its first token.
        finish_s: float64, end of the iteration that produced its last token.
        longest_gap_s: float64, longest time between two of its tokens; 0 for one token.
        replica: int64, where its prompt was computed.
        decode_replica: int64, where it was decoded; equals ``replica`` without pools.
        hit_tokens: int64, prompt tokens found in the prefix cache at its first admission.
        second_tier_tokens: int64, those loaded from the second tier, not in ``hit_tokens``.
        preemptions: int64.
        busy_s: float64 per replica, time inside iterations.
        iterations: int64 per replica.
        computed_tokens: int64 per replica, prompt tokens computed, again after preemptions too.
        peak_blocks: int64 per replica, most blocks held by running sequences.
        events: None unless asked for.
    """

    policy: Policy
    arrival_s: "NDArray[np.float64]"
    scheduled_s: "NDArray[np.float64]"
    first_token_s: "NDArray[np.float64]"
    finish_s: "NDArray[np.float64]"
    longest_gap_s: "NDArray[np.float64]"
    replica: "NDArray[np.int64]"
    decode_replica: "NDArray[np.int64]"
    hit_tokens: "NDArray[np.int64]"
    second_tier_tokens: "NDArray[np.int64]"
    preemptions: "NDArray[np.int64]"
    busy_s: "NDArray[np.float64]"
    iterations: "NDArray[np.int64]"
    computed_tokens: "NDArray[np.int64]"
    peak_blocks: "NDArray[np.int64]"
    events: Events | None = None
