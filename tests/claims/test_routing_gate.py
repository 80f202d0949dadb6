"""The gate's published error rates: exact where a sum will do, simulated through the report."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom

from llmops_cli import judge_eval
from llmops_cli.judge import JudgeParameters
from llmops_cli.judge.label_plan import plan_labels
from llmops_cli.judge.label_strata import PlanParameters
from llmops_cli.judge.model import labels_needed, least_correct
from llmops_cli.report import Report, Table, Verdict
from llmops_cli.stats.intervals import wilson


def judged(right: np.ndarray) -> pd.DataFrame:
    gold = np.arange(len(right)) % 2
    return pd.DataFrame({"judge": np.where(right, gold, 1 - gold), "gold": gold})


def table(report: Report, name: str) -> Table:
    return next(item for item in report.tables if item.name == name)


@pytest.mark.parametrize(
    ("n", "passed"), [(50, 0.313), (100, 0.278), (200, 0.223), (500, 0.128), (1000, 0.058)]
)
def test_a_point_estimate_passes_a_bad_judge(n: int, passed: float) -> None:
    # Passed where the observed share exceeds 80 %, of a judge that is right in 78 %.
    assert f"{binom.sf(np.floor(0.8 * n), n, 0.78):.3f}" == f"{passed:.3f}"


@pytest.mark.parametrize("n", [50, 100, 200, 500, 1000])
def test_our_gate_passes_a_judge_on_the_bar_in_at_most_one_of_twenty(n: int) -> None:
    least = int(least_correct(np.array([n]), 0.80)[0])
    assert binom.sf(least - 1, n, 0.80) <= 0.05


@pytest.mark.parametrize(("n", "size"), [(500, "0.0504"), (1000, "0.0511")])
def test_a_wilson_gate_would_pass_more(n: int, size: str) -> None:
    marks = [k for k in range(n + 1) if wilson(k, n, 0.90).low > 0.80]
    assert f"{binom.sf(marks[0] - 1, n, 0.80):.4f}" == size


def test_the_pass_marks_of_the_plan_are_the_published_ones() -> None:
    rows = table(plan_labels(), "pass_marks").rows
    assert [row[:2] for row in rows] == [(50, 45), (100, 87), (200, 170), (500, 416), (1000, 822)]
    assert [f"{row[2]:.3f}" for row in rows] == ["0.900", "0.870", "0.850", "0.832", "0.822"]


@pytest.mark.parametrize(("truth", "labels"), [(0.85, 365), (0.88, 135), (0.90, 90), (0.95, 30)])
def test_the_budgets_of_the_plan_are_the_published_ones(truth: float, labels: int) -> None:
    report = plan_labels(PlanParameters(accuracies=(truth,)))
    assert table(report, "label_budgets").rows[0][1] == labels == labels_needed(truth, 0.80)


@pytest.mark.slow
@pytest.mark.parametrize("truth", [0.80, 0.78])
def test_the_reported_gate_keeps_its_size(truth: float) -> None:
    draw = np.random.default_rng(11)
    passed = sum(
        judge_eval(judged(draw.random(200) < truth)).verdict is Verdict.PASS for _ in range(400)
    )
    # 5 % of 400 is 20; a gate of 8 % would exceed 31 in more than half of all seeds.
    assert passed <= 31


@pytest.mark.slow
def test_the_sequential_gate_survives_a_look_after_every_label() -> None:
    draw = np.random.default_rng(12)
    given = JudgeParameters(sequential=True)
    looks = [*range(10, 200, 10), *range(200, 601, 40)]
    false_alarms = 0
    for _ in range(150):
        right = draw.random(600) < 0.80
        verdicts = {judge_eval(judged(right[:n]), given).verdict for n in looks}
        false_alarms += Verdict.PASS in verdicts
    assert false_alarms <= 13  # 7.5 expected at most; binomial(150, .05) exceeds 13 in 2 %


def test_a_fixed_gate_does_not_survive_a_look_after_every_label() -> None:
    # Why --sequential is there: the exact bound of one look, taken after every label.
    draw = np.random.default_rng(13)
    sizes = np.arange(10, 601)
    marks = least_correct(sizes, 0.80)
    alarms = 0
    for _ in range(400):
        hits = np.cumsum(draw.random(600) < 0.80)[sizes - 1]
        alarms += bool((hits >= marks).any())
    assert alarms / 400 > 0.10
