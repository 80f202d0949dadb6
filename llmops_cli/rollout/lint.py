"""An existing manifest rehearsed on a log: how often it rolls back for nothing, what it misses."""

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from llmops_cli.calls import CallsTable, require
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Check, Column, Explanation, Finding, Measure, Report, Table
from llmops_cli.rollout.baseline import measure_baseline, who_calls
from llmops_cli.rollout.changes import Change
from llmops_cli.rollout.evidence import Arms
from llmops_cli.rollout.habits import Habit, follow
from llmops_cli.rollout.manifest import ErrorRule, Manifest
from llmops_cli.rollout.model import ERRORS, Plan, RolloutParameters
from llmops_cli.rollout.plan import make_plan
from llmops_cli.rollout.rehearsal import WENT_BACK, Outcomes, rehearse
from llmops_cli.rollout.replay import Replay
from llmops_cli.rollout.schedule import Schedule, StageLooks
from llmops_cli.rollout.simulation_report import share_of_runs

__all__ = ["LintParameters", "lint"]

_MOST_CELLS = 40_000_000
_FEW = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class LintParameters:
    """The question.

    Attributes:
        error_rise: of the error rate that matters, as a share.
        runs: rollouts played.
        seed: of everything drawn.
        max_false_rollback: gate on the share of harmless rollouts that go back.
    """

    error_rise: float = 0.01
    runs: int = 2000
    seed: int = 0
    max_false_rollback: float | None = None

    def __post_init__(self) -> None:
        """Refuse, with the usage exit code, what cannot be rehearsed."""
        if not (0 < self.error_rise < 1 and self.runs >= 1):
            raise LlmopsError(
                "rollout-bad-change",
                "the rise of the error rate lies between 0 and 1, and there is at least one run",
                exit_code=ExitCode.USAGE,
            )


def lint(
    manifest: Manifest,
    calls: CallsTable,
    given: LintParameters,
    *,
    inputs: tuple[str, ...] = (),
    findings: tuple[Finding, ...] = (),
) -> Report:
    """Rehearse the first rule of errors of a manifest.

    Raises:
        LlmopsError: ``calls-missing-column``, those of the baseline, and
            ``rollout-too-many-looks`` for a log too long for so short windows.
    """
    require(calls, "start_time")
    rule = manifest.rules[0]
    plan = _plan(calls, given)
    harmless, harmful = (
        _played(manifest, rule, calls, plan, change, given)
        for change in (Change(), Change(name="worse", error_rise=given.error_rise))
    )
    schedule = _schedule(manifest, rule, np.ones(1))
    return _report(manifest, (harmless, harmful), (plan, schedule), given, inputs, findings)


def _plan(calls: CallsTable, given: LintParameters) -> Plan:
    asked = RolloutParameters(error_margin=given.error_rise)
    plan = make_plan(measure_baseline(calls, asked), asked)
    errors = tuple(item for item in plan.guardrails if item.name == ERRORS)
    return replace(plan, guardrails=errors)


def _played(
    manifest: Manifest,
    rule: ErrorRule,
    calls: CallsTable,
    plan: Plan,
    change: Change,
    given: LintParameters,
) -> Outcomes:
    codes = who_calls(calls)[1]
    replay = Replay.of(calls, codes, plan.guardrails, rule.interval_s, change, seed=given.seed)
    if replay.looks * replay.groups > _MOST_CELLS:
        raise LlmopsError(
            "rollout-too-many-looks",
            f"the log has {replay.looks:,} windows of {rule.interval_s:g} s",
            hint="give a log of a few days",
            exit_code=ExitCode.USAGE,
        )
    schedule = _schedule(manifest, rule, replay.arrivals)
    judge = partial(follow, habit=_habit(rule))
    return rehearse(replay, plan, schedule, [judge], given.runs, given.seed)[0]


def _habit(rule: ErrorRule) -> Habit:
    def fails(seen: Arms, _: Arms) -> npt.NDArray[np.bool_]:
        empty = seen.treated.n < 0.5  # noqa: PLR2004 - counts, as floating-point numbers
        return np.where(empty, rule.empty_fails, seen.treated.mean > rule.bound)

    return Habit(rule.name, fails, rule.strikes)


def _schedule(manifest: Manifest, rule: ErrorRule, arrivals: npt.NDArray[np.float64]) -> Schedule:
    stages, at = list[StageLooks](), 0
    for share, seconds in manifest.steps:
        end = at + max(1, round(seconds / rule.interval_s))
        stages.append(StageLooks(share, at, end))
        at = end
    return Schedule(rule.interval_s, arrivals, tuple(stages))


