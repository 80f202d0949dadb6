"""How a change goes out in stages: the plan, and the report of it."""

from collections.abc import Sequence

from llmops_cli.calls import CallsTable
from llmops_cli.report import Finding, Report
from llmops_cli.rollout.baseline import Baseline, measure_baseline
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.numbers import Numbers, baseline_of
from llmops_cli.rollout.parameters import RolloutParameters
from llmops_cli.rollout.plan import make_plan
from llmops_cli.rollout.report import report

__all__ = ["draw_plan", "plan_rollout"]


def draw_plan(calls: CallsTable | Numbers, parameters: RolloutParameters | None = None) -> Plan:
    """The plan itself, for writing it as YAML or working on it.

    Args:
        calls: the baseline log, or numbers in its place.
        parameters: stages, margins and error rates.

    Raises:
        LlmopsError: as :func:`plan_rollout`.
    """
    given = parameters or RolloutParameters()
    return make_plan(_baseline(calls, given), given)


def plan_rollout(
    calls: CallsTable | Numbers,
    parameters: RolloutParameters | None = None,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Report:
    """Plan a staged rollout from a baseline log, or from numbers.

    Args:
        calls: the log of the version in production: start times; errors; durations and
            evaluation scores where there are any; user or conversation ids for clustering. Or
            numbers in its place.
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
            ``rollout-few-quality``, ``rollout-few-latency``, ``rollout-few-errors`` and
            ``rollout-few-cost``; without costs ``rollout-no-cost``, and those of the price book.
    """
    given = parameters or RolloutParameters()
    baseline = _baseline(calls, given)
    plan = make_plan(baseline, given)
    return report(plan, baseline, given, inputs=tuple(inputs), findings=tuple(findings))


def _baseline(calls: CallsTable | Numbers, given: RolloutParameters) -> Baseline:
    if isinstance(calls, Numbers):
        return baseline_of(calls, given)
    return measure_baseline(calls, given)
