"""Which entries are alive when they are looked up: one position of all prompts at a time.

All touches of one position are decided together: prefixes of equal depth never interact.
Whole arrays answer the ordinary case; requests in the shadow of a running one (rule R9), and
prefixes that are written for both lifetimes, are walked one by one until the case is ordinary.
"""

from dataclasses import dataclass

import numpy as np

from llmops_cli.cache.visits import Ints, Mask

__all__ = ["Touches", "alive"]

_NEVER = -(1 << 62)


@dataclass(frozen=True, slots=True, eq=False)
class Touches:
    """Look-ups at one position, by prefix and then in time.

    ``write`` is the lifetime that a miss here writes for: 0 none, 1 the default, 2 the long
    one. ``begins`` is when the response of a touch begins, ``start`` when it was sent.
    """

    node: Ints
    start: Ints
    begins: Ints
    write: Ints
    lives_us: tuple[int, int]


def alive(touches: Touches) -> Mask:
    """Per touch: is there an entry, written or renewed within its lifetime, and readable."""
    writes = touches.write > 0
    if not writes.any():
        return np.zeros(len(writes), np.bool_)
    other = touches.node[1:] != touches.node[:-1]
    mixed = None
    life: Ints | int = touches.lives_us[0]
    if (touches.write == 2).any():  # noqa: PLR2004 - the long lifetime
        life, mixed = _lives(touches, other)
    found = _in_runs(touches, other, life, writes)
    if mixed is not None and mixed.any():
        _walk_mixed(touches, other, mixed, found)
    return found


def _lives(touches: Touches, other: Mask) -> tuple[Ints, Mask]:
    # The lifetime of each touch's prefix, and which prefixes are written for both.
    first = np.flatnonzero(np.concatenate([[True], other]))
    counts = np.diff(np.append(first, len(touches.node)))
    long = np.maximum.reduceat(touches.write, first) == 2  # noqa: PLR2004
    short = np.maximum.reduceat((touches.write == 1).astype(np.int64), first) == 1
    lives = np.where(long, touches.lives_us[1], touches.lives_us[0])
    return np.repeat(lives, counts), np.repeat(long & short, counts)


def _in_runs(touches: Touches, other: Mask, life: Ints | int, writes: Mask) -> Mask:
    # In a run of touches with pauses within the lifetime, all after the first writer read.
    start, size = touches.start, len(writes)
    limit = life if isinstance(life, int) else life[1:]
    new = np.concatenate([[True], other | (start[1:] - start[:-1] > limit)])
    first = np.flatnonzero(new)
    written = np.cumsum(writes)
    before = (written - writes)[first]
    found = (written - writes) > np.repeat(before, np.diff(np.append(first, size)))
    openers = np.flatnonzero(writes & ~found)
    follows = openers[openers + 1 < size]
    shadowed = follows[~new[follows + 1] & (start[follows + 1] < touches.begins[follows])]
    if len(shadowed):
        _walk_shadows(touches, shadowed, new, found)
    return found


def _walk_shadows(touches: Touches, openers: Ints, new: Mask, found: Mask) -> None:
    # R9: until one of the parallel writers has begun to answer, nobody reads; then all do.
    start, begins, write = touches.start, touches.begins, touches.write
    for opener in openers.tolist():
        life = touches.lives_us[int(write[opener]) - 1]
        since, until = int(begins[opener]), int(start[opener]) + life
        at = opener + 1
        while at < len(start) and not new[at]:
            now = int(start[at])
            if since <= now <= until:
                break
            found[at] = False
            if write[at]:
                since = min(since, int(begins[at])) if until >= now else int(begins[at])
                until = now + life
            at += 1


def _walk_mixed(touches: Touches, other: Mask, mixed: Mask, found: Mask) -> None:
    # Two entries may stand on one prefix; each is renewed for its own lifetime.
    where = np.flatnonzero(mixed)
    opens = np.concatenate([[True], other])[where]
    until, since = [_NEVER, _NEVER], [_NEVER, _NEVER]
    for at, fresh in zip(where.tolist(), opens.tolist(), strict=True):
        if fresh:
            until, since = [_NEVER, _NEVER], [_NEVER, _NEVER]
        now, write = int(touches.start[at]), int(touches.write[at])
        readable = [k for k in (0, 1) if since[k] <= now <= until[k]]
        found[at] = bool(readable)
        for k in readable:
            until[k] = now + touches.lives_us[k]
        if write and not readable:
            k, begins = write - 1, int(touches.begins[at])
            since[k] = min(since[k], begins) if until[k] >= now else begins
            until[k] = now + touches.lives_us[k]
