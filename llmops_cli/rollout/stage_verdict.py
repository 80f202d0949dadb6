"""One verdict on a running stage: the tests of its windows, and the plan's policy where they end.

Everything here is a function of what was observed, never of when one looked: so a rollout that
is interrupted, or looked at more often, ends as one that was not.
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.boundaries import parts_reached
from llmops_cli.rollout.decision import Decisions, Verdicts
from llmops_cli.rollout.model import Plan, Stage
from llmops_cli.rollout.stage_clock import StageClock

__all__ = ["Chances", "Course", "Ending", "chances", "ending", "limit_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Ending:
    """What a stage has come to.

    Attributes:
        verdict: what to do.
        reason: in words.
        guardrail: index of the one that decided, or holds it up.
        at: index of the window that decided, or of the last.
        paused: whether harm was found and the plan leaves what follows to a person.
    """

    verdict: Verdicts
    reason: str
    guardrail: int
    at: int
    paused: bool = False


def limit_of(plan: Plan, stage: Stage) -> float | None:
    """Seconds that a stage may last, its extension included."""
    if stage.maximum_s is None:
        return None
    return stage.maximum_s * (2 if plan.policy.at_maximum == "extend" else 1)


@dataclass(frozen=True, slots=True, eq=False)
class Chances:
    """The windows that may promote a stage.

    Attributes:
        looks: ``(K,)`` their places, in order.
        over: whether the last of them is the last that will be.
    """

    looks: npt.NDArray[np.int64]
    over: bool

    @property
    def last(self) -> int | None:
        """The last that will be, once it is over."""
        return int(self.looks[-1]) if self.over else None


def chances(
    requests: Floats, needed: int, clock: StageClock, limit_s: float | None, looks: int
) -> Chances:
    """The first windows that bring in each next equal part of the stage, and its last at a limit.

    A window still open is looked at again and again; each of these looks would be one more
    chance to go on.

    Args:
        requests: ``(T,)`` on the new version so far.
        needed: by the stage.
        clock: when the windows were.
        limit_s: seconds that the stage may last.
        looks: how many may promote, if it is as long as planned.
    """
    inside = np.flatnonzero(clock.within(limit_s))
    found = inside[parts_reached(requests[inside] / needed, looks)]
    if clock.open:
        found = found[found < len(requests) - 1]
    full = bool(len(found)) and bool(requests[found[-1]] >= needed)
    if not full and clock.reached(limit_s):
        return Chances(np.union1d(found, inside[-1:]).astype(np.int64), over=True)
    return Chances(found.astype(np.int64), over=full)


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """The windows of a stage.

    Attributes:
        found: verdicts of the windows, ``(T,)``.
        clock: when they were.
        active: ``(T,)`` windows in which the new version was heard of.
        look: the last that may promote, once it is over; None before.
        full: whether the stage's requests are in.
    """

    found: Decisions
    clock: StageClock
    active: npt.NDArray[np.bool_]
    look: int | None
    full: bool


def ending(plan: Plan, stage: Stage, course: Course) -> Ending:
    """The first thing that happened to a stage, by its tests and the policy of the plan."""
    found, clock = course.found, course.clock
    first = _tested(plan, stage, course)
    every = (first, _too_long(plan, stage, first, clock), _silent(plan, first, course))
    # Of two at the same window the tests come first.
    decided = [item for item in every if item and item.verdict is not Verdicts.HOLD]
    chosen = min(decided, key=lambda item: item.at) if decided else (every[1] or first)
    if chosen.verdict is Verdicts.PROMOTE and stage.key == plan.stages[-1].percent:
        chosen = _watched(plan, found, clock, chosen)
    harm = chosen.verdict is Verdicts.ROLLBACK and found.verdict[chosen.at] == Verdicts.ROLLBACK
    if harm and plan.policy.on_harm == "pause":
        reason = f"{chosen.reason}: paused for a person"
        return replace(chosen, verdict=Verdicts.HOLD, reason=reason, paused=True)
    return chosen


def _tested(plan: Plan, stage: Stage, course: Course) -> Ending:
    found, look = course.found, course.look
    decided = np.flatnonzero(found.verdict != Verdicts.HOLD)
    if len(decided):
        return _at(plan, found, int(decided[0]))
    last = len(found.verdict) - 1
    if look is not None:
        held = _at(plan, found, look)
        reason, goal = f"the stage is over and {held.reason}", stage.goal
        if goal is not None and plan.guardrails[held.guardrail].name == goal.guardrail:
            reason += f", nor is a gain in {goal.guardrail}"
        return replace(held, reason=reason, at=last)
    reason = "the stage's requests are not all in"
    if course.full:
        reason = "the stage's requests are in, and the hour that brought the last is not over"
    return replace(_at(plan, found, last), reason=reason)


def _at(plan: Plan, found: Decisions, at: int) -> Ending:
    verdict, guardrail = Verdicts(int(found.verdict[at])), int(found.guardrail[at])
    name = plan.guardrails[guardrail].name
    reason = {
        Verdicts.ROLLBACK: f"{name} is worse",
        Verdicts.PROMOTE: "every guardrail is shown better than its margin",
        Verdicts.HOLD: f"{name} is not shown better than its margin",
    }[verdict]
    return Ending(verdict, reason, guardrail, at)


def _too_long(plan: Plan, stage: Stage, first: Ending, clock: StageClock) -> Ending | None:
    """What the plan says of a stage that has lasted as long as it may, undecided until then."""
    limit = limit_of(plan, stage)
    if not clock.reached(limit):
        return None
    at = int(np.flatnonzero(clock.within(limit))[-1])
    if first.verdict is not Verdicts.HOLD and first.at <= at:
        return None
    name = plan.guardrails[first.guardrail].name
    reason = f"the stage has lasted as long as it may and {name} is not shown better"
    back = plan.policy.at_maximum == "abort"
    if not back:
        at = first.at
    return Ending(Verdicts.ROLLBACK if back else Verdicts.HOLD, reason, first.guardrail, at)


def _silent(plan: Plan, first: Ending, course: Course) -> Ending | None:
    if plan.policy.no_data == "hold":
        return None
    at = course.clock.silence(course.active, plan.policy.no_data_after_s)
    if at is None:
        return None
    hours = plan.policy.no_data_after_s / 3600
    reason = f"nothing was heard of the new version for {hours:g} hours"
    return Ending(Verdicts.ROLLBACK, reason, first.guardrail, at)


def _watched(plan: Plan, found: Decisions, clock: StageClock, good: Ending) -> Ending:
    """The last stage was shown good: harm is looked for until the watch is over."""
    end = float(clock.since[good.at]) + plan.policy.watch_s
    later = np.arange(len(found.verdict)) > good.at
    back = later & clock.within(end) & (found.verdict == Verdicts.ROLLBACK)
    if back.any():
        return _at(plan, found, int(back.argmax()))
    if plan.policy.watch_s and not clock.reached(end):
        days = plan.policy.watch_s / 86_400
        reason = f"everybody has it and it was shown good: the watch of {days:g} days goes on"
        return replace(good, verdict=Verdicts.HOLD, reason=reason)
    return good
