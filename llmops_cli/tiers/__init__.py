"""Which model for which task, and is a router or a cascade worth it?

Outcomes of several models on the same requests become a plan: the cheapest model that is shown
to be good enough for each task class, with the loss of every class beside it.
"""

from collections.abc import Sequence

from llmops_cli.report import Finding, Report
from llmops_cli.tiers.comparison import CompareParameters
from llmops_cli.tiers.model import TierParameters
from llmops_cli.tiers.outcomes import Outcomes
from llmops_cli.tiers.plan import TierPlan
from llmops_cli.tiers.report import report
from llmops_cli.tiers.simulation import Simulation, simulate

__all__ = [
    "CompareParameters",
    "Outcomes",
    "Simulation",
    "TierParameters",
    "TierPlan",
    "simulate",
    "simulate_tiers",
]


def simulate_tiers(
    outcomes: Outcomes,
    parameters: TierParameters | None = None,
    *,
    compare: CompareParameters | None = None,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Assign models to task classes and say what that saves and risks.

    Args:
        outcomes: quality, cost and latency of every model by request, ``(n, m)``.
        parameters: floors, limits, evidence and gates; by default the cheapest model per class
            that is shown to keep 95 % of the reference's quality there.
        compare: routers and cascades to hold beside the plan; the baselines where absent.
        inputs: what the report names as its input.
        findings: what reading the outcomes found; shown with ours.

    Returns:
        A report whose gates (``min_saving``, ``max_quality_loss``) are decided on intervals of
        plans that were chosen without the rows they are held against.

    Raises:
        LlmopsError: ``tiers-infeasible``, ``tiers-no-cost``, ``tiers-no-quality``,
            ``tiers-one-model``, ``tiers-unknown-model``, ``tiers-unknown-task``,
            ``tiers-unknown-tier``, ``tiers-no-latency``.
    """
    given = parameters or TierParameters()
    found = simulate(outcomes, given, compare)
    return report(found, given, inputs=tuple(inputs), findings=tuple(findings))
