"""What perfect foresight would pay: lower bounds LB0 to LB3, prefix by prefix.

Every prefix is decided alone and with knowledge of the future, so each bound is a sum over
visits and a minimum over the visit that writes first. LB0 writes for free, LB1 keeps entries
for ever, LB2 has one lifetime and is exact for it, LB3 has both. ``LB0 <= LB1 <= LB3 <= LB2``.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints, Mask

__all__ = ["LEAST", "clairvoyant_usd", "lower_bounds"]

Floats = npt.NDArray[np.float64]

LEAST = "LB3"
"""The bound that no policy of whatever lifetimes can pay less than."""

_FRESH, _READ, _WRITE, _LONG = range(4)


@dataclass(frozen=True, slots=True, eq=False)
class _Visits:
    # What each visit costs by class, visits of a prefix together and in time. Calls are numbered
    # in order of time; `seen_from` is the first call that starts once this one's answer began
    # (R9), and `others` says where another prefix begins.
    call: Ints
    others: Mask
    pause: Ints
    seen_from: Ints
    usd: Floats

    @classmethod
    def of(cls, trace: CacheTrace, per_token: Floats) -> "_Visits":
        order = trace.visits.by_node
        call = trace.visits.call[order]
        others = np.ones(len(order), np.bool_)
        node = trace.node[order]
        np.not_equal(node[1:], node[:-1], out=others[1:])
        start = trace.start_us[call]
        return cls(
            call,
            others,
            np.diff(start, prepend=start[:1]),
            np.searchsorted(trace.start_us, trace.begins_us)[call],
            trace.block_tokens[order] * _prices(per_token, call),
        )

    def runs(self, life_us: int) -> "_Runs":
        """Visits of a prefix with pauses of at most a lifetime (R8)."""
        return _Runs.of(self.others | (self.pause > life_us))


def _prices(per_token: Floats, call: Ints) -> Floats:
    prices = per_token[:, :4].T.copy()
    # Without a price for a class, nobody is billed for it: it costs as fresh input does.
    prices = np.where(np.isnan(prices), prices[_FRESH], prices)
    one = len(call) and (prices == prices[:, :1]).all()
    return prices[:, :1] if one else prices[:, call]


@dataclass(frozen=True, slots=True, eq=False)
class _Runs:
    # Where each begins and ends, and the run of each visit.
    first: Ints
    end: Ints
    number: Ints

    @classmethod
    def of(cls, new: Mask) -> "_Runs":
        first = np.flatnonzero(new)
        return cls(first, np.append(first[1:], len(new)), np.cumsum(new) - 1)


def lower_bounds(trace: CacheTrace, per_token: Floats, rules: CacheRules) -> dict[str, float]:
    """``LB0``, ``LB1``, ``LB2-5m``, ``LB2-1h`` and ``LB3`` in USD of input.

    Args:
        trace: the compiled calls.
        per_token: ``(calls, 5)`` USD per token by class; NaN where there is no price.
        rules: the two lifetimes.
    """
    visits = _Visits.of(trace, per_token)
    for_ever, hour = _Runs.of(visits.others), visits.runs(rules.life_1h_us)
    fresh, read, write, long = visits.usd
    return {
        "LB0": float(np.where(visits.others, fresh, read).sum()),
        "LB1": float(_first_write(visits, for_ever, np.minimum(write, long)).sum()),
        "LB2-5m": float(_one_lifetime(visits, visits.runs(rules.life_5m_us), _WRITE).sum()),
        "LB2-1h": float(_one_lifetime(visits, hour, _LONG).sum()),
        "LB3": float(_both_lifetimes(visits, hour, rules).sum()),
    }


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
    visits = _Visits.of(trace, per_token)
    return _one_lifetime(visits, visits.runs(life_us), write)


def _one_lifetime(visits: _Visits, runs: _Runs, write: int) -> Floats:
    if not len(runs.first):
        return np.zeros(0)
    fresh = visits.usd[_FRESH]
    paid, reads = _running(fresh), _running(visits.usd[_READ])
    # Fresh up to the writer and behind it until its answer begins, read from there on.
    over = (paid - reads)[_first_readable(visits, runs)]
    over += visits.usd[write] - fresh
    least = np.minimum.reduceat(over, runs.first) + reads[runs.end] - paid[runs.first]
    return np.minimum(least, paid[runs.end] - paid[runs.first])


def _both_lifetimes(visits: _Visits, hour: _Runs, rules: CacheRules) -> Floats:
    """LB3: per run of visits with gaps of at most the long lifetime, one first write.

    The prefix alone cannot tell a 5-minute entry from one that a later, longer 1-hour entry
    keeps alive (R6 bills such a prefix as read). So every read may renew for an hour; what
    must still be paid is a first write, the long one if the next visit is beyond 5 minutes.
    """
    pause = np.append(visits.pause[1:], 0)
    _, _, write, long = visits.usd
    either = np.where(pause <= rules.life_5m_us, write, long)
    return _first_write(visits, hour, np.minimum(either, long))


def _first_write(visits: _Visits, runs: _Runs, write: Floats) -> Floats:
    # Per run: nothing cached, or fresh input, one write, then reads of what is readable.
    if not len(runs.first):
        return np.zeros(0)
    fresh = visits.usd[_FRESH]
    paid = _running(fresh)
    reads = _running(np.where(_readable(visits, runs), visits.usd[_READ], fresh))
    over = write + paid[:-1] - reads[1:]
    least = np.minimum.reduceat(over, runs.first) + reads[runs.end] - paid[runs.first]
    return np.minimum(least, paid[runs.end] - paid[runs.first])


def _readable(visits: _Visits, runs: _Runs) -> Mask:
    """Whether some earlier visit of the run has begun to answer.

    A later run is shifted below every earlier one, so one running minimum serves all.
    """
    shift = runs.number * (int(visits.seen_from.max(initial=0)) + 1)
    earliest = np.minimum.accumulate(visits.seen_from - shift)
    found = np.zeros(len(shift), np.bool_)
    np.less_equal(earliest[:-1] + shift[1:], visits.call[1:], out=found[1:])
    found[runs.first] = False
    return found


def _first_readable(visits: _Visits, runs: _Runs) -> Ints:
    # Per visit, the first later visit of its run that starts once the response has begun (R9).
    call, number = visits.call, runs.number
    found = np.arange(1, len(call) + 1)
    # Mostly the very next visit is late enough; only the others are searched for.
    waits = (number[1:] == number[:-1]) & (call[1:] < visits.seen_from[:-1])
    late = np.flatnonzero(waits)
    if len(late):
        width = len(call) + int(call.max()) + 2
        wanted = number[late] * width + visits.seen_from[late]
        at = np.searchsorted(number * width + call, wanted)
        found[late] = np.minimum(at, runs.end[number[late]])
    return found


def _running(values: Floats) -> Floats:
    total = np.zeros(len(values) + 1)
    np.cumsum(values, out=total[1:])
    return total