def _report(
    manifest: Manifest,
    outcomes: tuple[Outcomes, Outcomes],
    known: tuple[Plan, Schedule],
    given: LintParameters,
    inputs: tuple[str, ...],
    findings: tuple[Finding, ...],
) -> Report:
    harmless, harmful = outcomes
    plan, schedule = known
    rule = manifest.rules[0]
    false, seen = (
        share_of_runs(name, item.count(WENT_BACK), item.runs, label)
        for name, item, label in (
            ("false_rollback", harmless, "harmless, goes back"),
            ("detection", harmful, f"errors +{given.error_rise:g}, goes back"),
        )
    )
    more = "more runs (--runs) narrow the interval"
    bound = given.max_false_rollback
    window = plan.requests_per_hour * rule.interval_s / 3600
    return Report(
        command="rollout-lint",
        title=f"What this {manifest.controller} manifest would do",
        headline=f"It rolls a harmless change back {100 * (false.value or 0):.3g} % of the time, "
        f"and one with {100 * given.error_rise:g} points more errors "
        f"{100 * (seen.value or 0):.3g} % of the time.",
        inputs=inputs,
        parameters={"error_rise": given.error_rise, "runs": given.runs, "seed": given.seed},
        measures=(false, seen, _exposed(harmful)),
        checks=()
        if bound is None
        else (Check.at_most("few false rollbacks", false, bound, needed=more),),
        tables=(_steps(manifest, schedule, window, outcomes),),
        findings=(*findings, *_findings(manifest, window)),
        explanations=(_explained(rule, plan),),
    )


def _exposed(harmful: Outcomes) -> Measure:
    return Measure(
        name="exposed_requests",
        label="requests a harmful change serves",
        value=float(harmful.exposed.mean()),
        n=harmful.runs,
        method="mean over the runs",
    )


def _steps(
    manifest: Manifest, schedule: Schedule, window: float, outcomes: tuple[Outcomes, Outcomes]
) -> Table:
    harmless, harmful = outcomes
    return Table(
        name="steps",
        title="Step by step",
        columns=(
            Column(name="percent", label="step, %"),
            Column(name="windows", label="windows", unit="count"),
            Column(name="requests", label="new requests in each"),
            Column(name="false_rollback", label="harmless goes back", unit="share"),
            Column(name="detection", label="harmful goes back", unit="share"),
        ),
        rows=tuple(
            (
                100 * share,
                stage.looks,
                round(share * window, 1),
                harmless.count(WENT_BACK, index) / harmless.runs,
                harmful.count(WENT_BACK, index) / harmful.runs,
            )
            for index, ((share, _), stage) in enumerate(
                zip(manifest.steps, schedule.stages, strict=True)
            )
        ),
    )


def _findings(manifest: Manifest, window: float) -> tuple[Finding, ...]:
    first = manifest.steps[0][0] * window
    found = [
        Finding(
            slug="manifest-left-out",
            severity="warning",
            message=f"{words}: not rehearsed",
        )
        for words in (*manifest.left_out, *(f"metric '{r.name}'" for r in manifest.rules[1:]))
    ]
    if first < _FEW:
        found.append(
            Finding(
                slug="manifest-few-requests",
                severity="warning",
                message=f"a window of the first step holds about {first:.3g} requests of the new "
                "version: its error rate is mostly chance",
                hint="longer windows, or a query over the whole step with a least number",
            )
        )
    return tuple(found)


def _explained(rule: ErrorRule, plan: Plan) -> Explanation:
    return Explanation(
        of="going back",
        formula="a window fails when errors / requests of the new version > bound; back at so "
        "many failed windows",
        numbers=(
            ("metric", rule.name),
            ("bound", rule.bound),
            ("window in seconds", rule.interval_s),
            ("failed windows that roll back", rule.strikes),
            ("error rate of the log", plan.guardrails[0].baseline),
        ),
        assumptions=(
            "windows do not overlap; the rule looks at every step from its start",
            "a pause without a duration lasts an hour",
            "a window without requests "
            + ("fails" if rule.empty_fails else "is an error that is forgiven"),
        ),
        source="defaults of Argo Rollouts 1.2 (failureLimit 0) and Flagger 1.44 (threshold 1)",
    )
