"""What a check risks when it looks at every hour: rollouts drawn from known rates."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.check import check
from llmops_cli.rollout.decision import Verdicts
from llmops_cli.rollout.observed import CANARY, CONTROL, Cell, Observed, Sums
from llmops_cli.rollout.state import State, fingerprint

WINDOWS, RUNS = 12, 500


@pytest.fixture(scope="module")
def plan(calls: Callable[..., pd.DataFrame]) -> Plan:
    """Of users with one request each, so that requests are independent."""
    table = calls(8000, user_id=[f"u{i}" for i in range(8000)])
    return draw_plan(table, RolloutParameters(latency_margin=1.5, error_margin=0.03))


def stage(plan: Plan, worse: str, draw: np.random.Generator) -> Observed:
    """The first stage; a guardrail is worse by just its margin, or none is."""
    known, cells = plan.stages[0], dict[Cell, Sums]()
    canary = -(-known.canary_requests // WINDOWS)
    other = round(canary * (100 - known.percent) / known.percent)
    for hour in range(WINDOWS):
        for variant, n in ((CANARY, canary), (CONTROL, other)):
            for item in plan.guardrails:
                harm = item.margin if (variant, item.name) == (CANARY, worse) else 0.0
                seen = round(n * item.coverage)
                bad = float(draw.binomial(seen, item.bad_share + harm))
                cells[f"2026-09-01T{hour:02d}:00", variant, item.name] = Sums(seen, bad, bad)
    return Observed(cells)


def ends(plan: Plan, worse: str) -> dict[Verdicts, int]:
    draw, fresh = np.random.default_rng(2), State(fingerprint(plan))
    found = [check(plan, fresh.seeing(5, stage(plan, worse, draw)), 5).verdict for _ in range(RUNS)]
    return {verdict: found.count(verdict) for verdict in Verdicts}


@pytest.mark.parametrize("worse", ["quality", "latency", "errors"])
def test_what_harms_by_its_margin_passes_no_more_often_than_the_stage_may_risk(
    plan: Plan, worse: str
) -> None:
    seen = ends(plan, worse)
    assert seen[Verdicts.PROMOTE] <= binom.ppf(0.999, RUNS, plan.alpha_per_stage)
    assert seen[Verdicts.ROLLBACK] > RUNS / 2


def test_what_harms_nothing_goes_back_no_more_often_and_mostly_passes(plan: Plan) -> None:
    seen = ends(plan, "")
    assert seen[Verdicts.ROLLBACK] <= binom.ppf(0.999, RUNS, plan.alpha / len(plan.stages))
    assert seen[Verdicts.PROMOTE] >= binom.ppf(0.001, RUNS, plan.power)
