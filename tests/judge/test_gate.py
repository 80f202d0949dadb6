"""The gate in one look and in many, and what it says would decide."""

import numpy as np
import pandas as pd
import pytest

from llmops_cli import judge_eval
from llmops_cli.errors import LlmopsError
from llmops_cli.judge import JudgeParameters
from llmops_cli.judge.cases import cases
from llmops_cli.judge.gate import in_order
from llmops_cli.report import Verdict
from llmops_cli.stats.betting import betting_interval


def arriving(right: list[int], **more: object) -> pd.DataFrame:
    gold = np.arange(len(right)) % 2
    return pd.DataFrame({"judge": np.where(right, gold, 1 - gold), "gold": gold, **more})


def right(n: int, accuracy: float, seed: int = 0) -> list[int]:
    return (np.random.default_rng(seed).random(n) < accuracy).astype(int).tolist()


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [(0.95, Verdict.PASS), (0.81, Verdict.INCONCLUSIVE), (0.6, Verdict.FAIL)],
)
def test_the_sequential_gate_has_three_states(accuracy: float, verdict: Verdict) -> None:
    frame = arriving(right(400, accuracy))
    assert judge_eval(frame, JudgeParameters(sequential=True)).verdict is verdict


def test_bounds_over_all_looks_are_wider_than_those_of_one() -> None:
    frame = arriving(right(300, 0.9))
    one, many = (
        judge_eval(frame, JudgeParameters(sequential=flag)).checks[0].measure
        for flag in (False, True)
    )
    assert one.low is not None
    assert many.low is not None
    assert many.low < one.low
    expected = betting_interval(np.array(right(300, 0.9), float), level=0.90)
    assert (many.low, many.high) == (expected.low, expected.high)


def test_decisions_arrive_in_the_order_of_their_times() -> None:
    frame = arriving([1, 0, 1, 1], timestamp=[4.0, 3.0, 2.0, 1.0])
    assert in_order(cases(frame, JudgeParameters())).tolist() == [1, 1, 0, 1]


def test_a_cluster_arrives_once() -> None:
    frame = arriving([1, 0, 1, 1, 0], cluster=["b", "a", "b", "a", "c"])
    assert in_order(cases(frame, JudgeParameters())).tolist() == [1.0, 0.5, 0.0]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([1] * 60, Verdict.PASS),
        ([0] * 20, Verdict.FAIL),
        ([1, 1, 0, 1], Verdict.INCONCLUSIVE),
    ],
)
def test_the_ratio_test_stops_at_its_limits(rows: list[int], verdict: Verdict) -> None:
    given = JudgeParameters(sprt=(0.78, 0.85), against="threshold")
    report = judge_eval(arriving(rows), given)
    assert report.verdict is verdict
    (check,) = report.checks
    up, down = np.log(0.85 / 0.78), np.log(0.15 / 0.22)
    steps = np.cumsum(np.where(np.array(rows) == 1, up, down))
    stop = check.measure.n or 0
    assert check.measure.value == pytest.approx(steps[stop - 1])
    assert np.all(np.abs(steps[: stop - 1]) < np.log(19))


@pytest.mark.parametrize("sprt", [(0.9, 0.8), (0.0, 0.5), (0.8, 1.0)])
def test_impossible_hypotheses_are_usage_errors(sprt: tuple[float, float]) -> None:
    with pytest.raises(LlmopsError) as caught:
        JudgeParameters(sprt=sprt)
    assert (caught.value.slug, caught.value.exit_code) == ("judge-bad-sprt", 2)


def outcomes(n: int) -> dict[str, np.ndarray]:
    weak = np.arange(n) % 2
    strong = np.where(weak == 1, np.arange(n) % 10 != 1, np.arange(n) % 10 < 8).astype(int)
    return {"weak_correct": weak, "strong_correct": strong}


def test_both_bars_decide_where_both_outcomes_are_known() -> None:
    report = judge_eval(arriving(right(800, 0.95), **outcomes(800)))
    assert [check.name for check in report.checks] == [
        "accuracy above the threshold",
        "accuracy above break-even",
    ]


def test_without_outcomes_the_threshold_alone_decides_and_that_is_said() -> None:
    report = judge_eval(arriving(right(200, 0.95)))
    assert [check.name for check in report.checks] == ["accuracy above the threshold"]
    assert "judge-threshold-alone" in {item.slug for item in report.findings}
    asked = judge_eval(arriving(right(200, 0.95)), JudgeParameters(against="threshold"))
    assert "judge-threshold-alone" not in {item.slug for item in asked.findings}


def test_the_break_even_holds_over_all_looks_too() -> None:
    frame = arriving(right(800, 0.97), **outcomes(800))
    one, many = (
        judge_eval(frame, JudgeParameters(sequential=flag)).checks[1].measure
        for flag in (False, True)
    )
    assert one.low is not None
    assert many.low is not None
    assert many.low < one.low


def test_tasks_are_judged_together() -> None:
    # Twenty tasks on the bar: alone, some would be called above or below it by luck.
    frame = arriving(right(2_000, 0.80, 5), task=[f"t{i % 20:02d}" for i in range(2_000)])
    frame.loc[frame["task"] == "t00", "judge"] = frame["gold"]
    frame.loc[frame["task"] == "t01", "judge"] = 1 - frame["gold"]
    table = next(item for item in judge_eval(frame).tables if item.name == "tasks")
    claims = {row[0]: row[-1] for row in table.rows}
    assert (claims.pop("t00"), claims.pop("t01")) == ("above", "below")
    assert set(claims.values()) == {"open"}


@pytest.mark.slow
@pytest.mark.parametrize("clusters", [False, True])
def test_displayed_intervals_cover_at_their_level(clusters: bool) -> None:  # noqa: FBT001
    draw = np.random.default_rng(21)
    names = (
        "accuracy", "sensitivity", "specificity", "cohens_kappa", "gwet_ac1",
        "krippendorff_alpha", "balanced_accuracy", "matthews_correlation", "quality_difference",
        "cost_ratio", "cost_weighted_error",
    )  # fmt: skip
    truth = {m.name: m.value for m in judge_eval(world(draw, 200_000, clusters=False)).measures}
    hits = dict.fromkeys(names, 0)
    for _ in range(200):
        found = {m.name: m for m in judge_eval(world(draw, 300, clusters=clusters)).measures}
        for name in names:
            low, high = found[name].low, found[name].high
            assert low is not None
            assert high is not None
            hits[name] += low <= (truth[name] or 0.0) <= high
    # 95 % of 200 is 190; a binomial below 180 has probability 0.1 %.
    assert {name: count for name, count in hits.items() if count < 180} == {}


def world(draw: np.random.Generator, n: int, *, clusters: bool) -> pd.DataFrame:
    """Requests of known rates; in clusters, five rows share one hidden ease of judging."""
    group = np.arange(n) // 5 if clusters else np.arange(n)
    ease = draw.beta(8, 2, group.max() + 1)[group]
    weak = (draw.random(n) < 0.65).astype(int)
    strong = (draw.random(n) < np.where(weak == 1, 0.93, 0.6)).astype(int)
    judge = np.where(draw.random(n) < ease, weak, 1 - weak)
    length = draw.lognormal(0, 0.3, n)
    frame = pd.DataFrame(
        {
            "judge": judge, "gold": weak, "weak_correct": weak, "strong_correct": strong,
            "weak_cost_usd": 0.001 * length, "strong_cost_usd": 0.01 * length,
        }
    )  # fmt: skip
    return frame.assign(cluster=[f"c{i}" for i in group]) if clusters else frame
