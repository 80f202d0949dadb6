"""The replay itself: one shard of requests against one store of cache entries.

Pure and picklable: a :class:`Part` in, the tokens billed per call and plan out. Rules by number
are those of ``rules.yaml``. A call can only be changed by earlier calls that looked up the
same prefix, and only once no longer prefix of its own was found; so the positions are swept
from the deepest to the first, each for all calls at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.liveness import Touches, alive
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints, Mask, Visits, last_of, narrow, order_visits

__all__ = ["Billed", "Part", "Plan", "cut", "hits", "replay", "replay_plan", "whole", "windows"]

_PART_BLOCKS = 200_000
_MOST_PARTS = 64


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """What each block is to the cache: looked up or not, and the lifetime a miss writes for.

    A block may be written and not be looked up: an answer is stored after the look-up.
    ``write`` is 0 for no breakpoint, 1 for the default lifetime, 2 for the long one; ``lives_us``
    are the two. ``renew_marked``: a read renews the shorter breakpoints it passes as well.
    """

    look: Mask
    write: npt.NDArray[np.uint8]
    lives_us: tuple[int, int]
    renew_marked: bool = False


def windows(positions: Ints, offsets: Ints, size: int, lookback: int) -> Mask:
    """R4: the blocks within ``lookback`` positions of a breakpoint, itself included."""
    if not len(positions):
        return np.zeros(size, np.bool_)
    call = np.searchsorted(offsets, positions, side="right") - 1
    first = np.maximum(positions - lookback + 1, offsets[call])
    edges = np.bincount(first, minlength=size + 1)[: size + 1]
    edges = edges - np.bincount(positions + 1, minlength=size + 1)[: size + 1]
    return np.cumsum(edges)[:size] > 0


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Whole shards, cut out of the trace: positions and nodes count within the part."""

    call: Ints
    start_us: Ints
    begins_us: Ints
    offsets: Ints
    node: Ints
    depth_tokens: Ints
    plans: Mapping[str, Plan]
    visits: Visits | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Billed:
    """Input tokens by class of each call, per plan: fresh, read, default write, long write."""

    call: Ints
    tokens: Mapping[str, Ints]

    def __add__(self, other: "Billed") -> "Billed":
        """Both sets of calls; parts never share one."""
        return Billed(
            np.concatenate([self.call, other.call]),
            {
                name: np.concatenate([mine, other.tokens[name]])
                for name, mine in self.tokens.items()
            },
        )

    def in_order(self, name: str) -> Ints:
        """``(calls, 4)`` tokens of a plan in the order of the trace."""
        if (self.call[1:] > self.call[:-1]).all():
            return self.tokens[name]
        ordered = np.empty_like(self.tokens[name])
        ordered[self.call] = self.tokens[name]
        return ordered


def cut(trace: CacheTrace, plans: Mapping[str, Plan], *, parts: int | None = None) -> list[Part]:
    """Parts of whole shards, balanced by blocks; the cut does not depend on the workers.

    ``parts`` asks for a number of them; there are never more than shards.
    """
    blocks = np.diff(trace.offsets)
    shard = np.unique(trace.shard, return_inverse=True)[1]
    size = np.bincount(shard, weights=blocks).astype(np.int64)
    wanted = int(blocks.sum()) // _PART_BLOCKS if parts is None else parts
    count = int(np.clip(wanted, 1, min(_MOST_PARTS, len(size))))
    if count == 1:
        return [whole(trace, plans)]
    bin_of = _packed(size, count)[shard]
    chosen = (np.flatnonzero(bin_of == number) for number in range(count))
    return [_part(trace, plans, calls) for calls in chosen if len(calls)]


def _packed(size: Ints, count: int) -> Ints:
    # Longest first into the emptiest bin.
    bins, load = np.zeros(len(size), np.int64), np.zeros(count, np.int64)
    for number in np.argsort(-size, kind="stable"):
        bins[number] = emptiest = int(load.argmin())
        load[emptiest] += size[number]
    return bins


def whole(trace: CacheTrace, plans: Mapping[str, Plan]) -> Part:
    """The trace as one part."""
    return Part(
        narrow(np.arange(trace.calls)),
        trace.start_us,
        trace.begins_us,
        trace.offsets,
        trace.node,
        trace.depth_tokens,
        plans,
        trace.visits if _any_writes(plans) else None,
    )


