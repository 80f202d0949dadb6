"""The routers of the plain-Python fleet: each policy is one function of what the router knows."""

# ruff: noqa: ARG002 - all routers are called alike, whether they need request and time or not

from bisect import bisect_left
from math import ceil
from typing import TYPE_CHECKING

from llmops_cli.hardware.iteration import Load, load_of, seconds
from llmops_cli.hardware.step_time import StepForm
from llmops_cli.serving.model import Routing

if TYPE_CHECKING:
    from .reference import Fleet, Replica, Request

WORD = (1 << 64) - 1
POINTS = 128


def drawn(seed: int, number: int) -> int:
    """The number-th output of SplitMix64."""
    z = (seed + number * 0x9E3779B97F4A7C15) & WORD
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & WORD
    return z ^ (z >> 31)


class Router:
    """What is known of the fleet, and where requests go."""

    def __init__(self, fleet: "Fleet") -> None:
        self.fleet, self.given = fleet, fleet.policy.router
        self.changes: list[tuple[float, int, int, bool]] = []
        self.sent: dict[int, set[int]] = {number: set() for number in range(fleet.routed)}
        self.here: dict[int, list[Request]] = {number: [] for number in range(fleet.routed)}
        self.expected: dict[int, int] = {}
        self.home: dict[int, int] = {}
        self.turn = 0
        self.ring = sorted(
            (drawn(0, r * POINTS + i + 1), r) for r in range(fleet.routed) for i in range(POINTS)
        )

    @property
    def pool(self) -> "list[Replica]":
        return self.fleet.replicas[: self.fleet.routed]

    def log(self, now: float, block: int, replica: int, *, stored: bool) -> None:
        self.changes.append((now, block, replica, stored))

    def known_blocks(self, replica: int, now: float) -> set[int]:
        """What the router believes to be cached there."""
        if self.given.routing == Routing.PREFIX_TREE:
            return self.sent[replica]
        if self.given.routing not in (Routing.KV_COST, Routing.SCORED):
            return set(self.fleet.replicas[replica].cache)
        blocks: set[int] = set()
        for when, block, where, stored in self.changes:
            if where == replica and when + self.given.index_delay_s <= now:
                (blocks.add if stored else blocks.discard)(block)
        return blocks

    def matched(self, replica: int, request: "Request", now: float) -> int:
        known = self.known_blocks(replica, now)
        n = 0
        while n < len(request.cacheable) and request.cacheable[n] in known:
            n += 1
        return n

    def pending(self, replica: int) -> int:
        """Prompt tokens sent there and not answered."""
        return sum(self.expected.get(request.number, 0) for request in self.here[replica])

    def claimed(self, replica: int) -> set[int]:
        """Full blocks of the requests sent there and not gone."""
        return {block for request in self.here[replica] for block in request.cacheable}

    def fewest_outstanding(self) -> int:
        return self.fleet.lowest({r.number: r.outstanding for r in self.pool})

    def route(self, request: "Request", now: float) -> int:
        by_name = {
            Routing.ROUND_ROBIN: self.round_robin,
            Routing.RANDOM: self.random,
            Routing.LEAST_OUTSTANDING: self.least_outstanding,
            Routing.POWER_OF_TWO: self.power_of_two,
            Routing.SESSION_AFFINITY: self.session_affinity,
            Routing.BOUNDED_HASH: self.bounded_hash,
            Routing.PREFIX_TREE: self.prefix_tree,
            Routing.KV_COST: self.kv_cost,
            Routing.SCORED: self.scored,
            Routing.CLAIRVOYANT: self.clairvoyant,
        }
        number = by_name[self.given.routing](request, now)
        size = self.fleet.block_tokens
        self.expected[request.number] = request.input - self.matched(number, request, now) * size
        self.here[number].append(request)
        self.sent[number].update(request.cacheable)
        self.home.setdefault(request.session, number)
        return number

    def answered(self, request: "Request") -> None:
        self.expected[request.number] = 0

    def gone(self, request: "Request") -> None:
        for requests in self.here.values():
            if request in requests:
                requests.remove(request)

    def round_robin(self, request: "Request", now: float) -> int:
        self.turn += 1
        return (self.turn - 1) % len(self.pool)

    def random(self, request: "Request", now: float) -> int:
        return self.fleet.draw(len(self.pool))

    def least_outstanding(self, request: "Request", now: float) -> int:
        return self.fewest_outstanding()

    def power_of_two(self, request: "Request", now: float) -> int:
        numbers = list(range(len(self.pool)))
        one = numbers.pop(self.fleet.draw(len(numbers)))
        other = numbers.pop(self.fleet.draw(len(numbers))) if numbers else one
        return min((one, other), key=lambda number: self.pool[number].outstanding)

    def session_affinity(self, request: "Request", now: float) -> int:
        if request.session >= 0 and request.session in self.home:
            return self.home[request.session]
        return self.fewest_outstanding()

    def bounded_hash(self, request: "Request", now: float) -> int:
        key = request.session
        if key < 0:
            key = request.blocks[0] if request.blocks else request.number
        total = sum(replica.outstanding for replica in self.pool)
        bound = ceil(self.given.load_factor * (total + 1) / len(self.pool))
        at = bisect_left(self.ring, (drawn(0, key + (1 << 32) + 1), -1))
        while True:
            number = self.ring[at % len(self.ring)][1]
            if self.pool[number].outstanding < bound:
                return number
            at += 1

    def prefix_tree(self, request: "Request", now: float) -> int:
        loads = [replica.outstanding for replica in self.pool]
        apart = max(loads) - min(loads) > self.given.imbalance_requests
        if apart and max(loads) > self.given.imbalance_ratio * min(loads):
            return self.fewest_outstanding()
        matched = {r.number: self.matched(r.number, request, now) for r in self.pool}
        tokens = max(matched.values()) * self.fleet.block_tokens
        if tokens > self.given.match_threshold * request.input:
            return self.fleet.lowest({number: -n for number, n in matched.items()})
        return self.fleet.lowest({number: len(blocks) for number, blocks in self.sent.items()})

    def kv_cost(self, request: "Request", now: float) -> int:
        size = self.fleet.block_tokens
        costs = {}
        for replica in self.pool:
            number = replica.number
            fresh = request.input - self.matched(number, request, now) * size
            prefill = (self.pending(number) + fresh) / size
            blocks = len(self.claimed(number) | set(request.cacheable))
            costs[number] = self.given.overlap_weight * prefill + blocks
        return self.fleet.lowest(costs)

    def scored(self, request: "Request", now: float) -> int:
        lines = [len(replica.line) for replica in self.pool]
        spread = max(lines) - min(lines)
        blocks = ceil(request.input / self.fleet.block_tokens)
        costs = {}
        for replica in self.pool:
            match = self.matched(replica.number, request, now) / blocks
            short = (max(lines) - len(replica.line)) / spread if spread else 1.0
            free = 1.0 - replica.in_use / self.fleet.policy.memory.blocks
            score = self.given.prefix_weight * match + self.given.queue_weight * short
            costs[replica.number] = -(score + self.given.memory_weight * free)
        return self.fleet.lowest(costs)

    def clairvoyant(self, request: "Request", now: float) -> int:
        costs = {}
        step = self.fleet.policy.step_time
        for replica in self.pool:
            matched = self.matched(replica.number, request, now) * self.fleet.block_tokens
            tokens = self.pending(replica.number) + max(1, request.input - matched)
            decoding = [0 for r in replica.running if r.decoding]
            share = replica.in_use / self.fleet.policy.memory.blocks
            load = load_of([(tokens, matched)], decoding, share)
            if step.form == StepForm.POLYNOMIAL:
                load = Load(chunks=1, new_tokens=tokens, decoding=1, kv_share=share)
            wait = replica.end - now if replica.working and replica.chunks else 0.0
            costs[replica.number] = wait + float(seconds(step, load))
        return self.fleet.lowest(costs)
