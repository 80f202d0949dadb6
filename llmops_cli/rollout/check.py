"""One stage as it runs: PROMOTE, HOLD or ROLLBACK from what has been observed of both versions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.boundaries import benefit_limit, limits_at_parts
from llmops_cli.rollout.check_path import Path, path_of
from llmops_cli.rollout.decision import Verdicts, confirmed
from llmops_cli.rollout.evidence import Arms
from llmops_cli.rollout.harm import rule_evidence
from llmops_cli.rollout.model import Guardrail, Plan, Stage
from llmops_cli.rollout.observed import CANARY, CONTROL, USERS, Observed
from llmops_cli.rollout.rule import Rule
from llmops_cli.rollout.sample_ratio import RATIO_ALPHA, ratio_evidence
from llmops_cli.rollout.stage_clock import StageClock
from llmops_cli.rollout.stage_evidence import arms_of, flat, planned_information, requests_seen
from llmops_cli.rollout.stage_verdict import Chances, Course, Ending, chances, ending, limit_of
from llmops_cli.rollout.standing import Standing, standing_of
from llmops_cli.rollout.state import State

__all__ = ["Checked", "check", "not_passed", "stage_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Checked:
    """The decision.

    Attributes:
        percent: the stage.
        verdict: what to do.
        guardrail: what decided, or holds it up; empty where nothing was observed.
        reason: in words.
        window: the window that decided, or the last.
        canary_requests: seen on the new version.
        planned_requests: that the stage needs.
        ratio_evidence: of a broken split, as a part of what raises an alarm; None where users
            are not counted.
        standings: one per guardrail.
        still_open: whether the hour that filled the stage is not over.
        paths: one per guardrail, window by window.
        paused: whether harm was found and the plan leaves what follows to a person.
    """

    percent: float
    verdict: Verdicts
    guardrail: str
    reason: str
    window: str
    canary_requests: int
    planned_requests: int
    ratio_evidence: float | None
    standings: tuple[Standing, ...]
    still_open: bool = False
    paths: tuple[Path, ...] = ()
    paused: bool = False

    @property
    def split_is_off(self) -> bool:
        """Whether users are not on the new version as the stage says."""
        return self.ratio_evidence is not None and self.ratio_evidence >= 1


def stage_of(plan: Plan, percent: float) -> Stage:
    """The stage of a plan by its percent; 0 is the shadow stage.

    Raises:
        LlmopsError: ``rollout-no-such-stage``.
    """
    for stage in plan.steps:
        if math.isclose(stage.key, percent):
            return stage
    raise LlmopsError(
        "rollout-no-such-stage",
        f"the plan has no stage of {percent:g} %" if percent else "the plan has no shadow stage",
        hint="its stages are " + ", ".join(stage.label for stage in plan.steps),
        exit_code=ExitCode.USAGE,
    )


def check(plan: Plan, state: State, percent: float) -> Checked:
    """Judge a stage by everything its state has seen.

    The decision is the first that any window reached: looking at some of them first, or at all
    of them at once, makes no difference.

    Raises:
        LlmopsError: ``rollout-no-such-stage``.
    """
    stage = stage_of(plan, percent)
    seen = state.observed(stage.key)
    plan = _guarded(plan, stage)
    arms = [arms_of(plan, state, stage, item) for item in plan.guardrails]
    if not seen.windows:
        return _nothing(stage, state)
    both = list(zip(arms, plan.guardrails, strict=True))
    harm = np.stack([_harm(a, g, stage, Rule.of(plan)) for a, g in both])
    course = _course(plan, stage, seen, arms, harm)
    ratio = _split(seen, stage)
    end = _after_all(ending(plan, stage, course), ratio, state)
    requests = requests_seen(plan.guardrails, arms)
    return Checked(
        percent=stage.key,
        verdict=end.verdict,
        guardrail=plan.guardrails[end.guardrail].name,
        reason=end.reason,
        window=seen.windows[end.at],
        canary_requests=int(requests[-1]),
        planned_requests=stage.canary_requests,
        ratio_evidence=None if ratio is None else float(ratio.max()),
        standings=tuple(
            standing_of(a, g, plan, stage, float(e[-1]))
            for (a, g), e in zip(both, harm, strict=True)
        ),
        still_open=course.full and course.look is None,
        paths=tuple(
            path_of(a, g, e, benefit_limit(plan.boundaries, plan.alpha_per_stage))
            for (a, g), e in zip(both, harm, strict=True)
        ),
        paused=end.paused,
    )


def _guarded(plan: Plan, stage: Stage) -> Plan:
    """The plan with the guardrails of the stage only: a shadow stage may have fewer."""
    names = {item.guardrail for item in stage.decisions}
    return replace(plan, guardrails=tuple(g for g in plan.guardrails if g.name in names))


def _course(plan: Plan, stage: Stage, seen: Observed, arms: Sequence[Arms], harm: Floats) -> Course:
    clock, requests = StageClock.of(seen), requests_seen(plan.guardrails, arms)
    may = chances(
        requests, stage.canary_requests, clock, limit_of(plan, stage), plan.boundaries.chances
    )
    both = zip(arms, plan.guardrails, strict=True)
    room = np.stack([_room(a, g, may, stage, plan) for a, g in both])
    active = np.diff(requests, prepend=0.0) > 0
    found = confirmed(harm, room, active, plan.policy.consecutive_looks)
    return Course(found, clock, active, may.last, bool(requests[-1] >= stage.canary_requests))


def _after_all(end: Ending, ratio: Floats | None, state: State) -> Ending:
    """A split that was off lets nothing be told; what went back or was paused remains so."""
    # What went back before the split was seen to be off stays back.
    found = end.verdict is Verdicts.ROLLBACK or end.paused
    until = end.at + 1 if found else None
    if ratio is not None and (ratio[:until] >= 1).any():
        reason = "the split is not what the stage says: nothing can be told"
        end = replace(end, verdict=Verdicts.HOLD, reason=reason, paused=False)
    if state.rolled_back is not None and end.verdict is not Verdicts.ROLLBACK:
        return replace(end, verdict=Verdicts.ROLLBACK, reason=_went_back(state.rolled_back))
    if state.paused is not None and not end.paused and end.verdict is not Verdicts.ROLLBACK:
        return replace(end, verdict=Verdicts.HOLD, reason=_paused(state.paused), paused=True)
    return end


def not_passed(plan: Plan, state: State, percent: float) -> tuple[float, ...]:
    """Earlier stages, in percent, that a rollout has not shown to be good.

    None where the state knows this stage only: it is a look without a memory.
    """
    before = tuple(stage.key for stage in plan.steps if stage.key < percent)
    if not any(state.observed(earlier).windows for earlier in before):
        return ()
    return tuple(b for b in before if check(plan, state, b).verdict is not Verdicts.PROMOTE)


def _nothing(stage: Stage, state: State) -> Checked:
    reason = "nothing was observed: no data is no evidence"
    end = _after_all(Ending(Verdicts.HOLD, reason, 0, 0), None, state)
    planned = stage.canary_requests
    return Checked(
        stage.key, end.verdict, "", end.reason, "", 0, planned, None, (), paused=end.paused
    )


def _went_back(percent: float) -> str:
    return f"it went back at {percent:g} %"


def _paused(percent: float) -> str:
    return f"harm was found at {percent:g} %: paused for a person"


def _harm(arms: Arms, guardrail: Guardrail, stage: Stage, rule: Rule) -> Floats:
    planned = planned_information(guardrail, stage, arms)
    return rule_evidence(arms, guardrail, arms.information, rule, planned)


def _room(arms: Arms, guardrail: Guardrail, may: Chances, stage: Stage, plan: Plan) -> Floats:
    """What is left of the margin at the looks that may promote; minus infinity at others."""
    chosen, alpha = plan.boundaries, plan.alpha_per_stage
    limits = np.full(len(arms.treated.n), np.inf)
    if chosen.benefit == "fixed":
        limits[may.looks[-1:] if may.over else []] = benefit_limit(chosen, alpha)
    else:
        progress = arms.information / planned_information(guardrail, stage, arms)
        limits = limits_at_parts(chosen.benefit, progress, may.looks, alpha, over=may.over)
    shown, room = np.isfinite(limits), arms.room(guardrail)
    if stage.goal is not None and stage.goal.guardrail == guardrail.name:
        # A gain is harm the other way round: it is shown as surely as that there is no harm.
        room = np.minimum(room, -arms.evidence_of_harm(guardrail))
    return np.where(shown, room - np.where(shown, limits, 0.0), -np.inf)


def _split(seen: Observed, stage: Stage) -> Floats | None:
    treated, control = (flat(seen.sample(v, USERS)).n for v in (CANARY, CONTROL))
    beside = stage.compared_with == "control" and not stage.shadow
    if not beside or not (treated.any() or control.any()):
        return None
    staged = RATIO_ALPHA / 4
    return ratio_evidence(treated, control, stage.percent / 100, float(stage.requests), staged)
