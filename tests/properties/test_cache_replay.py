"""The fast replay against an obvious one: requests one at a time, entries as tuples of names.

The slow replay below shares no code with the package. It is written from the rules: a list of
live entries, each a prefix with the moments that matter, searched in full for every request.
"""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import combinations, product

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from llmops_cli.cache.bounds import clairvoyant_usd, lower_bounds
from llmops_cli.cache.kernel import Billed, cut, replay
from llmops_cli.cache.model import PLACED, POLICIES, CacheParameters
from llmops_cli.cache.placement import choose
from llmops_cli.cache.policies import plan
from llmops_cli.cache.rules import load_rules
from llmops_cli.cache.trace import CacheTrace, compile_trace
from llmops_cli.calls import arrow_schema, from_arrow

LIFE = {"5m": 300.0, "1h": 3600.0}
MINIMUM = {"claude-sonnet-4-5": 1024, "claude-haiku-4-5": 4096}
PRICE = {"fresh": 1.0, "read": 0.1, "5m": 1.25, "1h": 2.0}
START = datetime(2026, 9, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Request:
    """What a client sends: named blocks, their tokens, markers by position, when and where."""

    at: float
    first_token: float
    workspace: str
    model: str
    names: tuple[str, ...]
    tokens: tuple[int, ...]
    markers: tuple[tuple[int, str], ...]


@dataclass
class Entry:
    prefix: tuple[str, ...]
    place: tuple[str, str]
    lifetime: str
    used: float
    readable: float


@dataclass
class SlowCache:
    """The rules, read aloud."""

    refresh_marked: bool = False
    entries: list[Entry] = field(default_factory=list[Entry])

    def alive(self, request: Request, prefix: tuple[str, ...]) -> list[Entry]:
        return [
            entry
            for entry in self.entries
            if entry.prefix == prefix
            and entry.place == (request.workspace, request.model)
            and request.at - entry.used <= LIFE[entry.lifetime] + 1e-9
            and entry.readable <= request.at + 1e-9
        ]

    def send(self, request: Request, markers: tuple[tuple[int, str], ...]) -> list[int]:
        """Tokens fresh, read, written for 5 minutes, written for 1 hour."""
        lengths = [sum(request.tokens[: i + 1]) for i in range(len(request.tokens))]
        marks = [
            (position, lifetime)
            for position, lifetime in markers
            if lengths[position] >= MINIMUM[request.model]
        ]
        hit = self.longest_hit(request, marks)
        read = lengths[hit] if hit is not None else 0
        for position, _ in marks:
            renewed = position == hit or (
                self.refresh_marked and hit is not None and position < hit
            )
            if renewed:
                self.renew(request, position)
        if hit is not None:
            self.renew(request, hit)
        deeper = [mark for mark in marks if hit is None or mark[0] > hit]
        for position, lifetime in deeper:
            self.write(request, position, lifetime)
        hours = [lengths[position] for position, lifetime in deeper if lifetime == "1h"]
        until_hour = max(hours, default=read)
        until = max((lengths[position] for position, _ in deeper), default=read)
        return [lengths[-1] - until, read, until - until_hour, until_hour - read]

    def longest_hit(self, request: Request, marks: list[tuple[int, str]]) -> int | None:
        for position, _ in reversed(marks):
            for candidate in range(position, max(position - 20, -1), -1):
                if self.alive(request, request.names[: candidate + 1]):
                    return candidate
        return None

    def renew(self, request: Request, position: int) -> None:
        for entry in self.alive(request, request.names[: position + 1]):
            entry.used = request.at

    def write(self, request: Request, position: int, lifetime: str) -> None:
        prefix, place = request.names[: position + 1], (request.workspace, request.model)
        for entry in self.entries:
            same = (entry.prefix, entry.place, entry.lifetime) == (prefix, place, lifetime)
            if same and request.at - entry.used <= LIFE[lifetime] + 1e-9:
                # Another request is still creating it: readable from whichever begins first.
                entry.used = request.at
                entry.readable = min(entry.readable, request.at + request.first_token)
                return
        readable = request.at + request.first_token
        self.entries.append(Entry(prefix, place, lifetime, request.at, readable))


PAUSES = [0, 0, 0.4, 0.5, 1, 2, 5, 30, 299, 300, 301, 1800, 3599, 3600, 3601]
STEPS = [0, 0, 1, 2, 17, 18, 19, 20, 21, -3, -19, -20, -21]
LONGEST = 64


@st.composite
def traffic(draw: st.DrawFn, lifetimes: tuple[str, ...] = ("5m", "1h")) -> list[Request]:
    """Requests along one stem that grows, shrinks and branches, with pauses around every limit."""
    sizes = draw(st.lists(st.sampled_from([1, 700, 1500]), min_size=LONGEST, max_size=LONGEST))
    now, length, requests = 0.0, draw(st.integers(1, 30)), list[Request]()
    for _ in range(draw(st.integers(1, 14))):
        now += draw(st.sampled_from(PAUSES))
        length = min(max(length + draw(st.sampled_from(STEPS)), 1), LONGEST)
        branch = draw(st.one_of(st.just(LONGEST), st.just(LONGEST), st.integers(0, length)))
        places = {length - 1} if draw(st.booleans()) else set[int]()
        places |= set(draw(st.lists(st.integers(0, length - 1), max_size=3)))
        kinds = sorted(draw(st.sampled_from(lifetimes)) for _ in places)  # 1h before 5m (R7)
        requests.append(
            Request(
                at=now,
                first_token=draw(st.sampled_from([0.0, 0.0, 0.4, 1.0, 2.0, 40.0, 400.0])),
                workspace=draw(st.sampled_from(["w1", "w1", "w1", "w1", "w2"])),
                model=draw(st.sampled_from([*["claude-sonnet-4-5"] * 4, "claude-haiku-4-5"])),
                names=tuple(f"{i}{'' if i < branch else 'x'}" for i in range(length)),
                tokens=tuple(sizes[:length]),
                markers=tuple(zip(sorted(places), kinds, strict=True)),
            )
        )
    return requests


def trace_of(requests: list[Request]) -> CacheTrace:
    rows: list[dict[str, object]] = []
    for request in requests:
        last, hashes = b"", list[bytes]()
        for name in request.names:
            last = blake2b(last + name.encode(), digest_size=16).digest()
            hashes.append(last)
        markers = [0] * len(hashes)
        for position, lifetime in request.markers:
            markers[position] = 1 if lifetime == "5m" else 2
        rows.append(
            {
                "start_time": START + timedelta(seconds=request.at),
                "ttft_s": request.first_token,
                "isolation_domain": request.workspace,
                "block_hashes": hashes,
                "block_tokens": list(request.tokens),
                "block_kinds": [2] * len(hashes),
                "block_markers": markers,
            }
        )
    calls = from_arrow(pa.Table.from_pylist(rows, schema=arrow_schema()))
    models = np.array([request.model for request in requests], dtype=object)
    return compile_trace(calls, load_rules(), models, CacheParameters())


def fast(
    trace: CacheTrace, policy: str, *, refresh_marked: bool = False, parts: int | None = None
) -> list[list[int]]:
    plans = {policy: plan(trace, policy, load_rules(), renew_marked=refresh_marked)}
    first, *rest = cut(trace, plans, parts=parts)
    total: Billed = replay(first)
    for part in rest:
        total = total + replay(part)
    return total.in_order(policy).tolist()


# One trace of an example serves every policy: to draw and compile it is dearer than to bill it.


@settings(max_examples=120, deadline=None)
@given(requests=traffic())
def test_logged_markers_are_billed_as_the_slow_replay_bills_them(requests: list[Request]) -> None:
    trace = trace_of(requests)
    for refresh_marked in (False, True):
        slow = SlowCache(refresh_marked)
        expected = [slow.send(request, request.markers) for request in requests]
        found = fast(trace, "as-logged", refresh_marked=refresh_marked)
        assert found == expected, f"{refresh_marked=}"


@settings(max_examples=60, deadline=None)
@given(requests=traffic())
def test_automatic_caching_is_a_marker_on_the_last_block(requests: list[Request]) -> None:
    trace = trace_of(requests)
    for lifetime in ("5m", "1h"):
        slow = SlowCache()
        last = [((len(request.names) - 1, lifetime),) for request in requests]
        expected = [slow.send(request, row) for request, row in zip(requests, last, strict=True)]
        assert fast(trace, f"automatic-{lifetime}") == expected, lifetime


@settings(max_examples=40, deadline=None)
@given(requests=traffic())
def test_shards_are_exact(requests: list[Request]) -> None:
    trace = trace_of(requests)
    whole = fast(trace, "as-logged", parts=1)
    shards = len({*zip(trace.scope.tolist(), trace.shard.tolist(), strict=True)})
    for parts in (2, 7):
        assert fast(trace, "as-logged", parts=parts) == whole
        plans = {"none": plan(trace, "none", load_rules())}
        assert len(cut(trace, plans, parts=parts)) == min(parts, shards)


@settings(max_examples=60, deadline=None)
@given(requests=traffic())
def test_every_token_is_billed_once(requests: list[Request]) -> None:
    trace = trace_of(requests)
    for policy in POLICIES:
        rows = np.array(fast(trace, policy))
        assert (rows >= 0).all()
        assert (rows.sum(axis=1) == trace.prompt_tokens).all()


def per_token(trace: CacheTrace) -> np.ndarray:
    row = [PRICE["fresh"], PRICE["read"], PRICE["5m"], PRICE["1h"], 0.0]
    return np.tile(row, (trace.calls, 1))


def cost(rows: list[list[int]]) -> float:
    return float((np.array(rows) * [PRICE["fresh"], PRICE["read"], PRICE["5m"], PRICE["1h"]]).sum())


def marked_by(trace: CacheTrace, policy: str) -> list[tuple[tuple[int, str], ...]]:
    """The breakpoints that a policy puts into each request, as positions and lifetimes."""
    write = plan(trace, policy, load_rules()).write
    spans = zip(trace.offsets[:-1].tolist(), trace.offsets[1:].tolist(), strict=True)
    return [
        tuple(
            (at, {1: "5m", 2: "1h"}[int(write[low + at])])
            for at in np.flatnonzero(write[low:high]).tolist()
        )
        for low, high in spans
    ]


@settings(max_examples=40, deadline=None)
@given(requests=traffic())
def test_every_placement_is_billed_as_the_slow_replay_bills_its_markers(
    requests: list[Request],
) -> None:
    trace = trace_of(requests)
    for policy in PLACED:
        slow, marks = SlowCache(), marked_by(trace, policy)
        assert max(map(len, marks)) <= 4, policy
        kinds = [[kind for _, kind in row] for row in marks]
        assert kinds == [sorted(row) for row in kinds], policy
        expected = [slow.send(request, row) for request, row in zip(requests, marks, strict=True)]
        assert fast(trace, policy) == expected, policy


@pytest.mark.slow
@settings(max_examples=80, deadline=None)
@given(requests=traffic())
def test_bounds_are_in_order_and_no_policy_pays_less(requests: list[Request]) -> None:
    trace = trace_of(requests)
    least = lower_bounds(trace, per_token(trace), load_rules())
    costs = {policy: cost(fast(trace, policy)) for policy in POLICIES}
    assert least["LB0"] <= least["LB1"] + 1e-6
    assert least["LB1"] <= least["LB3"] + 1e-6
    assert least["LB3"] <= min(least["LB2-5m"], least["LB2-1h"]) + 1e-6
    for policy, usd in costs.items():
        assert least["LB3"] <= usd + 1e-6, policy
        for lifetime in ("5m", "1h"):
            if policy.endswith(lifetime) or policy == "none":
                assert least[f"LB2-{lifetime}"] <= usd + 1e-6, policy


@settings(max_examples=60, deadline=None)
@given(requests=traffic(), refresh_marked=st.booleans())
def test_the_bound_holds_when_a_read_renews_every_marked_entry(
    requests: list[Request], *, refresh_marked: bool
) -> None:
    trace = trace_of(requests)
    least = lower_bounds(trace, per_token(trace), load_rules())["LB3"]
    for policy in ("as-logged", "moving-tail-mixed"):
        assert least <= cost(fast(trace, policy, refresh_marked=refresh_marked)) + 1e-6


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    pauses=st.lists(st.sampled_from([0.5, 200.0, 299.0, 301.0, 1800.0, 3700.0]), max_size=3),
    sizes=st.sampled_from([(1500, 300), (1500, 3000)]),
)
def test_no_choice_of_markers_whatever_pays_less_than_the_bounds(
    pauses: list[float], sizes: tuple[int, int]
) -> None:
    # Every placement of every lifetime on two blocks, all requests: the optimum by exhaustion.
    times = [0.0, *np.cumsum(pauses).tolist()]
    request = Request(0, 0.0, "w1", "claude-sonnet-4-5", ("p", "q"), sizes, ())
    requests = [replace(request, at=moment) for moment in times]
    kinds = ("", "5m", "1h")
    options = [
        tuple((at, kind) for at, kind in enumerate(pair) if kind)
        for pair in product(kinds, repeat=2)
        if pair != ("5m", "1h")
    ]
    best = min(
        cost([slow.send(sent, marks) for sent, marks in zip(requests, chosen, strict=True)])
        for chosen in product(options, repeat=len(requests))
        for slow in [SlowCache()]
    )
    trace = trace_of(requests)
    least = lower_bounds(trace, per_token(trace), load_rules())
    assert least["LB0"] <= least["LB1"] <= least["LB3"] + 1e-6
    assert least["LB3"] <= best + 1e-6


