"""The same fleet in plain Python: objects, lists and dictionaries, one iteration at a time.

Written from the rules in ``llmops_cli/serving/model.py``, slow and obvious: whatever has an order
is sorted when it is needed, whatever can be counted is counted again.
"""

from collections import deque
from dataclasses import dataclass, field

from llmops_cli.hardware.iteration import Load, load_of, seconds
from llmops_cli.hardware.step_time import StepForm
from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.model import Batching, EventKind, Eviction, Policy

from .reference_router import Router, drawn

NEVER = float("inf")


@dataclass
class Request:
    """One row of the trace and what became of it."""

    number: int
    arrival: float
    input: int
    output: int
    blocks: list[int]
    cacheable: list[int]
    session: int
    generated: int = 0
    known: int = 0
    computed: int = 0
    shared: list[int] = field(default_factory=list)
    own: int = 0
    decoding: bool = False
    transferred: bool = False
    done: bool = False
    scheduled: float = 0.0
    first: float = 0.0
    finish: float = 0.0
    last: float = 0.0
    gap: float = 0.0
    replica: int = -1
    decode_replica: int = -1
    hit: int = 0
    tier_hit: int = 0
    preemptions: int = 0


@dataclass
class Cached:
    """One block of a prefix cache."""

    depth: int
    references: int = 0
    uses: int = 0
    released: int = 0


