"""Where repeated input is not read from the cache, summed by reason, the most expensive first."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.kernel import Plan
from llmops_cli.cache.miss_reasons import REASONS, Misses, miss_reasons
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.trace import CacheTrace
from llmops_cli.calls import BlockKind

__all__ = ["REASONS", "Leak", "leaks", "ranked", "summed"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]

_NO_FAULT = "previous_message_not_found"


@dataclass(frozen=True, slots=True)
class Leak:
    """Tokens that one reason kept out of the cache, over the calls it touched.

    ``usd`` is what they cost beyond a cache read. ``block`` and ``kind`` say which block
    changed; -1 and empty where none did. ``usual`` is whether it is mostly that one; otherwise
    it is the block of the example. ``example`` is the call, in the order of the trace, that lost
    most, of those that changed at the usual block where there is one; ``against`` the call it
    should have repeated, or -1.
    """

    reason: str
    calls: int
    tokens: int
    usd: float
    block: int = -1
    kind: str = ""
    example: int = -1
    usual: bool = False
    against: int = -1


def leaks(
    trace: CacheTrace,
    billed: Ints,
    per_token: Floats,
    rules: CacheRules,
    *,
    plan: Plan | None = None,
) -> list[Leak]:
    """The reasons that cost something; arguments as :func:`miss_reasons`."""
    return summed(miss_reasons(trace, billed, per_token, rules, plan=plan))


def summed(misses: Misses) -> list[Leak]:
    """Each reason of a replay over all of its calls, ranked."""
    return ranked(
        _leak(reason, misses, tokens)
        for reason, tokens in misses.tokens.items()
        if (tokens > 0).any()
    )


def ranked(found: Iterable[Leak]) -> list[Leak]:
    """The most expensive first; last, as no fault, a log that begins in mid-conversation."""
    return sorted(found, key=lambda leak: (leak.reason == _NO_FAULT, -leak.usd, leak.reason))


def _leak(reason: str, misses: Misses, tokens: Ints) -> Leak:
    usd = misses.usd[reason]
    touched = tokens > 0
    block, kind, usual = -1, "", False
    changed = touched & (misses.changed >= 0)
    example = int(np.where(touched, usd, -np.inf).argmax())
    if reason.endswith("_changed") and changed.any():
        places, counts = np.unique(misses.changed[changed], return_counts=True)
        # A history is edited anywhere; a prompt is broken at one place, time and again.
        usual = bool(2 * counts.max() > changed.sum())
        here = changed & (misses.changed == places[counts.argmax()]) if usual else changed
        example = int(np.where(here, usd, -np.inf).argmax())
        block = int(misses.changed[example])
        kind = BlockKind(int(misses.kind[example])).name.lower().replace("_", " ")
    return Leak(
        reason,
        int(touched.sum()),
        int(tokens.sum()),
        float(usd.sum()),
        block,
        kind,
        example,
        usual,
        int(misses.compared[example]) if reason.endswith("_changed") else -1,
    )
