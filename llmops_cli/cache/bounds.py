"""What perfect foresight would pay: lower bounds LB0 to LB3, prefix by prefix.

Every prefix is decided alone and with knowledge of the future, so each bound is a sum over
visits and a minimum over the visit that writes first. LB0 writes for free, LB1 keeps entries
for ever, LB2 has one lifetime and is exact for it, LB3 has both. ``LB0 <= LB1 <= LB3 <= LB2``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Clock, Ints, Mask, runs, segments

__all__ = ["LEAST", "clairvoyant_usd", "lower_bounds"]

Floats = npt.NDArray[np.float64]

LEAST = "LB3"
"""The bound that no policy of whatever lifetimes can pay less than."""

_FRESH, _READ, _WRITE, _LONG = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class _Spent:
    # What each visit costs by class, visits of a prefix together and in time; `moment` and
    # `answers` place its start and the start of its answer among the moments of all calls.
    node: Ints
    call: Ints
    start: Ints
    moment: Ints
    answers: Ints
    usd: Floats
    clock: Clock

    @classmethod
    def on(cls, trace: CacheTrace, per_token: Floats) -> "_Spent":
        order = trace.visits.by_node
        call = trace.visits.call[order]
        prices = per_token[:, :4].copy()
        # Without a price for a class, nobody is billed for it: it costs as fresh input does.
        for column in (_READ, _WRITE, _LONG):
            prices[:, column] = np.where(
                np.isnan(prices[:, column]), prices[:, _FRESH], prices[:, column]
            )
        moments, rank = np.unique(trace.start_us, return_inverse=True)
        answers = np.searchsorted(moments, trace.begins_us)
        return cls(
            trace.node[order],
            call,
            trace.start_us[call],
            rank[call],
            answers[call],
            np.ascontiguousarray((trace.block_tokens[order][:, None] * prices[call]).T),
            Clock.of(trace.start_us, trace.begins_us),
        )


def lower_bounds(trace: CacheTrace, per_token: Floats, rules: CacheRules) -> dict[str, float]:
    """``LB0``, ``LB1``, ``LB2-5m``, ``LB2-1h`` and ``LB3`` in USD of input.

    Args:
        trace: the compiled calls.
        per_token: ``(calls, 5)`` USD per token by class; NaN where there is no price.
        rules: the two lifetimes.
    """
    spent = _Spent.on(trace, per_token)
    for_ever = np.iinfo(np.int64).max
    new = runs(spent.node, spent.start, for_ever)
    cheapest = spent.usd[_WRITE:].min(axis=0)
    found: Mapping[str, float] = {
        "LB0": float(np.where(new, spent.usd[_FRESH], spent.usd[_READ]).sum()),
        "LB1": float(_first_write(spent, new, cheapest).sum()),
        "LB2-5m": float(_one_lifetime(spent, rules.life_5m_us, _WRITE).sum()),
        "LB2-1h": float(_one_lifetime(spent, rules.life_1h_us, _LONG).sum()),
        "LB3": float(_both_lifetimes(spent, rules).sum()),
    }
    return dict(found)


def clairvoyant_usd(trace: CacheTrace, per_token: Floats, *, life_us: int, write: int) -> Floats:
    """LB2: the least input spend with entries of one lifetime, per run of visits.

    Visits are split into runs with gaps of at most one lifetime, and each run costs the
    cheapest of never writing, or writing at one visit and reading at every later one that
    starts after the writer's response began (rule R9). With equal tokens and no overlap that
    is ``1 if L == 1 else w + (L - 1) r`` per token of a run of length L. No policy that writes
    with this one lifetime is cheaper: an entry's reads and writes all visit the node.

    Args:
        trace: the compiled calls.
        per_token: ``(calls, 5)`` USD per token by class.
        life_us: lifetime of an entry in microseconds.
        write: column of ``per_token`` that a write of this lifetime pays.
    """
    return _one_lifetime(_Spent.on(trace, per_token), life_us, write)


def _one_lifetime(spent: _Spent, life_us: int, write: int) -> Floats:
    first, run, ends = segments(runs(spent.node, spent.start, life_us))
    readable = _first_readable(spent, run, ends)
    paid, reads = _running(spent.usd[_FRESH]), _running(spent.usd[_READ])
    here = np.arange(len(run))
    before = paid[here] - paid[first[run]]
    waiting = paid[readable] - paid[here + 1]
    cost = before + spent.usd[write] + waiting + reads[ends] - reads[readable]
    never = paid[ends[first]] - paid[first]
    return np.minimum(np.minimum.reduceat(cost, first), never) if len(first) else never


def _both_lifetimes(spent: _Spent, rules: CacheRules) -> Floats:
    """LB3: per run of visits with gaps of at most the long lifetime, one first write.

    The prefix alone cannot tell a 5-minute entry from one that a later, longer 1-hour entry
    keeps alive (R6 bills such a prefix as read). So every read may renew for an hour; what
    must still be paid is a first write, the long one if the next visit is beyond 5 minutes.
    """
    new = runs(spent.node, spent.start, rules.life_1h_us)
    pause = np.append(spent.start[1:] - spent.start[:-1], 0)
    write = np.where(pause <= rules.life_5m_us, spent.usd[_WRITE], spent.usd[_LONG])
    return _first_write(spent, new, np.minimum(write, spent.usd[_LONG]))


def _first_write(spent: _Spent, new: Mask, write: Floats) -> Floats:
    # Per segment: nothing cached, or fresh input, one write, then reads of what is readable.
    first, segment, ends = segments(new)
    if not len(first):
        return np.zeros(0)
    fresh = spent.usd[_FRESH]
    readable = spent.clock.readable(spent.call, new, segment)
    later = np.where(readable, spent.usd[_READ], fresh)
    paid, reads = _running(fresh), _running(later)
    here = np.arange(len(fresh))
    cost = paid[here] - paid[first[segment]] + write + reads[ends] - reads[here + 1]
    never = paid[ends[first]] - paid[first]
    return np.minimum(np.minimum.reduceat(cost, first), never)


def _first_readable(spent: _Spent, run: Ints, ends: Ints) -> Ints:
    # Per visit, the first later visit of its run that starts once the response has begun (R9).
    width = int(max(spent.moment.max(initial=0), spent.answers.max(initial=0))) + 1
    key = run * width + spent.moment
    here = np.arange(len(run))
    found = here + 1
    # Mostly the very next visit is late enough; only the others are searched for.
    late = np.flatnonzero((found < ends) & (np.append(spent.moment[1:], 0) < spent.answers))
    found[late] = np.searchsorted(key, run[late] * width + spent.answers[late])
    return np.minimum(np.maximum(found, here + 1), ends)


def _running(values: Floats) -> Floats:
    return np.concatenate([np.zeros(1), np.cumsum(values)])