def _part(trace: CacheTrace, plans: Mapping[str, Plan], chosen: Ints) -> Part:
    offsets, block = _gather(trace.offsets, chosen)
    return Part(
        chosen,
        trace.start_us[chosen],
        trace.begins_us[chosen],
        offsets,
        trace.node[block],
        trace.depth_tokens[block],
        {
            name: Plan(plan.look[block], plan.write[block], plan.lives_us, plan.renew_marked)
            for name, plan in plans.items()
        },
    )


def _gather(offsets: Ints, chosen: Ints) -> tuple[Ints, Ints]:
    lengths = (offsets[1:] - offsets[:-1])[chosen]
    ends = np.cumsum(lengths)
    within = np.arange(int(ends[-1])) - np.repeat(ends - lengths, lengths)
    starts = np.repeat(offsets[chosen], lengths)
    return np.concatenate([np.zeros(1, np.int64), ends]), starts + within


def replay(part: Part) -> Billed:
    """Bill every call of a part under each of its plans by rules R4, R6, R8 and R9."""
    visits = part.visits
    if visits is None and _any_writes(part.plans):
        visits = order_visits(part.node, part.offsets)
    # Plans that write nothing are often many, on short prompts all of them: they share one table.
    nothing = narrow(_uncached(part))
    tokens = {
        name: narrow(replay_plan(part, plan, visits)) if plan.write.any() else nothing
        for name, plan in part.plans.items()
    }
    return Billed(part.call, tokens)


def _any_writes(plans: Mapping[str, Plan]) -> bool:
    return any(plan.write.any() for plan in plans.values())


def replay_plan(part: Part, plan: Plan, visits: Visits | None) -> Ints:
    """``(calls, 4)`` tokens of one plan; one that writes nothing needs no visits."""
    if visits is None or not plan.write.any():
        return _uncached(part)
    return _bill(part, plan, hits(part, plan, visits))


def _uncached(part: Part) -> Ints:
    total = part.depth_tokens[part.offsets[1:] - 1]
    # Class by class: memory that nobody writes to is none.
    tokens = np.zeros((len(total), 4), total.dtype, order="F")
    tokens[:, 0] = total
    return tokens


def hits(part: Part, plan: Plan, visits: Visits) -> Ints:
    """The block that each call's prompt is read up to, or -1."""
    hit = np.full(len(part.call), -1, np.int64)
    # A prefix that no breakpoint ever stands on holds no entry.
    held = np.zeros(int(part.node.max(initial=-1)) + 1, np.bool_)
    held[part.node[plan.write > 0]] = True
    touched = (plan.look | (plan.write > 0)) & held[part.node]
    looked = touched[visits.deepest_first]
    blocks = visits.deepest_first[looked]
    running = np.cumsum(looked, dtype=np.int64)
    edges: Ints = np.concatenate([np.zeros(1, np.int64), running])[visits.levels]
    for low, high in _spans(edges):
        _sweep(part, plan, visits.call, blocks[low:high], hit)
    return hit


def _spans(edges: Ints) -> list[tuple[int, int]]:
    full = np.flatnonzero(edges[1:] > edges[:-1])
    return list(zip(edges[full].tolist(), edges[full + 1].tolist(), strict=True))


def _sweep(part: Part, plan: Plan, call_of: Ints, blocks: Ints, hit: Ints) -> None:
    # One position: calls that have already read a longer prefix no longer look here.
    call = call_of[blocks]
    asking = hit[call] < 0
    touching = asking | (plan.write[blocks] > 0) if plan.renew_marked else asking
    blocks, call, asking = blocks[touching], call[touching], asking[touching]
    if not len(blocks):
        return
    write = np.where(asking, plan.write[blocks], 0).astype(np.int64)
    found = alive(
        Touches(part.node[blocks], part.start_us[call], part.begins_us[call], write, plan.lives_us)
    )
    found &= asking & plan.look[blocks]
    hit[call[found]] = blocks[found]


def _bill(part: Part, plan: Plan, hit: Ints) -> Ints:
    # R6: read = A, long write = B - A, default write = C - B, fresh = the rest.
    depth = part.depth_tokens
    total = depth[part.offsets[1:] - 1]
    read = np.where(hit >= 0, depth[hit], 0)
    ends: list[Ints] = []
    for mask in (plan.write == 2, plan.write > 0):  # noqa: PLR2004 - the long lifetime
        last = last_of(mask, part.offsets)
        ends.append(np.where(last > hit, depth[last], read))
    long = np.maximum(ends[0], read)
    end = np.maximum(ends[1], long)
    return np.column_stack([total - end, read, end - long, long - read])
