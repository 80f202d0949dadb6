"""A server's page cache: however the moving cut is found, it is the same, and that of an LRU."""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.cache import pages
from llmops_cli.cache.pages import page_reads
from llmops_cli.cache.trace import CacheTrace

Prompts = list[list[tuple[int, int]]]
"""Per call the blocks: a name and tokens. The same names from the first on are one prefix."""


def traced(prompts: Prompts) -> CacheTrace:
    """Calls of one server, a second apart."""
    numbers = dict[tuple[int, ...], int]()
    node, depth, offsets = list[int](), list[int](), [0]
    for prompt in prompts:
        names = tuple(name for name, _ in prompt)
        for length in range(1, len(prompt) + 1):
            node.append(numbers.setdefault(names[:length], len(numbers)))
            depth.append(sum(tokens for _, tokens in prompt[:length]))
        offsets.append(len(node))
    calls, blocks = np.arange(len(prompts)), np.array(node)
    bytes_ = np.zeros(len(node), np.uint8)
    return CacheTrace(
        row=calls,
        start_us=calls * 1_000_000,
        begins_us=calls * 1_000_000,
        minimum=np.ones(len(prompts), np.int64),
        automatic=np.zeros(len(prompts), np.uint8),
        conversation=calls,
        scope=np.zeros(len(prompts), np.int64),
        domain=np.zeros(len(prompts), np.int64),
        offsets=np.array(offsets),
        node=blocks,
        prefix=blocks,
        depth_tokens=np.array(depth),
        kind=bytes_,
        marker=bytes_,
    )


def slow(prompts: Prompts, capacity: int, page: int) -> list[int]:
    """A dictionary of pages in order of use, the deepest of a prompt used first."""
    held, found = OrderedDict[tuple[tuple[int, ...], int], None](), list[int]()
    for prompt in prompts:
        names, ends, total = tuple(name for name, _ in prompt), list[int](), 0
        for _, tokens in prompt:
            total += tokens
            ends.append(total)
        # A page is known by the prompt up to the block that it ends in.
        mine = [
            (names[: next(at for at, end in enumerate(ends) if end >= last) + 1], last)
            for last in range(page, total + 1, page)
        ]
        hits = next((at for at, each in enumerate(mine) if each not in held), len(mine))
        found.append(min(hits, (total - 1) // page) * page)
        for each in reversed(mine):
            held[each] = None
            held.move_to_end(each)
        while len(held) > capacity // page:
            held.popitem(last=False)
    return found


SIZES = {name: 1 + name * 7 % 5 for name in range(6)}
some_prompts = st.lists(
    st.lists(st.sampled_from(range(6)), min_size=1, max_size=5).map(
        lambda names: [(name, SIZES[name]) for name in names]
    ),
    min_size=1,
    max_size=25,
)


@settings(max_examples=150, deadline=None)
@given(
    prompts=some_prompts,
    capacity=st.integers(1, 60),
    page=st.sampled_from([1, 2, 3]),
    guesses=st.sampled_from([0, 1, 2, 4]),
)
def test_guessed_or_walked_the_reads_are_those_of_an_lru(
    prompts: Prompts, capacity: int, page: int, guesses: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "_GUESSES", guesses)
        assert page_reads(traced(prompts), capacity, page).tolist() == slow(prompts, capacity, page)


def test_a_long_cut_is_guessed_and_walked_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(5)
    prompts: Prompts = []
    for _ in range(600):
        who, turns = draw.integers(40), draw.integers(1, 12)
        prompts.append([(int(who) * 100 + turn, 3) for turn in range(turns)])
    trace = traced(prompts)
    guessed = page_reads(trace, 700, 1)
    monkeypatch.setattr(pages, "_GUESSES", 0)
    walked = page_reads(trace, 700, 1)
    assert guessed.tolist() == walked.tolist()
    assert len(set(walked.tolist())) > 10
