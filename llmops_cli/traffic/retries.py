"""Requests that failed and were sent again: one call with several attempts.

Two requests are the same only if nothing speaks against it: both in one place of the trace and
of one conversation, the later begun soon after the earlier had failed, and with the same
prompt, or where no prompt was logged to the same model, after an error that may pass. Inside
one call around them, as a router writes, the model may change: that is a fallback.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.keys import NEVER, Codes, Keys, mixed
from llmops_cli.traffic.nesting import NONE, Mask, Rows

__all__ = ["Retries", "retries"]

_WITHIN_US = 120_000_000
_WITHIN_UNSEEN_US = 60_000_000
"""Clients wait no longer than a minute by themselves."""
_OVERLAP_US = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class Retries:
    """Attempts of one call.

    Attributes:
        attempts: requests up to and including each row.
        first: row of the first attempt.
        follower: the next attempt, or -1.
    """

    attempts: npt.NDArray[np.int64]
    first: Rows
    follower: Rows


def retries(keys: Keys, around: Rows, keep: Mask, asked: Codes) -> Retries:
    """Failed calls, each with the next call that asks the same again.

    Args:
        keys: of all rows.
        around: the call around each call.
        keep: the calls that are there.
        asked: what each call asked, 0 where that was not logged.
    """
    attempts, first = np.ones(len(keys), np.int64), np.arange(len(keys))
    follower = np.full(len(keys), NONE)
    place = np.where(around != NONE, keys.span[around], keys.parent)
    place = np.where(place == 0, keys.trace, place)
    rows = np.flatnonzero(keep & (place != 0) & (keys.start != NEVER))
    if not keys.failed[rows].any():
        return Retries(attempts, first, follower)
    same = _same(keys, around, place, asked)
    rows = rows[np.lexsort((rows, keys.start[rows], same[rows]))]
    one, other = rows[:-1], rows[1:]
    may_pass = (asked[one] != 0) | (around[one] != NONE) | ~keys.hopeless[one]
    seen = (asked[one] != 0) | (around[one] != NONE)
    waited = keys.start[other] - keys.end[one]
    again = keys.failed[one] & (same[one] == same[other]) & may_pass & (waited >= -_OVERLAP_US)
    again &= waited <= np.where(seen, _WITHIN_US, _WITHIN_UNSEEN_US)
    for failed, later in zip(one[again].tolist(), other[again].tolist(), strict=True):
        attempts[later] += attempts[failed]
        first[later] = first[failed]
        follower[failed] = later
    return Retries(attempts, first, follower)


def _same(keys: Keys, around: Rows, place: Codes, asked: Codes) -> Codes:
    """A code that two calls share which may be attempts at the same."""
    unseen = asked == 0
    what = np.where(unseen, np.where(around != NONE, np.uint64(0), keys.model), asked)
    who = mixed(keys.conversation, keys.embeds.astype(np.uint64))
    return mixed(mixed(place, what), mixed(who, unseen.astype(np.uint64)))
