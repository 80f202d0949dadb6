"""Other providers' rules against obvious replays: sets of prefixes, searched for each request.

As in ``test_cache_replay``: nothing here shares code with the package, and every prefix is a
tuple of names.
"""

from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.cache.model import CacheParameters
from llmops_cli.cache.pages import page_reads
from llmops_cli.cache.providers import under_rules
from llmops_cli.cache.rules import load_rules, provider_names, provider_rules
from llmops_cli.cache.trace import CacheTrace, compile_trace
from llmops_cli.calls import BlockKind, arrow_schema, from_arrow

START = datetime(2026, 9, 1, tzinfo=UTC)
PAUSES = [0, 0, 0.4, 1, 2, 30, 299, 300, 301, 1799, 1801, 3600, 3601, 86_401]
SIZES = [1, 20, 127, 700, 1500, 2100]
ROLES = {
    "t": BlockKind.TOOL,
    "s": BlockKind.SYSTEM,
    "u": BlockKind.USER,
    "a": BlockKind.ASSISTANT,
    "r": BlockKind.TOOL_RESULT,
    "c": BlockKind.TOOL_USE,
}

Prefix = tuple[str, ...]


@dataclass(frozen=True)
class Request:
    """Blocks whose first letter is their role; when, where, and how soon the answer begins."""

    at: float
    first_token: float
    organisation: str
    names: Prefix
    tokens: tuple[int, ...]

    def length(self, blocks: int) -> int:
        return sum(self.tokens[:blocks])

    def prefix(self, blocks: int) -> tuple[str, Prefix]:
        return self.organisation, self.names[:blocks]


