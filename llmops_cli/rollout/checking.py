"""What to do with the stage that runs: the decision, its report, and the state after it."""

from collections.abc import Sequence
from dataclasses import replace

from llmops_cli.report import Finding, Report
from llmops_cli.rollout.check import Checked, check, not_passed
from llmops_cli.rollout.check_report import fuller_before, report, skipped
from llmops_cli.rollout.decision import Verdicts
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.observed import Observed
from llmops_cli.rollout.state import State

__all__ = ["check_rollout"]


def check_rollout(
    plan: Plan,
    state: State,
    percent: float,
    seen: Observed,
    *,
    inputs: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> tuple[Report, State]:
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
    after = state.seeing(percent, seen)
    found = check(plan, after, percent)
    after = _remembering(after, found)
    own = skipped(not_passed(plan, after, percent), percent)
    own += fuller_before(state.observed(percent), seen)
    return report(found, plan, inputs=tuple(inputs), findings=(*findings, *own)), after


def _remembering(state: State, found: Checked) -> State:
    """What has gone back, or was paused, stays so."""
    if found.verdict is Verdicts.ROLLBACK and state.rolled_back is None:
        return replace(state, rolled_back=found.percent)
    if found.paused and state.paused is None:
        return replace(state, paused=found.percent)
    return state
