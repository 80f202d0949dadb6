"""Pairs in both orders, repeated runs, and the pull of length."""

import numpy as np
import pandas as pd
import pytest

from llmops_cli import judge_eval
from llmops_cli.judge import JudgeParameters
from llmops_cli.judge.cases import combined
from llmops_cli.report import Measure

A, B, TIE, NONE = range(4)
PAIRWISE = JudgeParameters(kind="pairwise")


def found(frame: pd.DataFrame, parameters: JudgeParameters = PAIRWISE) -> dict[str, Measure]:
    return {item.name: item for item in judge_eval(frame, parameters).measures}


@pytest.mark.parametrize(
    ("first", "second", "winner"),
    [
        (A, A, A),
        (B, B, B),
        (A, B, TIE),
        (A, TIE, A),
        (TIE, B, B),
        (TIE, TIE, TIE),
        (NONE, B, B),
        (NONE, NONE, NONE),
    ],
)
def test_both_orders_vote(first: int, second: int, winner: int) -> None:
    assert combined(np.array([first]), np.array([second])).tolist() == [winner]


def test_a_judge_who_always_takes_the_first_place_is_right_by_no_pair() -> None:
    # As JudgeBench counts: right only where the votes of both orders sum to the better answer.
    gold = [A, B] * 20
    measures = found(pd.DataFrame({"judge": A, "judge_swapped": B, "gold": gold}))
    assert measures["accuracy"].value == 0.0
    assert measures["position_consistency"].value == 0.0
    assert (measures["first_preference"].value, measures["first_preference"].n) == (1.0, 40)


def test_consistency_and_preference_count_pairs() -> None:
    judge = [A] * 6 + [B] * 4 + [A] * 3 + [B] * 1 + [NONE]
    swapped = [A] * 6 + [B] * 4 + [B] * 3 + [A] * 1 + [A]
    measures = found(
        pd.DataFrame({"judge": judge, "judge_swapped": swapped, "gold": [A] * 7 + [B] * 8})
    )
    assert measures["position_consistency"].value == 10 / 14
    assert (measures["first_preference"].value, measures["first_preference"].n) == (0.75, 4)


def test_one_order_alone_says_nothing_about_places() -> None:
    measures = found(pd.DataFrame({"judge": [A, B] * 5, "gold": [A, B] * 5}))
    assert measures["accuracy"].value == 1.0
    assert "position_consistency" not in measures


def test_repeats_agree_in_pairs_of_runs() -> None:
    frame = pd.DataFrame(
        {"judge": [1, 1, 0, 2], "judge_2": [1, 0, 0, 1], "judge_3": [1, 1, 2, 2], "gold": 1}
    )
    stability = found(frame, JudgeParameters())["repeat_stability"]
    # Rows: 3 of 3 pairs, 1 of 3, 1 of 1, and one run alone, which has no pair.
    assert stability.value == pytest.approx((1 + 1 / 3 + 1) / 3)
    assert stability.n == 3


def test_the_longer_answer_wins_wrongly() -> None:
    frame = pd.DataFrame(
        {
            "judge": [A, A, B, B, A],
            "gold": [B, B, A, B, A],
            "length_a": [9, 9, 1, 1, 5],
            "length_b": [1, 1, 9, 9, 5],
        }
    )
    # Tempted: three rows whose worse answer is the longer one; equal lengths tempt nobody.
    wrongly = found(frame)["longer_wrongly_preferred"]
    assert (wrongly.value, wrongly.n) == (1.0, 3)


def test_length_sways_a_judge_with_the_truth_held_fixed() -> None:
    length = np.tile([10.0, 1000.0], 100)
    gold = np.repeat([0, 1], 100)
    swayed = pd.DataFrame({"judge": (length > 100).astype(int), "gold": gold, "length": length})
    fair = swayed.assign(judge=gold)
    assert found(swayed, JudgeParameters())["verbosity_effect"].value == pytest.approx(100)
    assert found(fair, JudgeParameters())["verbosity_effect"].value == pytest.approx(0)


def test_the_verbosity_effect_is_the_difference_of_two_shares() -> None:
    draw = np.random.default_rng(3)
    length = draw.permutation(400).astype(float)
    judge = (draw.random(400) < np.where(length > 199.5, 0.6, 0.3)).astype(int)
    effect = found(pd.DataFrame({"judge": judge, "gold": 0, "length": length}), JudgeParameters())
    long_ = length > 199.5
    expected = 100 * (judge[long_].mean() - judge[~long_].mean())
    assert effect["verbosity_effect"].value == pytest.approx(expected)
    error = np.sqrt(sum(judge[part].var() / part.sum() for part in (long_, ~long_)))
    low = effect["verbosity_effect"].low
    assert low == pytest.approx(expected - 196 * error, abs=0.3)