@st.composite
def traffic(draw: st.DrawFn) -> list[Request]:
    """Conversations under shared tools and system prompts, interleaved, branching, growing."""
    sizes: dict[str, int] = {}
    talks: list[tuple[str, list[str]]] = []
    requests, now = list[Request](), 0.0
    for number in range(draw(st.integers(1, 14))):
        now += draw(st.sampled_from(PAUSES))
        if talks and draw(st.integers(0, 3)):
            where, names = talks[draw(st.integers(0, len(talks) - 1))]
            names = list(names)
        else:
            where = draw(st.sampled_from(["o1", "o1", "o1", "o2"]))
            names = [f"t{draw(st.integers(0, 1))}"] * draw(st.integers(0, 1))
            names += [f"s{draw(st.integers(0, 1))}"] * draw(st.integers(0, 2))
        for role in draw(st.sampled_from(["", "u", "au", "cr", "crr", "aau", "su", "uu"])):
            names.append(f"{role}{draw(st.sampled_from([0, 0, 0, number]))}")
        names = names or ["u0"]
        talks.append((where, names))
        # A block's size belongs to its name and place, as its content does.
        marks = [f"{place} {name}" for place, name in enumerate(names)]
        for mark in marks:
            sizes.setdefault(mark, draw(st.sampled_from(SIZES)))
        requests.append(
            Request(
                now,
                draw(st.sampled_from([0.0, 0.0, 0.4, 2.0, 40.0, 400.0])),
                where,
                tuple(names),
                tuple(sizes[mark] for mark in marks),
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
        rows.append(
            {
                "start_time": START + timedelta(seconds=request.at),
                "ttft_s": request.first_token,
                "isolation_domain": request.organisation,
                "block_hashes": hashes,
                "block_tokens": list(request.tokens),
                "block_kinds": [int(ROLES[name[0]]) for name in request.names],
                "block_markers": [0] * len(hashes),
            }
        )
    calls = from_arrow(pa.Table.from_pylist(rows, schema=arrow_schema()))
    models = np.array(["claude-sonnet-5"] * len(requests), dtype=object)
    return compile_trace(calls, load_rules(), models, CacheParameters())


@dataclass
class SlowEntries:
    """Entries by prefix: last use and first readable moment, one lifetime for all."""

    life: float
    entries: dict[tuple[str, Prefix], list[float]] = field(default_factory=dict)

    def alive(self, request: Request, blocks: int) -> bool:
        used, readable = self.entries.get(request.prefix(blocks), [-1e18, 1e18])
        return request.at - used <= self.life + 1e-9 and readable <= request.at + 1e-9

    def write(self, request: Request, key: tuple[str, Prefix]) -> None:
        begins = request.at + request.first_token
        used, readable = self.entries.get(key, [-1e18, 1e18])
        living = request.at - used <= self.life + 1e-9
        self.entries[key] = [request.at, min(readable, begins) if living else begins]

    def renew(self, request: Request, blocks: int) -> None:
        self.entries[request.prefix(blocks)][0] = request.at


def ends_of_messages(names: Prefix) -> list[int]:
    """Blocks up to and including each user message or run of tool results."""
    return [
        at
        for at in range(1, len(names) + 1)
        if names[at - 1][0] in "ur" and (at == len(names) or names[at][0] != names[at - 1][0])
    ]


def static_blocks(names: Prefix) -> int:
    return next((at for at, name in enumerate(names) if name[0] not in "ts"), len(names))


def slow_messages(requests: list[Request], *, explicit: bool) -> list[list[int]]:
    cache, rows = SlowEntries(1800), list[list[int]]()
    for request in requests:
        ends, static = ends_of_messages(request.names), static_blocks(request.names)
        if explicit:
            marks = sorted({*ends, static} - {0})
            look = {*marks[:2], *marks[-50:]}
            write = {*marks[:1], *marks[-3:]}
        else:
            write = {(ends or [static])[-1]} - {0}
            look = {*ends[-21:], static, *write} - {0}
        look = {at for at in look if request.length(at) >= 1024}
        write = {at for at in write if request.length(at) >= 1024}
        hit = max((at for at in look if cache.alive(request, at)), default=0)
        if hit:
            cache.renew(request, hit)
        deeper = [at for at in write if at > hit]
        for at in deeper:
            cache.write(request, request.prefix(at))
        read = request.length(hit)
        end = max([read, *(request.length(at) for at in deeper)])
        rows.append([request.length(len(request.names)) - end, read, end - read, 0])
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("name", ["openai-implicit", "openai-explicit"])
@settings(max_examples=150, deadline=None)
@given(requests=traffic())
def test_message_ends_are_billed_as_the_slow_replay_bills_them(
    name: str, requests: list[Request]
) -> None:
    found = under_rules(trace_of(requests), provider_rules(name), 1024).tokens.tolist()
    assert found == slow_messages(requests, explicit=name.endswith("explicit"))


def slow_prefix(requests: list[Request], life: float) -> list[int]:
    """The longest prefix that an unbroken line of calls has kept, as tokens before rounding."""
    cache, reads = SlowEntries(life), list[int]()
    for request in requests:
        size = len(request.names)
        alive = [at for at in range(1, size + 1) if cache.alive(request, at)]
        reads.append(request.length(max(alive, default=0)))
        for at in range(1, size + 1):
            cache.write(request, request.prefix(at))
    return reads


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "life", "step", "least"),
    [
        ("openai-classic", 300, 128, 1024),
        ("openai-5.5", 86_400, 2048, 1024),
        ("gemini-implicit", 300, 1, 4096),
        ("xai", 300, 128, 128),
    ],
)
@settings(max_examples=80, deadline=None)
@given(requests=traffic())
def test_what_was_sent_is_read_in_steps(
    name: str, life: float, step: int, least: int, requests: list[Request]
) -> None:
    found = under_rules(trace_of(requests), provider_rules(name), least).tokens
    whole = [read - read % step for read in slow_prefix(requests, life)]
    assert found[:, 1].tolist() == [read if read >= least else 0 for read in whole]
    assert not found[:, 2:].any()


def slow_units(requests: list[Request]) -> list[int]:
    """DeepSeek: an answer is known by the next request that goes on with it."""
    cache, reads = SlowEntries(86_400), list[int]()
    sent: set[tuple[str, Prefix]] = set()
    for number, request in enumerate(requests):
        size = len(request.names)
        hit = max((at for at in range(1, size + 1) if cache.alive(request, at)), default=0)
        reads.append(request.length(hit))
        if hit:
            cache.renew(request, hit)
        parted = max((at for at in range(1, size + 1) if request.prefix(at) in sent), default=0)
        for at in {parted, size}:
            if at > hit:
                cache.write(request, request.prefix(at))
        following = next(
            (
                later
                for later in requests[number + 1 :]
                if later.prefix(size) == request.prefix(size)
            ),
            None,
        )
        if following is not None:
            end = size
            while end < len(following.names) and following.names[end][0] in "ac":
                end += 1
            if end > size:
                key = following.prefix(end)
                if cache.alive(request, 0) or not _living(cache, request, key):
                    cache.write(request, key)
                else:
                    cache.entries[key][0] = request.at
        sent |= {request.prefix(at) for at in range(1, size + 1)}
    return reads


