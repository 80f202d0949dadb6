"""How is a change rolled out in stages? Samples, durations and decision bounds from a log.

Every stage gets the requests it needs to show that quality, latency and errors are not worse
by a margin the user cares about, at the pace of the user's own traffic.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llmops_cli.calls import CallsTable
from llmops_cli.report import Finding, Report
from llmops_cli.rollout.baseline import measure_baseline
from llmops_cli.rollout.model import Plan, RolloutParameters
from llmops_cli.rollout.plan import make_plan
from llmops_cli.rollout.report import report
from llmops_cli.rollout.scenario import RehearsalParameters

if TYPE_CHECKING:
    from llmops_cli.rollout.observed import Observed
    from llmops_cli.rollout.state import State

__all__ = [
    "Plan",
    "RehearsalParameters",
    "RolloutParameters",
    "check_rollout",
    "draw_plan",
    "plan_rollout",
    "simulate_rollout",
]


def draw_plan(calls: CallsTable, parameters: RolloutParameters | None = None) -> Plan:
    """The plan itself, for writing it as YAML or working on it.

    Args:
        calls: the baseline log.
        parameters: stages, margins and error rates.

    Raises:
        LlmopsError: as :func:`plan_rollout`.
    """
    given = parameters or RolloutParameters()
    return make_plan(measure_baseline(calls, given), given)


def plan_rollout(
    calls: CallsTable,
    parameters: RolloutParameters | None = None,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Plan a staged rollout from a baseline log.

    Args:
        calls: the log of the version in production: start times; errors; durations and
            evaluation scores where there are any; user or conversation ids for clustering.
        parameters: stages, margins, error rates, and the gate on the whole duration.
        inputs: what the report names as its input.
        findings: what reading the log found; shown with ours.

    Returns:
        A report whose gate (``max_days``) is decided on the interval of the arrival rate;
        inconclusive when the log is too small to know its own baseline.

    Raises:
        LlmopsError: ``calls-missing-column``, ``rollout-no-span``, ``rollout-mostly-errors``;
            where a margin was given for what the log does not carry ``rollout-no-quality``,
            ``rollout-low-quality``, ``rollout-score-scale``, ``rollout-no-latency``,
            ``rollout-flat-latency``, and with the exit code of an undecided gate
            ``rollout-few-quality`` and ``rollout-few-latency``.
    """
    given = parameters or RolloutParameters()
    baseline = measure_baseline(calls, given)
    plan = make_plan(baseline, given)
    return report(plan, baseline, given, inputs=tuple(inputs), findings=tuple(findings))


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
    from llmops_cli.rollout.simulation import simulate  # noqa: PLC0415 - planning does without
    from llmops_cli.rollout.simulation_report import report as told  # noqa: PLC0415 - as above

    given = parameters or RehearsalParameters()
    found = simulate(calls, plan, given)
    return told(found, given, inputs=tuple(inputs), findings=tuple(findings))


def check_rollout(
    plan: Plan,
    state: "State",
    percent: float,
    seen: "Observed",
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> tuple[Report, "State"]:
    """Decide on a running stage: promote, hold or roll back.

    Args:
        plan: the plan of the rollout.
        state: what earlier looks have seen; a new one at the first.
        percent: of the stage that is running.
        seen: what this look brings, or all of the stage again.
        inputs: what the report names as its input.
        findings: what reading the data found; shown with ours.

    Returns:
        A report that passes to promote, fails to roll back and is inconclusive to hold; and the
        state to hand to the next look.

    Raises:
        LlmopsError: ``rollout-no-such-stage``; ``rollout-clock-back`` where the stage would begin
            before an earlier one has ended.
    """
    from dataclasses import replace  # noqa: PLC0415 - planning does without

    from llmops_cli.rollout.check import check, not_passed  # noqa: PLC0415 - as above
    from llmops_cli.rollout.check_report import fuller_before, skipped  # noqa: PLC0415 - as above
    from llmops_cli.rollout.check_report import report as told  # noqa: PLC0415 - as above
    from llmops_cli.rollout.decision import Verdicts  # noqa: PLC0415 - as above

    after = state.seeing(percent, seen)
    found = check(plan, after, percent)
    if found.verdict is Verdicts.ROLLBACK and after.rolled_back is None:
        after = replace(after, rolled_back=found.percent)
    own = skipped(not_passed(plan, after, percent), percent)
    own += fuller_before(state.observed(percent), seen)
    return told(found, plan, inputs=tuple(inputs), findings=(*findings, *own)), after
