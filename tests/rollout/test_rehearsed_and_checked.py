"""The committed log from end to end: what the rehearsal says is what the checks then do."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from llmops_cli.report import Report
from llmops_cli.rollout import Plan, RolloutParameters, check_rollout, draw_plan
from llmops_cli.rollout.baseline import who_calls
from llmops_cli.rollout.boundary_choice import Boundaries
from llmops_cli.rollout.changes import NO_CHANGE, Change
from llmops_cli.rollout.evidence import Sample
from llmops_cli.rollout.model import Stage
from llmops_cli.rollout.observed import CANARY, CONTROL, Cell, Observed, Sums
from llmops_cli.rollout.policy import Policy
from llmops_cli.rollout.rehearsal import DONE, HELD, OWN, RULES, WENT_BACK, Outcomes
from llmops_cli.rollout.replay import Paths, Replay
from llmops_cli.rollout.schedule import Schedule, StageLooks, make_schedule
from llmops_cli.rollout.state import State, fingerprint
from llmops_cli.traffic import read_calls

LOOK_S, RUNS = 6 * 3600.0, 12
START = datetime(2026, 10, 1, tzinfo=UTC)


@cache
def log() -> tuple[pd.DataFrame, Plan]:
    """The classifier's log and a plan of four weeks."""
    path = Path(__file__).parents[2] / "datasets" / "classifier.jsonl.gz"
    calls = read_calls([path]).calls
    return calls, draw_plan(calls, RolloutParameters(latency_margin=1.25, error_margin=0.02))


def with_policy(policy: Policy) -> Plan:
    """The same plan; no stage may last a third longer than it should."""
    plan = log()[1]
    stages = tuple(replace(stage, maximum_s=1.3 * stage.duration_s) for stage in plan.stages)
    return replace(plan, policy=policy, stages=stages)


def rehearsed(plan: Plan, change: Change) -> tuple[Paths, Schedule, Outcomes]:
    calls = log()[0]
    replay = Replay.of(calls, who_calls(calls)[1], plan.guardrails, LOOK_S, change)
    # Checks wait until a stage's requests are in; a few users more or less shift that.
    stages = tuple(longer(stage) for stage in plan.stages)
    shadow = plan.shadow and longer(plan.shadow)
    schedule = make_schedule(replace(plan, stages=stages, shadow=shadow), replay.arrivals, LOOK_S)
    paths = replay.play(schedule, RUNS, np.random.default_rng(1))
    return paths, schedule, RULES[OWN](paths, plan, schedule)


def longer(stage: Stage) -> Stage:
    return replace(stage, requests=round(1.4 * stage.requests))


def observed(paths: Paths, stage: StageLooks, run: int) -> Observed:
    """What the metrics system would have exported of one run of a stage."""
    cells = dict[Cell, Sums]()
    for index, item in enumerate(log()[1].guardrails):
        for variant, samples in ((CANARY, paths.treated), (CONTROL, paths.control)):
            sample: Sample = samples[index]
            for look in range(stage.first, stage.last):
                moment = (START + timedelta(seconds=LOOK_S * look)).isoformat()
                sums = (float(p[run, look]) for p in (sample.n, sample.total, sample.squares))
                cells[moment, variant, item.name] = Sums(*sums)
    return Observed(cells)


def walked(plan: Plan, paths: Paths, schedule: Schedule, run: int) -> tuple[int, float]:
    """Check a run stage by stage; how and where it ends."""
    state, word = State(fingerprint(plan)), ""
    for planned, stage in zip(plan.steps, schedule.stages, strict=True):
        report: Report
        report, state = check_rollout(plan, state, planned.key, observed(paths, stage, run))
        word = report.headline.split(":")[0]
        if word != "PROMOTE":
            return {"ROLLBACK": WENT_BACK, "HOLD": HELD}[word], planned.key
    return DONE, 100.0


def compared(plan: Plan, change: Change) -> tuple[list[tuple[int, float]], ...]:
    """How and where each run ends: as rehearsed, and as checked."""
    paths, schedule, outcomes = rehearsed(plan, change)
    foretold = [
        (int(ending), plan.steps[int(stage)].key)
        for ending, stage in zip(outcomes.ending, outcomes.stage, strict=True)
    ]
    return foretold, [walked(plan, paths, schedule, run) for run in range(RUNS)]


@pytest.mark.parametrize(
    "change",
    [NO_CHANGE, Change(name="errors", error_rise=0.03), Change(name="score", quality_drop=0.04)],
    ids=lambda change: change.name,
)
def test_checks_end_where_the_rehearsal_says(change: Change) -> None:
    plan = log()[1]
    foretold, seen = compared(plan, change)
    usual = Counter(foretold).most_common(1)[0][0]
    assert usual == ((DONE, 100.0) if change is NO_CHANGE else (WENT_BACK, 5.0))
    assert Counter(seen).most_common(1)[0][0] == usual
    # They differ where a check already goes on and the rehearsal looks on to the hour.
    assert sum(a == b for a, b in zip(foretold, seen, strict=True)) >= RUNS - 3