def _living(cache: SlowEntries, request: Request, key: tuple[str, Prefix]) -> bool:
    used, readable = cache.entries.get(key, [-1e18, 1e18])
    return request.at - used <= cache.life + 1e-9 and readable <= request.at + 1e-9


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(requests=traffic())
def test_units_are_read_as_the_slow_replay_reads_them(requests: list[Request]) -> None:
    found = under_rules(trace_of(requests), provider_rules("deepseek"), 1).tokens
    assert found[:, 1].tolist() == slow_units(requests)


def slow_objects(requests: list[Request], least: int) -> tuple[list[int], list[int]]:
    created: dict[tuple[str, Prefix], float] = {}
    reads, writes = list[int](), list[int]()
    for request in requests:
        static = static_blocks(request.names)
        size = request.length(static)
        used = static > 0 and size >= least
        key = request.prefix(static)
        new = used and request.at - created.get(key, -1e18) > 3600 + 1e-9
        if new:
            created[key] = request.at
        reads.append(size if used and not new else 0)
        writes.append(size if new else 0)
    return reads, writes


@settings(max_examples=100, deadline=None)
@given(requests=traffic())
def test_objects_are_created_again_when_their_hour_is_over(requests: list[Request]) -> None:
    found = under_rules(trace_of(requests), provider_rules("gemini-explicit"), 1024)
    reads, writes = slow_objects(requests, 1024)
    assert found.tokens[:, 1].tolist() == reads
    assert found.tokens[:, 2].tolist() == writes
    assert found.token_hours == pytest.approx(sum(writes))


def slow_pages(requests: list[Request], capacity: int, page: int) -> list[int]:
    """A dictionary of pages in order of use; a prompt's deepest pages count as used first."""
    held: OrderedDict[tuple[Prefix, int], None] = OrderedDict()
    reads: list[int] = []
    for request in requests:
        total = request.length(len(request.names))
        pages: list[tuple[Prefix, int]] = []
        for number in range(total // page):
            end = (number + 1) * page
            blocks = next(n for n in range(1, len(request.names) + 1) if request.length(n) >= end)
            pages.append((request.names[:blocks], number))
        found = 0
        while found < len(pages) and pages[found] in held:
            found += 1
        reads.append(min(found, (total - 1) // page) * page)
        for one in reversed(pages):
            held[one] = None
            held.move_to_end(one)
        while len(held) > capacity // page:
            held.popitem(last=False)
    return reads


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(
    requests=traffic(),
    capacity=st.sampled_from([16, 400, 1000, 3000, 6000, 10_000, 10**6]),
    page=st.sampled_from([16, 64]),
)
def test_pages_are_found_as_a_least_recently_used_cache_finds_them(
    requests: list[Request], capacity: int, page: int
) -> None:
    trace = trace_of(requests)
    server = trace.shared_by(np.zeros(trace.calls, np.int64), 1)
    assert page_reads(server, capacity, page).tolist() == slow_pages(requests, capacity, page)


@settings(max_examples=40, deadline=None)
@given(requests=traffic())
def test_every_provider_bills_every_token_once(requests: list[Request]) -> None:
    trace = trace_of(requests)
    for name in provider_names():
        tokens = under_rules(trace, provider_rules(name), 1024).tokens
        assert (tokens >= 0).all(), name
        assert (tokens.sum(axis=1) == trace.prompt_tokens).all(), name


@settings(max_examples=40, deadline=None)
@given(requests=traffic())
def test_more_memory_never_reads_less(requests: list[Request]) -> None:
    trace = trace_of(requests)
    server = trace.shared_by(np.zeros(trace.calls, np.int64), 1)
    reads = [page_reads(server, size, 16).sum() for size in (0, 500, 2000, 5000, 10**6)]
    assert reads == sorted(reads)
