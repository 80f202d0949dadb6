"""A simulation becomes a plan: the best chain, its policy, and what both are held against later."""

import math
from collections.abc import Mapping
from dataclasses import fields, replace
from hashlib import sha256

import numpy as np

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.failover.document_entries import DeploymentEntry, LatencyEntry, OutageEntry
from llmops_cli.failover.figures import Figures
from llmops_cli.failover.headroom import headroom
from llmops_cli.failover.hedging import Hedge
from llmops_cli.failover.model import FailoverParameters, FailoverPlan, Line, Member, usage_error
from llmops_cli.failover.plan import (
    SCHEMA,
    Expected,
    Foretold,
    HedgeFound,
    Limits,
    Measured,
    PlanDocument,
    Simulated,
)
from llmops_cli.failover.policy import Deployment, FailoverPolicy
from llmops_cli.failover.ranking import best
from llmops_cli.failover.requests import Requests
from llmops_cli.failover.sampling import Outage
from llmops_cli.failover.simulation import Simulation
from llmops_cli.failover.years import Estimate

__all__ = ["ROOM", "chosen_plan", "digest_of", "expected", "foretold", "plan_document"]

ROOM = 1 + math.sqrt(2)
"""Half-widths of an interval from a figure to what it promises.

A second simulation of the same size differs from the first by the root of two half-widths in 19
of 20, and its own interval reaches one further: so much room lets it pass on unchanged traffic.
"""

_MICROSECONDS = 6
_MINUTE_S, _HOUR_S = 60.0, 3600.0


def chosen_plan(
    found: Simulation, known: tuple[Figures, ...], given: FailoverParameters
) -> FailoverPlan:
    """The best chain and its policy, for other programs.

    Args:
        found: the answer.
        known: figures of its results, in their order.
        given: the gates.
    """
    line = found.results[best(found, known, given)].line
    chain = tuple(found.pool.chain[place] for place in line.places)
    return FailoverPlan(_of_chain(line.policy, chain), chain)


def plan_document(
    found: Simulation, known: tuple[Figures, ...], given: FailoverParameters
) -> PlanDocument:
    """The same as a document, with what it was made from and what it promises.

    Raises:
        LlmopsError: ``failover-nothing-promised`` where nothing fails but incidents with a date,
            which do not come again; ``failover-no-promise`` where too little was played for an
            interval, and no limit was asked for.
    """
    pool, place = found.pool, best(found, known, given)
    if pool.incidents and not pool.outages and not given.own_episodes:
        raise usage_error(
            "failover-nothing-promised",
            "incidents with a date do not come again, so a plan made on them promises nothing",
            "name outages in the failover file, or use --published-outages",
        )
    chosen = chosen_plan(found, known, given)
    said = foretold(found, known[place])
    if said.availability.promised is None and given.min_availability is None:
        raise LlmopsError(
            "failover-no-promise",
            "too few episodes were played for an interval, so a plan would promise nothing",
            hint="--most-requests plays more of them",
            exit_code=ExitCode.INCONCLUSIVE,
        )
    members = [pool.members[at] for at in found.results[place].line.places]
    return PlanDocument(
        schema=SCHEMA,
        policy=chosen.policy,
        deployments=[_entry(member) for member in members],
        outages=[_outage(item) for item in pool.outages],
        common_share=pool.common,
        measured=_measured(found, found.results[place].line),
        simulated=Simulated(
            years=given.years,
            most_requests=given.most_requests,
            seed=given.seed,
            own_episodes=given.own_episodes,
            episodes=found.played[0],
            of_sampled=found.played[1],
        ),
        limits=Limits(min_availability=given.min_availability, max_cost_ratio=given.max_cost_ratio),
        foretold=said,
    )


def foretold(found: Simulation, own: Figures) -> Foretold:
    """What a simulation says of one policy, with what a plan promises of it."""
    later = own.added_s
    return Foretold(
        of="year" if found.pool.outages else "log",
        availability=expected(own.availability, rising=True, most=1.0),
        lost_per_year=None if own.lost_per_year is None else expected(own.lost_per_year),
        cost_ratio=None if own.cost_ratio is None else expected(own.cost_ratio, rising=False),
        usd_per_1000=None if own.usd_each is None else 1000 * own.usd_each,
        quality_change=None if own.quality_change is None else expected(own.quality_change),
        attempts=own.attempts,
        added_median_s=None if later is None else round(later[0], _MICROSECONDS),
        added_p99_s=None if later is None else round(later[1], _MICROSECONDS),
    )


