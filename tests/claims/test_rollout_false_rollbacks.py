"""How often rules go back with a harmless change: a table computed once by an independent script.

20,000 rollouts of 24 looks at 2,000 requests, a control error rate of 2 %, one-sided 5 %; a
canary of 2 % for the false rollbacks and of 3 % for the detection. That script drew binomial
counts at 5, 10, 25 and 50 % (five looks each, the rest at 50 %, where the last control is); here
the same comes out of the replay of a log.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest

from llmops_cli.rollout import RolloutParameters, draw_plan
from llmops_cli.rollout.changes import NO_CHANGE, Change
from llmops_cli.rollout.habits import Habit, controller_habits, follow, one_test
from llmops_cli.rollout.model import Guardrail, Plan
from llmops_cli.rollout.rehearsal import WENT_BACK, Outcomes, rehearse
from llmops_cli.rollout.replay import Replay
from llmops_cli.rollout.schedule import Schedule, StageLooks
from tests.rollout.conftest import make_calls

RUNS, THEIRS, LOOKS, PER_LOOK = 4000, 20_000, 24, 2000

TABLE = {
    "naive": (0.291, 1.000),
    "bonferroni": (0.035, 1.000),
    "mixture": (0.026, 1.000),
    "obrien-fleming": (0.047, 1.000),
    "pocock": (0.060, 1.000),
    "Argo: running difference": (0.330, 0.924),
    "Argo: window rate": (0.814, 1.000),
    "Flagger: five windows": (0.016, 0.989),
}
MEAN_CANARY = {"naive": 777, "mixture": 2123, "obrien-fleming": 3450, "Argo: window rate": 316}
"""Requests on the canary when a 3 % one goes back."""


def log() -> pd.DataFrame:
    """A day of 48,000 requests: 1,000 users ask twice an hour; 2 % of each hour failed."""
    n, draw = LOOKS * PER_LOOK, np.random.default_rng(4)
    failed = np.concatenate([draw.permutation(PER_LOOK) < PER_LOOK // 50 for _ in range(LOOKS)])
    return make_calls(
        n,
        user_id=[f"u{i % 1000}" for i in range(n)],
        error_type=np.where(failed, "timeout", None),
        duration_s=[None] * n,
        evaluation_score=[None] * n,
    )


def habits(errors: Guardrail) -> list[Habit]:
    kinds = ("naive", "bonferroni", "obrien-fleming", "pocock")
    tests = [one_test(kind, errors, 0.05) for kind in kinds]
    # Tuned as theirs: the two-sided precision at 2,000.
    return [*tests, one_test("mixture", errors, 0.05, 2000.0), *controller_habits(errors)]


@pytest.fixture(scope="module")
def played() -> dict[str, tuple[Outcomes, Outcomes]]:
    """Every rule on the same rollouts, without and with a percentage point more errors."""
    calls = log()
    plan = draw_plan(calls, RolloutParameters(error_margin=0.01, stages=(5, 10, 25, 50, 100)))
    # Independent requests, and no floor under the variance: as the script had it.
    errors = replace(plan.guardrails[0], variance=0.0, design_effect=1.0, baseline=0.02)
    plan = replace(plan, guardrails=(errors,))
    units = np.arange(len(calls)) % 1000
    ends = (0, 5, 10, 15, LOOKS)
    shares = zip((0.05, 0.10, 0.25, 0.50), ends, ends[1:], strict=False)
    schedule = Schedule(
        3600.0, np.full(LOOKS, float(PER_LOOK)), tuple(StageLooks(*s) for s in shares)
    )
    alike = play(calls, units, plan, schedule, NO_CHANGE)
    worse = play(calls, units, plan, schedule, Change(name="worse", error_rise=0.01))
    return {name: (alike[name], worse[name]) for name in alike}


def play(
    calls: pd.DataFrame, units: np.ndarray, plan: Plan, schedule: Schedule, change: Change
) -> dict[str, Outcomes]:
    replay = Replay.of(calls, units, plan.guardrails, 3600.0, change)
    rules = habits(plan.guardrails[0])
    judges: list[Callable[..., Outcomes]] = [partial(follow, habit=rule) for rule in rules]
    found = rehearse(replay, plan, schedule, judges, RUNS, 0)
    return {rule.name: outcomes for rule, outcomes in zip(rules, found, strict=True)}


@pytest.mark.slow
@pytest.mark.parametrize("rule", list(TABLE))
def test_false_rollbacks_and_detection_are_those_of_the_table(
    played: dict[str, tuple[Outcomes, Outcomes]], rule: str
) -> None:
    for outcomes, theirs in zip(played[rule], TABLE[rule], strict=True):
        ours = outcomes.count(WENT_BACK) / outcomes.runs
        spread = max(theirs * (1 - theirs), 1e-4)
        noise = 3.5 * math.sqrt(spread / RUNS + spread / THEIRS)
        # A replayed log has hours of its own, and three digits were printed.
        assert ours == pytest.approx(theirs, abs=noise + 0.006)


@pytest.mark.slow
@pytest.mark.parametrize("rule", list(MEAN_CANARY))
def test_requests_exposed_are_those_of_the_table(
    played: dict[str, tuple[Outcomes, Outcomes]], rule: str
) -> None:
    worse = played[rule][1]
    mean = float(worse.exposed[worse.ending == WENT_BACK].mean())
    # The hours that a change falls into are those of one log in every run.
    assert mean == pytest.approx(MEAN_CANARY[rule], rel=0.08)
