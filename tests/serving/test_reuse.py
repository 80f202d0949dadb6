"""What a trace could reuse, against caches played visit by visit and an exhaustive search."""

from collections import OrderedDict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.reuse import (
    block_fill,
    clairvoyant_hits,
    lru_curve,
    lru_hits,
    measure_reuse,
    token_share,
)
from llmops_cli.traffic.request_traces import read_request_trace

Lists = list[list[int]]


def trace_of(rows: Lists, size: int = 16) -> RequestTrace:
    """A request per list, its blocks numbered as they are, each of them full."""
    flat = np.array([block for row in rows for block in row], np.int64)
    lengths = np.array([size * max(len(row), 1) for row in rows], np.int64)
    return RequestTrace(
        arrival_s=np.arange(len(rows), dtype=np.float64),
        input_tokens=lengths,
        output_tokens=np.ones(len(rows), np.int64),
        starts=np.cumsum([0, *map(len, rows)]),
        blocks=np.unique(flat, return_inverse=True)[1].astype(np.int64),
        block_tokens=size if len(flat) else 0,
        session=np.full(len(rows), -1),
    )


def played_lru(visits: list[int], capacity: int) -> int:
    held: OrderedDict[int, None] = OrderedDict()
    hits = 0
    for block in visits:
        hits += block in held
        held[block] = None
        held.move_to_end(block)
        if len(held) > capacity:
            held.popitem(last=False)
    return hits


def most_hits(visits: tuple[int, ...], capacity: int) -> int:
    """The best over every choice of what to keep after each visit."""

    @cache
    def best(at: int, held: frozenset[int]) -> int:
        if at == len(visits):
            return 0
        hit = visits[at] in held
        kept = held | {visits[at]}
        choices = {kept} if len(kept) <= capacity else {kept - {gone} for gone in kept}
        return hit + max(best(at + 1, choice) for choice in choices)

    return best(0, frozenset())


rows = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=6), min_size=1, max_size=12)


@given(rows)
def test_the_curve_of_lru_is_that_of_caches_played_one_by_one(drawn: Lists) -> None:
    trace = trace_of(drawn)
    visits = trace.blocks.tolist()
    capacities = np.arange(1, 12)
    hits = lru_curve(trace, capacities) * len(visits)
    assert np.rint(hits).astype(int).tolist() == [played_lru(visits, int(c)) for c in capacities]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.integers(1, 3))
def test_no_choice_of_what_to_keep_beats_the_clairvoyant(visits: list[int], capacity: int) -> None:
    trace = trace_of([visits])
    hits = clairvoyant_hits(trace, capacity).sum()
    assert hits == most_hits(tuple(trace.blocks.tolist()), capacity)


@given(rows, st.integers(1, 12))
def test_more_is_known_more_is_hit(drawn: Lists, capacity: int) -> None:
    trace = trace_of(drawn)
    lru = lru_curve(trace, np.array([capacity]))[0]
    least, most = lru_hits(trace, capacity), clairvoyant_hits(trace, capacity)
    endless = measure_reuse(trace)
    assert least.mean() == pytest.approx(lru)
    assert least.sum() <= most.sum() <= endless.visits - endless.distinct
    assert token_share(trace, most) <= endless.token_share + 1e-12


@given(rows)
def test_an_endless_cache_hits_whatever_was_there_before(drawn: Lists) -> None:
    seen, hits, requests = set[int](), 0, 0
    for row in drawn:
        before = hits
        for block in row:
            hits += block in seen
            seen.add(block)
        requests += hits > before
    found = measure_reuse(trace_of(drawn))
    assert (found.visits, found.distinct) == (sum(map(len, drawn)), len(seen))
    assert (found.repeated_tokens, found.requests) == (16 * hits, requests)


def test_a_trace_without_blocks_reuses_nothing() -> None:
    trace = trace_of([[], []])
    found = measure_reuse(trace)
    assert (found.visits, found.block_share, found.token_share, found.requests) == (0, 0, 0, 0)
    assert lru_curve(trace, np.array([1, 10])).tolist() == [0, 0]
    assert clairvoyant_hits(trace, 10).tolist() == lru_hits(trace, 10).tolist() == []


def test_the_last_block_is_as_full_as_the_prompt_makes_it() -> None:
    trace = trace_of([[0, 1], [0], []])
    lengths = np.array([20, 16, 9])
    changed = type(trace)(
        **{name: getattr(trace, name) for name in trace.__slots__} | {"input_tokens": lengths}
    )
    assert block_fill(changed).tolist() == [16, 4, 16]


@pytest.fixture(scope="module")
def mooncake(public_data: Path) -> RequestTrace:
    return read_request_trace([public_data / "mooncake" / "conversation_trace.jsonl"]).trace


def test_mooncakes_conversations_reuse_what_the_paper_counts(mooncake: RequestTrace) -> None:
    found = measure_reuse(mooncake)
    assert (found.visits, found.distinct) == (288_500, 182_790)
    assert found.visits - found.distinct == 105_710
    assert round(100 * found.block_share, 2) == 36.64


def test_mooncakes_curve_rises_to_that_and_is_the_played_one(mooncake: RequestTrace) -> None:
    capacities = 2 ** np.arange(4, 19)
    curve = lru_curve(mooncake, capacities)
    assert (np.diff(curve) >= 0).all()
    assert curve[-1] == measure_reuse(mooncake).block_share
    visits = mooncake.blocks.tolist()
    for at in (5, 10, 12):
        assert round(curve[at] * len(visits)) == played_lru(visits, int(capacities[at]))
    bound = clairvoyant_hits(mooncake, 1024).mean()
    assert curve[6] < bound < measure_reuse(mooncake).block_share
