"""A trace and a policy become the arrays of a fleet that has not started yet."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving import state
from llmops_cli.serving.draws import mixed
from llmops_cli.serving.model import Eviction, Policy, Routing
from llmops_cli.serving.state import NONE, Fleet
from llmops_cli.serving.validate import DEFAULT_BLOCK_TOKENS

__all__ = ["Run", "block_tokens", "build"]

POINTS = 128
"""Of each replica on the hash ring."""

DEEP = 1024
"""Of the stack of gaps, above twice the batch: more than any stretch of falling gaps we know."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """How to run, beside what.

    Attributes:
        seed: of random routing and ties.
        stepped: reckon every iteration on its own.
        events: how many to keep room for; 0 records none.
    """

    seed: int
    stepped: bool = False
    events: int = 0


def block_tokens(trace: RequestTrace, policy: Policy) -> int:
    """Tokens in a block of this simulation."""
    return trace.block_tokens or policy.memory.block_tokens or DEFAULT_BLOCK_TOKENS


def _settings(trace: RequestTrace, policy: Policy, run: Run) -> NDArray[np.int64]:
    settings = np.zeros(state.SETTINGS, np.int64)
    scheduler, memory, router = policy.scheduler, policy.memory, policy.router
    settings[state.BATCHING] = scheduler.batching
    settings[state.TOKEN_BUDGET] = scheduler.token_budget
    settings[state.MAX_BATCH] = scheduler.max_batch
    settings[state.BLOCK_TOKENS] = block_tokens(trace, policy)
    settings[state.CAPACITY] = memory.blocks
    settings[state.EVICTION] = memory.eviction
    settings[state.TIER_CAPACITY] = memory.second_tier.blocks if memory.second_tier else 0
    settings[state.ROUTING] = router.routing
    settings[state.ROUTED] = policy.replicas - (policy.pools.decode_replicas if policy.pools else 0)
    settings[state.FORM] = policy.step_time.form
    settings[state.STEPPED] = run.stepped
    settings[state.RECORD] = run.events > 0
    settings[state.IMBALANCE_REQUESTS] = router.imbalance_requests
    return settings


def _rates(trace: RequestTrace, policy: Policy) -> NDArray[np.float64]:
    rates = np.zeros(state.RATES)
    tier, pools, router = policy.memory.second_tier, policy.pools, policy.router
    if tier:
        block_bytes = tier.kv_bytes_per_token * block_tokens(trace, policy)
        rates[state.LOAD_S] = block_bytes / tier.bytes_per_s
    if pools:
        rates[state.TRANSFER_S] = pools.kv_bytes_per_token / pools.bytes_per_s
        rates[state.LATENCY_S] = pools.latency_s
    rates[state.THINK_S] = policy.think_s or 0.0
    rates[state.INDEX_DELAY_S] = router.index_delay_s
    rates[state.OVERLAP_WEIGHT] = router.overlap_weight
    rates[state.MATCH_THRESHOLD] = router.match_threshold
    rates[state.IMBALANCE_RATIO] = router.imbalance_ratio
    rates[state.LOAD_FACTOR] = router.load_factor
    rates[state.PREFIX_WEIGHT] = router.prefix_weight
    rates[state.QUEUE_WEIGHT] = router.queue_weight
    rates[state.MEMORY_WEIGHT] = router.memory_weight
    coefficients = policy.step_time.coefficients
    rates[: len(coefficients)] = coefficients
    return rates


def _followers(trace: RequestTrace) -> NDArray[np.int64]:
    """The next request of each request's session."""
    followers = np.full(len(trace), NONE, np.int64)
    order = np.argsort(trace.session, kind="stable")
    sessions = trace.session[order]
    same = (sessions[1:] == sessions[:-1]) & (sessions[1:] >= 0)
    followers[order[:-1][same]] = order[1:][same]
    return followers


def _requests(trace: RequestTrace, policy: Policy) -> NDArray[np.int64]:
    requests = np.zeros((len(trace), state.REQUEST_COLUMNS), np.int64)
    requests[:, state.INPUT] = trace.input_tokens
    requests[:, state.OUTPUT] = trace.output_tokens
    if trace.block_tokens and policy.memory.prefix_caching:
        requests[:, state.CACHEABLE] = trace.input_tokens // trace.block_tokens
    requests[:, state.SESSION] = trace.session
    requests[:, state.FOLLOWER] = NONE if policy.think_s is None else _followers(trace)
    return requests


def _slots(replicas: int, capacity: int) -> NDArray[np.int32]:
    """Places that form a chain of free ones."""
    slots = np.zeros((replicas, capacity, state.SLOT_COLUMNS), np.int32)
    slots[:, :, state.NEXT_FREE] = np.arange(1, capacity + 1)
    return slots


def _tier(replicas: int, capacity: int) -> NDArray[np.int32]:
    """Free places, and an empty ring in the last row."""
    tier = np.zeros((replicas, capacity + 1, state.TIER_COLUMNS), np.int32)
    tier[:, capacity, state.NEXT] = tier[:, capacity, state.PREVIOUS] = capacity
    return tier


