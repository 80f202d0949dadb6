"""A server's own prefix cache: pages of tokens, the least recently used evicted first.

vLLM hashes full pages and evicts the deepest page of the least recent request first; SGLang
does the same with pages of one token. The cache then always holds the most recent pages that
fit, so one moving cut through time tells what every request finds: no page is ever looked at.
Requests are served in order of their start, each at once, and answers take no pages.
"""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints, Mask

__all__ = ["page_reads"]

_GUESSES = 4


def page_reads(trace: CacheTrace, capacity_tokens: int, page_tokens: int) -> Ints:
    """Tokens each call finds in a cache of a capacity; at least one token is always computed.

    Args:
        trace: the compiled calls; pages are shared by calls of the same node.
        capacity_tokens: what fits the memory set aside for keys and values.
        page_tokens: size of a page (vLLM 16, SGLang 1).
    """
    capacity = capacity_tokens // page_tokens
    limit = (trace.prompt_tokens - 1) // page_tokens
    window = _Window.over(trace, page_tokens)
    if window.distinct() <= capacity:
        found = window.sent_before()
    else:
        found = window.found(_moving_cut(window, capacity), capacity)
    return np.minimum(found, limit) * page_tokens


def _moving_cut(window: "_Window", capacity: int) -> Ints:
    """Per call, the first call whose pages all fit beside those of the calls after it, up to it.

    The cut moves as soon as pages no longer fit, and how many leave depends on when: guesses of
    the whole way are held against what they imply, until one implies itself. Each makes right
    at least the first call at which the one before was wrong, and mostly all of them; where
    that takes long, the rest of the way is walked.
    """
    cut, begin = np.zeros(len(window.pages), np.int64), 0
    for _ in range(_GUESSES):
        sent, gone = window.sent(cut), window.gone(cut)
        # The cut never moves back, nor past the call itself.
        implied = np.searchsorted(gone, sent - capacity)
        implied = np.maximum.accumulate(np.minimum(implied, np.arange(1, len(cut) + 1)))
        wrong = np.flatnonzero(implied != cut)
        if not len(wrong):
            return cut
        cut, begin = implied, int(wrong[0])
    return _walked(window, cut, begin, capacity)


def _walked(window: "_Window", cut: Ints, begin: int, capacity: int) -> Ints:
    """A cut that is right before a call, made right from there on, call by call."""
    oldest = int(cut[begin - 1]) if begin else 0
    held = int(window.sent(cut)[begin - 1] - window.gone(cut)[oldest]) if begin else 0
    # Single elements are read faster so than from arrays; negated, `before` rises.
    offsets, ends = window.offsets.data, window.ends.data
    before, after = (-window.before).data, window.after.data
    low = offsets[begin]
    for call in range(begin, len(cut)):
        high = offsets[call + 1]
        at = bisect_left(before, 1 - oldest, low, high)
        held += ends[high - 1] - (ends[at - 1] if at > low else 0)
        while held > capacity and oldest <= call:
            first, last = offsets[oldest], offsets[oldest + 1]
            at = bisect_left(after, call + 1, first, last)
            held -= ends[last - 1] - (ends[at - 1] if at > first else 0)
            oldest += 1
        cut[call], low = oldest, high
    return cut


