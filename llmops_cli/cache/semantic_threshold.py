"""Which matching rule may be used: false hits counted, bounded, and tested in a fixed sequence.

The rules are tested from the strictest on, and the first failure ends it, so that all tests
together err with the probability of one (fixed-sequence testing: Maurer, Hothorn and Lehmacher
1995; for risk control: Angelopoulos, Bates, Candes, Jordan and Lei, Learn then Test, 2021).
A rule with too few hits to pass even without any false one is not tested; how many hits there
are does not depend on the answers, so that costs nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.semantic_answers import Label
from llmops_cli.stats.bootstrap import cluster_sums
from llmops_cli.stats.clustering import clustered_share_interval, clustering
from llmops_cli.stats.intervals import Interval, clopper_pearson

__all__ = ["Status", "Tally", "entries_needed", "fixed_sequence", "last_passed", "tally"]

Ints = npt.NDArray[np.signedinteger]


class Status(StrEnum):
    """What the tests say about a rule."""

    PASSED = "shown to be safe"
    FAILED = "not shown to be safe"
    FEW = "too few hits to test"
    AFTER = "not tested after a failure"
    BLIND = "no answers to test"


@dataclass(frozen=True, slots=True)
class Tally:
    """Hits and what they were worth.

    Attributes:
        hits: all of them.
        labelled: those with both answers in the log.
        false: of these, the false ones.
        entries: cached answers that the labelled hits were served from.
        interval: of the share of false hits.
    """

    hits: int
    labelled: int
    false: int
    entries: int
    interval: Interval

    @property
    def share(self) -> float | None:
        """False hits among the labelled; None without any."""
        return self.false / self.labelled if self.labelled else None


def tally(labels: npt.NDArray[np.int8], entries: Ints, level: float) -> Tally:
    """Count hits and bound the share of false ones.

    The interval is the wider of Clopper and Pearson's, for hits that know nothing of each
    other, and Korn and Graubard's, for hits on the same cached answer: one wrong answer to a
    popular question is served again and again.

    Args:
        labels: a :class:`Label` per hit.
        entries: the call whose answer was served, per hit.
        level: two-sided confidence.
    """
    known = labels != Label.UNKNOWN
    false = np.isin(labels[known], (Label.CONFLICT, Label.DIFFERENT))
    codes = np.unique(entries[known], return_inverse=True)[1].astype(np.int64)
    clusters = int(codes.max()) + 1 if len(codes) else 0
    interval = Interval(0.0, 1.0)
    if clusters > 1:
        sums = cluster_sums(np.column_stack([false, np.ones(len(false))]).astype(np.float64), codes)
        plain = clopper_pearson(int(false.sum()), len(false), level)
        wide = clustered_share_interval(int(false.sum()), clustering(sums), level)
        # A false hit more must not show less: what no false hit at all would show is the least.
        least = clopper_pearson(0, clusters, level)
        interval = Interval(min(plain.low, wide.low), max(plain.high, wide.high, least.high))
    return Tally(len(labels), len(false), int(false.sum()), clusters, interval)


def entries_needed(bound: float, level: float) -> int:
    """Cached answers that must have been served, without a false hit, to show ``bound``."""
    return max(2, math.ceil(math.log((1 - level) / 2) / math.log1p(-bound)))


def fixed_sequence(tallies: Sequence[Tally], bound: float, level: float) -> tuple[Status, ...]:
    """Test rules in their order: is the upper end of the false-hit share at most ``bound``?

    All together claim too much of a rule with probability ``(1 - level) / 2`` at most.

    Args:
        tallies: hits of each rule, the strictest first.
        bound: share of false hits that is accepted.
        level: two-sided confidence of the intervals.
    """
    needed = entries_needed(bound, level)
    found = list[Status]()
    for item in tallies:
        if Status.FAILED in found:
            found.append(Status.AFTER)
        elif not item.labelled and item.hits:
            found.append(Status.BLIND)
        elif item.entries < needed:
            found.append(Status.FEW)
        else:
            safe = item.interval.high <= bound
            found.append(Status.PASSED if safe else Status.FAILED)
    return tuple(found)


def last_passed(statuses: Sequence[Status]) -> int | None:
    """The loosest rule that passed."""
    passed = [number for number, status in enumerate(statuses) if status is Status.PASSED]
    return passed[-1] if passed else None
