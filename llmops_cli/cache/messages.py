"""OpenAI since GPT-5.6: entries at the ends of messages, implicit or marked by the client.

A log tells blocks apart, not messages: neighbouring blocks of a user, or of tool results, count
as one message. Later developer messages are no boundary; the first run of them is.
"""

import numpy as np

from llmops_cli.cache.kernel import Plan
from llmops_cli.cache.policies import static_end
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints, Mask, last_of
from llmops_cli.calls import BlockKind

__all__ = ["explicit_plan", "implicit_plan", "message_ends"]

_USER, _TOOLS = 1, 2


def message_ends(trace: CacheTrace) -> Mask:
    """The last block of each user message and of each run of tool results."""
    group = np.zeros(len(trace.kind), np.int64)
    group[(trace.kind == BlockKind.USER) | (trace.kind == BlockKind.MEDIA)] = _USER
    group[trace.kind == BlockKind.TOOL_RESULT] = _TOOLS
    following = np.append(group[1:], 0)
    following[trace.offsets[1:] - 1] = 0
    return (group > 0) & (following != group)


def implicit_plan(trace: CacheTrace, rules: CacheRules) -> Plan:
    """Written at the latest eligible end; looked up there, at earlier and at the static end."""
    ends, static = message_ends(trace), static_end(trace)
    latest = last_of(ends, trace.offsets)
    latest = np.where(latest >= 0, latest, static)
    write = np.zeros(len(trace.kind), np.uint8)
    write[latest[latest >= 0]] = 1
    # The implicit breakpoint itself and a number of earlier ends.
    look = ends & (_from_last(ends, trace) <= rules.lookback)
    look[static[static >= 0]] = True
    look[latest[latest >= 0]] = True
    return _effective(trace, rules, look, write)


def explicit_plan(trace: CacheTrace, rules: CacheRules, marked: Mask | None = None) -> Plan:
    """Written and looked up at markers alone: by default the static end and every message end.

    Of the markers the first few and the latest are looked up; a request writes at most four
    entries, the first marker and the latest ones.
    """
    static = static_end(trace)
    if marked is None:
        marked = message_ends(trace)
        marked[static[static >= 0]] = True
    first, last = _from_first(marked, trace), _from_last(marked, trace)
    look = marked & ((first < rules.first_looked_up) | (last < rules.latest_looked_up))
    write = marked & ((first < 1) | (last < rules.maximum_breakpoints - 1))
    return _effective(trace, rules, look, write.astype(np.uint8))


def _effective(trace: CacheTrace, rules: CacheRules, look: Mask, write: np.ndarray) -> Plan:
    long_enough = trace.depth_tokens >= trace.minimum[trace.call]
    life = rules.life_5m_us
    return Plan(look & long_enough, np.where(long_enough, write, 0).astype(np.uint8), (life, life))


def _from_first(mask: Mask, trace: CacheTrace) -> Ints:
    # How many true blocks of the call come before.
    running = np.cumsum(mask) - mask
    return running - np.repeat(running[trace.offsets[:-1]], np.diff(trace.offsets))


def _from_last(mask: Mask, trace: CacheTrace) -> Ints:
    # How many true blocks of the call come after.
    running = np.cumsum(mask)
    return np.repeat(running[trace.offsets[1:] - 1], np.diff(trace.offsets)) - running
