"""Why repeated input was not read, call by call: the provider's names, and ours for the rest.

A repeated token was sent before by the same isolation domain and model in the same prefix; one
that would have been repeated stands behind the first changed block. Each has one reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.block_spend import block_usd, read_usd
from llmops_cli.cache.kernel import Plan
from llmops_cli.cache.lineage import ANSWERS, Lineage, lineage
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.cache.visits import last_of
from llmops_cli.calls import BlockKind

__all__ = ["REASONS", "UNEXPLAINED", "Misses", "Reason", "miss_reasons"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True)
class Reason:
    """What happened, by which rule, and the change that mends it."""

    title: str
    change: str


REASONS: dict[str, Reason] = {
    "minimum": Reason("shared part under the minimum (R10)", "lengthen what is shared"),
    "expired": Reason("paused beyond the lifetime (R8)", "use 1-hour entries"),
    "visibility": Reason("sent before the writer answered (R9)", "let one call go first"),
    "lookback": Reason(
        "entry more than 20 blocks back (R4)", "mark every 20th block as well as the last"
    ),
    "marker": Reason("no entry where the prefix ends (R2)", "mark the shared prefix"),
    "tools_changed": Reason("tools changed (R1)", "keep tools and order fixed"),
    "system_changed": Reason("system prompt changed (R1)", "move what varies to the end"),
    "messages_changed": Reason("history was rewritten (R1)", "append, never edit"),
    "model_changed": Reason("model or workspace changed (R16)", "stay on one"),
    UNEXPLAINED: Reason(
        "the entry should have been there", "none on your side: plan with the lower saving"
    ),
    "previous_message_not_found": Reason(
        "the turn before is not in the log", "log all traffic of the workspace"
    ),
}
"""Every reason; the five that end in ``changed`` or ``not_found`` are Anthropic's own names."""

_CHANGED = ("model_changed", "tools_changed", "system_changed", "messages_changed")


@dataclass(frozen=True, slots=True, eq=False)
class Misses:
    """Tokens ``(calls,)`` that each reason kept out of the cache, and what they cost beyond a read.

    ``changed`` is the index of the first other block in the prompt of a call that should have
    repeated the call ``compared``, ``kind`` what that block is; all are -1 where nothing changed.
    """

    tokens: Mapping[str, Ints]
    usd: Mapping[str, Floats]
    changed: Ints
    kind: Ints
    compared: Ints

    def main(self) -> npt.NDArray[np.object_]:
        """The reason that cost each call most; empty where nothing was lost."""
        most = np.full(len(self.changed), -np.inf)
        found = np.full(len(self.changed), "", dtype=object)
        for name, usd in self.usd.items():
            more = (self.tokens[name] > 0) & (usd > most)
            most[more], found[more] = usd[more], name
        return found


def miss_reasons(
    trace: CacheTrace,
    billed: Ints,
    per_token: Floats,
    rules: CacheRules,
    *,
    plan: Plan | None = None,
    found: Lineage | None = None,
) -> Misses:
    """The reasons of every call.

    Args:
        trace: the compiled calls.
        billed: ``(calls, 4)`` or more tokens by class under the policy in question.
        per_token: ``(calls, 5)`` USD per token by class.
        rules: the lifetime that the policy writes with is taken from what it billed.
        plan: what the policy looked up and wrote; without it an entry out of reach (R4) counts
            as no entry.
        found: the lineage, where it is known already.
    """
    found = found or lineage(trace)
    paid = block_usd(trace, billed, per_token) - read_usd(trace, per_token)
    masks = _repeated(trace, billed, found, rules, plan)
    size = trace.block_tokens.astype(np.float64)
    tokens = {
        name: _sum(trace, np.where(mask, size, 0.0)).astype(np.int64)
        for name, mask in masks.items()
    }
    usd = {name: _sum(trace, np.where(mask, paid, 0.0)) for name, mask in masks.items()}
    each = _excess_per_token(billed, per_token)
    named, unseen = _diverged(trace, found)
    for number, name in enumerate(_CHANGED):
        mine = named == number
        tokens[name], usd[name] = np.where(mine, unseen, 0), np.where(mine, unseen * each, 0.0)
        for values in (tokens, usd):
            _absorb(values, name, mine)
    tokens["previous_message_not_found"] = history = _not_found(trace, found)
    usd["previous_message_not_found"] = history * each
    changed, kind = _changed(trace, found, np.sum([tokens[name] for name in _CHANGED], axis=0))
    return Misses(tokens, usd, changed, kind, np.where(named >= 0, found.compared, -1))