class Replica:
    """One engine: a queue, a batch, a prefix cache."""

    def __init__(self, fleet: "Fleet", number: int) -> None:
        self.fleet, self.policy, self.number = fleet, fleet.policy, number
        self.line: deque[Request] = deque()
        self.running: list[Request] = []
        self.cache: dict[int, Cached] = {}
        self.tier: list[int] = []
        self.releases = 0
        self.end = NEVER
        self.start = 0.0
        self.working = False
        self.chunks: list[tuple[Request, int, int]] = []
        self.steppers: list[Request] = []
        self.outstanding = 0
        self.busy = 0.0
        self.iterations = self.computed = self.peak = 0

    # Memory.

    @property
    def own(self) -> int:
        return sum(request.own for request in self.running)

    @property
    def held(self) -> int:
        return sum(block.references > 0 for block in self.cache.values())

    @property
    def in_use(self) -> int:
        return self.own + self.held

    def urgency(self, block: int) -> tuple[float, ...]:
        entry, eviction = self.cache[block], self.policy.memory.eviction
        if eviction == Eviction.LFU:
            return entry.uses, entry.released
        if eviction == Eviction.LENGTH_AWARE:
            return -entry.depth, entry.released
        if eviction == Eviction.CLAIRVOYANT:
            return -self.fleet.next_use[block], -entry.depth, entry.released
        return (entry.released,)

    def into_tier(self, block: int) -> None:
        tier = self.policy.memory.second_tier
        if tier is None:
            return
        if block in self.tier:
            self.tier.remove(block)
        elif len(self.tier) == tier.blocks:
            self.tier.pop(0)
        self.tier.append(block)

    def make_room(self, now: float) -> None:
        while self.own + len(self.cache) > self.policy.memory.blocks:
            unused = [block for block, entry in self.cache.items() if entry.references == 0]
            block = min(unused, key=self.urgency)
            del self.cache[block]
            self.fleet.router.log(now, block, self.number, stored=False)
            self.into_tier(block)

    def refer(self, request: Request, block: int) -> None:
        self.cache[block].references += 1
        self.cache[block].uses += 1
        request.shared.append(block)

    def share(self, request: Request, until: int, now: float) -> None:
        for depth in range(len(request.shared), until):
            block = request.cacheable[depth]
            request.own -= 1
            if block not in self.cache:
                self.cache[block] = Cached(depth)
                self.fleet.router.log(now, block, self.number, stored=True)
            self.refer(request, block)

    def let_go(self, request: Request) -> None:
        for block in reversed(request.shared):
            entry = self.cache[block]
            entry.references -= 1
            if entry.references == 0:
                entry.released = self.releases
                self.releases += 1
        request.shared, request.own = [], 0

    # Batching.

    def preempt(self, now: float) -> Request:
        request = self.running.pop()
        self.let_go(request)
        request.decoding = False
        request.preemptions += 1
        self.line.appendleft(request)
        self.fleet.note(now, EventKind.PREEMPTION, self.number, request, request.generated)
        return request

    def grow(self, now: float) -> bool:
        """Give each decoding sequence the block its next token needs."""
        before = sum(request.preemptions for request in self.fleet.requests)
        at = 0
        while at < len(self.running):
            request = self.running[at]
            at += 1
            held = (len(request.shared) + request.own) * self.fleet.block_tokens
            if not request.decoding or request.input + request.generated <= held:
                continue
            while request in self.running and self.in_use >= self.policy.memory.blocks:
                self.preempt(now)
            if request in self.running:
                request.own += 1
                self.make_room(now)
        return sum(request.preemptions for request in self.fleet.requests) > before

    def chunk(self, request: Request, tokens: int, now: float) -> None:
        self.chunks.append((request, tokens, request.computed))
        request.computed += tokens
        self.computed += tokens
        full = min(request.computed // self.fleet.block_tokens, len(request.cacheable))
        self.share(request, full, now)

    def admit_head(self, now: float, most: float) -> Request | None:
        request, size = self.line[0], self.fleet.block_tokens
        known = request.input + request.generated
        usable = request.cacheable[: (known - 1) // size]
        cached = 0
        while cached < len(usable) and usable[cached] in self.cache:
            cached += 1
        loaded = 0
        while (
            not request.transferred
            and cached + loaded < len(usable)
            and usable[cached + loaded] in self.tier
        ):
            loaded += 1
        computed = known if request.transferred else (cached + loaded) * size
        if known - computed > most:
            return None
        static = self.policy.scheduler.batching == Batching.STATIC
        final = request.input + request.output - 1 if static else known
        needed = -(-final // size)
        woken = sum(self.cache[block].references == 0 for block in usable[:cached])
        if needed - cached > self.policy.memory.blocks - self.in_use - woken:
            return None
        self.line.popleft()
        self.running.append(request)
        for block in usable[:cached]:
            self.refer(request, block)
        for block in usable[cached : cached + loaded]:
            self.into_tier(block)
        request.own = needed - cached
        self.make_room(now)
        self.share(request, cached + loaded, now)
        request.known, request.computed = known, computed
        self.loads += loaded
        value = 0 if request.transferred else computed
        self.fleet.note(now, EventKind.ADMISSION, self.number, request, value)
        if request.transferred:
            self.share(request, len(usable), now)
            request.transferred, request.decoding = False, True
        elif request.preemptions == 0:
            request.scheduled = now
            request.hit, request.tier_hit = cached * size, loaded * size
        return request

    def admit(self, now: float, budget: int) -> None:
        chunked = self.policy.scheduler.batching == Batching.CHUNKED
        admitted = 0
        while self.line and len(self.running) < self.policy.scheduler.max_batch and budget > 0:
            request = self.admit_head(now, NEVER if chunked or not admitted else budget)
            if request is None:
                return
            admitted += 1
            left = request.known - request.computed
            if left:
                tokens = min(left, budget) if chunked else left
                self.chunk(request, tokens, now)
                budget -= tokens
            else:
                budget -= 1

    def begin(self, now: float) -> None:
        scheduler = self.policy.scheduler
        self.chunks, self.steppers, self.loads = [], [], 0
        if scheduler.batching == Batching.CHUNKED:
            preempted = self.grow(now)
            budget = scheduler.token_budget - sum(r.decoding for r in self.running)
            for request in list(self.running):
                if not request.decoding:
                    tokens = min(request.known - request.computed, budget)
                    self.chunk(request, tokens, now)
                    budget -= tokens
            if not preempted:
                self.admit(now, budget)
            self.steppers = [request for request in self.running if request.decoding]
        else:
            if scheduler.batching == Batching.CONTINUOUS or not self.running:
                self.admit(now, scheduler.token_budget)
            if not self.chunks:
                if scheduler.batching == Batching.CONTINUOUS:
                    self.grow(now)
                self.steppers = [request for request in self.running if request.decoding]
        self.working = bool(self.running)
        if not self.working:
            self.end = NEVER
            return
        self.peak = max(self.peak, self.in_use)
        self.start, self.blocks_at_start = now, self.in_use
        self.end = now + self.duration()

    def duration(self) -> float:
        load = load_of(
            [(tokens, before) for _, tokens, before in self.chunks],
            [self.context(request) for request in self.steppers],
            self.in_use / self.policy.memory.blocks,
        )
        if self.policy.step_time.form == StepForm.POLYNOMIAL:
            complete = sum(request.computed == request.known for request, _, _ in self.chunks)
            load = Load(
                chunks=load.chunks,
                new_tokens=load.new_tokens,
                decoding=load.decoding + complete,
                kv_share=load.kv_share,
            )
        tier = self.policy.memory.second_tier
        block_bytes = tier.kv_bytes_per_token * self.fleet.block_tokens if tier else 0.0
        loading = self.loads * (block_bytes / tier.bytes_per_s) if tier else 0.0
        return float(seconds(self.policy.step_time, load)) + loading

    def context(self, request: Request) -> int:
        """Tokens before the next one; a finished sequence of a static batch goes on as padding."""
        return request.input + request.generated - 1

    # The end of an iteration.

    def finish(self, request: Request, now: float) -> None:
        request.done, request.finish = True, now
        self.outstanding -= 1
        self.fleet.router.gone(request)
        self.fleet.note(now, EventKind.FINISH, self.number, request, request.output)
        self.fleet.follow(request, now)
        if self.policy.scheduler.batching != Batching.STATIC:
            self.leave(request)

    def leave(self, request: Request) -> None:
        self.let_go(request)
        self.running.remove(request)

    def token(self, request: Request, now: float) -> None:
        request.generated += 1
        if request.done:
            return
        if request.generated > 1:
            request.gap = max(request.gap, now - request.last)
        request.last = now
        if request.generated == request.output:
            self.finish(request, now)

    def end_iteration(self, now: float) -> None:
        self.fleet.note_iteration(self)
        self.busy += now - self.start
        self.iterations += 1
        for request in list(self.steppers):
            self.token(request, now)
        for request, _, _ in self.chunks:
            if request.computed < request.known:
                continue
            if request.generated == 0:
                request.first = now
                self.fleet.router.answered(request)
                self.fleet.note(now, EventKind.FIRST_TOKEN, self.number, request, 0)
            self.token(request, now)
            if request.done:
                continue
            if self.number < self.fleet.routed < len(self.fleet.replicas):
                self.leave(request)
                self.outstanding -= 1
                self.fleet.router.gone(request)
                self.fleet.transfer(request, now)
            else:
                request.decoding = True
        if self.running and all(request.done for request in self.running):
            for request in list(self.running):
                self.leave(request)


class Fleet:
    """The clock, the arrivals, and what happened."""

    def __init__(self, trace: RequestTrace, policy: Policy, seed: int = 0) -> None:
        self.policy = policy
        self.block_tokens = trace.block_tokens or policy.memory.block_tokens or 16
        self.requests = [self._request(trace, number) for number in range(len(trace))]
        self.routed = policy.replicas - (policy.pools.decode_replicas if policy.pools else 0)
        self.replicas = [Replica(self, number) for number in range(policy.replicas)]
        self.seed, self.draws = seed, 0
        self.router = Router(self)
        self.next_use: dict[int, int] = {}
        self.events: list[tuple[float, int, int, int, int]] = []
        self.steps: list[tuple[float, int, int, int, int]] = []
        self.plans: list[tuple[float, int, int]] = []
        followers = set(self.followers().values())
        for request in self.requests:
            if request.number not in followers:
                self.plans.append((request.arrival, 0, request.number))

    def _request(self, trace: RequestTrace, number: int) -> Request:
        blocks = trace.blocks[trace.starts[number] : trace.starts[number + 1]].tolist()
        tokens = int(trace.input_tokens[number])
        caching = self.policy.memory.prefix_caching and trace.block_tokens
        return Request(
            number=number,
            arrival=float(trace.arrival_s[number]),
            input=tokens,
            output=int(trace.output_tokens[number]),
            blocks=blocks,
            cacheable=blocks[: tokens // trace.block_tokens] if caching else [],
            session=int(trace.session[number]),
        )

    def followers(self) -> dict[int, int]:
        """The next request of the session, in a closed loop."""
        if self.policy.think_s is None:
            return {}
        latest: dict[int, int] = {}
        found: dict[int, int] = {}
        for request in self.requests:
            if request.session >= 0 and request.session in latest:
                found[latest[request.session]] = request.number
            latest[request.session] = request.number
        return found

    def follow(self, request: Request, now: float) -> None:
        if request.number in self.followers():
            plan = now + self.policy.think_s, 0, self.followers()[request.number]
            self.plans.append(plan)

    def transfer(self, request: Request, now: float) -> None:
        pools = self.policy.pools
        per_token = pools.kv_bytes_per_token / pools.bytes_per_s
        when = now + (pools.latency_s + per_token * request.input)
        self.plans.append((when, 1, request.number))

    def draw(self, n: int) -> int:
        self.draws += 1
        return drawn(self.seed, self.draws) % n

    def lowest(self, costs: dict[int, float]) -> int:
        """The replica of the lowest cost, ties drawn."""
        best = [number for number, cost in costs.items() if cost == min(costs.values())]
        return best[self.draw(len(best))] if len(best) > 1 else best[0]

    def note(self, now: float, kind: int, replica: int, request: Request, value: int) -> None:
        self.events.append((now, int(kind), replica, request.number, value))

    def note_iteration(self, replica: Replica) -> None:
        tokens = sum(tokens for _, tokens, _ in replica.chunks)
        self.steps.append(
            (replica.start, replica.number, tokens, len(replica.steppers), replica.blocks_at_start)
        )

    def queue(self, replica: Replica, request: Request, now: float) -> None:
        replica.line.append(request)
        replica.outstanding += 1
        if not replica.working:
            replica.end = now

    def arrive(self, request: Request, now: float) -> None:
        request.arrival = now
        for block in request.blocks:
            later = (r.number for r in self.requests[request.number + 1 :] if block in r.blocks)
            self.next_use[block] = next(later, len(self.requests))
        number = self.router.route(request, now)
        request.replica = request.decode_replica = number
        replica = self.replicas[number]
        self.note(now, EventKind.ARRIVAL, number, request, replica.outstanding)
        self.queue(replica, request, now)

    def move(self, request: Request, now: float) -> None:
        pool = self.replicas[self.routed :]
        number = self.lowest({replica.number: replica.outstanding for replica in pool})
        request.transferred, request.decode_replica = True, number
        self.note(now, EventKind.TRANSFER, number, request, request.input)
        self.queue(self.replicas[number], request, now)

    def run(self) -> "Fleet":
        while True:
            replica = min(self.replicas, key=lambda r: (r.end, not r.working, r.number))
            plan = min(self.plans, default=(NEVER, 0, 0))
            if plan[0] <= replica.end:
                if plan[0] == NEVER:
                    return self
                self.plans.remove(plan)
                now, kind, number = plan
                (self.move if kind else self.arrive)(self.requests[number], now)
                continue
            now = replica.end
            if replica.working:
                replica.end_iteration(now)
                replica.working = False
            else:
                replica.begin(now)
