"""What would come back: a deployment's answer to an attempt, by incident, limit, error and luck.

The simulator's stand-in for the network. It knows nothing of policies.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

from llmops_cli.failover.draws import FAILURE, LATENCY, uniform
from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.incidents import Outages
from llmops_cli.failover.limits import Limiter
from llmops_cli.failover.load import Load
from llmops_cli.failover.policy import Deployment

__all__ = ["Answer", "Manner", "World", "quantile_s"]

_REFUSED_S = 0.05
"""How long a provider takes to say that a limit is reached."""

_NORMAL = NormalDist()
_P99 = _NORMAL.inv_cdf(0.99)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manner:
    """How a deployment answers when nothing is wrong.

    Attributes:
        latency_ratio: its latency over the logged one.
        latency_s: its own median and 99th percentile, log-normal; None to follow the log.
        error_rate: share of attempts that fail all the same.
        error: what those meet.
        responds_s: how long those take.
    """

    latency_ratio: float = 1.0
    latency_s: tuple[float, float] | None = None
    error_rate: float = 0.0
    error: FailureKind = FailureKind.UNAVAILABLE
    responds_s: float = 0.2


class Answer(NamedTuple):
    """What an attempt meets; a tuple, because millions are made.

    Attributes:
        after_s: how long it takes; infinite where nothing comes back.
        kind: of the failure; None for an answer.
        retry_after_s: what the provider says of the wait.
        first_s: until something of it comes; None where that is its end.
    """

    after_s: float
    kind: FailureKind | None = None
    retry_after_s: float | None = None
    first_s: float | None = None


class World:
    """All deployments under one scenario; its rate limits remember what was asked of them.

    Args:
        chain: the deployments.
        manners: of each.
        outages: the scenario.
        load: the requests.
        seed: of every draw.
    """

    def __init__(
        self,
        chain: Sequence[Deployment],
        manners: Sequence[Manner],
        outages: Outages,
        load: Load,
        *,
        seed: int,
    ) -> None:
        self._manners = manners
        self._outages = outages
        self._load = load
        self._seed = seed
        self.limits = [Limiter.of(item) for item in chain]

    def answer(self, request: int, place: int, number: int, now_s: float) -> Answer:
        """What the attempt meets.

        Args:
            request: its place in the load.
            place: of the deployment.
            number: of the request's attempt, from 0.
            now_s: when it is sent; not before that of an earlier call.
        """
        manner, incident = self._manners[place], self._outages.at(place, now_s)
        luck = 1.0
        if incident is not None or manner.error_rate:
            luck = uniform(self._seed, self._load.numbers[request], place + 64 * number, FAILURE)
        if incident is not None and incident.form != "slow":
            failing = 1.0 if incident.form == "full" else incident.share
            if luck < failing:
                return Answer(incident.responds_s, incident.error)
            luck = (luck - failing) / (1 - failing)
        wait = self.limits[place].wait_s(now_s, self._load.tokens[request])
        if wait > 0:
            return Answer(_REFUSED_S, FailureKind.RATE_LIMITED, wait)
        if luck < manner.error_rate:
            return Answer(manner.responds_s, manner.error)
        slower = 1.0 if incident is None else incident.slower
        after = slower * self.usual_s(request, place)
        first, whole = self._load.first_s[request], self._load.durations_s[request]
        return Answer(after, first_s=after * first / whole if first < whole else after)

    def usual_s(self, request: int, place: int) -> float:
        """How long a deployment takes for a request when nothing is wrong."""
        manner = self._manners[place]
        if manner.latency_s is None:
            return self._load.durations_s[request] * manner.latency_ratio
        luck = uniform(self._seed, self._load.numbers[request], place, LATENCY)
        return quantile_s(manner.latency_s, max(luck, 1e-12))


def quantile_s(latency_s: tuple[float, float], share: float) -> float:
    """Seconds in which a share of answers is there.

    Args:
        latency_s: median and 99th percentile of a log-normal law.
        share: above 0 and below 1.
    """
    median, tail = latency_s
    return median * math.exp(math.log(tail / median) / _P99 * _NORMAL.inv_cdf(share))