@dataclass(frozen=True, slots=True, eq=False)
class _Window:
    # Per block: full pages up to its end, the call before that passed it, the call after.
    # Along a prompt the one only falls and the other only rises: of the blocks that were passed
    # before, and of those that are passed again, each call has the first few.
    offsets: Ints
    ends: Ints
    before: Ints
    after: Ints
    call: Ints
    passed_before: "_Some"
    passed_after: "_Some"

    @classmethod
    def over(cls, trace: CacheTrace, page_tokens: int) -> "_Window":
        visits = trace.visits
        order = visits.by_node
        node, call = trace.node[order], visits.call[order]
        same = node[1:] == node[:-1]
        before, after = np.full(len(node), -1, np.int64), np.full(len(node), trace.calls, np.int64)
        before[order[1:]] = np.where(same, call[:-1], -1)
        after[order[:-1]] = np.where(same, call[1:], trace.calls)
        return cls(
            trace.offsets,
            trace.depth_tokens // page_tokens,
            before,
            after,
            visits.call,
            _Some.of(before, before >= 0, visits.call, trace.calls),
            _Some.of(after, after < trace.calls, visits.call, trace.calls),
        )

    @property
    def pages(self) -> Ints:
        """All full pages of each call."""
        return self.ends[self.offsets[1:] - 1]

    def distinct(self) -> int:
        """All pages that were ever sent, each once: what never has to evict."""
        own = np.diff(self.ends, prepend=0)
        own[self.offsets[:-1]] = self.ends[self.offsets[:-1]]
        return int(own[self.before < 0].sum())

    def sent_before(self) -> Ints:
        """Pages of each call that some call sent before it."""
        return self._first(np.diff(self.passed_before.begins))

    def shared(self, since: Ints) -> Ints:
        """Pages of each call that some call from ``since`` on has passed before it."""
        some = self.passed_before
        return self._first(some.count(some.other >= since[some.call]))

    def own_from(self, now: Ints) -> Ints:
        """The first page of each call that no later call before ``now`` has passed."""
        some = self.passed_after
        return self._first(some.count(some.other < now[some.call]))

    def sent(self, cut: Ints) -> Ints:
        """Pages that all calls up to each have brought in, where the cut moves like this."""
        return np.cumsum(self.pages - self.shared(np.concatenate([[0], cut[:-1]])))

    def gone(self, cut: Ints) -> Ints:
        """Pages that have left with the calls before each: those that no call sent again."""
        behind = np.cumsum(np.bincount(cut, minlength=len(cut)))[: len(cut)]
        left = self.pages - self.own_from(behind + 1)
        return np.concatenate([np.zeros(1, np.int64), np.cumsum(left)])

    def found(self, cut: Ints, capacity: int) -> Ints:
        """Pages that each call finds: all since the cut, and the shallowest of the call before."""
        oldest = np.concatenate([[0], cut[:-1]])
        held = np.concatenate([[0], (self.sent(cut) - self.gone(cut)[cut])[:-1]])
        last = np.maximum(oldest - 1, 0)
        # Of the call before the cut, what no call between has sent again begins at this page.
        alone = self._own_of(last, np.arange(len(cut)))
        kept = np.minimum(self.shared(last), alone + capacity - held)
        return np.maximum(self.shared(oldest), np.where(oldest > 0, kept, 0))

    def _own_of(self, calls: Ints, now: Ints) -> Ints:
        """As :meth:`own_from`, for any call at any time: one search in all blocks at once."""
        width = len(self.pages) + 1
        keys = self.call * width + self.after
        at = np.searchsorted(keys, calls * width + now)
        return np.where(at > self.offsets[calls], self.ends[at - 1], 0)

    def _first(self, count: Ints) -> Ints:
        """Pages of the first so many blocks of each call."""
        begin = self.offsets[:-1]
        return np.where(count > 0, self.ends[begin + np.maximum(count, 1) - 1], 0)


@dataclass(frozen=True, slots=True, eq=False)
class _Some:
    # Blocks that another call passed too: their calls, and those others. Those of call `i` are
    # `begins[i]:begins[i + 1]`.
    call: Ints
    other: Ints
    begins: Ints

    @classmethod
    def of(cls, other: Ints, mask: Mask, call: Ints, calls: int) -> "_Some":
        own = call[mask]
        begins = np.concatenate([[0], np.cumsum(np.bincount(own, minlength=calls))])
        return cls(own, other[mask], begins)

    def count(self, mask: Mask) -> Ints:
        """How many of a mask each call has."""
        running = np.concatenate([np.zeros(1, np.int64), np.cumsum(mask)])
        return np.diff(running[self.begins])
