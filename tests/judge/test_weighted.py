"""Propensities: uneven labels speak for the traffic again, and refuse where they cannot."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli import judge_eval
from llmops_cli.errors import LlmopsError
from llmops_cli.judge import JudgeParameters
from llmops_cli.report import Measure, Report, Verdict


def traffic(n: int, seed: int, *, clusters: int = 0) -> pd.DataFrame:
    """Half easy requests (right in 95 %), half hard ones (right in 65 %): 80 % of the traffic.

    Easy ones are labelled nine times as often, so the labels alone say 92 %.
    """
    draw = np.random.default_rng(seed)
    hard = draw.random(n) < 0.5
    gold = draw.integers(0, 2, n)
    judge = np.where(draw.random(n) < np.where(hard, 0.65, 0.95), gold, 1 - gold)
    chance = np.where(hard, 0.1, 0.9)
    seen = draw.random(n) < chance
    frame = pd.DataFrame({"judge": judge, "gold": np.where(seen, gold, 2), "propensity": chance})
    return frame.assign(cluster=np.arange(n) % clusters) if clusters else frame


def measure(report: Report, name: str) -> Measure:
    return next(item for item in report.measures if item.name == name)


def test_weights_undo_the_way_rows_were_chosen() -> None:
    frame = traffic(40_000, 1)
    plain = measure(judge_eval(frame.drop(columns="propensity")), "accuracy").value
    weighted = measure(judge_eval(frame), "accuracy").value
    assert plain == pytest.approx(0.92, abs=0.01)
    assert weighted == pytest.approx(0.80, abs=0.015)


def test_even_propensities_change_nothing_but_the_interval() -> None:
    frame = traffic(2000, 2).drop(columns="propensity")
    plain, weighted = (judge_eval(f) for f in (frame, frame.assign(propensity=0.5)))
    for name in ("accuracy", "sensitivity", "specificity"):
        assert measure(weighted, name).value == pytest.approx(measure(plain, name).value)
    assert measure(weighted, "effective_sample_size").value == pytest.approx(
        measure(plain, "accuracy").n, rel=0.01
    )


@given(
    rows=st.lists(st.tuples(*[st.integers(0, 1)] * 3, st.floats(0.05, 1)), min_size=2, max_size=30)
)
def test_figures_are_the_weighted_sums(rows: list[tuple[int, int, int, float]]) -> None:
    judge, weak, strong, chance = map(np.array, zip(*rows, strict=True))
    frame = pd.DataFrame(
        {"judge": judge, "weak_correct": weak, "strong_correct": strong, "propensity": chance}
    )
    report, w = judge_eval(frame, JudgeParameters(against="threshold")), 1 / chance
    assert measure(report, "accuracy").value == pytest.approx((w * (judge == weak)).sum() / w.sum())
    gain = np.where(judge == 1, weak - strong, 0)
    assert measure(report, "quality_difference").value == pytest.approx(
        100 * (w * gain).sum() / w.sum(), abs=1e-9
    )
    differ = weak != strong
    if differ.any():
        assert measure(report, "break_even_reliability").value == pytest.approx(
            (w * strong)[differ].sum() / w[differ].sum()
        )


def test_agreement_and_tasks_speak_for_the_traffic_too() -> None:
    """Against the figures of the same table with every row copied as often as it weighs."""
    frame = traffic(6_000, 8).assign(task=np.arange(6_000) % 2)
    frame["task"] = "t" + frame["task"].astype(str)
    frame["propensity"] = np.where(frame["propensity"] > 0.5, 0.5, 0.125)
    known = frame[frame["gold"] != 2]
    copies = known.loc[known.index.repeat((1 / known["propensity"]).astype(int))]
    weighted, copied = judge_eval(frame), judge_eval(copies.drop(columns="propensity"))
    plain = judge_eval(known.drop(columns="propensity"))
    names = (
        "cohens_kappa", "balanced_accuracy", "matthews_correlation", "gwet_ac1",
        "cost_weighted_error", "under_routed", "over_routed", "majority_baseline",
    )  # fmt: skip
    for name in names:
        found, wanted = measure(weighted, name), measure(copied, name).value
        assert found.value == pytest.approx(wanted), name
        assert found.method.startswith("weighted by 1 / propensity")
        # Rows that stand for eight say less than as many evenly drawn ones.
        even = measure(plain, name)
        wide, narrow = ((m.high or 0) - (m.low or 0) for m in (found, even))
        assert name == "majority_baseline" or wide > narrow
    alpha = measure(weighted, "krippendorff_alpha").value
    assert alpha == pytest.approx(measure(copied, "krippendorff_alpha").value, abs=1e-4)
    tasks = [
        next(item for item in report.tables if item.name == "tasks").rows
        for report in (weighted, copied)
    ]
    for mine, wanted in zip(*tasks, strict=True):
        assert mine[2] == pytest.approx(wanted[2])
        assert mine[5] == pytest.approx(wanted[5])


def test_what_is_not_weighted_says_so() -> None:
    frame = traffic(2_000, 9)
    frame["confidence"] = np.random.default_rng(1).uniform(0.5, 1, 2_000)
    report = judge_eval(frame)
    unweighted = [
        item for item in report.measures
        if item.name.startswith(("calibration_error", "brier", "risk_coverage"))
    ]  # fmt: skip
    assert {"calibration_error", "risk_coverage_area"} <= {item.name for item in unweighted}
    told = [item for item in unweighted if "unweighted" in item.label]
    assert {m.name for m in told} >= {"calibration_error", "brier", "risk_coverage_area"}


def test_a_part_without_support_leaves_the_verdict_open() -> None:
    frame = traffic(20_000, 3)
    easy = frame["propensity"] > 0.5
    frame = frame.assign(propensity=np.where(easy, 0.9, 0.0), gold=np.where(easy, frame["gold"], 2))
    report = judge_eval(frame)
    assert report.checks[0].verdict is Verdict.PASS
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "no chance of a label" in report.checks[-1].reason
    assert report.checks[-1].needed


@pytest.mark.parametrize(
    ("chance", "slug"), [(np.nan, "judge-no-propensity"), (0.0, "judge-impossible-label")]
)
def test_a_label_that_nobody_can_weigh_is_refused(chance: float, slug: str) -> None:
    frame = pd.DataFrame({"judge": [1, 0] * 9, "gold": [1, 0] * 9, "propensity": 0.5})
    frame.loc[3, "propensity"] = chance
    with pytest.raises(LlmopsError) as caught:
        judge_eval(frame)
    assert (caught.value.slug, caught.value.exit_code) == (slug, 3)


@pytest.mark.parametrize(
    "asked", [JudgeParameters(sequential=True), JudgeParameters(sprt=(0.7, 0.8))]
)
def test_repeated_looks_take_no_weights(asked: JudgeParameters) -> None:
    with pytest.raises(LlmopsError) as caught:
        judge_eval(traffic(500, 4), asked)
    assert (caught.value.slug, caught.value.exit_code) == ("judge-sequential-weighted", 2)


def test_one_row_that_carries_the_figure_is_named() -> None:
    frame = traffic(400, 5).assign(propensity=0.9)
    frame.loc[frame.index[frame["gold"] != 2][0], "propensity"] = 0.001
    report = judge_eval(frame)
    assert "judge-few-effective-labels" in {item.slug for item in report.findings}
    assert (measure(report, "effective_sample_size").value or 0) < 5


@pytest.mark.slow
@pytest.mark.parametrize(("n", "clusters"), [(600, 0), (3000, 0), (3000, 300)])
def test_the_weighted_gate_keeps_its_level(n: int, clusters: int) -> None:
    runs, above, below = 300, 0, 0
    for seed in range(runs):
        report = judge_eval(
            traffic(n, 1000 + seed, clusters=clusters), JudgeParameters(against="threshold")
        )
        bounds = report.checks[0].measure
        above += (bounds.low or 0) > 0.80
        below += (bounds.high or 1) < 0.80
    # One-sided 95 % bounds; 300 runs leave the rate uncertain by 1.3 points.
    assert above / runs <= 0.085
    assert below / runs <= 0.085
