"""The answer as a Report: the last policy's availability, cost and quality, and the gates."""

import math
from collections.abc import Iterator, Sequence

from llmops_cli.failover.explain import explanations
from llmops_cli.failover.figures import Figures, figures
from llmops_cli.failover.findings import own_findings
from llmops_cli.failover.model import FailoverParameters
from llmops_cli.failover.portability import Portability
from llmops_cli.failover.portability_tables import portability_findings, portability_tables
from llmops_cli.failover.simulation import Simulation
from llmops_cli.failover.tables import failover_tables
from llmops_cli.failover.years import LEVEL, Estimate
from llmops_cli.report import Check, Finding, Measure, Report, Scalar, Table, Unit

__all__ = ["availability_of", "cost_of", "gates", "measures", "parameters", "report"]


def report(
    found: Simulation,
    given: FailoverParameters,
    moving: Sequence[Portability] = (),
    *,
    inputs: tuple[str, ...],
    findings: tuple[Finding, ...],
) -> Report:
    """The report of one simulation.

    Args:
        found: the answer.
        given: the gates.
        moving: which prompts can move, where that was asked.
        inputs: names of the logs.
        findings: those of the reader of the log.
    """
    known = tuple(figures(found, result) for result in found.results)
    own = known[found.named - 1]
    return Report(
        command="simulate-failover",
        title="What failing over buys",
        headline=_headline(found, known),
        inputs=inputs,
        parameters=parameters(given),
        measures=tuple(measures(found, own)),
        checks=tuple(gates(found, own, given)),
        tables=_tables(found, known, given, moving),
        findings=(*findings, *portability_findings(moving), *own_findings(found, known)),
        explanations=tuple(explanations(found, given)),
    )


def _tables(
    found: Simulation,
    known: tuple[Figures, ...],
    given: FailoverParameters,
    moving: Sequence[Portability],
) -> tuple[Table, ...]:
    # Two tables are shown without -v: what was asked for comes before what always comes.
    first, *others = failover_tables(found, known, given)
    return (first, *portability_tables(moving), *others)


def _headline(found: Simulation, known: tuple[Figures, ...]) -> str:
    first, last = known[0], known[found.named - 1]
    names = [result.line.policy.name for result in found.results]
    time = "in an average year" if found.pool.outages else "of this log"
    words = f"'{names[found.named - 1]}' answers {_percent(last)} % of requests {time}"
    if found.named > 1:
        words += f", '{names[0]}' {_percent(first)} %"
    if last.cost_ratio is not None:
        words += f"; an answer costs {last.cost_ratio.value:.4g}x"
    return f"{words}."


def _percent(own: Figures) -> str:
    # As many digits as tell it from 100.
    return f"{100 * own.availability.value:.6g}"


def parameters(given: FailoverParameters) -> dict[str, Scalar]:
    """What was asked for."""
    return {
        "years": given.years,
        "most_requests": given.most_requests,
        "seed": given.seed,
        "own_episodes": given.own_episodes,
        "portability": given.portability,
        "search": given.search,
        "min_availability": given.min_availability,
        "max_cost_ratio": given.max_cost_ratio,
    }


def measures(found: Simulation, own: Figures) -> Iterator[Measure]:
    """Of one policy, with their intervals."""
    yield availability_of(found, own)
    lost = own.lost_per_year
    if lost is not None:
        yield _measure(found, "lost_per_year", lost, label="requests lost a year")
    if own.cost_ratio is not None:
        yield cost_of(found, own)
    if own.quality_change is not None:
        yield _measure(
            found, "quality_change", own.quality_change, label="change of the mean quality"
        )
    if own.perhaps_ratio is not None:
        yield Measure(
            name="perhaps_ratio",
            label="attempts without an answer may be billed, over all costs",
            value=own.perhaps_ratio,
            unit="share",
            method="timeouts and broken answers at their full price",
        )


def availability_of(found: Simulation, own: Figures) -> Measure:
    """Share of requests answered."""
    return _measure(found, "availability", own.availability, "share", label="requests answered")


def cost_of(found: Simulation, own: Figures) -> Measure:
    """Cost of an answer over that in a world without failures; unknown without prices."""
    label = "cost of an answer"
    if own.cost_ratio is None:
        return Measure(name="cost_ratio", value=None, unit="ratio", label=label)
    return _measure(found, "cost_ratio", own.cost_ratio, "ratio", label=label)


def _measure(
    found: Simulation, name: str, estimate: Estimate, unit: Unit = "", *, label: str
) -> Measure:
    exact = estimate.low == estimate.high
    low, high = estimate.low, estimate.high
    if unit == "share":
        low, high = max(low, 0.0), min(high, 1.0)
    open_low, open_high = math.isinf(low), math.isinf(high)
    return Measure(
        name=name,
        label=label,
        value=estimate.value,
        unit=unit,
        low=None if exact or open_low else low,
        high=None if exact or open_high else high,
        level=None if exact else LEVEL,
        n=found.played[0] if found.pool.outages else len(found.requests),
        method=_method(found, exact=exact),
    )


def _method(found: Simulation, *, exact: bool) -> str:
    if exact:
        return "sum over the log" if not found.pool.outages else "the same in every episode"
    if found.pool.outages:
        return "compound Poisson over played episodes, and the quiet log"
    return "Wilson interval"


def gates(found: Simulation, own: Figures, given: FailoverParameters) -> Iterator[Check]:
    """What was asked for, held against one policy."""
    if given.min_availability is not None:
        yield Check.at_least(
            "enough is answered",
            availability_of(found, own),
            given.min_availability,
            needed="more episodes: --most-requests",
        )
    if given.max_cost_ratio is not None:
        yield Check.at_most(
            "it costs no more",
            cost_of(found, own),
            given.max_cost_ratio,
            needed="tokens in the log, and more episodes: --most-requests",
        )
