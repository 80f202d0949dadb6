"""Following the judge's tier on logged outcomes, against plain counting row by row."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli import judge_eval
from llmops_cli.judge import JudgeParameters
from llmops_cli.report import Report

TIERS = ("small", "medium", "large")
ASKED = JudgeParameters(kind="tiers", tiers=TIERS)
COSTS = (0.001, 0.004, 0.02)

row = st.tuples(st.integers(0, 3), st.tuples(*[st.integers(0, 1)] * 3))


def frame(rows: list[tuple[int, tuple[int, ...]]], **more: object) -> pd.DataFrame:
    outcomes = {f"tier_{code}_correct": [float(o[code]) for _, o in rows] for code in range(3)}
    costs = {f"tier_{code}_cost_usd": cost for code, cost in enumerate(COSTS)}
    return pd.DataFrame({"judge": [j for j, _ in rows], **outcomes, **costs, **more})


def measures(report: Report) -> dict[str, float | None]:
    return {item.name: item.value for item in report.measures}


@given(st.lists(row, min_size=1, max_size=40))
def test_figures_are_those_of_counting(rows: list[tuple[int, tuple[int, ...]]]) -> None:
    judged = [(j, o) for j, o in rows if j < 3]
    if not judged:
        return
    found = measures(judge_eval(frame(rows), ASKED))
    n = len(judged)
    means = [sum(o[code] for _, o in judged) / n for code in range(3)]
    single = means.index(max(means))
    mine = sum(o[j] for j, o in judged) / n
    oracle = sum(max(o) for _, o in judged) / n
    assert found["quality_difference"] == pytest.approx(100 * (mine - means[single]), abs=1e-9)
    assert found["gap_to_oracle"] == pytest.approx(100 * (oracle - mine), abs=1e-9)
    spent = sum(COSTS[j] for j, _ in judged) / n
    assert found["cost_ratio"] == pytest.approx(spent / COSTS[single])


def test_the_oracle_takes_the_cheapest_of_the_best_and_is_the_truth() -> None:
    rows = [(0, (1, 1, 1)), (1, (0, 1, 1)), (2, (0, 0, 1)), (0, (0, 0, 0))] * 10
    report = judge_eval(frame(rows), ASKED)
    found = measures(report)
    assert (found["accuracy"], found["gap_to_oracle"]) == (1.0, 0.0)
    table = next(item for item in report.tables if item.name == "tier_policies")
    costs = {str(line[0]): line[5] for line in table.rows}
    assert costs["oracle: cheapest of the best"] == pytest.approx(
        (COSTS[0] + COSTS[1] + COSTS[2] + COSTS[0]) / 4 / COSTS[2]
    )


def test_the_judge_pays_for_itself() -> None:
    rows = [(0, (1, 1, 1)), (2, (0, 0, 1))] * 20
    free, paid = (
        measures(judge_eval(frame(rows, **more), ASKED))["cost_ratio"]
        for more in ({}, {"judge_cost_usd": 0.002})
    )
    assert paid == pytest.approx((free or 0.0) + 0.002 / COSTS[2])


def test_an_interval_of_clusters_is_wider() -> None:
    draw = np.random.default_rng(5)
    right = draw.random((60, 3)) < (0.4, 0.6, 0.9)
    rows = [(int(draw.integers(0, 3)), tuple(map(int, line))) for line in right]
    repeated = [line for line in rows for _ in range(8)]
    alone = judge_eval(frame(repeated), ASKED)
    together = judge_eval(frame(repeated, cluster=np.repeat(np.arange(60), 8)), ASKED)
    widths = [
        next((m.high or 0) - (m.low or 0) for m in r.measures if m.name == "quality_difference")
        for r in (alone, together)
    ]
    assert widths[1] > 2 * widths[0]
