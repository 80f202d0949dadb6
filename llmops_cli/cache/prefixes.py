"""Caches that store whatever was sent: no markers, no write fee, reads in steps of tokens.

Every call leaves all of its prefixes behind and renews those it shares, so a prefix can be
read exactly when a call passed it within the lifetime and has begun to answer.
"""

import numpy as np

from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Clock, Ints, runs, segments

__all__ = ["prefix_reads", "stepped"]


def prefix_reads(trace: CacheTrace, life_us: int) -> Ints:
    """Tokens of each call's longest prefix that is still stored, before rounding."""
    visits = trace.visits
    call = visits.call[visits.by_node]
    new = runs(trace.node[visits.by_node], trace.start_us[call], life_us)
    _, segment, _ = segments(new)
    readable = Clock.of(trace.start_us, trace.begins_us).readable(call, new, segment)
    # A stored prefix has all of its own prefixes stored: the number of them is the depth.
    count = np.bincount(call[readable], minlength=trace.calls)
    last = np.maximum(trace.offsets[:-1] + count - 1, 0)
    return np.where(count > 0, trace.depth_tokens[last], 0)


def stepped(read: Ints, step: int, minimum: Ints | int) -> Ints:
    """Reads as they are billed: whole steps, and nothing below the minimum."""
    whole = read // step * step
    return np.where(whole >= minimum, whole, 0)
