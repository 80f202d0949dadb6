"""Traffic through the judge, calibration and answering when sure: against definitions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss

from llmops_cli import judge_eval
from llmops_cli.judge import JudgeParameters
from llmops_cli.report import Measure, Report

RNG = np.random.default_rng


def measures(report: Report) -> dict[str, Measure]:
    return {item.name: item for item in report.measures}


def slugs(report: Report) -> set[str]:
    return {item.slug for item in report.findings}


def traffic(
    n: int, labels: int, rates: tuple[float, float], share: float, seed: int = 0
) -> pd.DataFrame:
    """A judge of the given sensitivity and specificity; the first rows are labelled."""
    draw = RNG(seed)
    truth = (draw.random(n) < share).astype(int)
    right = draw.random(n) < np.where(truth == 1, *rates)
    gold = np.where(np.arange(n) < labels, truth, 2)
    return pd.DataFrame({"judge": np.where(right, truth, 1 - truth), "gold": gold, "truth": truth})


def test_the_corrections_undo_what_the_judge_gets_wrong() -> None:
    frame = traffic(40_000, 4_000, (0.95, 0.70), 0.30)
    found = measures(judge_eval(frame))
    truth = frame["truth"].mean()
    assert found["traffic_naive"].value == pytest.approx(0.3 * 0.95 + 0.7 * 0.3, abs=0.01)
    for name in ("traffic_rogan_gladen", "traffic_prediction_powered", "traffic_gold_only"):
        item = found[name]
        assert item.low is not None
        assert item.high is not None
        assert item.low < truth < item.high
    naive = found["traffic_naive"]
    assert naive.low is not None
    assert naive.low > truth


def test_rogan_gladen_is_its_formula() -> None:
    frame = traffic(3_000, 600, (0.9, 0.8), 0.6, seed=1)
    labelled, other = frame[frame["gold"] < 2], frame[frame["gold"] == 2]
    sensitivity = (labelled["judge"][labelled["gold"] == 1] == 1).mean()
    specificity = (labelled["judge"][labelled["gold"] == 0] == 0).mean()
    share = (other["judge"] == 1).mean()
    expected = (share + specificity - 1) / (sensitivity + specificity - 1)
    found = measures(judge_eval(frame))["traffic_rogan_gladen"].value
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_coin_is_not_corrected_for() -> None:
    report = judge_eval(traffic(2_000, 300, (0.5, 0.5), 0.5))
    assert measures(report)["traffic_rogan_gladen"].value is None
    assert "refused" in measures(report)["traffic_rogan_gladen"].method
    assert "judge-uncorrectable" in slugs(report)


def test_labels_that_are_no_random_sample_are_told_by_the_judge_itself() -> None:
    frame = traffic(4_000, 4_000, (0.95, 0.9), 0.5)
    chosen = frame["judge"] == 1
    frame["gold"] = np.where(chosen & (np.arange(4_000) % 2 == 0), frame["gold"], 2)
    frame.loc[~chosen & (np.arange(4_000) % 10 == 0), "gold"] = frame["truth"]
    assert "judge-labels-not-random" in slugs(judge_eval(frame))


def test_a_fully_labelled_log_needs_no_correction() -> None:
    frame = traffic(500, 500, (0.9, 0.9), 0.5)
    assert not any(name.startswith("traffic_") for name in measures(judge_eval(frame)))


def sure(n: int, seed: int = 2) -> pd.DataFrame:
    draw = RNG(seed)
    confidence = draw.uniform(0.5, 1, n)
    gold = draw.integers(0, 2, n)
    judge = np.where(draw.random(n) < confidence, gold, 1 - gold)
    return pd.DataFrame({"judge": judge, "gold": gold, "confidence": confidence})


def test_brier_is_scikit_learns_and_its_parts_add_up() -> None:
    frame = sure(500)
    found = measures(judge_eval(frame))
    right = (frame["judge"] == frame["gold"]).astype(int)
    assert found["brier"].value == pytest.approx(brier_score_loss(right, frame["confidence"]))
    base = right.mean()
    assert found["brier_uncertainty"].value == pytest.approx(base * (1 - base))


def test_a_calibrated_judge_is_not_accused_and_a_boaster_is() -> None:
    honest = sure(2_000)
    boaster = honest.assign(confidence=0.5 + (honest["confidence"] - 0.5) / 5 + 0.4)
    p_values = [
        measures(judge_eval(frame))["calibration_p_value"].value or 0.0
        for frame in (honest, boaster)
    ]
    assert p_values[0] > 0.01
    assert p_values[1] < 1e-6


def test_answering_only_when_sure_is_a_curve_from_low_to_high_error() -> None:
    report = judge_eval(sure(1_000))
    curve = next(item for item in report.series if item.name == "risk_coverage")
    assert curve.x[-1] == 1.0
    accuracy = measures(report)["accuracy"].value or 0.0
    assert curve.y[-1] == pytest.approx(1 - accuracy)
    area = measures(report)["risk_coverage_area"].value or 0.0
    assert area < 1 - accuracy


def test_abstentions_are_three_numbers() -> None:
    frame = sure(100).assign(gold=1, judge=[1] * 60 + [0] * 20 + [2] * 20)
    found = measures(judge_eval(frame))
    assert found["accuracy"].value == 0.6
    assert found["coverage"].value == 0.8
    assert found["selective_accuracy"].value == 0.75


def test_verdicts_without_confidence_are_left_out_of_the_calibration_and_named() -> None:
    frame = sure(100)
    frame.loc[:29, "confidence"] = np.nan
    report = judge_eval(frame)
    assert measures(report)["brier"].n == 70
    assert "judge-without-confidence" in slugs(report)


def test_a_score_is_cut_and_its_cut_is_chosen_without_flattery() -> None:
    draw = RNG(6)
    gold = draw.integers(0, 2, 600)
    score = draw.normal(gold, 1.0)
    frame = pd.DataFrame({"score": score, "gold": gold})
    found = measures(judge_eval(frame, JudgeParameters(cut=0.5)))
    assert found["accuracy"].value == ((score >= 0.5) == gold).mean()
    best = max(((score >= cut) == gold).mean() for cut in score)
    held, flattery = found["held_out_accuracy"].value, found["optimism"].value
    assert held is not None
    assert flattery is not None
    assert held + flattery / 100 == pytest.approx(best)
    chosen = found["best_cut"].value or 0.0
    assert ((score >= chosen) == gold).mean() == pytest.approx(best)


def test_noise_has_no_cut_that_holds() -> None:
    draw = RNG(7)
    frame = pd.DataFrame({"score": draw.random(400), "gold": draw.integers(0, 2, 400)})
    found = measures(judge_eval(frame))
    assert found["optimism"].value is not None
    assert found["optimism"].value > 0
    assert found["held_out_accuracy"].low is not None
    assert found["held_out_accuracy"].low < 0.5


def clustered(n: int, seed: int, size: int) -> pd.DataFrame:
    """Rows of a cluster share truth and verdict; half the clusters are labelled."""
    frame = traffic(n, n // 2, (0.9, 0.85), 0.4, seed)
    whole = frame.loc[frame.index.repeat(size)].reset_index(drop=True)
    return whole.assign(cluster=np.arange(n).repeat(size))


def test_rogan_gladen_counts_copies_of_a_cluster_once() -> None:
    one, many = (
        measures(judge_eval(clustered(300, 4, size)))["traffic_rogan_gladen"] for size in (1, 8)
    )
    assert many.value == pytest.approx(one.value)
    widths = [(m.high or 0.0) - (m.low or 0.0) for m in (one, many)]
    assert widths[1] > 0.85 * widths[0]
    assert "cluster bootstrap" in many.method


def test_calibration_and_abstention_carry_intervals() -> None:
    draw = RNG(3)
    gold, sure = draw.integers(0, 2, 800), draw.uniform(0.5, 1, 800)
    judge = np.where(draw.random(800) < sure, gold, 1 - gold)
    frame = pd.DataFrame({"judge": judge, "gold": gold, "confidence": sure})
    for more in (frame, frame.assign(cluster=np.arange(800) // 4)):
        found = measures(judge_eval(more))
        names = [name for name in found if name.startswith(("brier", "risk_coverage"))]
        assert len(names) == 6
        for name in (*names, "calibration_error"):
            item = found[name]
            assert (item.low or 0.0) <= (item.value or 0.0) <= (item.high or 0.0)
            assert item.level == 0.95
