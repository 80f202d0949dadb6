"""What judge_eval says: rates against scikit-learn, the three states, clusters, break-even."""

import math
from random import Random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    precision_score,
    recall_score,
)
from statsmodels.stats.contingency_tables import mcnemar

from llmops_cli import judge_eval
from llmops_cli.errors import LlmopsError
from llmops_cli.judge import JudgeParameters
from llmops_cli.judge.kernel import tally
from llmops_cli.judge.model import least_correct
from llmops_cli.report import Measure, Report, Verdict


def decisions(**columns: object) -> pd.DataFrame:
    return pd.DataFrame(columns)


def judged(correct: int, wrong: int, **more: object) -> pd.DataFrame:
    """Alternating truths; the first ``correct`` verdicts agree with them."""
    gold = np.arange(correct + wrong) % 2
    judge = np.where(np.arange(correct + wrong) < correct, gold, 1 - gold)
    return decisions(judge=judge, gold=gold, **more)


def measure(report: Report, name: str) -> Measure:
    return next(item for item in report.measures if item.name == name)


def slugs(report: Report) -> set[str]:
    return {item.slug for item in report.findings}


labels = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=80)


@given(labels)
def test_the_rates_are_those_of_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    judge, gold = (np.array(column) for column in zip(*pairs, strict=True))
    report = judge_eval(decisions(judge=judge, gold=gold))
    assert measure(report, "accuracy").value == accuracy_score(gold, judge)
    for name, score, positive in (
        ("sensitivity", recall_score, 1),
        ("specificity", recall_score, 0),
        ("precision", precision_score, 1),
        ("negative_predictive_value", precision_score, 0),
    ):
        found = measure(report, name)
        if found.n:
            expected = score(gold, judge, pos_label=positive, zero_division=0)
            assert math.isclose(found.value or 0.0, expected, abs_tol=1e-12)
        else:
            assert found.value is None
    if 0 < gold.sum() < len(gold):
        balanced = balanced_accuracy_score(gold, judge)
        both = [measure(report, name).value or 0.0 for name in ("sensitivity", "specificity")]
        assert math.isclose(sum(both) / 2, balanced, abs_tol=1e-12)


@given(labels)
def test_the_confusion_table_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    judge, gold = (np.array(column) for column in zip(*pairs, strict=True))
    (_, tp, fp), (_, fn, tn) = judge_eval(decisions(judge=judge, gold=gold)).tables[0].rows
    assert [[tn, fp], [fn, tp]] == confusion_matrix(gold, judge, labels=[0, 1]).tolist()


@given(labels, st.integers(0, 80))
def test_tallies_of_parts_add_up(pairs: list[tuple[int, int]], cut: int) -> None:
    judge, gold = (np.array(column) for column in zip(*pairs, strict=True))
    frame = decisions(judge=judge, gold=gold)
    columns = {name: frame[name].to_numpy() for name in frame}
    first, last = (
        {k: v[part] for k, v in columns.items()} for part in (slice(cut), slice(cut, None))
    )
    assert np.array_equal((tally(first) + tally(last)).cells, tally(columns).cells)


@pytest.mark.parametrize(
    ("correct", "wrong", "verdict"),
    [
        (87, 13, Verdict.PASS),
        (86, 14, Verdict.INCONCLUSIVE),
        (80, 20, Verdict.INCONCLUSIVE),
        (73, 27, Verdict.INCONCLUSIVE),
        (72, 28, Verdict.FAIL),
        (3, 0, Verdict.INCONCLUSIVE),
    ],
)
def test_the_gate_has_three_states(correct: int, wrong: int, verdict: Verdict) -> None:
    assert judge_eval(judged(correct, wrong)).verdict is verdict


@pytest.mark.parametrize("n", [50, 100, 200])
def test_the_gate_passes_a_bad_judge_in_at_most_one_of_twenty(n: int) -> None:
    # Exact size: the probability of every count that passes, if the truth is the threshold.
    least = int(least_correct(np.array([n]), 0.80)[0])
    assert judge_eval(judged(least, n - least)).verdict is Verdict.PASS
    assert judge_eval(judged(least - 1, n - least + 1)).verdict is Verdict.INCONCLUSIVE
    assert binom.sf(least - 1, n, 0.80) <= 0.05


def test_an_undecided_gate_says_how_many_labels_would_decide() -> None:
    (check,) = judge_eval(judged(85, 15)).checks
    assert "265 more labels (365 in all)" in check.needed
    assert judge_eval(judged(95, 5)).checks[0].needed == ""


