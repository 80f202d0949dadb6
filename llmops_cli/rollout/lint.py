"""An existing manifest rehearsed on a log: how often it rolls back for nothing, what it misses."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from llmops_cli.calls import CallsTable, require
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding, Report
from llmops_cli.rollout.baseline import measure_baseline, who_calls
from llmops_cli.rollout.changes import NO_CHANGE, Change
from llmops_cli.rollout.lint_report import Linted, lint_report
from llmops_cli.rollout.lint_rules import follow_rules
from llmops_cli.rollout.manifest import Manifest
from llmops_cli.rollout.manifest_rules import ErrorRule
from llmops_cli.rollout.model import ERRORS, Plan
from llmops_cli.rollout.parameters import RolloutParameters
from llmops_cli.rollout.plan import make_plan
from llmops_cli.rollout.rehearsal import Outcomes, rehearse
from llmops_cli.rollout.replay import Replay
from llmops_cli.rollout.scenario import RehearsalParameters, at_margin
from llmops_cli.rollout.schedule import Schedule, StageLooks

__all__ = ["LintParameters", "lint"]

_MOST_CELLS = 40_000_000

_FINER = 4
"""Where rules look in different rhythms, a look is this part of the shortest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LintParameters:
    """The question.

    Attributes:
        error_rise: of the error rate that matters, as a share.
        runs: rollouts played of each change.
        seed: of everything drawn.
        max_false_rollback: gate on the share of harmless rollouts that go back.
    """

    error_rise: float = 0.01
    runs: int = 2000
    seed: int = 0
    max_false_rollback: float | None = None

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what cannot be rehearsed."""
        if not 0 < self.error_rise < 1:
            raise LlmopsError(
                "rollout-bad-change",
                "--error-rise lies between 0 and 1",
                hint="one percentage point is 0.01",
                exit_code=ExitCode.USAGE,
            )
        # Runs and the gate have the limits of any rehearsal.
        RehearsalParameters(runs=self.runs, max_false_rollback=self.max_false_rollback)


def lint(
    manifest: Manifest,
    calls: CallsTable,
    given: LintParameters,
    *,
    inputs: tuple[str, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> Report:
    """Rehearse the rules of a manifest, with no change and with one of each kind.

    Raises:
        LlmopsError: ``calls-missing-column``, those of the baseline, ``rollout-not-in-log`` where
            no rule looks at what the log carries, and ``rollout-too-many-looks`` for a log too
            long for so short windows.
    """
    require(calls, "start_time")
    plan = _plan(calls, given)
    rules, blind = _rules(manifest, plan)
    harms = sorted(plan.guardrails, key=lambda item: item.name != ERRORS)
    changes = [NO_CHANGE, *(at_margin(item) for item in harms)]
    outcomes = tuple(_played(manifest, rules, calls, plan, change, given) for change in changes)
    found = Linted(
        manifest=replace(manifest, rules=rules, left_out=(*manifest.left_out, *blind)),
        plan=plan,
        schedule=_schedule(manifest, rules, np.ones(1)),
        played=tuple(zip(changes, outcomes, strict=True)),
    )
    return lint_report(
        found, given.max_false_rollback, _parameters(given), inputs=inputs, findings=findings
    )


def _parameters(given: LintParameters) -> dict[str, float]:
    return {"error_rise": given.error_rise, "runs": given.runs, "seed": given.seed}


def _plan(calls: CallsTable, given: LintParameters) -> Plan:
    asked = RolloutParameters(error_margin=given.error_rise)
    return make_plan(measure_baseline(calls, asked), asked)


def _rules(manifest: Manifest, plan: Plan) -> tuple[tuple[ErrorRule, ...], list[str]]:
    """The rules that the log can be asked about, and the others in words."""
    known = {guardrail.name for guardrail in plan.guardrails}
    rules = tuple(rule for rule in manifest.rules if rule.guardrail in known)
    blind = {rule.guardrail for rule in manifest.rules} - known
    if not rules:
        missing = " and ".join(sorted(blind))
        raise LlmopsError(
            "rollout-not-in-log",
            f"the manifest guards {missing}, and the log carries none of it",
            hint="lint it on a log with evaluation scores and durations",
        )
    return rules, [f"{name}, which the log does not carry" for name in sorted(blind)]


def _played(
    manifest: Manifest,
    rules: tuple[ErrorRule, ...],
    calls: CallsTable,
    plan: Plan,
    change: Change,
    given: LintParameters,
) -> Outcomes:
    codes, look_s = who_calls(calls)[1], _look_s(rules)
    replay = Replay.of(calls, codes, plan.guardrails, look_s, change, seed=given.seed)
    if replay.looks * replay.groups > _MOST_CELLS:
        raise LlmopsError(
            "rollout-too-many-looks",
            f"the log has {replay.looks:,} windows of {look_s:g} s",
            hint="give a log of a few days",
            exit_code=ExitCode.USAGE,
        )
    schedule = _schedule(manifest, rules, replay.arrivals)
    judge = partial(follow_rules, rules=rules)
    return rehearse(replay, plan, schedule, [judge], given.runs, given.seed)[0]


def _look_s(rules: tuple[ErrorRule, ...]) -> float:
    rhythms = {rule.interval_s for rule in rules if not rule.whole_step}
    shortest = min(rhythms, default=min(rule.interval_s for rule in rules))
    return shortest if len(rhythms) < 2 else shortest / _FINER  # noqa: PLR2004 - one rhythm fits


def _schedule(
    manifest: Manifest, rules: tuple[ErrorRule, ...], arrivals: npt.NDArray[np.float64]
) -> Schedule:
    look_s, stages, at = _look_s(rules), list[StageLooks](), 0
    for share, seconds in manifest.steps:
        end = at + max(1, round(seconds / look_s))
        stages.append(StageLooks(share, at, end))
        at = end
    return Schedule(look_s, arrivals, tuple(stages))
