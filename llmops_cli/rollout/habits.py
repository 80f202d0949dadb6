"""What rollout controllers do today, on the same traffic: one test over the whole rollout.

Their rules look at a window between two looks, or at everything so far, and know no stages, no
margin to be shown, and no price of looking often.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.boundaries import Kind, harm_limits
from llmops_cli.rollout.evidence import Arms
from llmops_cli.rollout.model import ERRORS, Guardrail, Plan
from llmops_cli.rollout.rehearsal import DONE, WENT_BACK, Outcomes
from llmops_cli.rollout.replay import Paths
from llmops_cli.rollout.schedule import Schedule

__all__ = ["Habit", "controller_habits", "follow", "one_test", "single_tests"]

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Habit:
    """A rule of thumb.

    Attributes:
        name: shown to the reader.
        fails: which looks fail, ``(R, T)``, from the window and from everything so far.
        strikes: failed looks, over the whole rollout, that send it back.
    """

    name: str
    fails: Callable[[Arms, Arms], Mask]
    strikes: int = 1


def controller_habits(guardrail: Guardrail) -> tuple[Habit, ...]:
    """Usual analyses of Argo Rollouts (failureLimit 0) and Flagger (threshold 5) of errors.

    A window fails when its error rate lies a margin above today's; Argo's second form compares
    everything so far with the old version beside it.
    """
    bound, margin = guardrail.baseline + guardrail.margin, guardrail.margin

    def window(seen: Arms, _: Arms) -> Mask:
        return seen.treated.mean > bound

    def difference(_: Arms, so_far: Arms) -> Mask:
        return (so_far.harm > margin) & (so_far.information > 0)

    return (
        Habit("Argo: window rate", window),
        Habit("Argo: running difference", difference),
        Habit("Flagger: five windows", window, 5),
    )


def single_tests(guardrail: Guardrail, alpha: float, tuned_at: float) -> tuple[Habit, ...]:
    """One test of a guardrail over the whole rollout at every look, of each kind of boundary."""
    names: dict[Kind, str] = {
        "naive": "naive",
        "bonferroni": "Bonferroni",
        "mixture": "mixture",
        "obrien-fleming": "O'Brien-Fleming",
        "pocock": "Pocock",
    }
    return tuple(
        replace(one_test(kind, guardrail, alpha, tuned_at if kind == "mixture" else None),
                name=f"{guardrail.name} alone: {name}")
        for kind, name in names.items()
    )  # fmt: skip


def one_test(
    kind: Kind, guardrail: Guardrail, alpha: float, tuned_at: float | None = None
) -> Habit:
    """One test of everything so far at every look, without stages.

    Args:
        kind: of its boundary.
        guardrail: what is tested.
        alpha: one-sided risk over all looks.
        tuned_at: information at which a mixture is tightest; its last where absent.
    """

    def fails(_: Arms, so_far: Arms) -> Mask:
        expected = so_far.information.mean(axis=0)
        if tuned_at is not None:
            expected = np.append(expected[:-1], tuned_at)
        limits = harm_limits(kind, so_far.information, expected, alpha)
        return so_far.evidence_of_harm(guardrail) > limits

    return Habit(kind, fails)


def follow(paths: Paths, plan: Plan, schedule: Schedule, habit: Habit) -> Outcomes:
    """Run every rollout by a habit; what never goes back reaches the end of the plan."""
    index = next(place for place, item in enumerate(plan.guardrails) if item.name == ERRORS)
    treated, control = paths.treated[index], paths.control[index]
    failed = habit.fails(Arms(treated, control), Arms(treated.running(), control.running()))
    # They do not look at copies, of which nobody sees the answers.
    failed[:, : schedule.exposing[0].first] = False
    struck = np.cumsum(failed[:, : schedule.planned], axis=1) >= habit.strikes
    back = struck.any(axis=1)
    look = np.where(back, struck.argmax(axis=1), schedule.planned - 1).astype(np.int64)
    ends = np.array([stage.last for stage in schedule.stages])
    rows = np.arange(len(look))
    return Outcomes(
        ending=np.where(back, WENT_BACK, DONE),
        stage=np.searchsorted(ends, look, side="right").astype(np.int64),
        look=look,
        took=look + 1,
        exposed=np.cumsum(paths.exposed, axis=1)[rows, look],
        guardrail=np.full(len(look), index),
    )
