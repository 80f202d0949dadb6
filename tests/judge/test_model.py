"""The label budget and the pass marks: published tables and the exact binomial."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import beta, binom

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.judge import JudgeParameters
from llmops_cli.judge.model import labels_needed, least_correct
from llmops_cli.stats.intervals import clopper_pearson


@pytest.mark.parametrize(
    ("labels", "least"), [(50, 45), (100, 87), (200, 170), (500, 416), (1000, 822)]
)
def test_pass_marks_at_80_percent(labels: int, least: int) -> None:
    assert least_correct(np.array([labels]), 0.80).tolist() == [least]
    assert clopper_pearson(least, labels, 0.90).low > 0.80
    assert clopper_pearson(least - 1, labels, 0.90).low <= 0.80


@given(st.integers(1, 3000), st.floats(0.05, 0.95))
def test_pass_marks_agree_with_the_interval(labels: int, bound: float) -> None:
    least = int(least_correct(np.array([labels]), bound)[0])
    if least <= labels:
        assert clopper_pearson(least, labels, 0.90).low >= bound
    if least > 0:
        assert clopper_pearson(least - 1, labels, 0.90).low <= bound


@pytest.mark.parametrize(("truth", "labels"), [(0.85, 365), (0.88, 135), (0.90, 90), (0.95, 30)])
def test_label_budgets_for_80_percent_power(truth: float, labels: int) -> None:
    assert labels_needed(truth, 0.80) == labels


def power(truth: float, bound: float, labels: int) -> float:
    right = np.arange(1, labels + 1)
    marks = right[beta.ppf(0.05, right, labels - right + 1) > bound]
    return float(binom.sf(marks[0] - 1, labels, truth))


def test_a_close_call_needs_thousands_of_labels() -> None:
    # The published budget for 0.82 is 2,425; five fewer reach 80 % power as well.
    assert labels_needed(0.82, 0.80) == 2420
    assert power(0.82, 0.80, 2420) >= 0.80 > power(0.82, 0.80, 2415)


def test_below_the_bound_the_mirrored_budget_holds() -> None:
    assert labels_needed(0.70, 0.80) == labels_needed(0.30, 0.20)


@pytest.mark.parametrize("truth", [0.80, 0.80001])
def test_no_budget_decides_what_lies_on_the_bound(truth: float) -> None:
    assert labels_needed(truth, 0.80) is None


@pytest.mark.parametrize(
    ("slug", "given"),
    [
        ("judge-bad-threshold", {"threshold": 1.0}),
        ("judge-bad-threshold", {"threshold": float("nan")}),
        ("judge-bad-level", {"level": 0.0}),
        ("judge-bad-against", {"against": "breakeven"}),
    ],
)
def test_questions_without_an_answer_are_usage_errors(slug: str, given: dict[str, float]) -> None:
    with pytest.raises(LlmopsError) as caught:
        JudgeParameters(**given)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


def test_a_misspelling_is_answered_with_the_right_word() -> None:
    with pytest.raises(LlmopsError) as caught:
        JudgeParameters(against="breakeven")
    assert caught.value.hint == "did you mean 'break-even'?"
