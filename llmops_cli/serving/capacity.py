"""The most traffic a policy holds its SLO under, or the fewest replicas that hold it.

The trace is replayed faster and faster, or on more and more replicas, until the share of
requests within the SLO crosses what is asked; the ends of the interval are where the ends of
that share's own interval cross it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, sqrt

from llmops_cli.request_trace import RequestTrace
from llmops_cli.serving.load import faster
from llmops_cli.serving.measures import Figure, interval
from llmops_cli.serving.model import Policy
from llmops_cli.serving.question import Search, ServingParameters, Slo

__all__ = ["MOST_REPLICAS", "TOLERANCE", "Capacity", "Trial", "find_capacity"]

TOLERANCE = 0.02
"""Of the rate: where a search ends."""

MOST_REPLICAS = 1024

_FASTEST, _SLOWEST = 2.0**12, 2.0**-12

Within = Callable[[RequestTrace, Policy], Figure]
"""The share of requests within the SLO that a policy has under a load."""

Holds = Callable[["Trial"], bool]


@dataclass(frozen=True, slots=True)
class Trial:
    """One replay of a search.

    Attributes:
        size: times the rate of the trace, or replicas.
        share: of the requests within the SLO.
        low: lower end of its interval; the share itself where there is none.
        high: upper end.
    """

    size: float
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a search found.

    Attributes:
        search: what was searched.
        value: times the rate of the trace, or replicas; None where none tried is enough.
        low: lower end of its interval; None where it is open.
        high: upper end; None where it is open.
        requests_per_s: that the load has at ``value``.
        trials: every replay, by size.
    """

    search: Search
    value: float | None
    low: float | None
    high: float | None
    requests_per_s: float | None
    trials: tuple[Trial, ...]


def find_capacity(
    trace: RequestTrace, policy: Policy, given: ServingParameters, within: Within
) -> Capacity:
    """Search the capacity of one policy.

    Args:
        trace: the load at its own rate.
        policy: what is searched for.
        given: the SLO, and what to search.
        within: replays a load.
    """
    slo = given.slo or Slo()
    if given.find == "rate":
        return _rate(trace, lambda factor: within(faster(trace, factor), policy), slo.share)
    return _replicas(
        trace, lambda count: within(trace, _with_replicas(policy, count)), slo.share, _least(policy)
    )


def _rate(trace: RequestTrace, at: Callable[[float], Figure], share: float) -> Capacity:
    tried = _Tried(at)
    # A share that is surely enough is enough up to a smaller rate.
    value, low, high = (_largest(tried, holds) for holds in _ends(share))
    mean = len(trace) / float(trace.arrival_s[-1])
    served = None if value is None else value * mean
    return Capacity("rate", value, low, high, served, tried.all())


def _replicas(
    trace: RequestTrace, at: Callable[[int], Figure], share: float, least: int
) -> Capacity:
    tried = _Tried(lambda size: at(int(size)))
    value, high, low = (_fewest(tried, holds, least) for holds in _ends(share))
    mean = len(trace) / float(trace.arrival_s[-1])
    return Capacity("replicas", value, low, high, mean, tried.all())


def _ends(share: float) -> tuple[Holds, Holds, Holds]:
    """Whether the share is enough by its value, surely, and possibly."""
    return (
        lambda trial: trial.share >= share,
        lambda trial: trial.low >= share,
        lambda trial: trial.high >= share,
    )


def _largest(tried: "_Tried", holds: Holds) -> float | None:
    """The largest size that holds, by doubling or halving and then by halves of the ratio."""
    good, bad = 1.0, 1.0
    if holds(tried.at(1.0)):
        while holds(tried.at(bad := 2 * good)):
            good = bad
            if good >= _FASTEST:
                return None
    else:
        while not holds(tried.at(good := bad / 2)):
            bad = good
            if bad <= _SLOWEST:
                return None
    while bad > good * (1 + TOLERANCE):
        middle = sqrt(good * bad)
        if holds(tried.at(middle)):
            good = middle
        else:
            bad = middle
    return good


def _fewest(tried: "_Tried", holds: Holds, least: int) -> float | None:
    """The fewest replicas that hold, by doubling and then by halves."""
    bad, good = least - 1, least
    while not holds(tried.at(good)):
        bad, good = good, 2 * good
        if good > MOST_REPLICAS:
            return None
    while good - bad > 1:
        middle = (good + bad) // 2
        if holds(tried.at(middle)):
            good = middle
        else:
            bad = middle
    return float(good)


def _least(policy: Policy) -> int:
    return 1 if policy.pools is None else 2


def _with_replicas(policy: Policy, count: int) -> Policy:
    """The same policy on other replicas, divided among pools as before."""
    pools = policy.pools
    if pools is None:
        return replace(policy, replicas=count)
    decode = round(count * pools.decode_replicas / policy.replicas)
    divided = replace(pools, decode_replicas=min(max(decode, 1), count - 1))
    return replace(policy, replicas=count, pools=divided)


class _Tried:
    """Replays by size, each made once."""

    def __init__(self, at: Callable[[float], Figure]) -> None:
        self._at = at
        self._known: dict[float, Trial] = {}

    def at(self, size: float) -> Trial:
        if size not in self._known:
            found = self._at(size)
            low, high = interval(found.samples)
            self._known[size] = Trial(
                size, found.value, _or(low, found.value), _or(high, found.value)
            )
        return self._known[size]

    def all(self) -> tuple[Trial, ...]:
        return tuple(self._known[size] for size in sorted(self._known))


def _or(end: float | None, value: float) -> float:
    return end if end is not None and isfinite(end) else value
