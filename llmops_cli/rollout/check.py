"""One stage as it runs: PROMOTE, HOLD or ROLLBACK from what has been observed of both versions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout.boundaries import harm_limits
from llmops_cli.rollout.decision import Verdicts, combined, harm_evidence
from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.model import Guardrail, Plan, Stage
from llmops_cli.rollout.observed import CANARY, CONTROL, USERS, Observed
from llmops_cli.rollout.sample_ratio import RATIO_ALPHA, ratio_evidence
from llmops_cli.rollout.state import State

__all__ = ["Checked", "Standing", "check", "not_passed", "stage_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one guardrail stands at the last window.

    Attributes:
        guardrail: its name.
        harm: how much worse the new version is, as observed.
        low: lower bound of the harm, valid however often one looks.
        high: upper bound of the harm at this look.
        margin: the harm that matters.
        evidence: of harm, as a part of what goes back.
        treated: requests on the new version that carry the metric.
        control: on what it is held against.
    """

    guardrail: str
    harm: float
    low: float
    high: float
    margin: float
    evidence: float
    treated: int
    control: int


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

    @property
    def split_is_off(self) -> bool:
        """Whether users are not on the new version as the stage says."""
        return self.ratio_evidence is not None and self.ratio_evidence >= 1


def stage_of(plan: Plan, percent: float) -> Stage:
    """The stage of a plan by its percent.

    Raises:
        LlmopsError: ``rollout-no-such-stage``.
    """
    for stage in plan.stages:
        if math.isclose(stage.percent, percent):
            return stage
    raise LlmopsError(
        "rollout-no-such-stage",
        f"the plan has no stage of {percent:g} %",
        hint="its stages are " + ", ".join(f"{stage.percent:g}" for stage in plan.stages),
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
    seen = state.observed(percent)
    arms = [_arms(plan, state, stage, item) for item in plan.guardrails]
    if not seen.windows:
        return _nothing(stage, state)
    ratio = _split(seen, stage)
    requests = _requests(plan.guardrails, arms)
    known = stage.canary_requests
    alpha = plan.alpha / (len(plan.stages) * len(plan.guardrails))
    look = _promotion_look(requests, known, seen)
    harm = np.stack([_harm(a, g, stage, alpha) for a, g in zip(arms, plan.guardrails, strict=True)])
    room = np.stack([_room(a, g, look, plan) for a, g in zip(arms, plan.guardrails, strict=True)])
    found = combined(harm, room)
    decided = np.flatnonzero(found.verdict != Verdicts.HOLD)
    at = int(decided[0]) if len(decided) else len(requests) - 1
    verdict, name = Verdicts(int(found.verdict[at])), plan.guardrails[int(found.guardrail[at])].name
    still_open = look is None and bool(requests[-1] >= known)
    reason = _reason(verdict, name, over=look is not None, still_open=still_open)
    # What went back before the split was seen to be off stays back.
    until = at + 1 if verdict is Verdicts.ROLLBACK else None
    if ratio is not None and (ratio[:until] >= 1).any():
        verdict, reason = Verdicts.HOLD, "the split is not what the stage says: nothing can be told"
    if state.rolled_back is not None and verdict is not Verdicts.ROLLBACK:
        verdict, reason = Verdicts.ROLLBACK, _went_back(state.rolled_back)
    return Checked(
        percent=stage.percent,
        verdict=verdict,
        guardrail=name,
        reason=reason,
        window=seen.windows[at],
        canary_requests=int(requests[-1]),
        planned_requests=known,
        ratio_evidence=None if ratio is None else float(ratio.max()),
        standings=tuple(
            _standing(a, g, plan, stage, float(e[-1]))
            for a, g, e in zip(arms, plan.guardrails, harm, strict=True)
        ),
        still_open=still_open,
    )


def not_passed(plan: Plan, state: State, percent: float) -> tuple[float, ...]:
    """Earlier stages, in percent, that a rollout has not shown to be good.

    None where the state knows this stage only: it is a look without a memory.
    """
    before = tuple(stage.percent for stage in plan.stages if stage.percent < percent)
    if not any(state.observed(earlier).windows for earlier in before):
        return ()
    return tuple(b for b in before if check(plan, state, b).verdict is not Verdicts.PROMOTE)


def _nothing(stage: Stage, state: State) -> Checked:
    verdict, reason = Verdicts.HOLD, "nothing was observed: no data is no evidence"
    if state.rolled_back is not None:
        verdict, reason = Verdicts.ROLLBACK, _went_back(state.rolled_back)
    return Checked(stage.percent, verdict, "", reason, "", 0, stage.canary_requests, None, ())


def _went_back(percent: float) -> str:
    return f"it went back at {percent:g} %"


def _promotion_look(requests: Floats, known: int, seen: Observed) -> int | None:
    """The first window that fills the stage, once it is over.

    A window still open is looked at again and again; each of these looks would be one more
    chance to go on.
    """
    ends = np.flatnonzero(requests >= known)
    if not len(ends) or seen.windows[ends[0]] == seen.windows[-1] == seen.open:
        return None
    return int(ends[0])


def _reason(verdict: Verdicts, name: str, *, over: bool, still_open: bool) -> str:
    if verdict is Verdicts.ROLLBACK:
        return f"{name} is worse"
    if verdict is Verdicts.PROMOTE:
        return "every guardrail is shown better than its margin"
    if over:
        return f"the stage is over and {name} is not shown better than its margin"
    if still_open:
        return "the stage's requests are in, and the hour that brought the last is not over"
    return "the stage's requests are not all in"


def _arms(plan: Plan, state: State, stage: Stage, guardrail: Guardrail) -> Arms:
    seen = state.observed(stage.percent)
    treated, control = (_flat(seen.sample(v, guardrail.name)) for v in (CANARY, CONTROL))
    if stage.compared_with == "control":
        return Arms(treated, control)
    old = _log(plan, guardrail)
    for before in plan.stages:
        if before.percent < stage.percent:
            passed = _flat(state.observed(before.percent).sample(CONTROL, guardrail.name))
            if len(passed.n):
                old += passed.between(-1, len(passed.n))
    nothing = np.zeros_like(treated.n)
    return Arms(treated, Sample(nothing, nothing, nothing) + old)


def _flat(sample: Sample) -> Sample:
    return Sample(sample.n[0], sample.total[0], sample.squares[0])


def _log(plan: Plan, guardrail: Guardrail) -> Sample:
    """The baseline log as the plan remembers it."""
    n, mean = plan.baseline_calls * guardrail.coverage, guardrail.bad_share
    return Sample(
        np.array([n]), np.array([n * mean]), np.array([n * (guardrail.variance + mean**2)])
    )


def _requests(guardrails: Sequence[Guardrail], arms: Sequence[Arms]) -> Floats:
    """Requests on the new version: the metric that most of them carry tells."""
    each = [a.treated.n / g.coverage for a, g in zip(arms, guardrails, strict=True)]
    return np.max(np.stack(each), axis=0)


def _planned(guardrail: Guardrail, stage: Stage, arms: Arms) -> float:
    """Information at the planned end of the stage."""
    treated = stage.canary_requests * guardrail.coverage
    share = stage.percent / 100
    control = treated * (1 - share) / share if share < 1 else float(arms.control.n.max(initial=1))
    return treated * control / (treated + control)


def _harm(arms: Arms, guardrail: Guardrail, stage: Stage, alpha: float) -> Floats:
    planned = np.array([_planned(guardrail, stage, arms)])
    return harm_evidence(arms, guardrail, planned, "mixture", alpha)


def _room(arms: Arms, guardrail: Guardrail, look: int | None, plan: Plan) -> Floats:
    """What is left of the margin at the one look that may promote."""
    room = np.full(len(arms.treated.n), -np.inf)
    if look is not None:
        needed = NormalDist().inv_cdf(1 - plan.alpha_per_stage)
        room[look] = arms.room(guardrail)[look] - needed
    return room


def _split(seen: Observed, stage: Stage) -> Floats | None:
    treated, control = (_flat(seen.sample(v, USERS)).n for v in (CANARY, CONTROL))
    if stage.compared_with != "control" or not (treated.any() or control.any()):
        return None
    staged = RATIO_ALPHA / 4
    return ratio_evidence(treated, control, stage.percent / 100, float(stage.requests), staged)


def _standing(
    arms: Arms, guardrail: Guardrail, plan: Plan, stage: Stage, evidence: float
) -> Standing:
    alpha = plan.alpha / (len(plan.stages) * len(plan.guardrails))
    planned = np.array([_planned(guardrail, stage, arms)])
    information = arms.information[-1:]
    harm = float(arms.harm[-1])
    limit = float(harm_limits("mixture", information, planned, alpha)[0])
    both = max(float((arms.treated + arms.control).variance[-1]), guardrail.variance)
    spread = math.sqrt(both * guardrail.design_effect / max(float(information[0]), 1e-9))
    low = max(-1.0, harm - limit * spread)
    needed = NormalDist().inv_cdf(1 - plan.alpha_per_stage)
    room = float(arms.room(guardrail)[-1])
    seen = math.isfinite(room) and room != 0
    above = (guardrail.margin - harm) / room if seen else math.inf
    return Standing(
        guardrail=guardrail.name,
        harm=harm,
        # Where the binomial law decides, the normal bound may not say more than it does.
        low=min(low, 0.0) if evidence < 1 else low,
        high=min(1.0, harm + needed * abs(above)),
        margin=guardrail.margin,
        evidence=evidence,
        treated=int(arms.treated.n[-1]),
        control=int(arms.control.n[-1]),
    )
