"""What the reader must know: limits that cannot carry, retry storms, thin evidence."""

from collections.abc import Iterator

from llmops_cli.failover.figures import Figures
from llmops_cli.failover.headroom import headroom
from llmops_cli.failover.hedging import FEW_BEYOND
from llmops_cli.failover.model import Member
from llmops_cli.failover.simulation import Simulation
from llmops_cli.report import Finding

__all__ = ["own_findings"]

_FEW_EPISODES = 200


def own_findings(found: Simulation, known: tuple[Figures, ...]) -> Iterator[Finding]:
    """In the order of what it costs not to know."""
    yield from _cannot_carry(found)
    yield from _amplified(found, known)
    yield from _hedges(found)
    if found.pool.outages and found.played[0] < min(_FEW_EPISODES, found.played[1]):
        yield Finding(
            slug="failover-few-episodes",
            severity="warning",
            message=f"{found.played[0]} of {found.played[1]:,} sampled episodes were played",
            hint="--most-requests plays more of them, and takes longer",
        )
    if found.condensed:
        yield Finding(
            slug="failover-condensed",
            severity="note",
            message="long stretches of this busy log are told from parts of them: head and tail of "
            "each change, windows between, one conversation in so many",
            hint="--explain says by which rule, and how near that is",
            count=found.condensed,
        )
    if found.requests.filled:
        yield Finding(
            slug="failover-filled",
            severity="note",
            message="requests that failed in the log, or have no duration or tokens, are played "
            "with those of the median call",
            count=found.requests.filled,
        )
    if found.worth.warm_usd is None:
        yield Finding(
            slug="failover-no-tokens",
            severity="note",
            message="the log has no tokens, so nothing is said of costs or token limits",
        )
    if found.worth.quality is None:
        yield Finding(
            slug="failover-no-quality",
            severity="note",
            message="no deployment has a quality, so nothing is said of worse answers",
            hint="quality: of each deployment, from llmops judge-eval or simulate-tiers",
        )


def _cannot_carry(found: Simulation) -> Iterator[Finding]:
    first = found.pool.lines[-1].places[0]
    for place, item in enumerate(headroom(found.requests, found.pool)):
        carries = item.carries
        if place != first and carries is not None and carries < 1:
            yield Finding(
                slug="failover-no-headroom",
                severity="warning",
                message=f"'{item.deployment}' can carry {100 * carries:.3g} % of the busiest "
                "minute: a failover there is a cascade of 429s",
                hint="raise its limits, or add a deployment behind it",
                field=item.deployment,
            )


def _amplified(found: Simulation, known: tuple[Figures, ...]) -> Iterator[Finding]:
    for result, own in zip(found.results[: found.named], known, strict=False):
        policy = result.line.policy
        storms = policy.retry_budget is None and policy.breaker is None
        if storms and own.attempts > 2 and found.pool.outages:  # noqa: PLR2004 - twice the load
            yield Finding(
                slug="failover-retry-storm",
                severity="warning",
                message=f"'{policy.name}' sends {own.attempts:.2g} attempts per request while "
                "something is wrong, to a provider that is already down",
                hint="a circuit breaker or a retry budget keeps the load what it is",
            )


def _hedges(found: Simulation) -> Iterator[Finding]:
    for item in found.hedges:
        if item.calls is not None and item.calls * (1 - item.share) < FEW_BEYOND:
            yield Finding(
                slug="failover-hedge-thin",
                severity="warning",
                message=f"p{100 * item.share:g} of '{item.deployment}' is told from "
                f"{item.calls:,} calls, fewer than {FEW_BEYOND} of them slower",
                hint="a longer log, a lower quantile, or hedge_after_s",
                field=item.deployment,
            )
    hedging = [r.line for r in found.results[: found.named] if r.line.policy.hedge_after_s]
    places = {place for line in hedging for place in line.places if len(line.places) > 1}
    following = [m for p, m in enumerate(found.pool.members) if p in places and not _apart(m)]
    if len(following) > 1:
        yield Finding(
            slug="failover-hedge-follows",
            severity="warning",
            message=f"{', '.join(repr(m.deployment.name) for m in following)} follow the log and "
            "are slow with the same requests, so hedging between them gains little here",
            hint="'latency: {median_s, p99_s}' of the backup makes it slow by its own chance",
        )


def _apart(member: Member) -> bool:
    return member.manner.latency_s is not None
