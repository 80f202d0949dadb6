"""Which chain is the best: within the gates first, then the cheapest, then the most available."""

from llmops_cli.failover.figures import Figures
from llmops_cli.failover.model import FailoverParameters
from llmops_cli.failover.simulation import Simulation

__all__ = ["best", "holds", "ranked"]


def ranked(
    found: Simulation, known: tuple[Figures, ...], given: FailoverParameters
) -> tuple[int, ...]:
    """Places of the chains tried under the last policy of the file, the best first.

    Args:
        found: the answer.
        known: figures of its results, in their order.
        given: the gates.
    """
    last = found.results[found.named - 1].line.policy
    tried = [
        at
        for at, result in enumerate(found.results)
        if at >= found.named or result.line.policy == last
    ]
    return tuple(sorted(tried, key=lambda at: (not holds(known[at], given), *_order(known[at]))))


def best(found: Simulation, known: tuple[Figures, ...], given: FailoverParameters) -> int:
    """Place of the result that a plan is made of: the last policy, over its best chain if tried."""
    return ranked(found, known, given)[0] if given.search else found.named - 1


def holds(own: Figures, given: FailoverParameters) -> bool:
    """Whether a result is within the gates, decided on its intervals."""
    available = given.min_availability is None or own.availability.low >= given.min_availability
    cost = own.cost_ratio
    cheap = given.max_cost_ratio is None or (cost is not None and cost.high <= given.max_cost_ratio)
    return available and cheap


def _order(own: Figures) -> tuple[float, float]:
    # In money, not over its own world without failures: chains prefer different deployments.
    return own.usd_each or 0.0, -own.availability.value
