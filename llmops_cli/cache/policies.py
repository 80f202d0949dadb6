"""Where each policy puts cache breakpoints (rules R2, R3, R5, R7, R10, R11)."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.model import AS_LOGGED, AUTOMATIC_1H, AUTOMATIC_5M, NONE
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind, Marker

__all__ = ["Breakpoints", "breakpoints", "rejections"]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Breakpoints:
    """Breakpoints of call ``i`` are ``offsets[i]:offsets[i+1]``, first to last.

    ``position`` is the flat block they stand on, ``hour`` whether they write for an hour.
    """

    offsets: Ints
    position: Ints
    hour: npt.NDArray[np.bool_]


def breakpoints(trace: CacheTrace, policy: str) -> Breakpoints:
    """The breakpoints of a policy that take effect: those whose prefix reaches the minimum."""
    if policy == NONE:
        position, hour = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    elif policy == AS_LOGGED:
        position, hour = _logged(trace)
    else:
        last = _last_cacheable(trace)
        position = last[last >= 0]
        hour = np.full(len(position), {AUTOMATIC_5M: False, AUTOMATIC_1H: True}[policy])
    long_enough = trace.depth_tokens[position] >= trace.minimum[trace.call[position]]
    position, hour = position[long_enough], hour[long_enough]
    return Breakpoints(np.searchsorted(position, trace.offsets), position, hour)


def rejections(trace: CacheTrace, rules: CacheRules) -> dict[str, npt.NDArray[np.bool_]]:
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


def _last_cacheable(trace: CacheTrace) -> Ints:
    # R11: neither thinking nor empty text can carry a breakpoint.
    able = np.flatnonzero((trace.kind != BlockKind.THINKING) & (trace.block_tokens > 0))
    found = np.searchsorted(able, trace.offsets[1:]) - 1
    last = np.concatenate([able, [-1]])[found]
    return np.where(last >= trace.offsets[:-1], last, -1)


def _automatic(trace: CacheTrace) -> tuple[Ints, npt.NDArray[np.uint8]]:
    # The request-level breakpoint of each call and the marker already on its block.
    last = np.where(trace.automatic > 0, _last_cacheable(trace), -1)
    there = np.where(last >= 0, trace.marker[last], 0)
    return last, there.astype(np.uint8)


def _adds_one(trace: CacheTrace) -> npt.NDArray[np.bool_]:
    last, there = _automatic(trace)
    return (last >= 0) & (there == 0)


def _conflict(trace: CacheTrace) -> npt.NDArray[np.bool_]:
    _, there = _automatic(trace)
    return (there > 0) & (there != trace.automatic)


def _logged(trace: CacheTrace) -> tuple[Ints, npt.NDArray[np.bool_]]:
    marker = trace.marker.copy()
    last, there = _automatic(trace)
    own = (last >= 0) & (there == 0)
    marker[last[own]] = trace.automatic[own]
    position = np.flatnonzero(marker)
    return position, marker[position] == Marker.ONE_HOUR