def _following(trace: RequestTrace, *, needed: bool) -> NDArray[np.int64]:
    """For each block of each request, the next request that holds it, or their number."""
    if not needed:
        return np.zeros(0, np.int64)
    owners = np.repeat(np.arange(len(trace)), np.diff(trace.starts))
    following = np.full(len(trace.blocks), len(trace), np.int64)
    order = np.argsort(trace.blocks, kind="stable")
    same = trace.blocks[order[1:]] == trace.blocks[order[:-1]]
    following[order[:-1][same]] = owners[order[1:][same]]
    return following


def _ring(trace: RequestTrace, routed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Owners of the points of the hash ring, and the point each request starts from."""
    points = mixed(np.arange(routed * POINTS, dtype=np.uint64))
    order = np.argsort(points, kind="stable")
    firsts = np.full(len(trace), NONE, np.int64)
    holding = np.diff(trace.starts) > 0
    firsts[holding] = trace.blocks[trace.starts[:-1][holding]]
    keys = np.where(trace.session >= 0, trace.session, firsts)
    keys = np.where(keys >= 0, keys, np.arange(len(trace)))
    at = np.searchsorted(points[order], mixed(keys.astype(np.uint64) + np.uint64(1 << 32)))
    return (order // POINTS).astype(np.int64), (at % len(points)).astype(np.int64)


def _distinct(trace: RequestTrace) -> int:
    return int(trace.blocks.max()) + 1 if len(trace.blocks) else 0


def build(trace: RequestTrace, policy: Policy, run: Run) -> tuple[Fleet, NDArray[np.int64]]:
    """The fleet, and the requests that arrive as in the trace."""
    settings, requests = _settings(trace, policy, run), _requests(trace, policy)
    replicas, capacity = policy.replicas, policy.memory.blocks
    tier = int(settings[state.TIER_CAPACITY])
    blocks, routing = _distinct(trace), policy.router.routing
    most = min(capacity, blocks)
    lru = policy.memory.eviction == Eviction.LRU
    ordered, released = (0, 2 * most) if lru else (most, 0)
    foresight = policy.memory.eviction == Eviction.CLAIRVOYANT
    late = policy.router.index_delay_s > 0 and routing in (Routing.KV_COST, Routing.SCORED)
    places = np.full((replicas, blocks), NONE, np.int32)
    own_index = late or routing == Routing.PREFIX_TREE
    ring, ring_from = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if routing == Routing.BOUNDED_HASH:
        ring, ring_from = _ring(trace, int(settings[state.ROUTED]))
    deep = DEEP + 2 * policy.scheduler.max_batch
    log = 2 * len(trace.blocks) + 1 if late else 0
    times = np.zeros((len(trace), state.TIME_COLUMNS))
    times[:, state.ARRIVAL] = trace.arrival_s
    rows = np.zeros((replicas, state.REPLICA_COLUMNS), np.int64)
    rows[:, [state.NEXT_FINISH, state.NEXT_BLOCK]] = state.NEVER
    fleet = Fleet(
        settings=settings,
        rates=_rates(trace, policy),
        starts=trace.starts,
        blocks=trace.blocks,
        requests=requests,
        times=times,
        replicas=rows,
        clocks=np.zeros((replicas, state.CLOCK_COLUMNS)),
        ends=np.full(replicas, np.inf),
        work=np.zeros((replicas + 1, state.WORK_COLUMNS)),
        running=np.zeros((replicas, min(policy.scheduler.max_batch, len(trace))), np.int64),
        places=places,
        ring_of_releases=np.zeros((replicas, released), np.int32),
        slots=_slots(replicas, ordered),
        heap=np.zeros((replicas, ordered), np.int32),
        order=np.zeros((replicas, ordered, 2), np.int64),
        following=_following(trace, needed=foresight),
        next_use=np.full(blocks if foresight else 0, len(trace), np.int64),
        tier_places=np.full((replicas, blocks if tier else 0), NONE, np.int32),
        tier=_tier(replicas, tier),
        believed=places.copy() if own_index else places,
        claims=np.zeros((replicas, blocks if routing == Routing.KV_COST else 0), np.int32),
        home=np.full(int(trace.session.max(initial=NONE)) + 1, NONE, np.int64),
        ring=ring,
        ring_from=ring_from,
        costs=np.zeros(replicas),
        log_times=np.zeros(log),
        log=np.zeros(log, np.int64),
        plan_times=np.zeros(2 * len(trace) + 1),
        plans=np.zeros(2 * len(trace) + 1, np.int64),
        gap_steps=np.zeros((replicas, deep), np.int64),
        gaps=np.zeros((replicas, deep)),
        seed=np.array([run.seed], np.uint64),
        counters=np.zeros(state.COUNTERS, np.int64),
        events=np.zeros((run.events, state.EVENT_COLUMNS), np.int64),
        event_times=np.zeros((run.events, state.EVENT_TIME_COLUMNS)),
    )
    opening = np.arange(len(trace))
    if policy.think_s is not None:
        opening = np.setdiff1d(opening, requests[:, state.FOLLOWER])
    return fleet, opening
