"""The replay held against the bill: reads predicted and reads billed, and what nobody explains.

A read that the rules promise and the bill lacks is an unexplained miss: the entry was evicted, or
the provider routed the call elsewhere. Its rate is an eviction probability, and with it every
policy costs ``(1 - e) * as replayed + e * without its read``; savings become a range over e.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.report import Measure
from llmops_cli.stats.bootstrap import bootstrap_ratio, cluster_sums
from llmops_cli.stats.clustering import clustered_share_interval, clustering
from llmops_cli.stats.intervals import wilson

__all__ = ["OUTCOMES", "Evictions", "Truth", "compare", "evicted", "saving_range"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OUTCOMES = ("miss", "partial", "hit")
"""Nothing read; something read and something written; all that was marked read."""

_TOLERANCE = 0.05
_STEP = 128


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """How the replay of the logged markers agrees with the bill, over calls that cache at all.

    Attributes:
        calls: compared.
        token_error: share of their input that the replay puts on the wrong side of a read.
        bias: share of their input that the replay reads beyond what was billed.
        confusion: ``(3, 3)`` calls by predicted and billed outcome, in the order of OUTCOMES.
        promised: per call, whether the rules promise a read.
        unexplained: per call, whether a promised read was not billed.
        unexpected: calls billed for a read that the rules do not give.
        lost_tokens: per call, the promised tokens that were not read.
    """

    calls: int
    token_error: float
    bias: float
    confusion: Ints
    promised: Mask
    unexplained: Mask
    unexpected: int
    lost_tokens: Ints

    def rate(self, conversation: Ints, level: float) -> Measure:
        """Unexplained misses per promised read, with its interval.

        Wilson's interval takes calls as independent; where the misses of a conversation hang
        together, the ends move out to those of the clustered interval. Without any miss, or
        any read, nothing tells how they hang together, and Wilson's interval stays.
        """
        misses, n = int(self.unexplained.sum()), int(self.promised.sum())
        if not n:
            return _rate(None, 0.0, 1.0, level, 0, "no read was promised")
        ends = [wilson(misses, n, level)]
        method = "Wilson interval"
        codes = np.unique(conversation[self.promised], return_inverse=True)[1].astype(np.int64)
        if codes.max() and 0 < misses < n:
            rows = np.column_stack([self.unexplained[self.promised], np.ones(n)])
            found = clustering(cluster_sums(rows.astype(np.float64), codes))
            if found.design_effect > 1:
                ends.append(clustered_share_interval(misses, found, level))
                method = "Wilson interval, widened to the clustered one (Korn and Graubard)"
        low, high = min(end.low for end in ends), max(end.high for end in ends)
        return _rate(misses / n, low, high, level, n, method)


def _rate(
    value: float | None, low: float, high: float, level: float, n: int, method: str
) -> Measure:
    return Measure(
        name="unexplained_miss",
        value=value,
        unit="share",
        low=low,
        high=high,
        level=level,
        n=n,
        method=method,
        label="promised reads that were not billed",
    )


def compare(predicted: Ints, billed: Ints, counted: Mask) -> Truth | None:
    """Hold the replay of the logged markers against the logged usage.

    A read counts as billed when it reaches the promised one but for 5 % and a step of 128
    tokens: the error of interpolated tokens, and the coarsest unit that providers report in.

    Args:
        predicted: ``(calls, 4)`` or more tokens by class as replayed: fresh, read, writes.
        billed: the same as the log counts them.
        counted: calls whose log carries usage.

    Returns:
        The comparison; None where no call both caches and carries usage.
    """
    cached = (predicted[:, 1:4].sum(axis=1) > 0) | (billed[:, 1:4].sum(axis=1) > 0)
    mine = cached & counted
    if not mine.any():
        return None
    expected, read = predicted[:, 1], billed[:, 1]
    slack = _TOLERANCE * np.maximum(expected, read) + _STEP
    total = max(int(billed[mine, :4].sum()), 1)
    promised = mine & (expected > 0)
    short = expected - read
    unexplained = promised & ((short > slack) | (read == 0))
    sides = 3 * _outcome(predicted[mine]) + _outcome(billed[mine])
    return Truth(
        calls=int(mine.sum()),
        token_error=float(np.abs(short[mine]).sum() / total),
        bias=float(short[mine].sum() / total),
        confusion=np.bincount(sides, minlength=9).reshape(3, 3).astype(np.int64),
        promised=promised,
        unexplained=unexplained,
        unexpected=int((mine & ((-short > slack) | ((expected == 0) & (read > 0)))).sum()),
        lost_tokens=np.where(unexplained, np.maximum(short, 0), 0),
    )


def _outcome(tokens: Ints) -> Ints:
    read, written = tokens[:, 1] > 0, tokens[:, 2:4].sum(axis=1) > 0
    return np.where(read, np.where(written, 1, 2), 0).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Evictions:
    """USD of input per call when the entry that was read is there, and when it is gone."""

    kept: Floats
    gone: Floats

    def usd(self, probability: float) -> Floats:
        """Expected USD per call."""
        return (1 - probability) * self.kept + probability * self.gone


def evicted(tokens: Ints, marked: tuple[Ints, Ints], per_token: Floats) -> Evictions:
    """What each call costs with its read, and without it: all up to its breakpoints is written.

    Args:
        tokens: ``(calls, 4)`` or more tokens by class as replayed.
        marked: tokens up to the last long-lived and up to the last breakpoint of each call; 0
            where there is none (R6).
        per_token: ``(calls, 5)`` USD per token by class.
    """
    total = tokens[:, :4].sum(axis=1)
    long, end = marked
    end = np.maximum(long, end)
    without = np.column_stack([total - end, np.zeros_like(end), end - long, long])
    price = np.nan_to_num(per_token[:, :4])
    kept = (tokens[:, :4] * price).sum(axis=1)
    gone = (without * price).sum(axis=1)
    # A call without a read has nothing to lose.
    return Evictions(kept, np.where(tokens[:, 1] > 0, gone, kept))


def saving_range(
    policy: Evictions, baseline: Evictions, rate: Measure, conversation: Ints, *, seed: int = 0
) -> Measure:
    """The saving with evictions: ``1 - policy(e) / baseline(e)``.

    It is monotone in e, so its range over the interval of e lies between the two ends; each
    end carries the spread of the conversations as well, and the outermost are kept.

    Args:
        policy: costs of the policy.
        baseline: costs of what it is held against.
        rate: unexplained misses, from :meth:`Truth.rate`.
        conversation: code of each call's conversation.
        seed: seed of the bootstrap.
    """
    level = rate.level or 0.9
    ends = [_saving(policy, baseline, e, conversation, (level, seed)) for e in _ends(rate)]
    return Measure(
        name="saving_after_misses",
        value=_ratio(policy, baseline, rate.value or 0.0),
        unit="share",
        low=min(low for low, _ in ends),
        high=max(high for _, high in ends),
        level=level,
        n=int(conversation.max(initial=-1)) + 1,
        method="cluster bootstrap at both ends of the rate of unexplained misses",
        label="input spend saved, unexplained misses included",
    )


def _ends(rate: Measure) -> tuple[float, float]:
    return rate.low or 0.0, 1.0 if rate.high is None else rate.high


def _ratio(policy: Evictions, baseline: Evictions, e: float) -> float:
    below = float(baseline.usd(e).sum())
    return 1 - float(policy.usd(e).sum()) / below if below > 0 else 0.0


def _saving(
    policy: Evictions, baseline: Evictions, e: float, conversation: Ints, how: tuple[float, int]
) -> tuple[float, float]:
    level, seed = how
    sums = cluster_sums(np.column_stack([policy.usd(e), baseline.usd(e)]), conversation)
    if len(sums) < 2:  # noqa: PLR2004 - one conversation has no spread
        return -1.0, 1.0
    found = bootstrap_ratio(sums, level=level, seed=seed)
    return 1 - found.high, 1 - found.low
