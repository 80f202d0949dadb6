"""Many runs of a rollout judged by a rule: where each ended, when, and who had seen it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.decision import Verdicts, decide, in_a_row
from llmops_cli.rollout.evidence import Arms
from llmops_cli.rollout.harm import rule_evidence
from llmops_cli.rollout.model import Guardrail, Plan, Stage
from llmops_cli.rollout.replay import Paths, Replay
from llmops_cli.rollout.rule import Rule
from llmops_cli.rollout.schedule import Schedule, StageLooks

__all__ = [
    "DONE",
    "HELD",
    "OWN",
    "RULES",
    "WENT_BACK",
    "Judge",
    "Outcomes",
    "RuleMaker",
    "by_rule",
    "rehearse",
]

DONE, HELD, WENT_BACK = 0, 1, 2
"""How a run ends: at 100 %, undecided at the end of a stage, or back at the old version."""

_CELLS = 12_000_000
"""Numbers held at once: runs are played in portions of about so many."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RuleMaker = Callable[[Plan, StageLooks], Rule]
"""The rule of a stage of a plan."""

Judge = Callable[["Paths", Plan, Schedule], "Outcomes"]
"""What judges many runs of a rollout."""


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """Per run.

    Attributes:
        ending: ``(R,)`` one of the three above.
        stage: ``(R,)`` the stage it ended in.
        look: ``(R,)`` the look on the planned clock at which it ended.
        took: ``(R,)`` looks it took; fewer where a stage went on before its planned end.
        exposed: ``(R,)`` requests that the new version had served by then.
        guardrail: ``(R,)`` the one that decided.
    """

    ending: Ints
    stage: Ints
    look: Ints
    took: Ints
    exposed: Floats
    guardrail: Ints

    @classmethod
    def together(cls, parts: "Sequence[Outcomes]") -> "Outcomes":
        """Portions of runs, one after the other."""
        names = ("ending", "stage", "look", "took", "exposed", "guardrail")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    @property
    def runs(self) -> int:
        """How many."""
        return len(self.ending)

    def count(self, ending: int, stage: int | None = None) -> int:
        """Runs that ended so (in that stage)."""
        there = self.ending == ending
        return int((there if stage is None else there & (self.stage == stage)).sum())


