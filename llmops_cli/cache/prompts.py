"""The prompts that cost most, what each loses, and the one change that wins most of it back.

Calls with the same tools and system prompt are one prompt, and so are those that should have had
the same and drifted. A change of markers or lifetime is worth what its replay says; a change of
the prompt itself is worth the reads that the past pauses would have allowed.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.lineage import Lineage
from llmops_cli.cache.miss_reasons import REASONS, Misses
from llmops_cli.cache.model import LABELS, placement_of
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind

__all__ = ["Change", "Losses", "Prompt", "families", "top_prompts"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_SHOWN = 5
_WORTH = 1e-9
_HINDSIGHT, _DISCOUNT = "best-4", 0.9
# Markers that are chosen knowing the log are harder to place: a plain policy that saves nearly as
# much comes first.


@dataclass(frozen=True, slots=True)
class Change:
    """The one change to make: another policy, or a prompt mended of one reason.

    ``policy`` is empty for a mended prompt, ``reason`` for another policy; ``detail`` says
    where, in the prompt, or how long it must become.
    """

    saving_usd: float
    policy: str = ""
    reason: str = ""
    detail: str = ""

    @property
    def words(self) -> str:
        """The change in a few words."""
        if placement_of(self.policy) == _HINDSIGHT:
            return f"mark where prompts part ({LABELS[self.policy]})"
        if self.policy:
            return f"switch to {LABELS[self.policy]}"
        change = REASONS[self.reason].change if self.reason else "nothing pays"
        return f"{change}: {self.detail}" if self.detail else change


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt: where it is first seen, what it is, what it costs and loses.

    ``first`` and ``example`` are calls in the order of the trace: the first of the prompt, and
    the one that lost most.
    """

    first: int
    example: int
    calls: int
    static_tokens: int
    input_usd: float
    loss_usd: float
    reason: str
    change: Change


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """Everything about a replay that the prompts are judged by.

    Attributes:
        trace: the compiled calls.
        found: their lineage.
        misses: why the target policy does not read.
        spends: USD of input of each call, by policy.
        target: the policy in question.
        per_token: ``(calls, 5)`` USD per token by class.
        life_us: how long the target's entries live.
    """

    trace: CacheTrace
    found: Lineage
    misses: Misses
    spends: Mapping[str, Floats]
    target: str
    per_token: Floats
    life_us: int

    @property
    def in_time(self) -> Mask:
        """Calls that could have read what the call before them of this prompt had written."""
        trace, found = self.trace, self.found
        first = found.last[trace.offsets[:-1]]
        before = np.where(self.misses.compared >= 0, self.misses.compared, first)
        gap = trace.start_us - trace.start_us[before]
        return (before >= 0) & (gap <= self.life_us) & (trace.begins_us[before] <= trace.start_us)


def families(trace: CacheTrace, found: Lineage) -> Ints:
    """The prompt of each call, as the number of the first call that sent it."""
    anchor = np.where(found.static >= 0, found.static, trace.offsets[:-1])
    same = np.where(found.seen[anchor], found.last[anchor], -1)
    bare = np.where(found.static < 0, found.previous, -1)
    parent = np.arange(trace.calls)
    for before in (bare, found.compared, same):
        parent = np.where(before >= 0, before, parent)
    # Every parent is an earlier call: following them ends at the first.
    while not np.array_equal(parent, parent[parent]):
        parent = parent[parent]
    return parent


def top_prompts(losses: Losses, *, most: int = _SHOWN) -> tuple[Prompt, ...]:
    """The prompts that lose most under the target policy, the worst first."""
    family = families(losses.trace, losses.found)
    roots, code = np.unique(family, return_inverse=True)
    loss = np.sum([np.bincount(code, usd) for usd in losses.misses.usd.values()], axis=0)
    size = np.bincount(code, losses.spends[losses.target])
    order = np.lexsort((-size, -loss))[:most]
    return tuple(
        _prompt(losses, int(roots[number]), np.flatnonzero(code == number))
        for number in order.tolist()
    )


def _prompt(losses: Losses, first: int, calls: Ints) -> Prompt:
    usd = {name: float(lost[calls].sum()) for name, lost in losses.misses.usd.items()}
    reason = max(usd, key=lambda name: usd[name])
    total = np.sum([lost[calls] for lost in losses.misses.usd.values()], axis=0)
    static = losses.found.static[first]
    return Prompt(
        first=first,
        example=int(calls[total.argmax()]),
        calls=len(calls),
        static_tokens=int(losses.trace.depth_tokens[static]) if static >= 0 else 0,
        input_usd=float(losses.spends[losses.target][calls].sum()),
        loss_usd=float(total.sum()),
        reason=reason if usd[reason] > 0 else "",
        change=_best(losses, calls),
    )


def _best(losses: Losses, calls: Ints) -> Change:
    now = float(losses.spends[losses.target][calls].sum())
    found = [
        Change(now - float(usd[calls].sum()), policy=name)
        for name, usd in losses.spends.items()
        if name != losses.target
    ]
    found += [_mended(losses, calls, reason) for reason in _mendable(losses.misses)]
    best = max(found, key=_worth, default=Change(0.0))
    return best if best.saving_usd > _WORTH else Change(0.0)


def _worth(change: Change) -> float:
    hindsight = placement_of(change.policy) == _HINDSIGHT
    return change.saving_usd * (_DISCOUNT if hindsight else 1.0)


def _mendable(misses: Misses) -> tuple[str, ...]:
    # What another policy cannot mend; an eviction nobody can.
    names = [name for name in misses.usd if name.endswith("_changed")]
    return (*names, "minimum", "visibility")


def _mended(losses: Losses, calls: Ints, reason: str) -> Change:
    if reason == "minimum":
        return _lengthened(losses, calls)
    usd = losses.misses.usd[reason][calls]
    if reason == "visibility":
        return Change(float(usd.sum()), reason=reason)
    counted = np.where(losses.in_time[calls], usd, 0.0)
    return Change(float(counted.sum()), reason=reason, detail=_place(losses, calls, counted))


def _place(losses: Losses, calls: Ints, usd: Floats) -> str:
    worst = int(calls[usd.argmax()])
    block = int(losses.misses.changed[worst])
    if block < 0:
        return ""
    kind = BlockKind(int(losses.trace.kind[losses.trace.offsets[worst] + block]))
    return f"block {block + 1}, {kind.name.lower().replace('_', ' ')}"


def _lengthened(losses: Losses, calls: Ints) -> Change:
    # Padded to M tokens, what is shared costs a write where nothing precedes it, else a read.
    tokens = losses.misses.tokens["minimum"][calls]
    mine = calls[tokens > 0]
    if not len(mine):
        return Change(0.0, reason="minimum")
    short = int(np.median(losses.found.shared[mine]))
    need = int(losses.trace.minimum[mine[0]])
    reads = int(losses.in_time[mine].sum())
    writes = len(calls) - reads
    fresh, read, write = losses.per_token[mine[0], :3]
    saving = reads * (short * fresh - need * read) - writes * (need * write - short * fresh)
    detail = f"from {short:,} to {need:,} tokens"
    return Change(float(np.nan_to_num(saving)), reason="minimum", detail=detail)
