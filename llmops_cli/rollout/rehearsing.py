"""What a plan would do: it is rehearsed on a log before anybody is exposed."""

from collections.abc import Sequence

from llmops_cli.calls import CallsTable
from llmops_cli.report import Finding, Report
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.scenario import RehearsalParameters
from llmops_cli.rollout.simulation import simulate
from llmops_cli.rollout.simulation_report import report

__all__ = ["simulate_rollout"]


def simulate_rollout(
    calls: CallsTable,
    plan: Plan,
    parameters: RehearsalParameters | None = None,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Rehearse a plan on a log, with no change and with changes for the worse.

    Args:
        calls: the log whose traffic is served again and again.
        plan: the stages, guardrails and risks.
        parameters: the change, the runs, and the gates on their outcomes.
        inputs: what the report names as its input.
        findings: what reading the log found; shown with ours.

    Returns:
        A report whose gates are decided on exact intervals over the runs.

    Raises:
        LlmopsError: ``calls-missing-column``, ``rollout-no-traffic``, ``rollout-not-in-log``,
            ``rollout-no-slice``, ``rollout-no-quality``, ``rollout-unguarded``,
            ``rollout-change-too-large``, ``rollout-too-many-looks``.
    """
    given = parameters or RehearsalParameters()
    found = simulate(calls, plan, given)
    return report(found, given, inputs=tuple(inputs), findings=tuple(findings))