def rehearse(
    replay: Replay, plan: Plan, schedule: Schedule, judges: Sequence[Judge], runs: int, seed: int
) -> list[Outcomes]:
    """Play a rollout many times and have the same runs judged by each."""
    draw = np.random.default_rng(seed)
    wide = schedule.looks * (1 + 3 * len(replay.guardrails)) * 2
    portion = max(1, min(runs, _CELLS // wide))
    found: list[list[Outcomes]] = [[] for _ in judges]
    for first in range(0, runs, portion):
        paths = replay.play(schedule, min(portion, runs - first), draw)
        for index, judged in enumerate(judges):
            found[index].append(judged(paths, plan, schedule))
    return [Outcomes.together(parts) for parts in found]


def by_rule(rule: RuleMaker) -> Judge:
    """A judge that decides every stage by a rule, and watches nothing afterwards."""
    return lambda paths, plan, schedule: _judge(paths, plan, schedule, rule, watched=False)


def _judge(
    paths: Paths, plan: Plan, schedule: Schedule, rule: RuleMaker, *, watched: bool
) -> Outcomes:
    """Walk every run through the stages."""
    runs = len(paths.exposed)
    ending, stages = np.full(runs, DONE), np.zeros(runs, dtype=np.int64)
    looks, took = np.zeros(runs, dtype=np.int64), np.zeros(runs, dtype=np.int64)
    exposed, deciding = np.zeros(runs), np.zeros(runs, dtype=np.int64)
    going = np.ones(runs, dtype=bool)
    for index, stage in enumerate(schedule.stages):
        left = _walk(paths, plan, stage, rule(plan, stage))
        if watched and stage.watch:
            left = _watch(paths, plan.guardrails, stage, rule(plan, stage), left)
        served = np.cumsum(paths.exposed[:, stage.first : stage.last], axis=1)
        rows = np.flatnonzero(going)
        took[rows] += left.end[rows] + 1
        exposed[rows] += served[rows, left.end[rows]]
        stages[rows], looks[rows] = index, stage.first + left.end[rows]
        deciding[rows] = left.guardrail[rows]
        stopped = going & (left.verdict != Verdicts.PROMOTE)
        ending[stopped] = np.where(left.verdict[stopped] == Verdicts.ROLLBACK, WENT_BACK, HELD)
        going &= ~stopped
    return Outcomes(ending, stages, looks, took, exposed, deciding)


@dataclass(frozen=True, slots=True, eq=False)
class _Left:
    """Per run the look at which it leaves a stage, what that look says, and by which guardrail."""

    end: Ints
    verdict: Ints
    guardrail: Ints


def _walk(paths: Paths, plan: Plan, stage: StageLooks, rule: Rule) -> _Left:
    places = _guarded(plan, stage)
    seen = [paths.arms(place, stage).until(stage.planned) for place in places]
    expected = [_expected(arms) for arms in seen]
    found = decide(seen, [plan.guardrails[place] for place in places], expected, rule)
    decided = found.verdict != Verdicts.HOLD
    end = np.where(decided.any(axis=1), decided.argmax(axis=1), stage.planned - 1)
    rows = np.arange(len(end))
    return _Left(
        end.astype(np.int64),
        found.verdict[rows, end].astype(np.int64),
        np.array(places)[found.guardrail[rows, end]].astype(np.int64),
    )


def _watch(
    paths: Paths, guardrails: Sequence[Guardrail], stage: StageLooks, rule: Rule, left: _Left
) -> _Left:
    """Of the runs shown good at the end of a stage: those in which harm is found later."""
    harms = list[Floats]()
    for index, guardrail in enumerate(guardrails):
        arms = paths.arms(index, stage)
        planned = float(_expected(arms.until(stage.planned))[-1])
        harms.append(rule_evidence(arms, guardrail, _expected(arms), rule, planned))
    back = in_a_row(np.stack(harms) >= 1, rule.consecutive)
    good = left.verdict == Verdicts.PROMOTE
    since = np.arange(stage.looks) - left.end[:, None]
    found = back.any(axis=0) & good[:, None] & (since > 0) & (since <= stage.watch)
    harmed, at = found.any(axis=1), found.argmax(axis=1)
    by = back[:, np.arange(len(at)), at].argmax(axis=0)
    return _Left(
        np.where(harmed, at, left.end + np.where(good, stage.watch, 0)).astype(np.int64),
        np.where(harmed, int(Verdicts.ROLLBACK), left.verdict),
        np.where(harmed, by, left.guardrail).astype(np.int64),
    )


def _expected(arms: Arms) -> Floats:
    """What all runs see on average was to be expected: it orders the spending only."""
    return _rising(arms.information.mean(axis=0))


def _rising(information: Floats) -> Floats:
    """Quiet hours bring nothing, but a spending plan needs information that rises."""
    least = max(float(information[-1]), 1.0) * 1e-9
    steps = least * np.arange(1.0, len(information) + 1)
    return np.asarray(np.maximum.accumulate(information) + steps, dtype=np.float64)


def planned_rule(plan: Plan, stage: StageLooks) -> Rule:
    return Rule.of(plan, _step(plan, stage))


def _step(plan: Plan, stage: StageLooks) -> Stage | None:
    """The step of the plan that these looks are of; None where it was laid out otherwise."""
    percent = 100 * stage.share
    alike = (item for item in plan.steps if item.shadow is stage.shadow)
    return next((item for item in alike if math.isclose(item.percent, percent)), None)


def _guarded(plan: Plan, stage: StageLooks) -> list[int]:
    """Places of the guardrails that a stage judges: copies may carry fewer."""
    step = _step(plan, stage)
    names = {item.guardrail for item in step.decisions} if step and step.shadow else None
    return [at for at, item in enumerate(plan.guardrails) if names is None or item.name in names]


def by_plan(paths: Paths, plan: Plan, schedule: Schedule) -> Outcomes:
    """The plan's own judge: its rule, and its policy where a stage ends undecided.

    A plan that pauses on harm counts as one that goes back: a person takes it from there.
    """
    found = _judge(paths, plan, schedule, planned_rule, watched=True)
    if plan.policy.at_maximum != "abort":
        return found
    limited = np.array([stage.maximum_s is not None for stage in plan.steps])
    given_up = (found.ending == HELD) & limited[found.stage]
    return replace(found, ending=np.where(given_up, WENT_BACK, found.ending))


def _fixed(plan: Plan, stage: StageLooks) -> Rule:
    del stage
    return Rule(harm="fixed", harm_alpha=plan.harm_alpha, promote_alpha=plan.alpha_per_stage)


def _naive(plan: Plan, stage: StageLooks) -> Rule:
    del stage
    return Rule(harm="naive", harm_alpha=plan.alpha, promote_alpha=None)


def _bonferroni(plan: Plan, stage: StageLooks) -> Rule:
    del stage
    return Rule(harm="bonferroni", harm_alpha=plan.harm_alpha, promote_alpha=plan.alpha_per_stage)


OWN = "this plan"

RULES: dict[str, Judge] = {
    OWN: by_plan,
    "one look per stage": by_rule(_fixed),
    "naive peeking": by_rule(_naive),
    "Bonferroni": by_rule(_bonferroni),
}
"""The plan's own rule, and what it is held against."""