@pytest.mark.parametrize(
    ("policy", "change", "usual"),
    [
        (Policy(consecutive_looks=3), Change(name="e", error_rise=0.05), (WENT_BACK, 5.0)),
        (Policy(consecutive_looks=2), NO_CHANGE, (DONE, 100.0)),
        (Policy(at_maximum="hold"), Change(name="e", error_rise=0.01), (HELD, 5.0)),
        (Policy(at_maximum="abort"), Change(name="e", error_rise=0.01), (WENT_BACK, 5.0)),
    ],
)  # fmt: skip
def test_a_policy_ends_rehearsal_and_checks_alike(
    policy: Policy, change: Change, usual: tuple[int, float]
) -> None:
    foretold, seen = compared(with_policy(policy), change)
    assert Counter(foretold).most_common(1)[0][0] == usual
    assert Counter(seen).most_common(1)[0][0] == usual
    assert sum(a == b for a, b in zip(foretold, seen, strict=True)) >= RUNS - 4


def test_looks_in_a_row_see_a_harm_later_than_one() -> None:
    change = Change(name="errors", error_rise=0.05)
    once, thrice = (
        rehearsed(with_policy(Policy(consecutive_looks=looks)), change)[2] for looks in (1, 3)
    )
    assert (thrice.took >= once.took + 2).all()


@pytest.mark.parametrize("after_h", [0, 950])
def test_a_harm_that_begins_in_the_watch_goes_back_in_both(after_h: int) -> None:
    """The stages take about five weeks here: the watch is of four more."""
    plan = with_policy(Policy(watch_s=28 * 86_400.0))
    change = Change(name="e", error_rise=0.06, after_s=3600.0 * after_h)
    schedule = rehearsed(plan, NO_CHANGE)[1]
    begins = 3600 * after_h / LOOK_S
    assert (begins > schedule.planned) is (after_h > 0)
    foretold, seen = compared(plan, change)
    expected = (WENT_BACK, 100.0 if after_h else 5.0)
    for ends in (foretold, seen):
        assert Counter(ends).most_common(1)[0][0] == expected


def test_a_watch_without_harm_is_waited_for_and_ends_well() -> None:
    watch = Policy(watch_s=10 * 86_400.0)
    short, long = (rehearsed(with_policy(policy), NO_CHANGE)[2] for policy in (Policy(), watch))
    done = (short.ending == DONE) & (long.ending == DONE)
    assert done.sum() >= RUNS / 2
    assert (long.took[done] - short.took[done]).max() == 40  # looks of six hours
    assert long.exposed[done].mean() > short.exposed[done].mean()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("boundaries", "change", "usual"),
    [
        (Boundaries(harm="pocock"), Change(name="e", error_rise=0.04), (WENT_BACK, 5.0)),
        (Boundaries(harm="pocock"), NO_CHANGE, (DONE, 100.0)),
        (Boundaries(benefit="obrien-fleming"), NO_CHANGE, (DONE, 100.0)),
        (Boundaries(benefit="pocock", benefit_looks=3), NO_CHANGE, (DONE, 100.0)),
    ],
)
def test_boundaries_end_rehearsal_and_checks_alike(
    boundaries: Boundaries, change: Change, usual: tuple[int, float]
) -> None:
    foretold, seen = compared(replace(log()[1], boundaries=boundaries), change)
    assert Counter(foretold).most_common(1)[0][0] == usual
    assert Counter(seen).most_common(1)[0][0] == usual
    assert sum(a == b for a, b in zip(foretold, seen, strict=True)) >= RUNS - 4


def with_shadow(*, quality: bool) -> Plan:
    margins = RolloutParameters(latency_margin=1.25, error_margin=0.02)
    return draw_plan(log()[0], replace(margins, shadow=50.0, shadow_quality=quality))


@pytest.mark.parametrize(
    ("quality", "change", "usual"),
    [
        (True, NO_CHANGE, (DONE, 100.0)),
        (False, Change(name="e", error_rise=0.05), (WENT_BACK, 0.0)),
        (True, Change(name="s", quality_drop=0.04), (WENT_BACK, 0.0)),
        (False, Change(name="s", quality_drop=0.04), (WENT_BACK, 5.0)),
    ],
)
def test_a_shadow_stage_ends_rehearsal_and_checks_alike(
    quality: bool,  # noqa: FBT001 - a case
    change: Change,
    usual: tuple[int, float],
) -> None:
    foretold, seen = compared(with_shadow(quality=quality), change)
    assert Counter(foretold).most_common(1)[0][0] == usual
    assert Counter(seen).most_common(1)[0][0] == usual
    assert sum(a == b for a, b in zip(foretold, seen, strict=True)) >= RUNS - 4


def test_nobody_meets_a_version_that_goes_back_in_the_shadow() -> None:
    plan = with_shadow(quality=True)
    outcomes = rehearsed(plan, Change(name="e", error_rise=0.1))[2]
    assert (outcomes.ending == WENT_BACK).all()
    assert outcomes.exposed.max() == 0


def test_an_ab_stage_holds_a_change_without_a_gain_in_both() -> None:
    margins = RolloutParameters(latency_margin=1.25, error_margin=0.02)
    plan = draw_plan(log()[0], replace(margins, ab_stage=50.0, ab_gain=0.03))
    foretold, seen = compared(plan, NO_CHANGE)
    for ends in (foretold, seen):
        assert Counter(ends).most_common(1)[0][0] == (HELD, 50.0)
