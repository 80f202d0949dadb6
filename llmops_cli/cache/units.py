"""DeepSeek: whole prefixes stored at the ends of input and output, and where prompts part.

A request reads the longest stored unit that its prompt contains in full. Where a call's answer
ends is seen in the call that continues it: its blocks of the assistant after the earlier prompt.
"""

from dataclasses import dataclass, replace

import numpy as np

from llmops_cli.cache.kernel import Plan
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints, Mask, Visits
from llmops_cli.calls import BlockKind

__all__ = ["Continued", "continued", "unit_plan"]

_ANSWERS = (BlockKind.ASSISTANT, BlockKind.TOOL_USE, BlockKind.THINKING)


@dataclass(frozen=True, slots=True, eq=False)
class Continued:
    """A trace whose calls also hold the blocks of their answers, and which blocks those are."""

    trace: CacheTrace
    answer: Mask


def continued(trace: CacheTrace) -> Continued:
    """Append to each call the assistant's blocks with which the next call of its prompt goes on."""
    visits = trace.visits
    ends = trace.offsets[1:] - 1
    first = _continuation(trace, visits)[ends]
    length = np.where(first >= 0, _answer_lengths(trace)[np.maximum(first, 0)], 0)
    total = np.diff(trace.offsets) + length
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(total)])
    call = np.repeat(np.arange(trace.calls), total)
    within = np.arange(int(offsets[-1])) - offsets[call]
    own = np.diff(trace.offsets)[call]
    answer = within >= own
    source = np.where(answer, first[call] + within - own, trace.offsets[:-1][call] + within)
    longer = replace(
        trace,
        offsets=offsets,
        node=trace.node[source],
        prefix=trace.prefix[source],
        depth_tokens=trace.depth_tokens[source],
        kind=trace.kind[source],
        marker=trace.marker[source],
        _sorted={},
    )
    return Continued(longer, answer)


def unit_plan(longer: Continued, rules: CacheRules) -> Plan:
    """Units at the end of input, at the end of the answer, and where prompts parted before."""
    trace, answer = longer.trace, longer.answer
    own_end = np.append(answer[1:], [True]) & ~answer
    own_end[trace.offsets[1:] - 1] |= ~answer[trace.offsets[1:] - 1]
    write = own_end.copy()
    write[trace.offsets[1:] - 1] = True
    write[_parted(trace, answer)] = True
    long_enough = trace.depth_tokens >= trace.minimum[trace.call]
    life = rules.life_5m_us
    return Plan(~answer & long_enough, (write & long_enough).astype(np.uint8), (life, life))


def _continuation(trace: CacheTrace, visits: Visits) -> Ints:
    # Per block: the next block of the next call that passes the same prefix, or -1.
    order = visits.by_node
    last = np.zeros(len(order), np.bool_)
    last[trace.offsets[1:] - 1] = True
    follows = np.full(len(order), -1, np.int64)
    same = trace.node[order[1:]] == trace.node[order[:-1]]
    next_block = order[1:] + 1
    goes_on = same & ~last[order[1:]]
    follows[order[:-1]] = np.where(goes_on, next_block, -1)
    return follows


def _answer_lengths(trace: CacheTrace) -> Ints:
    # Per block: how many of the assistant's blocks follow one another from it on.
    spoken = np.isin(trace.kind, _ANSWERS)
    size = len(spoken)
    stop = ~spoken
    stop[trace.offsets[:-1]] = True
    here = np.arange(size)
    # The nearest stop after each block: a running minimum from the back.
    ahead = np.minimum.accumulate(np.append(np.where(stop, here, size), size)[::-1])[::-1][1:]
    return np.where(spoken, ahead - here, 0)


def _parted(trace: CacheTrace, answer: Mask) -> Ints:
    # The deepest prefix of each call that an earlier call has sent.
    order = trace.visits.by_node
    sent = order[~answer[order]]
    seen = np.zeros(len(order), np.bool_)
    again = trace.node[sent[1:]] == trace.node[sent[:-1]]
    seen[sent[1:][again]] = True
    count = np.bincount(trace.call[seen], minlength=trace.calls)
    deepest = trace.offsets[:-1] + count - 1
    return deepest[count > 0]
