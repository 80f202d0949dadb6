"""Calls inside calls: a framework, a router and a client each write a span of the same call.

Of those that tell one call, one stays: the innermost whose tokens were counted.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.keys import Keys

__all__ = ["NONE", "Mask", "Nesting", "Rows", "acyclic", "call_around", "nesting"]

Rows = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

NONE = -1

_DOUBLINGS = 10
"""No trace nests 1,024 spans deep; a longer chain of parents is a cycle."""

_COUNTED, _ANSWERED, _FAILED = np.uint8(1), np.uint8(2), np.uint8(4)


@dataclass(frozen=True, slots=True, eq=False)
class Nesting:
    """What is told twice.

    Attributes:
        wrapper: calls that calls inside them tell better.
        swallowed: calls that a call around them tells better.
        failed_inside: failed requests inside each call that stays.
        stand_in: the call that tells a dropped one, or -1.
    """

    wrapper: Mask
    swallowed: Mask
    failed_inside: Rows
    stand_in: Rows


def acyclic(parent: Rows) -> Rows:
    """Parents, without those of spans whose chain of parents never ends."""
    above = parent
    for _ in range(_DOUBLINGS):
        above = np.where(above != NONE, above[above], NONE)
        if not (above != NONE).any():
            return parent
    return np.where(above != NONE, NONE, parent)


def call_around(parent: Rows, keep: Mask) -> Rows:
    """The nearest call above each call."""
    found = np.full(len(parent), NONE)
    rows = np.flatnonzero(keep & (parent != NONE))
    above = parent[rows]
    while len(rows):
        hit = keep[above]
        found[rows[hit]] = above[hit]
        rows, above = rows[~hit], parent[above[~hit]]
        rows, above = rows[above != NONE], above[above != NONE]
    return found


def nesting(keys: Keys, around: Rows, keep: Mask) -> Nesting:
    """Which calls tell another one again.

    A call around is dropped where one inside it was counted, or says no more than those
    inside. Else it is the one whose tokens were counted, and those inside it are dropped;
    failed ones were its attempts. Embeddings inside a chat are calls of their own.
    """
    inner = np.flatnonzero(keep & (around != NONE))
    inner = inner[keys.embeds[inner] == keys.embeds[around[inner]]]
    outer = around[inner]
    inside = _told_inside(keys, inner, outer)
    wrapper = (inside & _COUNTED) > 0
    wrapper |= ~keys.counted & ((inside & _ANSWERED) > 0)
    wrapper |= keys.failed & ((inside & _FAILED) > 0)
    top = _outermost(inner, outer, (inside > 0) & ~wrapper)
    swallowed = (top != NONE) & ~wrapper
    failed_inside = np.zeros(len(keys), np.int64)
    np.add.at(failed_inside, top[swallowed & keys.failed], 1)
    stand_in = np.where(swallowed, top, NONE)
    # The last call inside gave the answer that the wrapper passed on.
    order = np.lexsort((inner, keys.start[inner], keys.counted[inner]))
    last = np.full(len(keys), NONE)
    last[outer[order]] = inner[order]
    return Nesting(wrapper, swallowed, failed_inside, np.where(wrapper, last, stand_in))


def _told_inside(keys: Keys, inner: Rows, outer: Rows) -> npt.NDArray[np.uint8]:
    """For each call what the calls inside it, at any depth, say."""
    own = np.where(keys.failed, _FAILED, _ANSWERED)
    own = np.where(keys.counted, _COUNTED, own).astype(np.uint8)
    found = np.zeros(len(keys), np.uint8)
    while len(inner):
        before = found[outer]
        np.bitwise_or.at(found, outer, own[inner] | found[inner])
        if np.array_equal(before, found[outer]):
            break
    return found


def _outermost(inner: Rows, outer: Rows, staying: Mask) -> Rows:
    """For each call the outermost staying one around it, or -1."""
    found = np.full(len(staying), NONE)
    while len(inner):
        before = found[inner]
        found[inner] = np.where(
            found[outer] != NONE, found[outer], np.where(staying[outer], outer, NONE)
        )
        if np.array_equal(before, found[inner]):
            break
    return found
