"""How often rules go back with a harmless change: a table computed once by an independent script.

20,000 rollouts of 24 looks at 2,000 requests, a control error rate of 2 %, one-sided 5 %; a
canary of 2 % for the false rollbacks and of 3 % for the detection. That script drew binomial
counts at 5, 10, 25 and 50 % (five looks each, the rest at 50 %, where the last control is); here
the same comes out of simulate-rollout on a log.
"""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from llmops_cli import simulate_rollout
from llmops_cli.rollout import RehearsalParameters, RolloutParameters, draw_plan
from llmops_cli.rollout.changes import Change
from tests.rollout.conftest import make_calls

RUNS, THEIRS, LOOKS, PER_LOOK = 4000, 20_000, 24, 2000

TABLE = {
    "naive": (0.291, 1.000),
    "Bonferroni": (0.035, 1.000),
    "mixture": (0.026, 1.000),
    "O'Brien-Fleming": (0.047, 1.000),
    "Pocock": (0.060, 1.000),
    "Argo: running difference": (0.330, 0.924),
    "Argo: window rate": (0.814, 1.000),
    "Flagger: five windows": (0.016, 0.989),
}
MEAN_CANARY = {"naive": 777, "mixture": 2123, "O'Brien-Fleming": 3450, "Argo: window rate": 316}
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


@pytest.fixture(scope="module")
def rules() -> dict[str, tuple[float, float, float]]:
    """By rule: harmless goes back, a percentage point more errors does, requests exposed then."""
    calls = log()
    plan = draw_plan(calls, RolloutParameters(error_margin=0.01, stages=(5, 10, 25, 50, 100)))
    # Independent requests, and no floor under the variance: as the script had it.
    errors = replace(plan.guardrails[0], variance=0.0, design_effect=1.0, baseline=0.02)
    looks = zip(plan.stages, (5, 5, 5, 9), strict=False)
    stages = tuple(replace(stage, requests=PER_LOOK * count) for stage, count in looks)
    plan = replace(plan, guardrails=(errors,), stages=stages)
    worse = Change(name="worse", error_rise=0.01)
    report = simulate_rollout(
        calls, plan, RehearsalParameters(change=worse, runs=RUNS, every_rule=True)
    )
    table = next(item for item in report.tables if item.name == "rules")
    return {
        str(row[0]).removeprefix("errors alone: "): tuple(float(cell or 0) for cell in row[1:4])
        for row in table.rows
    }  # type: ignore[return-value]


@pytest.mark.slow
@pytest.mark.parametrize("rule", list(TABLE))
def test_false_rollbacks_and_detection_are_those_of_the_table(
    rules: dict[str, tuple[float, float, float]], rule: str
) -> None:
    for ours, theirs in zip(rules[rule][:2], TABLE[rule], strict=True):
        spread = max(theirs * (1 - theirs), 1e-4)
        noise = 3.5 * math.sqrt(spread / RUNS + spread / THEIRS)
        # A replayed log has hours of its own, and three digits were printed.
        assert ours == pytest.approx(theirs, abs=noise + 0.006)


@pytest.mark.slow
@pytest.mark.parametrize("rule", list(MEAN_CANARY))
def test_requests_exposed_are_those_of_the_table(
    rules: dict[str, tuple[float, float, float]], rule: str
) -> None:
    # The hours that a change falls into are those of one log in every run.
    assert rules[rule][2] == pytest.approx(MEAN_CANARY[rule], rel=0.08)