@settings(max_examples=150, deadline=None)
@given(
    depth=st.lists(st.integers(1, 50), min_size=1, max_size=7).map(np.cumsum),
    gain=st.lists(st.sampled_from([0.5, 1.0, 2.5, 4.0, 9.0]), min_size=7, max_size=7),
    most=st.integers(0, 4),
)
def test_the_best_breakpoints_are_those_found_by_trying_all(
    depth: np.ndarray, gain: list[float], most: int
) -> None:
    size = len(depth)
    falling = np.array(sorted(gain, reverse=True)[:size])

    def worth(chosen: tuple[int, ...]) -> float:
        before = [0, *(depth[at] for at in chosen)]
        return sum(
            falling[at] * (depth[at] - last) for at, last in zip(chosen, before, strict=False)
        )

    tried = [worth(c) for count in range(most + 1) for c in combinations(range(size), count)]
    taken = choose(depth[None, :], falling[None, :], most)[0]
    assert taken.sum() <= most
    assert worth(tuple(np.flatnonzero(taken).tolist())) == pytest.approx(max(tried))


def bound(trace: CacheTrace, lifetime: str) -> float:
    column, life = {"5m": (2, 300), "1h": (3, 3600)}[lifetime]
    usd = clairvoyant_usd(trace, per_token(trace), life_us=life * 1_000_000, write=column)
    return float(usd.sum())


