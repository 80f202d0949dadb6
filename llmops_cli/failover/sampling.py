"""Years of outages drawn from how often and how long providers were down.

Outages of a provider come at random (Poisson); their lengths are log-normal, which has the heavy
tail that posted incidents show. A share of them is common to all providers (beta-factor model).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from llmops_cli.failover.failures import FailureKind
from llmops_cli.failover.incidents import Incident

__all__ = ["YEAR_S", "Outage", "draw_year"]

YEAR_S = 365.25 * 86_400.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Outage:
    """How often, how long and in what way a provider is down.

    Attributes:
        provider: whose; empty where a region is meant.
        region: where; empty for everywhere.
        per_year: outages a year.
        median_s: half of them are shorter.
        mean_s: on average; above the median.
        form: as :class:`Incident` has it.
        share: as :class:`Incident` has it.
        error: what attempts meet.
        responds_s: how long a failing attempt takes.
        slower: as :class:`Incident` has it.
        source: of the figures.
    """

    provider: str = ""
    region: str = ""
    per_year: float
    median_s: float
    mean_s: float
    form: Literal["full", "brownout", "slow"] = "full"
    share: float = 1.0
    error: FailureKind = FailureKind.UNAVAILABLE
    responds_s: float = 0.2
    slower: float = 1.0
    source: str = ""

    @property
    def unavailable(self) -> float:
        """Share of time that it is down."""
        return self.per_year * self.mean_s / YEAR_S


def draw_year(
    outages: Sequence[Outage], common: float, generator: np.random.Generator
) -> tuple[Incident, ...]:
    """The incidents of one year.

    Args:
        outages: of each provider.
        common: share of the rarest provider's outages that all providers have together.
        generator: where chance comes from.

    Source:
        The beta-factor model of common-cause failures (NUREG/CR-4780).
    """
    shared = common * min((item.per_year for item in outages), default=0.0)
    drawn = [
        incident for item in outages for incident in _drawn(item, item.per_year - shared, generator)
    ]
    if shared and len(outages) > 1:
        typical = outages[0]
        for start, length in _moments(typical, shared, generator):
            drawn += [_incident(item, start, length) for item in outages]
    elif shared:
        drawn += _drawn(outages[0], shared, generator)
    return tuple(sorted(drawn, key=lambda item: (item.start_s, item.provider, item.region)))


def _drawn(item: Outage, per_year: float, generator: np.random.Generator) -> list[Incident]:
    return [_incident(item, *moment) for moment in _moments(item, per_year, generator)]


def _moments(
    item: Outage, per_year: float, generator: np.random.Generator
) -> list[tuple[float, float]]:
    count = int(generator.poisson(per_year))
    spread = math.sqrt(2 * math.log(item.mean_s / item.median_s))
    starts = generator.uniform(0, YEAR_S, count)
    lengths = item.median_s * np.exp(spread * generator.standard_normal(count))
    return list(zip(starts.tolist(), lengths.tolist(), strict=True))


def _incident(item: Outage, start_s: float, duration_s: float) -> Incident:
    return Incident(
        start_s=start_s,
        duration_s=duration_s,
        form=item.form,
        share=item.share,
        error=item.error,
        responds_s=item.responds_s,
        slower=item.slower,
        provider=item.provider,
        region=item.region,
    )
