"""What speaks against the labels is said before any figure, and some of it opens the verdict."""

import numpy as np
import pandas as pd
import pytest

from llmops_cli import judge_eval
from llmops_cli.errors import LlmopsError
from llmops_cli.judge import JudgeParameters
from llmops_cli.report import Finding, Report, Verdict


def found(report: Report) -> dict[str, Finding]:
    return {item.slug: item for item in report.findings}


def right(n: int, accuracy: float, seed: int = 0, **more: object) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    gold = draw.integers(0, 2, n)
    judge = np.where(draw.random(n) < accuracy, gold, 1 - gold)
    return pd.DataFrame({"judge": judge, "gold": gold, **more})


def test_labels_of_the_judge_itself_never_pass() -> None:
    frame = right(400, 0.95, labeller="gpt-5", judge_model="gpt-5")
    report = judge_eval(frame)
    assert report.verdict is Verdict.INCONCLUSIVE
    assert found(report)["judge-labels-itself"].severity == "error"
    people = right(400, 0.95, labeller="ann", judge_model="gpt-5")
    assert judge_eval(people).verdict is Verdict.PASS


def test_hundreds_of_truths_equal_to_the_verdict_never_pass() -> None:
    report = judge_eval(right(300, 1.0))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.checks[-1].needed
    few = judge_eval(right(60, 1.0))
    assert few.verdict is Verdict.PASS
    assert found(few)["judge-labels-identical"].severity == "warning"


def test_a_failing_judge_still_fails_whoever_labelled() -> None:
    frame = right(400, 0.5, labeller="gpt-5", judge_model="gpt-5")
    assert judge_eval(frame).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("others", "verdict"),
    [(0, Verdict.INCONCLUSIVE), (9, Verdict.INCONCLUSIVE), (10, Verdict.FAIL)],
)
def test_a_judge_that_always_says_the_same_never_passes(others: int, verdict: Verdict) -> None:
    # Accuracy alone would pass: 99 % and more.
    report = judge_eval(pd.DataFrame({"judge": 1, "gold": [1] * 1000 + [0] * others}))
    assert report.checks[0].verdict is Verdict.PASS
    assert report.checks[-1].name == "the judge tells requests apart"
    assert report.verdict is verdict
    assert "'accept' in all" in found(report)["judge-constant"].message
    assert "always says the same" in report.headline


def test_a_constant_score_is_a_constant_verdict() -> None:
    report = judge_eval(pd.DataFrame({"score": 0.7, "gold": [1] * 900 + [0] * 100}))
    assert report.verdict is Verdict.FAIL


@pytest.mark.parametrize("column", ["score", "confidence"])
def test_a_score_without_one_error_has_seen_the_truth(column: str) -> None:
    frame = right(200, 0.85)
    sure = np.where(frame["gold"] == 1, 0.9, 0.1)
    told = sure if column == "score" else np.where(frame["judge"] == 1, sure, 1 - sure)
    assert found(judge_eval(frame.assign(**{column: told})))["judge-truth-leaks"].field == column
    noisy = np.random.default_rng(1).random(200)
    assert "judge-truth-leaks" not in found(judge_eval(frame.assign(**{column: noisy})))


def test_other_columns_that_hold_the_truth_are_named() -> None:
    report = judge_eval(right(100, 0.9), copies=("expected", "answer_key"))
    assert "expected, answer_key" in found(report)["judge-truth-repeated"].message


def days(accuracies: list[float], a_day: int = 100) -> pd.DataFrame:
    parts = [
        right(a_day, accuracy, seed).assign(timestamp=86_400.0 * (20_000 + seed))
        for seed, accuracy in enumerate(accuracies)
    ]
    return pd.concat(parts, ignore_index=True)


def test_a_bad_day_is_told_from_chance() -> None:
    moved = judge_eval(days([0.95, 0.95, 0.60, 0.95]))
    assert "accuracy" in found(moved)["judge-days-differ"].message
    table = next(item for item in moved.tables if item.name == "days")
    assert [row[0] for row in table.rows] == [
        "2024-10-04", "2024-10-05", "2024-10-06", "2024-10-07"
    ]  # fmt: skip
    assert "judge-days-differ" not in found(judge_eval(days([0.9] * 4)))


def test_a_log_without_any_verdict_is_refused() -> None:
    with pytest.raises(LlmopsError) as caught:
        judge_eval(right(50, 0.9).assign(judge=2))
    assert (caught.value.slug, caught.value.exit_code) == ("judge-all-abstained", 3)


def test_a_tier_that_is_never_needed_is_named() -> None:
    frame = pd.DataFrame({"judge": [0, 1] * 50, "gold": [0, 1] * 49 + [1, 0]})
    report = judge_eval(frame, JudgeParameters(kind="tiers", tiers=("a", "b", "c")))
    assert "needs c" in found(report)["judge-missing-tier"].message


def test_drift_is_seen_and_its_absence_too() -> None:
    earlier, now = right(800, 0.92, 1), right(800, 0.80, 2)
    report = judge_eval(now, earlier=earlier)
    assert "judge-drift-accuracy" in found(report)
    change = next(item for item in report.measures if item.name == "drift_accuracy")
    expected = 100 * (
        (now["judge"] == now["gold"]).mean() - (earlier["judge"] == earlier["gold"]).mean()
    )
    assert change.value == pytest.approx(expected)
    assert change.high is not None
    assert change.high < 0
    still = judge_eval(right(800, 0.92, 3), earlier=earlier)
    assert not any(slug.startswith("judge-drift") for slug in found(still))


def test_the_earlier_cut_is_tried_on_this_log() -> None:
    draw = np.random.default_rng(8)
    gold = draw.integers(0, 2, 500)
    earlier = pd.DataFrame({"score": draw.normal(gold, 0.3), "gold": gold})
    now = earlier.assign(score=earlier["score"] + 1)
    report = judge_eval(now, JudgeParameters(cut=1.5), earlier=earlier)
    measures = {item.name: item for item in report.measures}
    old, new = measures["earlier_cut"].value or 0.0, measures["best_cut"].value or 0.0
    assert new == pytest.approx(old + 1)
    expected = ((now["score"] >= old) == now["gold"]).mean()
    assert measures["earlier_cut_accuracy"].value == pytest.approx(expected)
    assert expected < 0.8


@pytest.mark.parametrize("truth", [0, 1])
def test_truths_of_one_kind_never_pass(truth: int) -> None:
    said = [truth] * 950 + [1 - truth] * 50
    report = judge_eval(pd.DataFrame({"judge": said, "gold": truth}))
    assert report.checks[0].verdict is Verdict.PASS
    assert report.checks[-1].name == "the truth is of more than one kind"
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "Half of the judge is unseen" in report.headline
