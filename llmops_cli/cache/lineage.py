"""Which earlier call each call should have repeated: the turn before, or the same prompt before.

Hashes are chained, so what two calls share is a prefix and the first other block is the change.
A call is compared with the turn before it; without one, with the last call of the same model
whose tools and system prompt are about as long, since a date in a prompt hardly changes its size.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.cache.policies import static_end
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind

__all__ = ["ANSWERS", "Lineage", "lineage"]

Ints = npt.NDArray[np.signedinteger]
Mask = npt.NDArray[np.bool_]

ANSWERS = (BlockKind.ASSISTANT, BlockKind.TOOL_USE, BlockKind.TOOL_RESULT, BlockKind.THINKING)
"""Kinds of blocks that only a continued conversation carries."""

_ALIKE_TURNS = 0.5
_ALIKE_PROMPTS = 0.9
_SIZE_STEP = 1.25


@dataclass(frozen=True, slots=True, eq=False)
class Lineage:
    """What each call shares with the calls before it.

    Attributes:
        seen: per block, whether an earlier call sent this prefix.
        last: per block, the last call that did, or -1.
        agreed: per call, how many blocks were seen before.
        shared: per call, the tokens of those.
        previous: per call, the turn before it in its conversation, or -1.
        compared: per call, the call it should have repeated and did not, or -1.
        parted: per call, how many blocks it has in common with that call.
        static: per call, the flat position where tools and system prompt end, or -1.
    """

    seen: Mask
    last: Ints
    agreed: Ints
    shared: Ints
    previous: Ints
    compared: Ints
    parted: Ints
    static: Ints


def lineage(trace: CacheTrace) -> Lineage:
    """Compare every call with those before it."""
    seen, last = _earlier_visit(trace)
    agreed = np.add.reduceat(seen.astype(np.int64), trace.offsets[:-1])
    depth = trace.depth_tokens[np.maximum(trace.offsets[:-1] + agreed - 1, 0)]
    shared = np.where(agreed > 0, depth, 0)
    previous, static = _shifted(trace.conversation), static_end(trace)
    compared = _compared(trace, agreed, previous, static)
    parted = _in_common(trace, compared)
    return Lineage(seen, last, agreed, shared, previous, compared, parted, static)


def _earlier_visit(trace: CacheTrace) -> tuple[Mask, Ints]:
    order = np.argsort(trace.node, kind="stable")
    node, call = trace.node[order], trace.call[order]
    again = np.concatenate([[False], node[1:] == node[:-1]])
    before = np.concatenate([[-1], call[:-1]])
    seen, last = np.zeros(len(node), np.bool_), np.full(len(node), -1, np.int64)
    seen[order], last[order] = again, np.where(again, before, -1)
    return seen, last


def _shifted(*keys: Ints) -> Ints:
    # The call before with the same keys.
    calls = pd.Series(np.arange(len(keys[0])))
    return calls.groupby(list(keys)).shift(fill_value=-1).to_numpy(dtype=np.int64)


def _compared(trace: CacheTrace, agreed: Ints, previous: Ints, static: Ints) -> Ints:
    blocks = np.diff(trace.offsets)
    before = trace.offsets[:-1]
    statics = np.where(static >= 0, static - before + 1, 0)
    size = np.where(static >= 0, trace.depth_tokens[static], 0)
    fixed = agreed >= statics
    # A turn that drops nothing of an earlier one has changed nothing.
    open_turn = (previous >= 0) & (agreed < blocks) & (agreed < blocks[previous])
    # Tools in a new order may be an old order again: what counts is the turn before.
    swapped = (_alike(size, previous) >= _ALIKE_PROMPTS) & (statics > 0)
    again = _alike(trace.prompt_tokens, previous) >= _ALIKE_TURNS
    same = _same_static(trace, static, previous)
    turned = open_turn & np.select(
        [same, fixed],
        [~_only_the_question(blocks, agreed, previous), swapped & again],
        default=again,
    )
    step = np.floor(np.log(np.maximum(size, 1)) / np.log(_SIZE_STEP)).astype(np.int64)
    twin = _shifted(trace.scope, statics, step)
    drifted = ~fixed & (previous < 0) & (twin >= 0) & (_alike(size, twin) >= _ALIKE_PROMPTS)
    return np.where(turned, previous, np.where(drifted, twin, -1))


def _in_common(trace: CacheTrace, other: Ints) -> Ints:
    # Chained hashes: equal blocks come first, so counting them is enough.
    call = trace.call
    place = np.arange(len(trace.node)) - trace.offsets[call]
    there = trace.offsets[other[call]] + place
    inside = (other[call] >= 0) & (there < trace.offsets[other[call] + 1])
    equal = inside & (trace.node == trace.node[np.where(inside, there, 0)])
    return np.add.reduceat(equal.astype(np.int64), trace.offsets[:-1])


def _same_static(trace: CacheTrace, static: Ints, other: Ints) -> Mask:
    prefix = np.where(static >= 0, trace.prefix[static], -1)
    return prefix == prefix[other]


def _only_the_question(blocks: Ints, agreed: Ints, previous: Ints) -> Mask:
    # Two questions under one prompt: nothing is rewritten where nothing was to be kept.
    return (agreed == blocks - 1) & (agreed == blocks[previous] - 1)


def _alike(size: Ints, other: Ints) -> npt.NDArray[np.float64]:
    low, high = np.minimum(size, size[other]), np.maximum(size, size[other])
    return low / np.maximum(high, 1)
