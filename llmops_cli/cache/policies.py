"""Where each policy puts cache breakpoints (rules R2, R3, R5, R7, R10, R11)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.kernel import Plan, windows
from llmops_cli.cache.model import AS_LOGGED, NONE, lifetime_of, placement_of
from llmops_cli.cache.placement import Odds, best_positions
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints, Mask, last_of
from llmops_cli.calls import BlockKind, Marker

__all__ = ["Breakpoints", "breakpoints", "last_cacheable", "plan", "rejections", "static_end"]

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Breakpoints:
    """Flat blocks in order of position, and whether each writes for an hour."""

    position: Ints
    hour: Mask


def plan(
    trace: CacheTrace,
    policy: str,
    rules: CacheRules,
    *,
    odds: Odds | None = None,
    renew_marked: bool = False,
) -> Plan:
    """A policy as the replay takes it: what is looked up and what a miss writes.

    Args:
        trace: the compiled calls.
        policy: one of ``POLICIES``.
        rules: lookback, most breakpoints, lifetimes.
        odds: prices in units of fresh input, for ``best-4`` alone; list prices when absent.
        renew_marked: a read renews every marked entry on its way (undocumented).
    """
    marks = breakpoints(trace, policy, rules, odds=odds)
    size = len(trace.node)
    write = np.zeros(size, np.uint8)
    write[marks.position] = np.where(marks.hour, Marker.ONE_HOUR, Marker.FIVE_MINUTES)
    look = windows(marks.position, trace.offsets, size, rules.lookback)
    return Plan(look, write, (rules.life_5m_us, rules.life_1h_us), renew_marked)


def breakpoints(
    trace: CacheTrace, policy: str, rules: CacheRules, *, odds: Odds | None = None
) -> Breakpoints:
    """The breakpoints of a policy that take effect: those whose prefix reaches the minimum."""
    if policy == NONE:
        marks = Breakpoints(np.zeros(0, np.int64), np.zeros(0, np.bool_))
    elif policy == AS_LOGGED:
        marks = _logged(trace)
    else:
        marks = _placed(trace, policy, rules, odds)
    call = np.searchsorted(trace.offsets, marks.position, side="right") - 1
    long_enough = trace.depth_tokens[marks.position] >= trace.minimum[call]
    return Breakpoints(marks.position[long_enough], marks.hour[long_enough])


def _placed(trace: CacheTrace, policy: str, rules: CacheRules, odds: Odds | None) -> Breakpoints:
    placement, lifetime = placement_of(policy), lifetime_of(policy)
    if placement == "automatic":
        position = _real(last_cacheable(trace))
    elif placement == "static-prefix":
        position = _real(static_end(trace))
    elif placement == "moving-tail":
        position = _moving_tail(trace, rules)
    else:
        keep = _kept_long(trace, lifetime)
        position = best_positions(trace, rules, keep, odds or Odds.list_prices())
    return Breakpoints(position, _kept_long(trace, lifetime)[position])


def _kept_long(trace: CacheTrace, lifetime: str) -> Mask:
    if lifetime == "mixed":
        # R7: what every conversation shares is kept for an hour, what follows for five minutes.
        return np.arange(len(trace.kind)) <= static_end(trace)[trace.call]
    return np.full(len(trace.kind), lifetime == "1h")


def _real(position: Ints) -> Ints:
    return position[position >= 0]


def last_cacheable(trace: CacheTrace) -> Ints:
    """The last block of each call that can carry a breakpoint, or -1 (R5, R11)."""
    return last_of(_cacheable(trace), trace.offsets)


def _cacheable(trace: CacheTrace) -> Mask:
    # R11: neither thinking nor empty text can carry a breakpoint.
    return (trace.kind != BlockKind.THINKING) & (trace.block_tokens > 0)


def static_end(trace: CacheTrace) -> Ints:
    """The last cacheable block of tools and system prompt before any message, or -1."""
    message = (trace.kind != BlockKind.TOOL) & (trace.kind != BlockKind.SYSTEM)
    running = np.cumsum(message)
    before = (running - message)[trace.offsets[:-1]]
    leading = running == np.repeat(before, np.diff(trace.offsets))
    return last_of(leading & _cacheable(trace), trace.offsets)


def _moving_tail(trace: CacheTrace, rules: CacheRules) -> Ints:
    # The tail, steps back from it that widen the window (R4), and the end of what is static.
    static, tail = static_end(trace), last_cacheable(trace)
    able = _cacheable(trace)
    steps = [tail, static]
    for step in range(1, rules.maximum_breakpoints - 1):
        back = tail - step * rules.lookback
        steps.append(np.where((back > static) & (back >= trace.offsets[:-1]), back, -1))
    marked = np.zeros(len(able), np.bool_)
    for position in steps:
        marked[_real(position)] = True
    return np.flatnonzero(marked & able)


def rejections(trace: CacheTrace, rules: CacheRules) -> dict[str, Mask]:
    """Calls whose logged markers the provider would answer with HTTP 400, by reason."""
    marked = np.flatnonzero(trace.marker)
    call = trace.call[marked]
    hour = trace.marker[marked] == Marker.ONE_HOUR
    count = np.bincount(call, minlength=trace.calls) + _adds_one(trace)
    late = np.zeros(trace.calls, np.bool_)
    late[call[1:][(call[1:] == call[:-1]) & hour[1:] & ~hour[:-1]]] = True
    return {
        "cache-too-many-breakpoints": count > rules.maximum_breakpoints,
        "cache-lifetime-order": late,
        "cache-automatic-conflict": _conflict(trace),
        "cache-marker-on-thinking": np.bincount(
            call[trace.kind[marked] == BlockKind.THINKING], minlength=trace.calls
        )
        > 0,
    }


def _automatic(trace: CacheTrace) -> tuple[Ints, Bytes]:
    # The request-level breakpoint of each call and the marker already on its block.
    last = np.full(trace.calls, -1, np.int64)
    if trace.automatic.any():
        last = np.where(trace.automatic > 0, last_cacheable(trace), -1)
    there = np.where(last >= 0, trace.marker[last], 0)
    return last, there.astype(np.uint8)


def _adds_one(trace: CacheTrace) -> Mask:
    last, there = _automatic(trace)
    return (last >= 0) & (there == 0)


def _conflict(trace: CacheTrace) -> Mask:
    _, there = _automatic(trace)
    return (there > 0) & (there != trace.automatic)


def _logged(trace: CacheTrace) -> Breakpoints:
    marker = trace.marker.copy()
    last, there = _automatic(trace)
    own = (last >= 0) & (there == 0)
    marker[last[own]] = trace.automatic[own]
    position = np.flatnonzero(marker)
    return Breakpoints(position, marker[position] == Marker.ONE_HOUR)