def expected(estimate: Estimate, *, rising: bool | None = None, most: float = math.inf) -> Expected:
    """A figure, its interval and what is promised of it.

    Args:
        estimate: the figure.
        rising: whether more is better; None promises nothing.
        most: it can be.
    """
    low, high = max(estimate.low, 0.0) if most == 1 else estimate.low, min(estimate.high, most)
    promised = None
    if rising is not None and math.isfinite(estimate.low) and math.isfinite(estimate.high):
        worse = estimate.low if rising else estimate.high
        promised = estimate.value + ROOM * (worse - estimate.value)
        promised = max(promised, 0.0)
    return Expected(
        value=estimate.value,
        low=low if math.isfinite(low) else None,
        high=high if math.isfinite(high) else None,
        promised=promised,
    )


def digest_of(requests: Requests) -> str:
    """SHA-256 of a log's requests, in hexadecimal: the same however its files are cut."""
    found = sha256(f"{requests.began.isoformat()} {requests.tasks}".encode())
    for field in ("arrival_s", "duration_s", "first_s", "tokens", "task", "conversation"):
        found.update(np.ascontiguousarray(getattr(requests, field)).tobytes())
    found.update("\0".join(requests.error.tolist()).encode())
    return found.hexdigest()


def _of_chain(policy: FailoverPolicy, chain: tuple[Deployment, ...]) -> FailoverPolicy:
    """Waits of the chain's own deployments only."""
    after = policy.hedge_after_s
    if not isinstance(after, Mapping):
        return policy
    names = {item.name for item in chain}
    return replace(policy, hedge_after_s={k: v for k, v in after.items() if k in names})


def _entry(member: Member) -> DeploymentEntry:
    manner, quality = member.manner, dict(member.quality)
    own = {field.name: getattr(member.deployment, field.name) for field in fields(Deployment)}
    latency = None if manner.latency_s is None else LatencyEntry(
        median_s=manner.latency_s[0], p99_s=manner.latency_s[1]
    )  # fmt: skip
    return DeploymentEntry(
        **own,
        latency=latency,
        latency_ratio=manner.latency_ratio if member.own_latency and latency is None else None,
        error_rate=manner.error_rate,
        error=manner.error,
        responds_s=manner.responds_s,
        quality=quality[""] if set(quality) == {""} else quality or None,
        price_as=member.price_as,
    )


def _outage(item: Outage) -> OutageEntry:
    return OutageEntry(
        provider=item.provider,
        region=item.region,
        form=item.form,
        share=item.share,
        error=item.error,
        responds_s=item.responds_s if math.isfinite(item.responds_s) else None,
        slower=item.slower,
        per_year=item.per_year,
        median_minutes=item.median_s / _MINUTE_S,
        mean_minutes=item.mean_s / _MINUTE_S,
        source=item.source,
    )


def _measured(found: Simulation, line: Line) -> Measured:
    requests = found.requests
    median, tail = np.quantile(requests.duration_s[requests.measured], [0.5, 0.99]).tolist()
    busiest = headroom(requests, found.pool)[0]
    names = {found.pool.chain[place].name for place in line.places}
    return Measured(
        sha256=digest_of(requests),
        began=requests.began.to_pydatetime(),
        hours=requests.period_s / _HOUR_S,
        requests=len(requests),
        failed=int((requests.error != "").sum()),
        median_s=median,
        p99_s=tail,
        busiest_requests_per_minute=busiest.busiest_requests,
        busiest_tokens_per_minute=busiest.busiest_tokens,
        hedges=tuple(
            _hedge(item)
            for item in found.hedges
            if item.deployment in names and item.share == line.hedge_share
        ),
    )


def _hedge(item: Hedge) -> HedgeFound:
    return HedgeFound(
        deployment=item.deployment,
        quantile=item.share,
        after_s=item.after_s,
        low_s=item.low_s,
        high_s=item.high_s if math.isfinite(item.high_s) else None,
        calls=item.calls,
        origin=item.origin,
    )
