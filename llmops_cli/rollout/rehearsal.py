"""Many runs of a rollout judged by a rule: where each ended, when, and who had seen it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.decision import Rule, Verdicts, decide
from llmops_cli.rollout.model import Guardrail, Plan
from llmops_cli.rollout.replay import Paths, Replay
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
    """A judge that decides every stage by a rule."""
    return lambda paths, plan, schedule: _judge(paths, plan, schedule, rule)


def _judge(paths: Paths, plan: Plan, schedule: Schedule, rule: RuleMaker) -> Outcomes:
    """Walk every run through the stages."""
    runs = len(paths.exposed)
    ending, stages = np.full(runs, DONE), np.zeros(runs, dtype=np.int64)
    looks, took = np.zeros(runs, dtype=np.int64), np.zeros(runs, dtype=np.int64)
    exposed, deciding = np.zeros(runs), np.zeros(runs, dtype=np.int64)
    going = np.ones(runs, dtype=bool)
    for index, stage in enumerate(schedule.stages):
        end, verdict, guardrail = _walk(paths, plan.guardrails, stage, rule(plan, stage))
        served = np.cumsum(paths.exposed[:, stage.first : stage.last], axis=1)
        rows = np.flatnonzero(going)
        took[rows] += end[rows] + 1
        exposed[rows] += served[rows, end[rows]]
        stages[rows], looks[rows], deciding[rows] = index, stage.first + end[rows], guardrail[rows]
        stopped = going & (verdict != Verdicts.PROMOTE)
        ending[stopped] = np.where(verdict[stopped] == Verdicts.ROLLBACK, WENT_BACK, HELD)
        going &= ~stopped
    return Outcomes(ending, stages, looks, took, exposed, deciding)


def _walk(
    paths: Paths, guardrails: Sequence[Guardrail], stage: StageLooks, rule: Rule
) -> tuple[Ints, Ints, Ints]:
    """The look at which each run leaves a stage, what that look says, and which guardrail."""
    seen = [paths.arms(index, stage) for index in range(len(guardrails))]
    # What all runs see on average is what was to be expected: it orders the spending only.
    expected = [_rising(arms.information.mean(axis=0)) for arms in seen]
    found = decide(seen, guardrails, expected, rule)
    decided = found.verdict != Verdicts.HOLD
    end = np.where(decided.any(axis=1), decided.argmax(axis=1), stage.looks - 1)
    rows = np.arange(len(end))
    return (
        end.astype(np.int64),
        found.verdict[rows, end].astype(np.int64),
        found.guardrail[rows, end].astype(np.int64),
    )


def _rising(information: Floats) -> Floats:
    """Quiet hours bring nothing, but a spending plan needs information that rises."""
    least = max(float(information[-1]), 1.0) * 1e-9
    steps = least * np.arange(1.0, len(information) + 1)
    return np.asarray(np.maximum.accumulate(information) + steps, dtype=np.float64)


def _share(plan: Plan) -> float:
    return plan.alpha / (len(plan.stages) * len(plan.guardrails))


def planned_rule(plan: Plan, stage: StageLooks) -> Rule:
    del stage
    return Rule(harm="mixture", harm_alpha=_share(plan), promote_alpha=plan.alpha_per_stage)


def _fixed(plan: Plan, stage: StageLooks) -> Rule:
    del stage
    return Rule(harm="fixed", harm_alpha=_share(plan), promote_alpha=plan.alpha_per_stage)


def _naive(plan: Plan, stage: StageLooks) -> Rule:
    del stage
    return Rule(harm="naive", harm_alpha=plan.alpha, promote_alpha=None)


def _bonferroni(plan: Plan, stage: StageLooks) -> Rule:
    del stage
    return Rule(harm="bonferroni", harm_alpha=_share(plan), promote_alpha=plan.alpha_per_stage)


OWN = "this plan"

RULES: dict[str, Judge] = {
    OWN: by_rule(planned_rule),
    "one look per stage": by_rule(_fixed),
    "naive peeking": by_rule(_naive),
    "Bonferroni": by_rule(_bonferroni),
}
"""The plan's own rule, and what it is held against."""
