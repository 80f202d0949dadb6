"""Long stretches of busy logs, told from parts of them.

Between two changes - an incident begins, an incident ends - a client that remembers seconds soon
does the same over and over. So of each such piece the head is played, until what came before is
forgotten, its tail, and of what lies between some windows, each for the slice of time that it
lies in; of what is played, one conversation in so many, where the policy lets that be.
Every request played stands for those of its slice. Short stretches are played whole.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from llmops_cli.failover.condensing_rule import Rule
from llmops_cli.failover.draws import uniforms
from llmops_cli.failover.incidents import Incident
from llmops_cli.failover.load import Load
from llmops_cli.failover.policy import Deployment
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.worth import LIFETIME_S

__all__ = ["WHOLE", "WINDOWS", "Condensed", "condensed", "limits_of", "played_requests"]

WHOLE = 20_000
"""Stretches of so many requests are played as they are."""

WINDOWS = 6
"""Slices of the rest of a piece."""

LEAST = 3_000
"""Requests that are played of a stretch at least."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Condensed:
    """A stretch as it is played.

    Attributes:
        load: the requests, moved together in time.
        row: ``(n,)`` place in the log of each.
        weight: ``(n,)`` how many requests each stands for.
        scale: ``(n,)`` how many seconds of the log a second at its arrival stands for.
        warm: ``(n,)`` whether its conversation's last request, played or not, came in this
            stretch and lately enough for a prompt cache; empty where nothing was left out.
        incidents: moved together with them.
        every: one conversation in so many was taken.
        whole: whether nothing was left out.
    """

    load: Load
    row: Ints
    weight: Floats
    scale: Floats
    warm: npt.NDArray[np.bool_]
    incidents: tuple[Incident, ...]
    every: float
    whole: bool


def played_requests(count: float, length_s: float, pieces: int, rule: Rule) -> float:
    """About how many requests of a stretch are played.

    Args:
        count: of its requests.
        length_s: of it.
        pieces: between changes.
        rule: what may be left out.
    """
    if count <= WHOLE:
        return count
    kept_s = min(length_s, pieces * rule.kept_s)
    kept = count * kept_s / length_s
    return kept / _every(kept, count / length_s, rule)


def _every(kept: float, rate: float, rule: Rule) -> float:
    # Numbers that are told from too few requests would be noise.
    least = min(kept, float(LEAST))
    return max(1.0, min(rate / rule.pace if rule.pace else math.inf, kept / least))


def condensed(
    requests: Requests,
    incidents: tuple[Incident, ...],
    low_s: float,
    high_s: float,
    rule: Rule,
) -> Condensed:
    """A stretch of the log as it is played.

    Args:
        requests: the log.
        incidents: of the stretch.
        low_s: its begin.
        high_s: its end.
        rule: what may be left out.
    """
    count = requests.before(high_s) - requests.before(low_s)
    slices = [(low_s, high_s, low_s, high_s)]
    if count > WHOLE:
        slices = _slices(incidents, low_s, high_s, rule)
    kept = sum(requests.before(hi) - requests.before(lo) for _, _, lo, hi in slices)
    every = _every(kept, count / (high_s - low_s), rule) if count > WHOLE else 1.0
    places: list[Ints] = []
    numbers: list[Ints] = []
    parts: list[tuple[Floats, ...]] = []
    moved, clock = list[tuple[float, float]](), low_s
    for begin, end, low, high in slices:
        # What a window leaves out before it is gone: the next begins where the last ended.
        moved.append((begin, clock))
        row, arrival, number = requests.rows_between(low, high)
        taken = _taken(requests.conversation[row], every, seed=int(low_s))
        stands = (requests.before(end) - requests.before(begin)) / max(len(taken), 1)
        n, later = len(taken), low - clock
        places.append(row[taken])
        numbers.append(number[taken])
        parts.append(
            (
                arrival[taken] - later,
                np.full(n, stands),
                np.full(n, (end - begin) / (high - low)),
                np.full(n, later),
            )
        )
        clock += high - low
    arrival, weight, scale, later_s = (
        np.concatenate([part[at] for part in parts]) for at in range(4)
    )
    row = np.concatenate(places)
    moved.append((high_s, clock))
    whole = bool((weight == 1.0).all())
    return Condensed(
        load=requests.load_of(row, arrival, np.concatenate(numbers)),
        row=row,
        weight=weight,
        scale=scale,
        warm=np.zeros(0, dtype=bool) if whole else _warm(requests, row, arrival + later_s, low_s),
        incidents=tuple(_together(item, moved) for item in incidents),
        every=every,
        whole=whole,
    )


def _slices(
    incidents: Sequence[Incident], low_s: float, high_s: float, rule: Rule
) -> list[tuple[float, float, float, float]]:
    """Begin and end of each slice of time, and of the window that tells it."""
    ends = (moment for item in incidents for moment in (item.start_s, item.end_s))
    cuts = sorted({low_s, high_s, *(moment for moment in ends if low_s < moment < high_s)})
    found: list[tuple[float, float, float, float]] = []
    for begin, end in pairwise(cuts):
        if end - begin <= rule.kept_s + rule.windows_s:
            found.append((begin, end, begin, end))
            continue
        first, last = begin + rule.head_s, end - rule.tail_s
        found.append((begin, first, begin, first))
        edges = np.linspace(first, last, WINDOWS + 1).tolist()
        length = rule.windows_s / WINDOWS
        for low, high in pairwise(edges):
            middle = (low + high - length) / 2
            found.append((low, high, middle, middle + length))
        found.append((last, end, last, end))
    return found


def _taken(conversation: Ints, every: float, *, seed: int) -> Ints:
    """Requests of one conversation in so many; a conversation keeps all of its own."""
    if every <= 1:
        return np.arange(len(conversation))
    found = np.flatnonzero(uniforms(seed, conversation) < 1 / every)
    return found if len(found) else np.arange(len(conversation))


def _warm(requests: Requests, row: Ints, arrival_s: Floats, low_s: float) -> npt.NDArray[np.bool_]:
    """By the gaps of the log, since what lies between windows is not played."""
    gap = _gaps(requests)
    return (gap[row] <= LIFETIME_S) & (arrival_s - gap[row] >= low_s)


@lru_cache(maxsize=1)
def _gaps(requests: Requests) -> Floats:
    """Seconds since the last request of the same conversation; infinite for its first."""
    order = np.argsort(requests.conversation, kind="stable")
    same = np.diff(requests.conversation[order]) == 0
    found = np.full(len(requests), np.inf)
    found[order[1:][same]] = np.diff(requests.arrival_s[order])[same]
    return found


def _together(incident: Incident, moved: Sequence[tuple[float, float]]) -> Incident:
    start, end = (_moment(x, moved) for x in (incident.start_s, incident.end_s))
    return replace(incident, start_s=start, duration_s=end - start)


def _moment(moment_s: float, moved: Sequence[tuple[float, float]]) -> float:
    # Changes lie where a slice begins, or inside one that is played whole.
    at = bisect_right(moved, moment_s, key=lambda pair: pair[0]) - 1
    old, new = moved[max(at, 0)]
    return moment_s - old + new


def limits_of(chain: Sequence[Deployment], every: float) -> list[Deployment]:
    """Deployments whose limits are as much smaller as the load is."""
    if every <= 1:
        return list(chain)

    def part(limit: int | None) -> int | None:
        return None if limit is None else max(1, round(limit / every))

    return [
        replace(
            item,
            requests_per_minute=part(item.requests_per_minute),
            tokens_per_minute=part(item.tokens_per_minute),
        )
        for item in chain
    ]
