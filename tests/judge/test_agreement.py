"""Agreement figures of the report against scikit-learn, statsmodels and counting by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    f1_score,
    matthews_corrcoef,
    recall_score,
)
from statsmodels.stats.proportion import proportion_confint

from llmops_cli import judge_eval
from llmops_cli.judge import JudgeParameters
from llmops_cli.report import Measure, Report

TIERS = ("small", "medium", "large")
pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=4, max_size=60)
binary = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=4, max_size=60)


def measures(report: Report) -> dict[str, Measure]:
    return {item.name: item for item in report.measures}


def value(report: Report, name: str) -> float:
    found = measures(report)[name].value
    return math.nan if found is None else found


def asked(rows: list[tuple[int, int]], **more: object) -> tuple[Report, np.ndarray, np.ndarray]:
    judge, gold = (np.array(column) for column in zip(*rows, strict=True))
    parameters = JudgeParameters(kind="tiers", tiers=TIERS, **more)  # type: ignore[arg-type]
    return judge_eval(pd.DataFrame({"judge": judge, "gold": gold}), parameters), judge, gold


def same(found: float, expected: float) -> bool:
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


def brute_alpha(judge: np.ndarray, gold: np.ndarray, distance: np.ndarray) -> float:
    both = np.concatenate([judge, gold])
    observed = np.mean([distance[a, b] for a, b in zip(judge, gold, strict=True)])
    n = len(both)
    expected = sum(distance[a, b] for a in both for b in both) / (n * (n - 1))
    return 1 - observed / expected


@given(pairs)
def test_tiers_agree_with_scikit_learn(rows: list[tuple[int, int]]) -> None:
    report, judge, gold = asked(rows)
    if len(set(judge)) > 1 and len(set(gold)) > 1:
        assert same(value(report, "matthews_correlation"), matthews_corrcoef(gold, judge))
    if len({*judge, *gold}) > 1:
        assert same(value(report, "cohens_kappa"), cohen_kappa_score(judge, gold))
        weighted = cohen_kappa_score(judge, gold, labels=[0, 1, 2], weights="quadratic")
        assert same(value(report, "quadratic_kappa"), weighted)
    if len(set(gold)) == 3:
        assert same(value(report, "balanced_accuracy"), balanced_accuracy_score(gold, judge))
    macro = f1_score(gold, judge, labels=[0, 1, 2], average="macro", zero_division=0)
    assert same(value(report, "macro_f1"), macro)


@given(pairs)
def test_ordinal_alpha_is_that_of_all_pairs(rows: list[tuple[int, int]]) -> None:
    report, judge, gold = asked(rows)
    counts = np.bincount(np.concatenate([judge, gold]), minlength=3)
    distance = np.zeros((3, 3))
    for a in range(3):
        for b in range(a + 1, 3):
            between = counts[a : b + 1].sum() - (counts[a] + counts[b]) / 2
            distance[a, b] = distance[b, a] = between**2
    if len({*judge, *gold}) > 1:
        expected = brute_alpha(judge, gold, distance)
        assert same(value(report, "krippendorff_alpha"), expected)


@given(binary)
def test_binary_ac1_and_alpha_are_those_by_hand(rows: list[tuple[int, int]]) -> None:
    judge, gold = (np.array(column) for column in zip(*rows, strict=True))
    report = judge_eval(pd.DataFrame({"judge": judge, "gold": gold}))
    observed, share = float((judge == gold).mean()), float((judge.mean() + gold.mean()) / 2)
    chance = 2 * share * (1 - share)
    assert same(value(report, "gwet_ac1"), (observed - chance) / (1 - chance))
    if 0 < share < 1:
        expected = brute_alpha(judge, gold, 1 - np.eye(2))
        assert same(value(report, "krippendorff_alpha"), expected)


@given(pairs, st.floats(0, 9), st.floats(0, 9))
def test_errors_cost_what_their_side_costs(
    rows: list[tuple[int, int]], under: float, over: float
) -> None:
    report, judge, gold = asked(rows, under_cost=under, over_cost=over)
    costs = [under * max(g - j, 0) + over * max(j - g, 0) for j, g in zip(judge, gold, strict=True)]
    assert same(value(report, "cost_weighted_error"), float(np.mean(costs)))
    assert same(value(report, "under_routed"), float((judge < gold).mean()))
    assert same(value(report, "over_routed"), float((judge > gold).mean()))


def test_a_false_accept_is_the_side_that_is_too_cheap() -> None:
    frame = pd.DataFrame({"judge": [1, 1, 0, 0], "gold": [0, 1, 1, 0]})
    report = judge_eval(frame, JudgeParameters(under_cost=5, over_cost=1))
    assert value(report, "under_routed") == value(report, "over_routed") == 0.25
    assert value(report, "cost_weighted_error") == 6 / 4


@given(pairs)
def test_recalls_have_the_exact_intervals_of_statsmodels(rows: list[tuple[int, int]]) -> None:
    report, judge, gold = asked(rows)
    table = next(item for item in report.tables if item.name == "recalls")
    recalls = recall_score(gold, judge, labels=[0, 1, 2], average=None, zero_division=0)
    for code, row in enumerate(table.rows):
        n = int((gold == code).sum())
        assert row[1] == n
        if n:
            hits = int(((gold == code) & (judge == code)).sum())
            low, high = proportion_confint(hits, n, 0.05, "beta")
            assert same(row[2], recalls[code])
            assert same(row[3], 0.0 if hits == 0 else low)
            assert same(row[4], 1.0 if hits == n else high)


def test_every_interval_holds_its_value() -> None:
    draw = np.random.default_rng(4)
    gold = draw.integers(0, 3, 400)
    judge = np.where(draw.random(400) < 0.8, gold, draw.integers(0, 3, 400))
    report, _, _ = asked(list(zip(judge.tolist(), gold.tolist(), strict=True)))
    bounded = [item for item in report.measures if item.low is not None]
    assert len(bounded) > 8
    for item in bounded:
        assert item.low is not None
        assert item.high is not None
        assert item.low <= (item.value or 0.0) <= item.high


@pytest.mark.parametrize("judge", [[1, 1, 1, 1], [0, 1, 0, 1]])
def test_what_is_undefined_is_said_to_be(judge: list[int]) -> None:
    found = measures(judge_eval(pd.DataFrame({"judge": judge, "gold": [1, 1, 1, 1]})))
    assert found["matthews_correlation"].value is None
    assert "undefined" in found["matthews_correlation"].method


def test_clusters_widen_the_interval_of_kappa() -> None:
    draw = np.random.default_rng(5)
    gold = draw.integers(0, 2, 60)
    judge = np.where(draw.random(60) < 0.8, gold, 1 - gold)
    repeated = pd.DataFrame({"judge": np.repeat(judge, 10), "gold": np.repeat(gold, 10)})
    clustered = repeated.assign(cluster=np.repeat([f"c{i}" for i in range(60)], 10))
    wide, narrow = (measures(judge_eval(frame))["cohens_kappa"] for frame in (clustered, repeated))
    assert wide.value == narrow.value
    spread = [(item.high or 0.0) - (item.low or 0.0) for item in (wide, narrow)]
    assert spread[0] > 2 * spread[1]