def test_abstentions_count_as_wrong_and_are_named() -> None:
    frame = decisions(judge=[1, 1, 0, 2], gold=[1, 1, 0, 1])
    report = judge_eval(frame)
    assert measure(report, "accuracy").value == 0.75
    assert measure(report, "coverage").value == 0.75
    assert measure(report, "sensitivity").value == pytest.approx(2 / 3)
    assert "judge-abstained" in slugs(report)


def test_decisions_without_truth_are_left_out_and_named() -> None:
    report = judge_eval(decisions(judge=[1, 0, 1], gold=[1, 0, 2]))
    assert measure(report, "accuracy").n == 2
    assert "judge-unlabelled" in slugs(report)


def test_one_kind_of_truth_leaves_a_rate_unknown() -> None:
    report = judge_eval(decisions(judge=[1] * 60, gold=[1] * 60))
    assert measure(report, "specificity").value is None
    assert measure(report, "cohens_kappa").value is None
    assert {"judge-one-class", "judge-labels-identical"} <= slugs(report)


def test_a_judge_no_better_than_a_constant_is_named() -> None:
    gold = [1] * 90 + [0] * 10
    report = judge_eval(decisions(judge=[0] + [1] * 99, gold=gold))
    assert report.verdict is Verdict.PASS
    assert "judge-no-better-than-constant" in slugs(report)


def test_repeated_rows_of_a_cluster_do_not_buy_confidence() -> None:
    alone = judged(90, 10)
    repeated = pd.concat([alone] * 20, ignore_index=True)
    clustered = repeated.assign(cluster=[f"c{i % 100}" for i in range(2000)])
    bounds = judge_eval(clustered).checks[0].measure
    naive = judge_eval(repeated).checks[0].measure
    single = judge_eval(alone).checks[0].measure
    assert naive.low is not None
    assert bounds.low is not None
    assert single.low is not None
    assert naive.low > bounds.low
    assert bounds.low == pytest.approx(single.low, abs=0.02)
    assert measure(judge_eval(clustered), "design_effect").value == pytest.approx(20, rel=0.05)


@pytest.mark.parametrize("more", [{}, {"confidence": np.linspace(0.5, 0.9, 100)}])
def test_one_cluster_decides_nothing(more: dict[str, object]) -> None:
    report = judge_eval(judged(99, 1, cluster=["only"] * 100, **more))
    assert "best_cut" not in {item.name for item in report.measures}
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "judge-few-clusters" in slugs(report)
    assert "of other clusters" in report.checks[0].needed


def outcomes(both: int, strong: int, weak: int, neither: int) -> dict[str, np.ndarray]:
    """Paired outcomes: n11, n01, n10, n00."""
    return {
        "weak_correct": np.repeat([1, 0, 1, 0], [both, strong, weak, neither]),
        "strong_correct": np.repeat([1, 1, 0, 0], [both, strong, weak, neither]),
    }


@given(*[st.integers(0, 40)] * 4)
def test_break_even_is_the_discordant_share(both: int, strong: int, weak: int, none: int) -> None:
    if both + strong + weak + none == 0:
        return
    report = judge_eval(decisions(**outcomes(both, strong, weak, none)))
    found = measure(report, "break_even_reliability")
    assert found.n == strong + weak
    if not found.n:
        assert found.value is None
        return
    assert found.value == strong / (strong + weak)
    # McNemar's exact test rejects equal models exactly when the interval leaves out one half.
    p = mcnemar([[both, weak], [strong, none]], exact=True).pvalue
    assert found.low is not None
    assert found.high is not None
    if abs(p - 0.05) > 1e-9 and strong != weak:
        assert (p < 0.05) == (found.low > 0.5 or found.high < 0.5)


def test_at_break_even_a_symmetric_judge_neither_gains_nor_loses() -> None:
    # n01 = 80, n10 = 20, r* = 0.8: a judge right in 80 % of each kind of discordant pair.
    pairs = outcomes(0, 80, 20, 0)
    judge = np.concatenate([np.repeat([0, 1], [64, 16]), np.repeat([1, 0], [16, 4])])
    report = judge_eval(decisions(judge=judge, gold=pairs["weak_correct"], **pairs))
    assert measure(report, "break_even_reliability").value == 0.8
    assert measure(report, "accuracy").value == 0.8
    assert measure(report, "quality_difference").value == pytest.approx(0.0)
    assert measure(report, "quality_following").value == measure(report, "quality_strong").value


