"""The store of a semantic cache, replayed call by call: look up, answer, or insert on a miss.

What is in the store depends on the matching rule, because a hit inserts nothing; so every rule
has a replay of its own. An entry can be served once its answer is complete, until its lifetime
ends; no hit renews it.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.semantic_similarity import Near

__all__ = ["Stream", "ceiling", "served"]

Ints = npt.NDArray[np.signedinteger]

_FOREVER = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Calls in the order of time; ``key`` says which of them ask the same question."""

    key: Ints
    start_us: Ints
    answered_us: Ints
    ttl_us: int | None

    def times(self) -> tuple[list[int], list[int], list[int]]:
        """When each was asked, when it was answered, and until when that could be served."""
        answered = self.answered_us.tolist()
        life = self.ttl_us
        until = [_FOREVER if life is None else at + life for at in answered]
        return self.start_us.tolist(), answered, until


def served(stream: Stream, near: Near | None = None, threshold: float = 1.0) -> Ints:
    """Replay one matching rule with insertion on a miss.

    Time is linear in the calls and in the neighbours of the keys that are ever stored.

    Args:
        stream: the calls.
        near: which keys are near each other; None where only the same key matches.
        threshold: least similarity of a match.

    Returns:
        For each call the call whose answer it gets, the nearest of those in the store (of
        equally near ones the key that was seen first), or -1 for a miss.
    """
    keys = stream.key.tolist()
    starts, answered, until = stream.times()
    entry = [-1] * _kinds(keys, near)
    # The keys that were ever stored near each key, nearest first.
    stored: list[list[tuple[float, int]]] = [[] for _ in entry]
    found = list[int]()
    for call, key in enumerate(keys):
        now, hit = starts[call], entry[key]
        if hit < 0 or not answered[hit] < now <= until[hit]:
            hit = -1
            for _, other in stored[key]:
                known = entry[other]
                if answered[known] < now <= until[known]:
                    hit = known
                    break
        found.append(hit)
        # Of several that run at once the first stays: what is on its way is not replaced.
        if hit < 0 and (entry[key] < 0 or until[entry[key]] < now):
            if entry[key] < 0 and near is not None:
                _announce(stored, key, near, threshold)
            entry[key] = call
    return np.array(found, dtype=np.int64)


def _kinds(keys: list[int], near: Near | None) -> int:
    return max(keys, default=-1) + 1 if near is None else len(near.offsets) - 1


def _announce(
    stored: list[list[tuple[float, int]]], key: int, near: Near, threshold: float
) -> None:
    begin, end = near.offsets[key], near.offsets[key + 1]
    similarity = near.similarity[begin:end]
    count = int(np.searchsorted(-similarity, -threshold, side="right"))
    for other, cosine in zip(
        near.other[begin : begin + count].tolist(), similarity[:count].tolist(), strict=True
    ):
        insort(stored[other], (-cosine, key))


def ceiling(
    stream: Stream, near: Near | None = None, threshold: float = 1.0
) -> npt.NDArray[np.bool_]:
    """Whether any earlier call could have answered each: what a store of everything would hit.

    No rule that stores less hits more, and a lower threshold never hits less; insertion on a
    miss promises neither.
    """
    keys = stream.key.tolist()
    starts, answered, _ = stream.times()
    life = _FOREVER if stream.ttl_us is None else stream.ttl_us
    past: list[list[int]] = [[] for _ in range(_kinds(keys, near))]
    found = list[bool]()
    for call, key in enumerate(keys):
        now = starts[call]
        found.append(any(_lives(past[other], now, life) for other in _alike(key, near, threshold)))
        insort(past[key], answered[call])
    return np.array(found, dtype=np.bool_)


def _lives(answered: list[int], now: int, life: int) -> bool:
    before = bisect_left(answered, now)
    return before > 0 and now <= answered[before - 1] + life


def _alike(key: int, near: Near | None, threshold: float) -> list[int]:
    if near is None:
        return [key]
    begin, end = near.offsets[key], near.offsets[key + 1]
    count = int(np.searchsorted(-near.similarity[begin:end], -threshold, side="right"))
    return [key, *near.other[begin : begin + count].tolist()]
