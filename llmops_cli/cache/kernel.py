"""The replay itself: one shard of requests against one store of cache entries.

Pure and picklable: a :class:`Part` in, the tokens billed per call out. Rules by number are
those of ``rules.yaml``'s source, as the reference of this project numbers them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.policies import Breakpoints
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace

__all__ = ["Billed", "Part", "cut", "replay"]

Ints = npt.NDArray[np.int64]

_PART_BLOCKS = 200_000
_MOST_PARTS = 64
_NEVER = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Whole shards, cut out of the trace: positions and nodes count within the part."""

    call: Ints
    start_us: Ints
    begins_us: Ints
    offsets: Ints
    node: Ints
    depth_tokens: Ints
    breaks: Breakpoints
    rules: CacheRules
    refresh_marked: bool


@dataclass(frozen=True, slots=True, eq=False)
class Billed:
    """Input tokens by class of each call: fresh, read, written for 5 minutes, for an hour."""

    call: Ints
    tokens: Ints

    def __add__(self, other: "Billed") -> "Billed":
        """Both sets of calls; parts never share one."""
        return Billed(
            np.concatenate([self.call, other.call]), np.concatenate([self.tokens, other.tokens])
        )

    def in_order(self) -> Ints:
        """``(calls, 4)`` tokens in the order of the trace."""
        ordered = np.empty_like(self.tokens)
        ordered[self.call] = self.tokens
        return ordered


def cut(
    trace: CacheTrace, breaks: Breakpoints, rules: CacheRules, *, refresh_marked: bool = False
) -> list[Part]:
    """Parts of whole shards, balanced by blocks; the cut does not depend on the workers."""
    blocks = np.diff(trace.offsets)
    shard = np.unique(trace.shard, return_inverse=True)[1]
    size = np.bincount(shard, weights=blocks).astype(np.int64)
    count = int(np.clip(blocks.sum() // _PART_BLOCKS, 1, min(_MOST_PARTS, len(size))))
    bin_of = _packed(size, count)[shard]
    parts = (np.flatnonzero(bin_of == number) for number in range(count))
    return [
        _part(trace, breaks, rules, chosen, refresh_marked=refresh_marked)
        for chosen in parts
        if len(chosen)
    ]


def _packed(size: Ints, count: int) -> Ints:
    # Longest first into the emptiest bin.
    bins, load = np.zeros(len(size), np.int64), np.zeros(count, np.int64)
    if count == 1:
        return bins
    for number in np.argsort(-size, kind="stable"):
        bins[number] = emptiest = int(load.argmin())
        load[emptiest] += size[number]
    return bins


def _part(
    trace: CacheTrace, breaks: Breakpoints, rules: CacheRules, chosen: Ints, *, refresh_marked: bool
) -> Part:
    offsets, block = _gather(trace.offsets, chosen)
    marks, at = _gather(breaks.offsets, chosen)
    shift = np.repeat(offsets[:-1] - trace.offsets[chosen], np.diff(marks))
    return Part(
        call=chosen,
        start_us=trace.start_us[chosen],
        begins_us=trace.begins_us[chosen],
        offsets=offsets,
        node=np.unique(trace.node[block], return_inverse=True)[1],
        depth_tokens=trace.depth_tokens[block],
        breaks=Breakpoints(marks, breaks.position[at] + shift, breaks.hour[at]),
        rules=rules,
        refresh_marked=refresh_marked,
    )


def _gather(offsets: Ints, chosen: Ints) -> tuple[Ints, Ints]:
    lengths = (offsets[1:] - offsets[:-1])[chosen]
    ends = np.cumsum(lengths)
    within = np.arange(int(ends[-1]) if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return np.concatenate([np.zeros(1, np.int64), ends]), np.repeat(
        offsets[chosen], lengths
    ) + within


class _Store:
    # Per node and lifetime: until when an entry lives and from when it can be read (R8, R9).
    # Two flat lists per lifetime, because the lookback reads them hundreds of times per call.

    def __init__(self, nodes: int, rules: CacheRules) -> None:
        self.lives = (rules.life_5m_us, rules.life_1h_us)
        self.until = ([_NEVER] * nodes, [_NEVER] * nodes)
        self.since = ([_NEVER] * nodes, [_NEVER] * nodes)

    def refresh(self, node: int, now: int) -> None:
        """A read renews every live entry of the prefix for its own lifetime, free (R8)."""
        for until, since, life in zip(self.until, self.since, self.lives, strict=True):
            if until[node] >= now and since[node] <= now:
                until[node] = now + life

    def write(self, node: int, now: int, begins: int, *, hour: bool) -> None:
        """Create an entry, or add to one that another running request is creating (R9)."""
        until, since = self.until[hour], self.since[hour]
        since[node] = min(since[node], begins) if until[node] >= now else begins
        until[node] = now + self.lives[hour]


def replay(part: Part) -> Billed:
    """Bill every call of a part by rules R4, R6, R8 and R9.

    Time is linear in the blocks looked at: at most 20 per breakpoint.
    """
    store = _Store(int(part.node.max(initial=-1)) + 1, part.rules)
    node, depth = part.node.tolist(), part.depth_tokens.tolist()
    first, marks = part.offsets.tolist(), part.breaks.offsets.tolist()
    place, hour = part.breaks.position.tolist(), part.breaks.hour.tolist()
    start, begins = part.start_us.tolist(), part.begins_us.tolist()
    billed: list[tuple[int, int, int, int]] = []
    for call, now in enumerate(start):
        total = depth[first[call + 1] - 1]
        low, high = marks[call], marks[call + 1]
        if low == high:
            billed.append((total, 0, 0, 0))
            continue
        hit = _hit(store, node, place[low:high], first[call], now, part.rules.lookback)
        if hit >= 0:
            store.refresh(node[hit], now)
        read = written_1h = depth[hit] if hit >= 0 else 0
        for mark in range(low, high):
            at = place[mark]
            if at > hit:
                store.write(node[at], now, begins[call], hour=hour[mark])
                if hour[mark]:
                    written_1h = depth[at]
            elif part.refresh_marked and at < hit:
                store.refresh(node[at], now)
        end = max(depth[place[high - 1]], read)
        billed.append((total - end, read, end - written_1h, written_1h - read))
    return Billed(part.call, np.array(billed, dtype=np.int64).reshape(-1, 4))


def _hit(
    store: _Store, node: list[int], places: list[int], first: int, now: int, lookback: int
) -> int:
    # R4: from the last breakpoint back, each looks at 20 positions, itself included.
    until_5m, until_1h = store.until
    since_5m, since_1h = store.since
    checked = places[-1] + 1
    for place in reversed(places):
        stop = max(first, place - lookback + 1)
        for at in range(min(place, checked - 1), stop - 1, -1):
            prefix = node[at]
            if (until_5m[prefix] >= now and since_5m[prefix] <= now) or (
                until_1h[prefix] >= now and since_1h[prefix] <= now
            ):
                return at
        checked = min(checked, stop)
    return -1
