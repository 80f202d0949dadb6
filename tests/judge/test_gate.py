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
