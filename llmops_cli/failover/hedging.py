"""When a second attempt starts, in seconds: a quantile of what a deployment's answers take.

Only its own latency tells: stated in the failover file, or logged of calls that succeeded. What a
deployment borrows from the log for want of a better says nothing of when its answers are late.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.failover.model import Line, Pool
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.world import quantile_s

__all__ = ["FEW_BEYOND", "Hedge", "own_durations_s", "resolved"]

LEVEL = 0.90
"""Two-sided confidence in a logged quantile."""

FEW_BEYOND = 10
"""Calls beyond a quantile below which it is hardly known."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """When an answer of one deployment is late.

    Attributes:
        deployment: its name.
        share: of its answers that are there by then.
        after_s: that quantile.
        low_s: lower end of its interval; the same where it is stated.
        high_s: upper end; infinite where the log is too short for one.
        calls: it was told from; None where it is stated.
        origin: in words.
    """

    deployment: str
    share: float
    after_s: float
    low_s: float
    high_s: float
    calls: int | None
    origin: str


def resolved(
    pool: Pool, lines: tuple[Line, ...], requests: Requests
) -> tuple[tuple[Line, ...], tuple[Hedge, ...]]:
    """Policies with the seconds of their quantiles.

    Args:
        pool: the deployments.
        lines: policies over them.
        requests: the log.

    Returns:
        The lines, and what was found for each deployment and quantile, each once.

    Raises:
        LlmopsError: ``failover-no-latency`` where a deployment that is asked first by some request
            has no latency of its own, or the log has too few calls for the quantile.
    """
    wanted = {
        (place, line.hedge_share): None
        for line in lines
        if line.hedge_share is not None and len(line.places) > 1
        for place in line.places
    }
    found = tuple(_hedge(pool, place, share, requests) for place, share in wanted)
    return tuple(_ready(line, found) for line in lines), found


def _ready(line: Line, found: Sequence[Hedge]) -> Line:
    # Policies that are the same over two chains stay the same: each has the waits of both.
    waits = {item.deployment: item.after_s for item in found if item.share == line.hedge_share}
    return replace(line, policy=replace(line.policy, hedge_after_s=waits)) if waits else line


def _hedge(pool: Pool, place: int, share: float, requests: Requests) -> Hedge:
    member = pool.members[place]
    name, manner = member.deployment.name, member.manner
    if manner.latency_s is not None:
        after = quantile_s(manner.latency_s, share)
        return Hedge(name, share, after, after, after, None, "stated: log-normal")
    taken = own_durations_s(pool, place, requests)
    beyond = len(taken) * (1 - share)
    if beyond < 1:
        raise LlmopsError(
            "failover-no-latency",
            f"'{name}' has {len(taken):,} logged durations of its own, too few for its "
            f"p{100 * share:g}",
            hint=f"'latency: {{median_s, p99_s}}' or 'latency_ratio' of '{name}', or seconds: "
            "hedge_after_s",
            field="policies.hedge_after",
        )
    words = "logged" if not member.own_latency else f"logged, x {manner.latency_ratio:g}"
    after, low, high = (round(manner.latency_ratio * x, 6) for x in _quantile(taken, share))
    return Hedge(name, share, after, low, high, len(taken), words)


def own_durations_s(pool: Pool, place: int, requests: Requests) -> npt.NDArray[np.float64]:
    """Logged durations that are a deployment's own; all where its latency is a ratio to the log's.

    A log that names no model is that of the deployment which the last policy asks first.

    Args:
        pool: the deployments.
        place: of the deployment in it.
        requests: the log.
    """
    member, known = pool.members[place], requests.measured
    if not member.own_latency:
        named = requests.model != ""
        home = place == pool.lines[-1].places[0]
        its = requests.model == member.deployment.model
        known = known & (its if named.any() else np.full(len(known), home))
    return requests.duration_s[known]


def _quantile(taken: npt.NDArray[np.float64], share: float) -> tuple[float, float, float]:
    """A quantile and its interval, from order statistics.

    Source:
        David, Nagaraja: Order Statistics (2003), 7.1, with the normal approximation of the
        binomial ranks.
    """
    ordered = np.sort(taken)
    n = len(ordered)
    reach = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(n * share * (1 - share))
    low = math.floor(n * share - reach)
    high = math.ceil(n * share + reach)
    return (
        float(np.quantile(ordered, share)),
        float(ordered[max(low, 1) - 1]),
        float(ordered[high]) if high < n else math.inf,
    )
