"""Published savings held against the public files: FrugalGPT's 2024 summaries, RouteLLM's MMLU.

RouterBench's rows, on which the figures of floors by class and over all were first computed, are
not among the public data here; the same comparison is made on RouteLLM's.
"""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from llmops_cli.stats.frontier import hulls, least_cost
from llmops_cli.tiers import Outcomes, TierParameters, simulate_tiers
from llmops_cli.tiers.assignment import assign
from llmops_cli.tiers.cascades import Ladder
from llmops_cli.tiers.cells import cells_of
from llmops_cli.tiers.policies import select
from llmops_cli.tiers.policy_tables import PUBLISHED
from llmops_cli.tiers.reliability import reliability_table
from llmops_cli.traffic.outcomes import OutcomeColumns, read_outcomes
from llmops_cli.views import Look, render


def summary(
    folder: Path, name: str
) -> tuple[list[tuple[float, float]], dict[str, tuple[float, float]]]:
    """Cost and accuracy of FrugalGPT by budget, and of every single model."""
    (path,) = (folder / "frugalgpt").glob(f"summary_{name}_*_full_2024.csv")
    cascade: list[tuple[float, float]] = []
    single: dict[str, tuple[float, float]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            point = (float(row["Test_cost"]), float(row["Test_acc"]))
            if row["Method"] == "FrugalGPT":
                cascade.append(point)
            else:
                single[row["Method"]] = point
    return cascade, single


@pytest.mark.parametrize(
    ("name", "model", "setting", "saved", "points"),
    [
        ("HEADLINES", "gpt-4-turbo", 1, 0.942, 1.4),
        ("HEADLINES", "gpt-4-turbo", 0, 0.997, -0.4),
        ("OVERRULING", "claude-3-5-sonnet-20240620", 0, 0.573, 0.0),
    ],
)
def test_what_frugalgpt_saves_against_one_model(
    public_data: Path, name: str, model: str, setting: int, saved: float, points: float
) -> None:
    cascade, single = summary(public_data, name)
    (cost, quality), (dear, best) = cascade[setting], single[model]
    assert 1 - cost / dear == pytest.approx(saved, abs=6e-4)
    assert 100 * (quality - best) == pytest.approx(points, abs=0.05)


@pytest.mark.parametrize(
    ("name", "cascade_saves", "singles_save"),
    [("HEADLINES", 0.986, 0.0), ("OVERRULING", 0.573, 0.0), ("COQA", -0.006, 0.0)],
)
def test_saving_at_equal_quality_by_the_hull(
    public_data: Path, name: str, cascade_saves: float, singles_save: float
) -> None:
    """Of the best single model: by the cascade's hull, and by a mix of single models."""
    cascade, single = summary(public_data, name)
    dear, best = max(single.values(), key=lambda point: (point[1], -point[0]))
    for points, saved in ((cascade, cascade_saves), (list(single.values()), singles_save)):
        cost, quality = np.array(points).T
        paid = least_cost(hulls(cost[None], quality[None]), np.array([best]))[0]
        assert 1 - paid / dear == pytest.approx(saved, abs=2e-3)


@pytest.fixture(scope="module")
def mmlu(public_data: Path) -> Outcomes:
    """RouteLLM's MMLU answers by subject, as its published figures take them; our own prices."""
    folder = public_data / "routellm"
    lines = (folder / "mmlu_contaminated_prompts.jsonl").read_text("utf-8").splitlines()
    left_out = {json.loads(line)["eval_prompt"] for line in lines}
    asked = OutcomeColumns(keep_text=True, task_of_file=True)
    table = read_outcomes([folder / "mmlu"], asked)
    assert table.text is not None
    cost = np.broadcast_to([0.24e-6, 24.7e-6], table.quality.shape).copy()
    whole = Outcomes(
        table.models, table.quality, cost, None, table.task, table.tasks, table.cluster
    )
    return select(whole, np.array([prompt not in left_out for prompt in table.text]))


def test_scores_of_routellm_on_mmlu(mmlu: Outcomes) -> None:
    assert (len(mmlu), len(mmlu.tasks)) == (14_037, 57)
    np.testing.assert_allclose(100 * mmlu.quality.mean(axis=0), [68.09, 80.59], atol=0.005)


def test_a_cascade_on_mmlu_breaks_even_where_its_counts_say(mmlu: Outcomes) -> None:
    """r* = n01 / (n01 + n10), 0.771 on these rows; the loss below it is linear."""
    weak, strong = mmlu.quality.T > 0.5
    better, worse = int((strong & ~weak).sum()), int((weak & ~strong).sum())
    assert (better, worse) == (2_496, 742)
    even = better / (better + worse)
    assert even == pytest.approx(0.771, abs=5e-4)
    rates = (even, 1.0, 0.9, 0.8, 0.7, 0.6)
    points = reliability_table(mmlu, Ladder((0, 1)), rates, resamples=50)
    lost = np.array([point.difference.value for point in points])
    assert lost[0] == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(np.diff(lost[1:], n=2), 0, atol=1e-12)
    assert lost[3] > 0 > lost[4]


@pytest.mark.parametrize(
    ("share", "over_all", "by_class"),
    [(0.90, 0.171, 0.681), (0.95, 0.407, 0.918), (0.98, 0.618, 0.945)],
)
def test_a_floor_over_all_buys_more_than_one_by_class(
    mmlu: Outcomes, share: float, over_all: float, by_class: float
) -> None:
    """Cost as a share of GPT-4's, by means; the reference's finding, on the data there are."""
    cells = cells_of(mmlu, 1)
    dear = cells.totals().cost[:, 1].sum() / len(mmlu)
    found: list[float] = []
    for given in (
        TierParameters(floor=share, evidence="point"),
        TierParameters(class_floor=share, evidence="point"),
    ):
        plan = assign(cells, given)
        cost, quality = plan.problem.totals(plan.share)
        assert quality >= share * mmlu.quality[:, 1].mean() - 1e-9
        assert plan.solution.gap < 1e-6
        found.append(cost / dear)
    assert found == pytest.approx([over_all, by_class], abs=1e-3)


def test_claims_of_others_are_lines_to_compare_with_and_nothing_else() -> None:
    assert any("98 %" in figure for figure, _, _ in PUBLISHED)
    assert any("80 %" in what for _, what, _ in PUBLISHED)
    draw = np.random.default_rng(0)
    quality = (draw.random((300, 2)) < [0.6, 0.9]) * 1.0
    own = Outcomes(
        ("small", "large"), quality, np.tile([0.001, 0.01], (300, 1)), None,
        np.zeros(300, np.int64), ("all",), np.arange(300),
    )  # fmt: skip
    report = simulate_tiers(own)
    told = next(table for table in report.tables if table.name == "published")
    assert told.rows == PUBLISHED
    rest = replace(report, tables=tuple(table for table in report.tables if table != told))
    words = render(rest, "json", Look(color=False, width=100))
    for figure, what, _ in PUBLISHED:
        assert figure not in words
        assert what not in words
    for name in ("FrugalGPT", "RouteLLM:", "LLMRouterBench", "98 %"):
        assert name not in words