def _absorb(values: dict[str, Any], name: str, changed: Mask) -> None:
    # Had nothing changed, the entry at the tail would have been read: no marker is missing, and
    # what is shared would be longer.
    for part in ("minimum", "lookback", "marker"):
        values[name] = values[name] + np.where(changed, values[part], 0)
        values[part] = np.where(changed, 0, values[part])


def _excess_per_token(billed: Ints, per_token: Floats) -> Floats:
    # What a call's unread input costs beyond a read, at the dearest class it was billed in.
    column = np.select([billed[:, 3] > 0, billed[:, 2] > 0], [3, 2], default=0)
    paid = np.take_along_axis(per_token, column[:, None], axis=1)[:, 0]
    return np.nan_to_num(np.where(np.isnan(paid), per_token[:, 0], paid) - per_token[:, 1])


def _repeated(
    trace: CacheTrace, billed: Ints, found: Lineage, rules: CacheRules, plan: Plan | None
) -> dict[str, Mask]:
    call = trace.call
    lost = found.seen & (trace.depth_tokens > billed[call, 1])
    start, before = trace.start_us[call], np.maximum(found.last, 0)
    life = rules.life_1h_us if billed[:, 3].sum() > 0 else rules.life_5m_us
    short = (found.shared < trace.minimum)[call]
    gone = start - trace.start_us[before] > life
    early = trace.begins_us[before] > start
    # Behind a change an old entry may be long gone; it is the change that asks for it.
    place = np.arange(len(call)) - trace.offsets[call]
    behind = (found.compared[call] >= 0) & (place >= found.parted[call])
    gone, early = gone & ~behind, early & ~behind
    masks: dict[str, Mask] = {}
    for name, mask in (("minimum", short), ("expired", gone), ("visibility", early)):
        masks[name] = lost & mask
        lost = lost & ~mask
    lapsed, far = _written(trace, lost & ~behind, plan)
    masks["expired"] |= lapsed
    return masks | {"lookback": far, "marker": lost & ~far & ~lapsed}


def _written(trace: CacheTrace, lost: Mask, plan: Plan | None) -> tuple[Mask, Mask]:
    # Up to the deepest lost prefix that an earlier call wrote: gone before its visits, or too far.
    if plan is None:
        return np.zeros_like(lost), np.zeros_like(lost)
    writer = np.full(int(trace.node.max(initial=-1)) + 1, trace.calls, np.int64)
    wrote = np.flatnonzero(plan.write > 0)
    np.minimum.at(writer, trace.node[wrote], trace.call[wrote])
    entry = last_of(lost & (writer[trace.node] < trace.call), trace.offsets)
    below = lost & (np.arange(len(lost)) <= entry[trace.call])
    looked = ((entry >= 0) & plan.look[entry])[trace.call]
    return below & looked, below & ~looked


def _diverged(trace: CacheTrace, found: Lineage) -> tuple[Ints, Ints]:
    # Against the call it should have repeated: the name of the change, and what nobody had sent.
    other = found.compared
    kind = trace.kind[trace.offsets[:-1] + found.parted]
    moved = trace.scope != trace.scope[other]
    named = np.select(
        [other < 0, moved, kind == BlockKind.TOOL, kind == BlockKind.SYSTEM],
        [-1, 0, 1, 2],
        default=3,
    )
    size = np.where(found.previous == other, trace.prompt_tokens, _static_tokens(trace, found))
    return named, np.maximum(np.minimum(size, size[other]) - found.shared, 0)


def _changed(trace: CacheTrace, found: Lineage, lost: Ints) -> tuple[Ints, Ints]:
    # Where the prompt itself changed, and that cost something.
    here = (found.compared >= 0) & (trace.scope == trace.scope[found.compared]) & (lost > 0)
    kind = trace.kind[trace.offsets[:-1] + found.parted].astype(np.int64)
    return np.where(here, found.parted, -1), np.where(here, kind, -1)


def _static_tokens(trace: CacheTrace, found: Lineage) -> Ints:
    return np.where(found.static >= 0, trace.depth_tokens[found.static], 0)


def _not_found(trace: CacheTrace, found: Lineage) -> Ints:
    # A conversation that is old when the log first shows it: its history was sent elsewhere.
    answer = last_of(np.isin(trace.kind, ANSWERS), trace.offsets)
    history = np.where(answer >= 0, trace.depth_tokens[answer], 0)
    begins = np.maximum(found.shared, _static_tokens(trace, found))
    new = (found.previous < 0) & (found.compared < 0)
    return np.where(new, np.maximum(history - begins, 0), 0)


def _sum(trace: CacheTrace, values: Floats) -> Floats:
    return np.add.reduceat(values, trace.offsets[:-1])
