"""Does a plan's promise still hold? Its chain and policy on a newer log, under the same outages."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from llmops_cli.failover.explain import explanations
from llmops_cli.failover.figures import Figures, figures
from llmops_cli.failover.findings import own_findings
from llmops_cli.failover.hedging import own_durations_s
from llmops_cli.failover.model import FailoverParameters
from llmops_cli.failover.plan import PlanDocument
from llmops_cli.failover.plan_making import ROOM, digest_of
from llmops_cli.failover.plan_tables import plan_tables
from llmops_cli.failover.portability import Portability
from llmops_cli.failover.portability_tables import portability_findings, portability_tables
from llmops_cli.failover.report import availability_of, cost_of, gates, measures, parameters
from llmops_cli.failover.simulation import Simulation
from llmops_cli.report import Check, Explanation, Finding, Report

__all__ = ["check_plan", "parameters_of"]

_NEEDED = "more episodes: --most-requests"


def parameters_of(plan: PlanDocument, given: FailoverParameters) -> FailoverParameters:
    """As much is played as for the plan; gates that are given come before the plan's limits.

    Args:
        plan: as it was written.
        given: gates, and what else is asked.
    """
    made, limits = plan.simulated, plan.limits
    least, most = given.min_availability, given.max_cost_ratio
    return replace(
        given,
        years=made.years,
        most_requests=made.most_requests,
        seed=made.seed,
        own_episodes=made.own_episodes or given.own_episodes,
        min_availability=limits.min_availability if least is None else least,
        max_cost_ratio=limits.max_cost_ratio if most is None else most,
    )


def check_plan(
    found: Simulation,
    plan: PlanDocument,
    asked: FailoverParameters,
    moving: Sequence[Portability] = (),
    *,
    inputs: tuple[str, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> Report:
    """Hold a plan against a newer log.

    Args:
        found: the plan's pool on the newer log.
        plan: as it was written.
        asked: what was played, and the limits: of :func:`parameters_of`.
        moving: which prompts can move, where that was asked.
        inputs: what the report names as its input.
        findings: what reading the log found.

    Returns:
        A report that passes where what was promised, and every limit, is shown to hold, fails
        where one is shown not to, and is inconclusive else.
    """
    own = figures(found, found.results[0])
    return Report(
        command="simulate-failover",
        title="Does this plan still hold?",
        headline=_headline(plan, own),
        inputs=inputs,
        parameters=parameters(asked),
        measures=tuple(measures(found, own)),
        checks=(*_promised(found, own, plan), *gates(found, own, asked)),
        tables=(*plan_tables(plan, found, own), *portability_tables(moving)),
        findings=(
            *findings,
            *_of_the_log(plan, found),
            *portability_findings(moving),
            *own_findings(found, (own,)),
        ),
        explanations=(_explanation(plan), *explanations(found, asked)),
    )


def _headline(plan: PlanDocument, own: Figures) -> str:
    said = plan.foretold
    words = (
        f"On this log the plan answers {100 * own.availability.value:.6g} % of requests "
        f"({100 * said.availability.value:.6g} % foretold)"
    )
    if own.cost_ratio is not None and said.cost_ratio is not None:
        words += f"; an answer costs {own.cost_ratio.value:.4g}x ({said.cost_ratio.value:.4g}x)"
    return f"{words}."


def _promised(found: Simulation, own: Figures, plan: PlanDocument) -> Iterator[Check]:
    least = plan.foretold.availability.promised
    if least is not None:
        measure = availability_of(found, own)
        yield Check.at_least("as much is answered as promised", measure, least, needed=_NEEDED)
    cost = plan.foretold.cost_ratio
    if cost is not None and cost.promised is not None:
        measure = cost_of(found, own)
        yield Check.at_most("it costs what was promised", measure, cost.promised, needed=_NEEDED)


def _of_the_log(plan: PlanDocument, found: Simulation) -> Iterator[Finding]:
    requests, made = found.requests, plan.measured
    if digest_of(requests) == made.sha256:
        yield Finding(
            slug="failover-same-log",
            severity="note",
            message="this is the log that the plan was made on, so it says nothing new of it",
        )
    elif requests.began.to_pydatetime() < made.began:
        yield Finding(
            slug="failover-older-log",
            severity="warning",
            message="this log begins before the one that the plan was made on",
        )
    for item in made.hedges:
        later = _later_than(found, item.deployment, item.after_s)
        promised = 1 - item.quantile
        if later is not None and later > 2 * promised:
            yield Finding(
                slug="failover-hedge-moved",
                severity="warning",
                message=f"{100 * later:.3g} % of answers of '{item.deployment}' take longer than "
                f"the {item.after_s:.3g} s after which the plan hedges, not {100 * promised:.3g} %",
                hint="make the plan again: every one of them is sent, and paid, twice",
                field=item.deployment,
            )


def _later_than(found: Simulation, deployment: str, after_s: float) -> float | None:
    """Share of a deployment's own answers; None where the log has none."""
    names = [member.deployment.name for member in found.pool.members]
    place = names.index(deployment)
    manner = found.pool.members[place].manner
    taken = own_durations_s(found.pool, place, found.requests)
    if manner.latency_s is not None or not len(taken):
        return None
    return float(np.mean(manner.latency_ratio * taken > after_s))


def _explanation(plan: PlanDocument) -> Explanation:
    said = plan.foretold.availability
    return Explanation(
        of="what was promised",
        formula="promised = value - (1 + sqrt 2) (value - low), upwards for a cost: the root of "
        "two for the doubt of both simulations, one for the interval that must lie within",
        numbers=(
            ("lost per million, foretold", _per_million(said.value)),
            ("at most, as foretold", _per_million(said.low)),
            ("at most, as promised", _per_million(said.promised)),
            ("1 + sqrt 2", round(ROOM, 3)),
        ),
        assumptions=(
            "outages come as the plan assumed them; only the log is new",
            "on unchanged traffic the check passes 19 times in 20",
            "latency and attempts have no interval: they are shown, and decide nothing",
        ),
        source="difference of two independent estimates of the same variance",
    )


def _per_million(share: float | None) -> float | None:
    return None if share is None else round(1e6 * (1 - share), 3)
