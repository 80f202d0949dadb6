"""Where a request goes, compiled: costs per replica, the lowest wins, ties are drawn.

What the router knows is kept here too: who is outstanding where, and what the caches hold, as
far as it can know.
"""

from typing import TYPE_CHECKING

from llmops_cli.serving.compiled import compiled, inlined, pasted
from llmops_cli.serving.draws import draw
from llmops_cli.serving.iteration import iteration_s
from llmops_cli.serving.second_tier import believe_oldest
from llmops_cli.serving.state import (
    ATTENTION,
    BATCH,
    BLOCK_TOKENS,
    CACHEABLE,
    CAPACITY,
    CHUNKS,
    CLAIMED,
    EMITTING,
    EXPECTED,
    FORM,
    HELD,
    IMBALANCE_RATIO,
    IMBALANCE_REQUESTS,
    INDEX_DELAY_S,
    INPUT,
    LOAD_FACTOR,
    LOG_FROM,
    LOG_TO,
    MATCH_THRESHOLD,
    MEMORY_WEIGHT,
    NEW_TOKENS,
    NONE,
    OUTSTANDING,
    OVERLAP_WEIGHT,
    OWNED,
    PENDING,
    PREFIX,
    PREFIX_WEIGHT,
    QUEUE_WEIGHT,
    QUEUED,
    ROUTED,
    ROUTING,
    SENT,
    SESSION,
    SHARE,
    STEPS,
    TURN,
    Fleet,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Reals = NDArray[np.float64]
    Seed = NDArray[np.uint64]
    Wholes = NDArray[np.int64]
    Words = NDArray[np.int32]

__all__ = ["answered", "fewest_outstanding", "gone", "route"]

(
    ROUND_ROBIN,
    RANDOM,
    LEAST_OUTSTANDING,
    POWER_OF_TWO,
    SESSION_AFFINITY,
    BOUNDED_HASH,
    PREFIX_TREE,
    KV_COST,
    SCORED,
    CLAIRVOYANT,
) = range(10)
IDLE = float("inf")


@inlined
def _lowest(fleet: Fleet, first: int, end: int) -> int:
    """The replica of the lowest cost."""
    return _cheapest(fleet.costs, fleet.counters, fleet.seed, first, end)


@compiled
def _cheapest(costs: "Reals", counters: "Wholes", seed: "Seed", first: int, end: int) -> int:
    best, ties = first, 1
    for r in range(first + 1, end):
        if costs[r] < costs[best]:
            best, ties = r, 1
        elif costs[r] == costs[best]:
            ties += 1
    if ties == 1:
        return best
    skip = draw(counters, seed, ties)
    for r in range(best, end):
        if costs[r] == costs[best]:
            if skip == 0:
                return r
            skip -= 1
    return best


@compiled
def fewest_outstanding(fleet: Fleet, first: int, end: int) -> int:
    """The replica of the fewest requests waiting or running."""
    for r in range(first, end):
        fleet.costs[r] = fleet.replicas[r, OUTSTANDING]
    return _lowest(fleet, first, end)


@inlined
def _matched(fleet: Fleet, r: int, q: int) -> int:
    """How many leading blocks of this prompt the router believes to be there."""
    return _leading(fleet.believed[r], fleet.blocks, fleet.starts[q], fleet.requests[q, CACHEABLE])


@compiled
def _leading(places: "Words", blocks: "Wholes", start: int, most: int) -> int:
    n = 0
    while n < most and places[blocks[start + n]] >= 0:
        n += 1
    return n


@pasted
def _of_two(fleet: Fleet, routed: int) -> int:
    counters, seed = fleet.counters, fleet.seed
    one = draw(counters, seed, routed)
    other = draw(counters, seed, routed - 1) if routed > 1 else one
    if other >= one and routed > 1:
        other += 1
    if fleet.replicas[other, OUTSTANDING] < fleet.replicas[one, OUTSTANDING]:
        return other
    return one


@pasted
def _on_ring(fleet: Fleet, q: int, routed: int) -> int:
    total = 0
    for r in range(routed):
        total += fleet.replicas[r, OUTSTANDING]
    bound = -(-fleet.rates[LOAD_FACTOR] * (total + 1) // routed)
    at = fleet.ring_from[q]
    while fleet.replicas[fleet.ring[at], OUTSTANDING] >= bound:
        at = (at + 1) % len(fleet.ring)
    return int(fleet.ring[at])


@pasted
def _by_tree(fleet: Fleet, q: int, routed: int) -> int:
    most, least, longest = 0, fleet.replicas[0, OUTSTANDING], 0
    for r in range(routed):
        most = max(most, fleet.replicas[r, OUTSTANDING])
        least = min(least, fleet.replicas[r, OUTSTANDING])
    apart = most - least > fleet.settings[IMBALANCE_REQUESTS]
    if apart and most > fleet.rates[IMBALANCE_RATIO] * least:
        return fewest_outstanding(fleet, 0, routed)
    for r in range(routed):
        matched = _matched(fleet, r, q)
        fleet.costs[r] = -matched
        longest = max(longest, matched)
    tokens = longest * fleet.settings[BLOCK_TOKENS]
    if tokens <= fleet.rates[MATCH_THRESHOLD] * fleet.requests[q, INPUT]:
        for r in range(routed):
            fleet.costs[r] = fleet.replicas[r, SENT]
    return _lowest(fleet, 0, routed)


@pasted
def _by_kv_cost(fleet: Fleet, q: int, routed: int) -> int:
    request, block_tokens = fleet.requests[q], fleet.settings[BLOCK_TOKENS]
    start = fleet.starts[q]
    for r in range(routed):
        fresh = request[INPUT] - _matched(fleet, r, q) * block_tokens
        new = 0
        for i in range(request[CACHEABLE]):
            if fleet.claims[r, fleet.blocks[start + i]] == 0:
                new += 1
        prefill = (fleet.replicas[r, PENDING] + fresh) / block_tokens
        fleet.costs[r] = fleet.rates[OVERLAP_WEIGHT] * prefill + fleet.replicas[r, CLAIMED] + new
    return _lowest(fleet, 0, routed)


@pasted
def _by_score(fleet: Fleet, q: int, routed: int) -> int:
    rates, replicas = fleet.rates, fleet.replicas
    blocks = (fleet.requests[q, INPUT] - 1) // fleet.settings[BLOCK_TOKENS] + 1
    most = least = replicas[0, QUEUED]
    for r in range(routed):
        most, least = max(most, replicas[r, QUEUED]), min(least, replicas[r, QUEUED])
    for r in range(routed):
        short = 1.0 if most == least else (most - replicas[r, QUEUED]) / (most - least)
        free = 1.0 - (replicas[r, OWNED] + replicas[r, HELD]) / fleet.settings[CAPACITY]
        score = rates[PREFIX_WEIGHT] * (_matched(fleet, r, q) / blocks)
        fleet.costs[r] = -(score + rates[QUEUE_WEIGHT] * short + rates[MEMORY_WEIGHT] * free)
    return _lowest(fleet, 0, routed)


@pasted
def _by_foresight(fleet: Fleet, q: int, routed: int, now: float) -> int:
    """Wait for the iteration under way, then for one with all prompts here and this one in it.

    What decoding sequences have behind them is left out: it changes with every token.
    """
    work = fleet.work[len(fleet.ends)]
    for r in range(routed):
        replica = fleet.replicas[r]
        matched = _matched(fleet, r, q) * fleet.settings[BLOCK_TOKENS]
        tokens = float(replica[PENDING] + max(1, fleet.requests[q, INPUT] - matched))
        work[NEW_TOKENS], work[CHUNKS] = tokens, 1.0
        work[ATTENTION], work[PREFIX] = tokens * (matched + 0.5 * tokens), matched
        work[STEPS] = replica[BATCH]
        work[EMITTING] = replica[BATCH] + 1
        work[SHARE] = (replica[OWNED] + replica[HELD]) / fleet.settings[CAPACITY]
        busy = fleet.work[r, NEW_TOKENS] > 0.0 and fleet.ends[r] < IDLE
        wait = fleet.ends[r] - now if busy else 0.0
        fleet.costs[r] = wait + iteration_s(fleet.rates, fleet.settings[FORM], work)
    return _lowest(fleet, 0, routed)


@compiled
def _choose(fleet: Fleet, q: int, now: float) -> int:  # noqa: PLR0911 - one per routing
    routing, routed = fleet.settings[ROUTING], fleet.settings[ROUTED]
    if routing == RANDOM:
        return draw(fleet.counters, fleet.seed, routed)
    if routing == POWER_OF_TWO:
        return _of_two(fleet, routed)
    if routing == BOUNDED_HASH:
        return _on_ring(fleet, q, routed)
    if routing == PREFIX_TREE:
        return _by_tree(fleet, q, routed)
    if routing == KV_COST:
        return _by_kv_cost(fleet, q, routed)
    if routing == SCORED:
        return _by_score(fleet, q, routed)
    if routing == CLAIRVOYANT:
        return _by_foresight(fleet, q, routed, now)
    session = fleet.requests[q, SESSION]
    if routing == SESSION_AFFINITY and session >= 0 and fleet.home[session] >= 0:
        return int(fleet.home[session])
    return fewest_outstanding(fleet, 0, routed)


@inlined
def _remember(fleet: Fleet, r: int, q: int) -> None:
    """What the router writes down of a request it has just sent."""
    request, replica, routing = fleet.requests[q], fleet.replicas[r], fleet.settings[ROUTING]
    blocks = fleet.blocks[fleet.starts[q] : fleet.starts[q] + request[CACHEABLE]]
    if routing == SESSION_AFFINITY and request[SESSION] >= 0:
        fleet.home[request[SESSION]] = r
    if routing in (KV_COST, CLAIRVOYANT):
        request[EXPECTED] = request[INPUT] - _matched(fleet, r, q) * fleet.settings[BLOCK_TOKENS]
        replica[PENDING] += request[EXPECTED]
    if routing == KV_COST:
        for block in blocks:
            replica[CLAIMED] += fleet.claims[r, block] == 0
            fleet.claims[r, block] += 1
    if routing == PREFIX_TREE:
        for block in blocks:
            replica[SENT] += fleet.believed[r, block] == NONE
            fleet.believed[r, block] = 0


@pasted
def route(fleet: Fleet, q: int, now: float) -> int:
    """Choose the replica of a request that arrives now, and count it there."""
    while fleet.counters[LOG_FROM] < fleet.counters[LOG_TO]:
        at = fleet.counters[LOG_FROM] % len(fleet.log)
        if fleet.log_times[at] + fleet.rates[INDEX_DELAY_S] > now:
            break
        believe_oldest(fleet)
    if fleet.settings[ROUTING] == ROUND_ROBIN:  # here, since the call costs more than the turn
        r = fleet.counters[TURN]
        fleet.counters[TURN] = r + 1 if r + 1 < fleet.settings[ROUTED] else 0
    else:
        r = _choose(fleet, q, now)
    _remember(fleet, r, q)
    return r


@inlined
def answered(fleet: Fleet, r: int, q: int) -> None:
    """The first token: nothing of its prompt is left to compute."""
    fleet.replicas[r, PENDING] -= fleet.requests[q, EXPECTED]
    fleet.requests[q, EXPECTED] = 0


@inlined
def gone(fleet: Fleet, r: int, q: int) -> None:
    """The request is finished here, or handed over."""
    fleet.replicas[r, OUTSTANDING] -= 1
    if fleet.settings[ROUTING] == KV_COST and r < fleet.settings[ROUTED]:
        start = fleet.starts[q]
        for i in range(fleet.requests[q, CACHEABLE]):
            block = fleet.blocks[start + i]
            fleet.claims[r, block] -= 1
            fleet.replicas[r, CLAIMED] -= fleet.claims[r, block] == 0
