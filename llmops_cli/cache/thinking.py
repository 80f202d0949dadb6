"""R13: the thinking of past turns, which older models drop as soon as the user speaks again.

The log holds what the client sent. What the provider reads is shorter, and another prefix from the
first dropped block on: an entry written with the thinking in it is not found again.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import Ints, Mask, last_of
from llmops_cli.calls import BlockKind

__all__ = ["without_past_thinking"]


def without_past_thinking(trace: CacheTrace, strips: Mask, counted: Mask) -> CacheTrace:
    """The trace as its provider reads it.

    A dropped block stays in its place without tokens, and every prefix from it on is told apart
    from the same prefix with the thinking in it. A turn of tool results drops nothing.

    Args:
        trace: the compiled calls.
        strips: calls whose model drops the thinking before the user's last turn.
        counted: calls whose usage counts their tokens; there the total stays, and the other blocks
            take what the dropped ones were given.
    """
    if not strips.any() or not (trace.kind == BlockKind.THINKING).any():
        return trace
    dropped = _dropped(trace, strips)
    if not dropped.any():
        return trace
    other = _since_first(dropped, trace.offsets)
    return replace(
        trace,
        node=_apart(trace.node, other),
        prefix=_apart(trace.prefix, other),
        depth_tokens=_depths(trace, dropped, counted),
        _sorted={},
    )


def _dropped(trace: CacheTrace, strips: Mask) -> Mask:
    spoken = (trace.kind == BlockKind.USER) | (trace.kind == BlockKind.MEDIA)
    last = last_of(spoken, trace.offsets)
    past = np.arange(len(trace.kind)) < last[trace.call]
    return (trace.kind == BlockKind.THINKING) & past & strips[trace.call]


def _since_first(mask: Mask, offsets: Ints) -> Mask:
    total = np.cumsum(mask, dtype=np.int64)
    return total > np.repeat((total - mask)[offsets[:-1]], np.diff(offsets))


def _apart(code: Ints, other: Mask) -> Ints:
    return np.unique(code * 2 + other, return_inverse=True)[1].astype(np.int64)


def _depths(trace: CacheTrace, dropped: Mask, counted: Mask) -> Ints:
    size = np.where(dropped, 0, trace.block_tokens)
    total = np.cumsum(size)
    depth = total - np.repeat((total - size)[trace.offsets[:-1]], np.diff(trace.offsets))
    left = depth[trace.offsets[1:] - 1]
    scale: npt.NDArray[np.float64] = np.where(
        counted & (left > 0), trace.prompt_tokens / np.maximum(left, 1), 1.0
    )
    return np.rint(depth * scale[trace.call]).astype(np.int64)
