"""How is a change rolled out in stages? Samples, durations and decision bounds from a log.

Every stage gets the requests it needs to show that quality, latency and errors are not worse
by a margin the user cares about, at the pace of the user's own traffic.
"""

from collections.abc import Sequence

from llmops_cli.calls import CallsTable
from llmops_cli.report import Finding, Report
from llmops_cli.rollout.baseline import measure_baseline
from llmops_cli.rollout.model import Plan, RolloutParameters
from llmops_cli.rollout.plan import make_plan
from llmops_cli.rollout.report import report

__all__ = ["Plan", "RolloutParameters", "draw_plan", "plan_rollout"]


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
