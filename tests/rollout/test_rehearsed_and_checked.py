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
from llmops_cli.rollout.changes import NO_CHANGE, Change
from llmops_cli.rollout.evidence import Sample
from llmops_cli.rollout.observed import CANARY, CONTROL, Cell, Observed, Sums
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


def rehearsed(change: Change) -> tuple[Paths, Schedule, Outcomes]:
    calls, plan = log()
    replay = Replay.of(calls, who_calls(calls)[1], plan.guardrails, LOOK_S, change)
    # Checks wait until a stage's requests are in; a few users more or less shift that.
    stages = tuple(replace(stage, requests=round(1.4 * stage.requests)) for stage in plan.stages)
    schedule = make_schedule(replace(plan, stages=stages), replay.arrivals, LOOK_S)
    paths = replay.play(schedule, RUNS, np.random.default_rng(1))
    return paths, schedule, RULES[OWN](paths, plan, schedule)


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


def walked(paths: Paths, schedule: Schedule, run: int) -> tuple[int, float]:
    """Check a run stage by stage; how and where it ends."""
    plan = log()[1]
    state, word = State(fingerprint(plan)), ""
    for planned, stage in zip(plan.stages, schedule.stages, strict=True):
        report: Report
        report, state = check_rollout(plan, state, planned.percent, observed(paths, stage, run))
        word = report.headline.split(":")[0]
        if word != "PROMOTE":
            return {"ROLLBACK": WENT_BACK, "HOLD": HELD}[word], planned.percent
    return DONE, 100.0


@pytest.mark.parametrize(
    "change",
    [NO_CHANGE, Change(name="errors", error_rise=0.03), Change(name="score", quality_drop=0.04)],
    ids=lambda change: change.name,
)
def test_checks_end_where_the_rehearsal_says(change: Change) -> None:
    paths, schedule, outcomes = rehearsed(change)
    plan = log()[1]
    foretold = [
        (int(ending), plan.stages[int(stage)].percent)
        for ending, stage in zip(outcomes.ending, outcomes.stage, strict=True)
    ]
    seen = [walked(paths, schedule, run) for run in range(RUNS)]
    usual = Counter(foretold).most_common(1)[0][0]
    assert usual == ((DONE, 100.0) if change is NO_CHANGE else (WENT_BACK, 5.0))
    assert Counter(seen).most_common(1)[0][0] == usual
    # They differ where a check already goes on and the rehearsal looks on to the hour.
    assert sum(a == b for a, b in zip(foretold, seen, strict=True)) >= RUNS - 3