@pytest.mark.slow
@pytest.mark.parametrize("lifetime", ["5m", "1h"])
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_no_policy_of_one_lifetime_beats_the_bound(lifetime: str, data: st.DataObject) -> None:
    trace = trace_of(data.draw(traffic((lifetime,))))
    least = bound(trace, lifetime)
    for policy in ("none", "as-logged", f"automatic-{lifetime}"):
        assert least <= cost(fast(trace, policy)) + 1e-6


def visits(times: list[float], first_token: float) -> CacheTrace:
    request = Request(0, first_token, "w1", "claude-sonnet-4-5", ("p",), (2000,), ())
    return trace_of([replace(request, at=moment) for moment in times])


@settings(max_examples=80, deadline=None)
@given(
    pauses=st.lists(st.sampled_from([0.0, 0.5, 3.0, 299.0, 300.0, 301.0, 700.0]), max_size=6),
    first_token=st.sampled_from([0.0, 1.0]),
    lifetime=st.sampled_from(["5m", "1h"]),
)
def test_the_bound_of_one_prefix_is_the_best_choice_of_writes(
    pauses: list[float], first_token: float, lifetime: str
) -> None:
    times = [0.0, *np.cumsum(pauses).tolist()]
    trace = visits(times, first_token)
    request = Request(0, first_token, "w1", "claude-sonnet-4-5", ("p",), (2000,), ())
    costs: list[float] = []
    for marked in product([False, True], repeat=len(times)):
        slow = SlowCache()
        rows = [
            slow.send(replace(request, at=moment), ((0, lifetime),) if write else ())
            for moment, write in zip(times, marked, strict=True)
        ]
        costs.append(cost(rows))
    # A write in the shadow of another may renew it; the bound lets that be free.
    overlap = first_token > 0 and any(0 <= pause < first_token for pause in pauses)
    assert bound(trace, lifetime) <= min(costs) + 1e-6
    assume(not overlap)
    assert bound(trace, lifetime) == pytest.approx(min(costs))
