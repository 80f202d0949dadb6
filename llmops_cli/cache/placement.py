"""At most four breakpoints per request, chosen with the whole log in view.

An entry at a prefix is worth the visits that follow within its lifetime; that worth only falls
with depth, and only at branch points. Choosing the most valuable few of them is a small dynamic
programme per request (rule R3 for the number, R4 for the reach). The choice is a heuristic where
entries interact; what it costs is always replayed by the rules.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints, Mask, last_of
from llmops_cli.calls import BlockKind

__all__ = ["Odds", "best_positions", "choose"]

Floats = npt.NDArray[np.float64]

_MOST_CANDIDATES = 64


@dataclass(frozen=True, slots=True, eq=False)
class Odds:
    """Prices of each call in units of its fresh input: a read, a default and a long write."""

    read: Floats
    write: Floats
    long_write: Floats

    @classmethod
    def list_prices(cls) -> "Odds":
        """R17 where nothing else is published: 0.1, 1.25 and 2 times input."""
        return cls(np.array([0.1]), np.array([1.25]), np.array([2.0]))


def best_positions(trace: CacheTrace, rules: CacheRules, long: Mask, odds: Odds) -> Ints:
    """The chosen flat blocks in order; ``long`` says which blocks would be kept for an hour."""
    visits = trace.visits
    again, gains = _Again.of(trace), list[tuple[Floats, Mask]]()
    if not long.all():
        gains.append(_gain(trace, again, (rules.life_5m_us, odds.write), odds.read))
    if long.any():
        gains.append(_gain(trace, again, (rules.life_1h_us, odds.long_write), odds.read))
    gain, earlier = gains[0]
    for more, before in gains[1:]:
        gain, earlier = np.where(long, more, gain), np.where(long, before, earlier)
    usable = (trace.kind != BlockKind.THINKING) & (trace.block_tokens > 0)
    usable &= trace.depth_tokens >= trace.minimum[visits.call]
    candidate = usable & (gain > 0) & _steps(gain, usable, trace.offsets)
    # What the past left: the deepest prefix seen within the lifetime must stay in reach.
    seen = last_of(usable & earlier, trace.offsets)
    return _chosen(trace, rules, np.where(candidate, gain, -1.0), seen)


@dataclass(frozen=True, slots=True, eq=False)
class _Again:
    # Visits of a prefix together and in time: where another prefix begins, and how long the
    # prefix was not visited before.
    order: Ints
    others: Mask
    pause: Ints

    @classmethod
    def of(cls, trace: CacheTrace) -> "_Again":
        order = trace.visits.by_node
        node, start = trace.node[order], trace.start_us[trace.visits.call[order]]
        others = np.ones(len(order), np.bool_)
        np.not_equal(node[1:], node[:-1], out=others[1:])
        return cls(order, others, np.diff(start, prepend=start[:1]))

    def within(self, life_us: int) -> tuple[Ints, Mask]:
        """Per block: visits that follow in its run, and whether any of the run came before."""
        new = self.others | (self.pause > life_us)
        first = np.flatnonzero(new)
        lengths = np.diff(first, append=len(new))
        later, earlier = np.empty(len(new), np.int64), np.empty(len(new), np.bool_)
        later[self.order] = np.repeat(first + lengths - 1, lengths) - np.arange(len(new))
        earlier[self.order] = ~new
        return later, earlier


def _gain(
    trace: CacheTrace, again: _Again, kept: tuple[int, Floats], read: Floats
) -> tuple[Floats, Mask]:
    # What an entry at each block saves per token, and whether one may be there already.
    life_us, write = kept
    later, earlier = again.within(life_us)
    reads, writes = (
        price if len(price) == 1 else price[trace.visits.call] for price in (read, write)
    )
    return later * (1 - reads) - np.where(earlier, 0.0, writes - 1), earlier


def _steps(gain: Floats, usable: Mask, offsets: Ints) -> Mask:
    # The last usable block before the gain changes, and the last usable one of each call.
    at = np.flatnonzero(usable)
    ends = np.zeros(len(gain), np.bool_)
    if len(at):
        call = np.searchsorted(offsets, at, side="right") - 1
        changes = (gain[at[1:]] != gain[at[:-1]]) | (call[1:] != call[:-1])
        ends[at] = np.append(changes, [True])
    return ends


def _chosen(trace: CacheTrace, rules: CacheRules, gain: Floats, seen: Ints) -> Ints:
    at = np.flatnonzero(gain > 0)
    call = np.searchsorted(trace.offsets, at, side="right") - 1
    counts = np.bincount(call, minlength=trace.calls)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])[:-1]
    most = rules.maximum_breakpoints
    picked = [seen[(counts == 0) & (seen >= 0)]]
    for count in np.unique(counts[counts > 0]).tolist():
        mine = np.flatnonzero(counts == count)
        # Very long lists keep their deepest candidates, where a conversation goes on.
        kept = min(count, _MOST_CANDIDATES)
        grid = at[starts[mine][:, None] + np.arange(count - kept, count)]
        picked.append(_pick(trace.depth_tokens, gain, grid, seen[mine], (most, rules.lookback)))
    marked = np.zeros(len(gain), np.bool_)
    marked[np.concatenate(picked)] = True
    return np.flatnonzero(marked)


def _pick(depth: Ints, gain: Floats, grid: Ints, seen: Ints, limits: tuple[int, int]) -> Ints:
    most, lookback = limits
    full, fewer = (choose(depth[grid], gain[grid], count) for count in (most, most - 1))
    reach = (grid >= seen[:, None]) & (grid < seen[:, None] + lookback)
    covered = (seen < 0) | (full & reach).any(axis=1)
    taken = np.where(covered[:, None], full, fewer)
    return np.concatenate([grid[taken], seen[~covered]])


def choose(depth: Ints, gain: Floats, most: int) -> Mask:
    """Which of the candidates of each row to mark: at most ``most``, for the largest worth.

    A token counts for the nearest chosen candidate at or after it: candidate ``i``
    after ``j`` is worth ``gain[i] * (depth[i] - depth[j])``.

    Args:
        depth: ``(rows, m)`` prompt tokens up to each candidate, ascending.
        gain: ``(rows, m)`` worth of a token that is read from each candidate's entry.
        most: how many may be chosen.
    """
    rows, size = depth.shape
    taken = np.zeros((rows, size), np.bool_)
    if most < 1:
        return taken
    best = gain * depth
    before = [np.full((rows, size), -1, np.int64)]
    totals = [best]
    for _ in range(1, min(most, size)):
        best, chosen = _one_more(totals[-1], depth, gain)
        totals.append(best)
        before.append(chosen)
    stacked = np.stack([total.max(axis=1) for total in totals])
    layer = stacked.argmax(axis=0)
    line = np.arange(rows)
    at = np.stack(totals)[layer, line].argmax(axis=1)
    came = np.stack(before)
    while (layer >= 0).any():
        taken[line[at >= 0], at[at >= 0]] = True
        step = np.where(at >= 0, came[np.maximum(layer, 0), line, np.maximum(at, 0)], -1)
        at, layer = np.where(layer > 0, step, -1), layer - 1
    return taken


def _one_more(best: Floats, depth: Ints, gain: Floats) -> tuple[Floats, Ints]:
    # The best worth with one candidate more, the last of them at each place.
    rows, size = depth.shape
    total, chosen = np.full((rows, size), -np.inf), np.full((rows, size), -1, np.int64)
    for last in range(1, size):
        worth = best[:, :last] + gain[:, last : last + 1] * (
            depth[:, last : last + 1] - depth[:, :last]
        )
        chosen[:, last] = worth.argmax(axis=1)
        total[:, last] = worth.max(axis=1)
    return total, chosen
