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
from llmops_cli.cache.visits import Ints

__all__ = ["page_reads"]


def page_reads(trace: CacheTrace, capacity_tokens: int, page_tokens: int) -> Ints:
    """Tokens each call finds in a cache of a capacity; at least one token is always computed.

    Args:
        trace: the compiled calls; pages are shared by calls of the same node.
        capacity_tokens: what fits the memory set aside for keys and values.
        page_tokens: size of a page (vLLM 16, SGLang 1).
    """
    capacity = capacity_tokens // page_tokens
    limit = (trace.prompt_tokens - 1) // page_tokens
    window = _Arrays.over(trace, page_tokens)
    if window.distinct() <= capacity:
        found = window.sent_before()
    else:
        found = np.array(_moving_cut(window.listed(), trace.calls, capacity), np.int64)
    return np.minimum(found, limit) * page_tokens


def _moving_cut(window: "_Window", calls: int, capacity: int) -> list[int]:
    # Everything sent since `oldest` fits; of the call before it, its shallowest pages may.
    found = [0] * calls
    oldest, held = 0, 0
    for call in range(calls):
        whole = window.shared(call, oldest)
        kept = 0
        if oldest:
            room = capacity - held
            kept = min(window.shared(call, oldest - 1), window.own_from(oldest - 1, call) + room)
        found[call] = max(whole, kept)
        held += window.pages(call) - whole
        while held > capacity and oldest <= call:
            held -= window.pages(oldest) - window.own_from(oldest, call + 1)
            oldest += 1
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Arrays:
    # Per block: full pages up to its end, the call before that passed it, the call after.
    offsets: Ints
    ends: Ints
    before: Ints
    after: Ints

    @classmethod
    def over(cls, trace: CacheTrace, page_tokens: int) -> "_Arrays":
        visits = trace.visits
        order = visits.by_node
        node, call = trace.node[order], visits.call[order]
        same = node[1:] == node[:-1]
        before, after = np.full(len(node), -1, np.int64), np.full(len(node), trace.calls, np.int64)
        before[order[1:]] = np.where(same, call[:-1], -1)
        after[order[:-1]] = np.where(same, call[1:], trace.calls)
        return cls(trace.offsets, trace.depth_tokens // page_tokens, before, after)

    def distinct(self) -> int:
        """All pages that were ever sent, each once: what never has to evict."""
        own = np.diff(self.ends, prepend=0)
        own[self.offsets[:-1]] = self.ends[self.offsets[:-1]]
        return int(own[self.before < 0].sum())

    def sent_before(self) -> Ints:
        """Pages of each call that some call sent before it."""
        seen = np.add.reduceat((self.before >= 0).astype(np.int64), self.offsets[:-1])
        return np.where(seen > 0, self.ends[np.maximum(self.offsets[:-1] + seen - 1, 0)], 0)

    def listed(self) -> "_Window":
        """The same as lists, which single look-ups read faster."""
        return _Window(
            self.offsets.tolist(), self.ends.tolist(), (-self.before).tolist(), self.after.tolist()
        )


@dataclass(frozen=True, slots=True)
class _Window:
    # As above, `before` negated: along a prompt all of them only rise.
    offsets: list[int]
    ends: list[int]
    before: list[int]
    after: list[int]

    def pages(self, call: int) -> int:
        """All full pages of a call."""
        return self.ends[self.offsets[call + 1] - 1]

    def shared(self, call: int, since: int) -> int:
        """Pages of a call that some call from ``since`` on has passed before it."""
        low, high = self.offsets[call], self.offsets[call + 1]
        at = bisect_left(self.before, -since + 1, low, high)
        return self.ends[at - 1] if at > low else 0

    def own_from(self, call: int, now: int) -> int:
        """The first page of a call that no later call before ``now`` has passed."""
        low, high = self.offsets[call], self.offsets[call + 1]
        at = bisect_left(self.after, now, low, high)
        return self.ends[at - 1] if at > low else 0
