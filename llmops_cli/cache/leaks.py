"""Where repeated input is not read from the cache, and why, in the provider's own words.

A token is repeated when an earlier call of the same isolation domain and model sent the same
prefix. Each repeated token that a policy does not read has one reason.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace, first_true
from llmops_cli.calls import BlockKind

__all__ = ["REASONS", "Leak", "leaks"]

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

REASONS: dict[str, tuple[str, str]] = {
    "minimum": ("shared part under the minimum (R10)", "lengthen what is shared"),
    "expired": ("paused beyond the lifetime (R8)", "use 1-hour entries"),
    "visibility": ("sent before the writer answered (R9)", "let one call go first"),
    "marker": ("no entry within 20 blocks (R2, R4)", "mark the shared prefix"),
    "tools_changed": ("tools changed (R1)", "keep tools and order fixed"),
    "system_changed": ("system prompt changed (R1)", "move what varies to the end"),
    "messages_changed": ("history was rewritten (R1)", "append, never edit"),
    "model_changed": ("model or workspace changed (R16)", "stay on one"),
}
"""Reason to what happened and the change that mends it; the last four are Anthropic's names."""


@dataclass(frozen=True, slots=True)
class Leak:
    """Tokens that one reason kept out of the cache, over the calls it touched.

    ``usd`` is what reading them instead of paying for fresh input would have saved.
    """

    reason: str
    calls: int
    tokens: int
    usd: float


def leaks(trace: CacheTrace, billed: Ints, per_token: Floats, rules: CacheRules) -> list[Leak]:
    """The reasons that cost something, the most expensive first.

    Args:
        trace: the compiled calls.
        billed: ``(calls, 4)`` tokens by class under the policy in question.
        per_token: ``(calls, 5)`` USD per token by class.
        rules: the lifetime that the policy writes with is taken from what it billed.
    """
    gain = per_token[:, 0] - per_token[:, 1]
    seen, last = _earlier_visit(trace)
    found: list[Leak] = []
    for reason, tokens in {
        **_repeated(trace, billed, seen, last, rules),
        **_diverged(trace, seen),
    }.items():
        touched = int((tokens > 0).sum())
        if touched:
            found.append(Leak(reason, touched, int(tokens.sum()), float(np.nansum(tokens * gain))))
    return sorted(found, key=lambda leak: (-leak.usd, leak.reason))


def _earlier_visit(trace: CacheTrace) -> tuple[Mask, Ints]:
    # Per block: has an earlier call sent this prefix, and which call was the last to do so.
    order = np.argsort(trace.node, kind="stable")
    node, call = trace.node[order], trace.call[order]
    again = np.concatenate([[False], node[1:] == node[:-1]])
    before = np.concatenate([[-1], call[:-1]])
    seen, last = np.zeros(len(node), np.bool_), np.full(len(node), -1, np.int64)
    seen[order], last[order] = again, np.where(again, before, -1)
    return seen, last


def _repeated(
    trace: CacheTrace, billed: Ints, seen: Mask, last: Ints, rules: CacheRules
) -> dict[str, Ints]:
    call = trace.call
    lost = seen & (trace.depth_tokens > billed[call, 1])
    start, before = trace.start_us[call], np.maximum(last, 0)
    life = rules.life_1h_us if billed[:, 3].sum() > 0 else rules.life_5m_us
    reach = _deepest_seen(trace, seen)
    short = reach[call] < trace.minimum[call]
    gone = start - trace.start_us[before] > life
    early = trace.begins_us[before] > start
    reasons: dict[str, Ints] = {}
    for name, mask in (("minimum", short), ("expired", gone), ("visibility", early)):
        reasons[name] = _tokens(trace, lost & mask)
        lost = lost & ~mask
    reasons["marker"] = _tokens(trace, lost)
    return reasons


def _diverged(trace: CacheTrace, seen: Mask) -> dict[str, Ints]:
    # Against the call before in the conversation: what of its prompt is not a prefix of ours.
    previous = _previous_call(trace)
    prompt = trace.prompt_tokens
    shared = _deepest_seen(trace, seen)
    lost = np.where(previous >= 0, np.minimum(prompt[previous], prompt) - shared, 0)
    broken = first_true(~seen, trace.offsets)
    kind = trace.kind[broken]
    moved = trace.scope != trace.scope[previous]
    named = np.select(
        [moved, kind == BlockKind.TOOL, kind == BlockKind.SYSTEM], [0, 1, 2], default=3
    )
    names = ("model_changed", "tools_changed", "system_changed", "messages_changed")
    blocks = np.diff(trace.offsets)
    agreed = np.add.reduceat(seen.astype(np.int64), trace.offsets[:-1])
    real = (broken >= 0) & (lost > 0) & (agreed < blocks[previous])
    return {name: np.where(real & (named == i), lost, 0) for i, name in enumerate(names)}


def _previous_call(trace: CacheTrace) -> Ints:
    calls = pd.Series(np.arange(trace.calls))
    return calls.groupby(trace.conversation).shift(fill_value=-1).to_numpy(dtype=np.int64)


def _deepest_seen(trace: CacheTrace, seen: Mask) -> Ints:
    # Chained hashes: the blocks seen before are a prefix of the call.
    count = np.add.reduceat(seen.astype(np.int64), trace.offsets[:-1])
    depth = trace.depth_tokens[np.maximum(trace.offsets[:-1] + count - 1, 0)]
    return np.where(count > 0, depth, 0)


def _tokens(trace: CacheTrace, mask: Mask) -> Ints:
    return np.add.reduceat(np.where(mask, trace.block_tokens, 0), trace.offsets[:-1])
