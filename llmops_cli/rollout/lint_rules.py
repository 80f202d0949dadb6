"""Many runs of a rollout judged by a manifest's rules: the first failure or pause ends one."""

import numpy as np
import numpy.typing as npt

from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.manifest_rules import ErrorRule
from llmops_cli.rollout.model import Plan
from llmops_cli.rollout.rehearsal import DONE, HELD, WENT_BACK, Outcomes
from llmops_cli.rollout.replay import Paths
from llmops_cli.rollout.schedule import Schedule

__all__ = ["checks_of", "follow_rules"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def follow_rules(
    paths: Paths, plan: Plan, schedule: Schedule, rules: tuple[ErrorRule, ...]
) -> Outcomes:
    """Run every rollout by all rules at once; what no rule stops reaches the end."""
    runs, never = len(paths.exposed), schedule.looks
    back, held = np.full(runs, never), np.full(runs, never)
    deciding = np.zeros(runs, dtype=np.int64)
    names = [guardrail.name for guardrail in plan.guardrails]
    for rule in rules:
        index = names.index(rule.guardrail)
        starts, ends = checks_of(rule, schedule)
        if not len(ends):
            continue
        seen = _windows(paths, index, starts, ends)
        failed, paused = _marks(rule, seen)
        over = np.cumsum(failed, axis=1) >= rule.strikes
        struck = _first(over | _empty(rule, seen) if rule.empty_ends else over, ends, never)
        deciding = np.where(struck < back, index, deciding)
        back = np.minimum(back, struck)
        held = np.minimum(held, _first(paused, ends, never))
    # What fails and pauses at once fails.
    ending = np.where(
        np.minimum(back, held) == never, DONE, np.where(back <= held, WENT_BACK, HELD)
    )
    look = np.minimum(np.minimum(back, held), never - 1).astype(np.int64)
    last = np.array([stage.last for stage in schedule.stages])
    return Outcomes(
        ending=ending,
        stage=np.searchsorted(last, look, side="right").astype(np.int64),
        look=look,
        took=look + 1,
        exposed=np.cumsum(paths.exposed, axis=1)[np.arange(runs), look],
        guardrail=deciding,
    )


def checks_of(rule: ErrorRule, schedule: Schedule) -> tuple[Ints, Ints]:
    """``(M,)`` first looks of the windows that a rule checks, and the looks at which it does."""
    steps = schedule.stages[rule.first_step :] if rule.step is None else (
        schedule.stages[rule.step],
    )  # fmt: skip
    nothing = np.zeros(0, dtype=np.int64)
    if not steps:
        return nothing, nothing
    first, last = steps[0].first, steps[-1].last
    if rule.whole_step:
        return np.array([first]), np.array([last - 1])
    apart = max(1, round(rule.interval_s / schedule.look_s))
    wide = max(1, round((rule.window_s or rule.interval_s) / schedule.look_s))
    wait = max(apart, round(rule.delay_s / schedule.look_s))
    ends = np.arange(first + wait - 1, last, apart, dtype=np.int64)
    ends = ends if rule.count is None else ends[: rule.count]
    return np.maximum(first, ends - wide + 1), ends


def _windows(paths: Paths, index: int, starts: Ints, ends: Ints) -> Arms:
    """What each window has seen, ``(R, M)``."""

    def summed(sample: Sample) -> Sample:
        parts = (sample.n, sample.total, sample.squares)
        sums = (np.pad(np.cumsum(part, axis=1), ((0, 0), (1, 0))) for part in parts)
        return Sample(*(whole[:, ends + 1] - whole[:, starts] for whole in sums))

    return Arms(summed(paths.treated[index]), summed(paths.control[index]))


def _marks(rule: ErrorRule, seen: Arms) -> tuple[Mask, Mask]:
    """Which checks fail, and which pause."""
    empty = _empty(rule, seen)
    value = seen.harm if rule.difference else seen.treated.mean
    failed = np.where(empty, rule.empty_fails, value > rule.bound)
    above = np.zeros_like(empty) if rule.pauses_above is None else value > rule.pauses_above
    paused = np.where(empty, rule.empty_pauses, above) & ~failed
    return failed, paused


def _empty(rule: ErrorRule, seen: Arms) -> Mask:
    """Which windows hold too few requests for an answer; counts are floating-point numbers."""
    few = seen.treated.n < rule.least - 0.5
    return few | (seen.control.n < 0.5) if rule.difference else few  # noqa: PLR2004 - as said


def _first(marks: Mask, ends: Ints, never: int) -> Ints:
    return np.where(marks.any(axis=1), ends[marks.argmax(axis=1)], never)
