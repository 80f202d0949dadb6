"""Following the judge: what the formula says, what the log says, and where the two part."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli import judge_eval
from llmops_cli.report import Measure, Report, Table

counts = st.integers(1, 30)


def measures(report: Report) -> dict[str, Measure]:
    return {item.name: item for item in report.measures}


def table(report: Report, name: str) -> Table:
    return next(item for item in report.tables if item.name == name)


def log(n: int, rates: tuple[float, float], seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    weak = (draw.random(n) < 0.6).astype(int)
    strong = (draw.random(n) < np.where(weak == 1, 0.95, 0.7)).astype(int)
    right = draw.random(n) < np.where(weak == 1, *rates)
    return pd.DataFrame(
        {
            "judge": np.where(right, weak, 1 - weak), "gold": weak, "weak_correct": weak,
            "strong_correct": strong, "weak_cost_usd": 1.0, "strong_cost_usd": 10.0,
            "judge_cost_usd": 0.5, "weak_latency_s": 1.0, "strong_latency_s": 4.0,
            "judge_latency_s": 0.5,
        }
    )  # fmt: skip


def test_independent_errors_leave_no_gap_and_correlated_ones_do() -> None:
    frame = log(60_000, (0.9, 0.8))
    gap = measures(judge_eval(frame))["correlation_of_errors"].value
    assert gap == pytest.approx(0, abs=0.5)
    # A judge that accepts wrong answers only where the strong model is wrong too loses nothing.
    lucky = frame.assign(
        judge=np.where(
            (frame["weak_correct"] == 0) & (frame["strong_correct"] == 0), 1, frame["gold"]
        )
    )
    assert (measures(judge_eval(lucky))["correlation_of_errors"].value or 0.0) > 2


@given(st.lists(counts, min_size=8, max_size=8))
def test_logged_and_formula_add_up(cells: list[int]) -> None:
    kinds = [(j, w, s) for j in (0, 1) for w in (0, 1) for s in (0, 1)]
    rows = [kind for kind, times in zip(kinds, cells, strict=True) for _ in range(times)]
    judge, weak, strong = (np.array(column) for column in zip(*rows, strict=True))
    frame = pd.DataFrame(
        {"judge": judge, "gold": weak, "weak_correct": weak, "strong_correct": strong}
    )
    found = measures(judge_eval(frame))
    sensitivity, specificity = judge[weak == 1].mean(), 1 - judge[weak == 0].mean()
    kept = np.where(weak == 1, sensitivity, 1 - specificity)
    formula = 100 * float((kept * weak + (1 - kept) * strong).mean() - strong.mean())
    logged = 100 * float((np.where(judge == 1, weak, strong) - strong).mean())
    assert math.isclose(found["quality_difference_independent"].value or 0.0, formula, abs_tol=1e-9)
    gap = found["correlation_of_errors"].value or 0.0
    assert math.isclose(gap, logged - formula, abs_tol=1e-9)


def test_cost_and_time_count_every_model_that_ran() -> None:
    frame = log(1_000, (0.9, 0.8))
    found = measures(judge_eval(frame))
    escalated = (frame["judge"] == 0).mean()
    assert found["cost_ratio"].value == pytest.approx((1.5 + 10 * escalated) / 10)
    assert found["latency_following"].value == pytest.approx(1.5 + 4 * escalated)
    assert found["latency_strong"].value == 4.0
    low, high = found["cost_ratio"].low, found["cost_ratio"].high
    assert low is not None
    assert high is not None
    assert low < (found["cost_ratio"].value or 0.0) < high


def test_the_curve_crosses_zero_at_the_break_even() -> None:
    report = judge_eval(log(5_000, (0.9, 0.8)))
    quality = next(item for item in report.series if item.name == "quality_by_reliability")
    even = measures(report)["break_even_reliability"].value or 0.0
    assert np.interp(0.0, quality.y, quality.x) == pytest.approx(even, abs=1e-6)
    rows = table(report, "reliability_curve").rows
    assert [row[0] for row in rows].count("this judge, as logged") == 1
    reliabilities = [row[1] for row in rows]
    assert reliabilities == sorted(reliabilities)


def test_on_the_frontier_quality_is_that_of_the_strong_model() -> None:
    frame = log(20_000, (0.9, 0.8))
    weak, strong = frame["weak_correct"].to_numpy(), frame["strong_correct"].to_numpy()
    n10, n01 = ((weak == 1) & (strong == 0)).sum(), ((weak == 0) & (strong == 1)).sum()
    for sensitivity, specificity, _ in table(judge_eval(frame), "frontier").rows:
        assert isinstance(specificity, float)
        assert n10 * sensitivity == pytest.approx(n01 * (1 - specificity))


def test_beyond_the_saving_line_escalation_costs_more_than_it_saves() -> None:
    frame = log(2_000, (0.9, 0.8)).assign(weak_cost_usd=6.0)
    weak = frame["weak_correct"].mean()
    for sensitivity, _, most in table(judge_eval(frame), "frontier").rows:
        assert isinstance(most, float)
        escalated = weak * (1 - sensitivity) + (1 - weak) * most
        if 0 < most < 1:
            assert 6.5 + 10 * escalated == pytest.approx(10)


def test_clusters_widen_the_break_even() -> None:
    frame = log(200, (0.9, 0.8))
    repeated = pd.concat([frame] * 10, ignore_index=True)
    clustered = repeated.assign(cluster=[f"c{i % 200}" for i in range(2_000)])
    single, wide = (
        measures(judge_eval(part))["break_even_reliability"] for part in (frame, clustered)
    )
    assert wide.value == single.value
    assert wide.low == pytest.approx(single.low, abs=0.06)
    assert wide.high == pytest.approx(single.high, abs=0.06)
