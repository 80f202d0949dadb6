"""What a year brings: episodes of sampled years, played and weighed by how often they come.

Episodes in which several providers are down at once are rare and decide what a chain is worth;
they are a stratum of their own and are played first.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from llmops_cli.failover.episodes import Episode
from llmops_cli.failover.tally import SUMS, Tally
from llmops_cli.stats.beta import student_quantile

__all__ = ["BAD_YEAR", "LEVEL", "Estimate", "Stratum", "Years", "drawn", "years_of"]

BAD_YEAR = 0.95
"""One year in twenty is worse."""

LEVEL = 0.90
"""Two-sided confidence: either end decides a gate with 95 %."""

_HALF = 0.5
_LEAST = 2
"""Episodes of a sort without which nothing is known of how they differ."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A yearly figure and the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, eq=False)
class Stratum:
    """Episodes of one sort.

    Attributes:
        per_year: how many a year has on average.
        counts: ``(years,)`` how many each sampled year had.
        chosen: those that are played.
    """

    per_year: float
    counts: npt.NDArray[np.int64]
    chosen: tuple[Episode, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Years:
    """What the episodes of a year add up to.

    Attributes:
        strata: the episodes.
        sums: per stratum ``(m, s)`` sums of each played episode, in the order of ``SUMS``.
        added_s: how much later than usual the requests of the played episodes were answered.
        added_weight: how many requests each of those stands for.
    """

    strata: tuple[Stratum, ...]
    sums: tuple[Floats, ...]
    added_s: Floats
    added_weight: Floats = field(default_factory=lambda: np.zeros(0))

    def total(self, weights: dict[str, float]) -> Estimate:
        """A weighted sum of sums over a year's episodes.

        The interval covers the draw of episodes, and that of how many a year has; it is open
        where a sort of episodes was played once only.
        """
        weight = np.array([weights.get(name, 0.0) for name in SUMS])
        value = variance = 0.0
        fewest = math.inf
        for stratum, sums in zip(self.strata, self.sums, strict=True):
            if not len(sums):
                continue
            each = sums @ weight
            mean, n = float(each.mean()), len(each)
            spread = float(each.var(ddof=1)) / n if n > 1 else 0.0
            value += stratum.per_year * mean
            # Compound Poisson: the variance of the mean, and that of the number of episodes.
            years = max(len(stratum.counts), 1)
            variance += stratum.per_year**2 * spread + mean**2 * stratum.per_year / years
            fewest = min(fewest, n)
        if fewest <= 1:
            return Estimate(value, -math.inf, math.inf)
        reach = variance and variance**0.5 * student_quantile(fewest - 1, (1 + LEVEL) / 2)
        return Estimate(value, value - reach, value + reach)

    def bad_year(self, name: str, share: float, generator: np.random.Generator) -> float:
        """What a sum reaches in one year of so many: its quantile over the sampled years."""
        column = SUMS.index(name)
        years = np.zeros(len(self.strata[0].counts))
        for stratum, sums in zip(self.strata, self.sums, strict=True):
            if len(sums):
                drawn_sums = generator.choice(sums[:, column], int(stratum.counts.sum()))
                owner = np.repeat(np.arange(len(years)), stratum.counts)
                years += np.bincount(owner, weights=drawn_sums, minlength=len(years))
        return float(np.quantile(years, share))


def drawn(
    years: Sequence[Sequence[Episode]],
    most: float,
    size: Callable[[Episode], float],
    generator: np.random.Generator,
) -> tuple[Stratum, ...]:
    """Choose the episodes that are played.

    Args:
        years: the episodes of each sampled year.
        most: requests that may be played.
        size: requests of an episode.
        generator: where chance comes from.
    """
    found: list[Stratum] = []
    left = most
    for several, part in ((True, _HALF), (False, 1.0)):
        own = [[item for item in year if item.several is several] for year in years]
        every = [item for year in own for item in year]
        chosen: list[Episode] = []
        room = left * part
        for place in generator.permutation(len(every)).tolist():
            if len(chosen) >= _LEAST and room < size(every[place]):
                break
            chosen.append(every[place])
            room -= size(every[place])
        left -= sum(map(size, chosen))
        counts = np.array([len(year) for year in own], dtype=np.int64)
        found.append(Stratum(len(every) / max(len(years), 1), counts, tuple(chosen)))
    return tuple(found)


def years_of(strata: tuple[Stratum, ...], play: Callable[[Episode], Tally]) -> Years:
    """Play the chosen episodes."""
    sums: list[Floats] = []
    added: list[Floats] = [np.zeros(0)]
    weights: list[Floats] = [np.zeros(0)]
    for stratum in strata:
        tallies = [play(item) for item in stratum.chosen]
        sums.append(np.array([item.sums for item in tallies]).reshape(-1, len(SUMS)))
        added += [item.added_s for item in tallies]
        weights += [item.added_weight for item in tallies]
    return Years(strata, tuple(sums), np.concatenate(added), np.concatenate(weights))