@given(labels, st.randoms(use_true_random=False))
def test_quality_of_following_is_a_replay(pairs: list[tuple[int, int]], draw: Random) -> None:
    judge = [draw.randint(0, 1) for _ in pairs]
    weak, strong = (list(column) for column in zip(*pairs, strict=True))
    report = judge_eval(decisions(judge=judge, gold=weak, weak_correct=weak, strong_correct=strong))
    served = [w if j else s for j, w, s in zip(judge, weak, strong, strict=True)]
    n = len(pairs)
    assert math.isclose(measure(report, "quality_following").value or 0.0, sum(served) / n)
    gained = 100 * (sum(served) - sum(strong)) / n
    assert math.isclose(measure(report, "quality_difference").value or 0.0, gained, abs_tol=1e-9)
    assert measure(report, "escalation").value == judge.count(0) / n


def test_costs_follow_the_verdicts() -> None:
    report = judge_eval(
        decisions(
            judge=[1, 1, 0], gold=[1, 1, 0], weak_correct=[1, 1, 0], strong_correct=[1, 1, 1],
            weak_cost_usd=[1.0, 1.0, 1.0], strong_cost_usd=[10.0, 10.0, 10.0],
            judge_cost_usd=[0.5, 0.5, 0.5],
        )
    )  # fmt: skip
    assert measure(report, "cost_ratio").value == pytest.approx((3 * 1.5 + 10) / 30)


@pytest.mark.parametrize(
    ("accuracy", "verdict"),
    [(0.95, Verdict.PASS), (0.80, Verdict.INCONCLUSIVE), (0.60, Verdict.FAIL)],
)
def test_the_break_even_gate_has_three_states(accuracy: float, verdict: Verdict) -> None:
    pairs = outcomes(400, 400, 100, 100)
    gold = pairs["weak_correct"]
    wrong = np.arange(1000) % 100 >= round(100 * accuracy)
    frame = decisions(judge=np.where(wrong, 1 - gold, gold), gold=gold, **pairs)
    report = judge_eval(frame, JudgeParameters(against="break-even"))
    assert report.verdict is verdict
    assert judge_eval(frame, JudgeParameters(against="both")).checks[1] == report.checks[0]


def test_without_verdicts_the_gate_is_inconclusive_and_r_star_is_said() -> None:
    report = judge_eval(decisions(**outcomes(10, 80, 20, 5)))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert "breaks even at 80.0 %" in report.headline


def test_without_gold_the_weak_outcome_is_the_truth() -> None:
    pairs = outcomes(5, 5, 5, 5)
    report = judge_eval(decisions(judge=pairs["weak_correct"], **pairs))
    assert measure(report, "accuracy").value == 1.0
    assert "judge-gold-from-outcome" in slugs(report)


def test_tasks_are_shown_apart() -> None:
    report = judge_eval(judged(8, 2, task=["a"] * 5 + ["b"] * 5))
    table = next(item for item in report.tables if item.name == "tasks")
    assert [row[:3] for row in table.rows] == [("a", 5, 1.0), ("b", 5, 0.6)]


@pytest.mark.parametrize(
    ("slug", "frame", "against"),
    [
        ("judge-no-labels", decisions(judge=[1, 0], gold=[2, 2]), "threshold"),
        ("judge-no-outcomes", decisions(judge=[1, 0], gold=[1, 0]), "break-even"),
        ("judge-all-abstained", decisions(judge=[2, 2], gold=[1, 0]), "both"),
    ],
)
def test_missing_evidence_is_refused(slug: str, frame: pd.DataFrame, against: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        judge_eval(frame, JudgeParameters(against=against))
    assert (caught.value.slug, caught.value.exit_code) == (slug, 3)


def test_no_discordant_pair_leaves_the_break_even_gate_open() -> None:
    pairs = outcomes(50, 0, 0, 50)
    frame = decisions(judge=pairs["weak_correct"], gold=pairs["weak_correct"], **pairs)
    report = judge_eval(frame, JudgeParameters(against="break-even"))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.checks[0].needed == "log rows on which the two models differ, with verdicts"


def test_every_gate_figure_is_explained() -> None:
    explained = {
        item.of
        for item in judge_eval(
            decisions(judge=[1, 0], gold=[1, 0], **outcomes(0, 1, 1, 0))
        ).explanations
    }
    assert {"the accuracy gate", "Cohen's kappa", "break-even reliability r*"} <= explained
