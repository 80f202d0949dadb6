"""FrugalGPT's 2024 re-run, from its published summaries: what equal quality costs.

stanford-futuredata/FrugalGPT, Apache-2.0: points of its cascades at several budgets, and single
models, each with test accuracy and dollars per query.
"""

import csv
from pathlib import Path

import numpy as np
import pytest

from llmops_cli.stats.frontier import hulls, least_cost, upper_hull

Points = tuple[np.ndarray, np.ndarray]


def points(folder: Path, name: str) -> tuple[Points, dict[str, tuple[float, float]]]:
    """Cost and accuracy of FrugalGPT's points, and of each single model."""
    path = next((folder / "frugalgpt").glob(f"summary_{name}_*_full_2024.csv"))
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    own = [
        (float(row["Test_cost"]), float(row["Test_acc"]))
        for row in rows
        if row["Method"] == "FrugalGPT"
    ]
    singles = {
        row["Method"]: (float(row["Test_cost"]), float(row["Test_acc"]))
        for row in rows
        if row["Method"] != "FrugalGPT"
    }
    cost, accuracy = np.array(own).T
    return (cost, accuracy), singles


def cheapest_at(own: Points, accuracy: float) -> tuple[float, float]:
    """The cheapest of the published points that is at least so accurate."""
    cost, reached = own
    at = np.flatnonzero(reached >= accuracy - 1e-9)
    best = at[np.argmin(cost[at])]
    return float(cost[best]), float(reached[best])


@pytest.mark.parametrize(
    ("name", "best", "saving", "points_gained", "cost"),
    [
        ("HEADLINES", "gpt-4-turbo", 94.2, 1.4, 1.92e-4),
        ("OVERRULING", "claude-3-5-sonnet-20240620", 57.3, 0.0, 4.53e-4),
        ("COQA", "gemini-1.5-flash", -0.6, 0.0, 7.38e-5),
    ],
)
def test_saving_at_equal_quality_of_the_published_points(
    public_data: Path, name: str, best: str, saving: float, points_gained: float, cost: float
) -> None:
    own, singles = points(public_data, name)
    assert max(singles, key=lambda model: singles[model][1]) == best
    paid, accuracy = singles[best]
    found, reached = cheapest_at(own, accuracy)
    assert found == pytest.approx(cost, rel=5e-3)
    assert 100 * (1 - found / paid) == pytest.approx(saving, abs=0.06)
    assert 100 * (reached - accuracy) == pytest.approx(points_gained, abs=0.05)


def test_the_cheapest_headlines_point_gives_up_little(public_data: Path) -> None:
    own, singles = points(public_data, "HEADLINES")
    paid, accuracy = singles["gpt-4-turbo"]
    assert own[1][0] == pytest.approx(0.8522)
    assert 100 * (1 - own[0][0] / paid) == pytest.approx(99.7, abs=0.05)
    assert 100 * (own[1][0] - accuracy) == pytest.approx(-0.4, abs=0.05)


def test_on_overruling_a_small_model_is_as_good_for_a_tenth_of_that(public_data: Path) -> None:
    own, singles = points(public_data, "OVERRULING")
    cost, accuracy = singles["gpt-4o-mini"]
    assert accuracy == pytest.approx(0.9574, abs=5e-5)
    assert cost == pytest.approx(4.4e-5, rel=0.01)
    assert own[0][0] / cost == pytest.approx(10.4, abs=0.1)


def test_on_coqa_quality_is_bought_above_every_model(public_data: Path) -> None:
    own, singles = points(public_data, "COQA")
    assert own[1][1] == pytest.approx(0.3694, abs=1e-4)
    assert own[0][1] == pytest.approx(7.2e-4, rel=5e-3)
    assert max(accuracy for _, accuracy in singles.values()) == pytest.approx(0.3388, abs=1e-4)


def test_the_hull_buys_equal_quality_on_headlines_for_less_than_any_point(
    public_data: Path,
) -> None:
    # A mix of the two cheapest points, by lot: what the saving on a hull means.
    own, singles = points(public_data, "HEADLINES")
    paid, accuracy = singles["gpt-4-turbo"]
    share = (accuracy - own[1][0]) / (own[1][1] - own[1][0])
    mixed = own[0][0] + share * (own[0][1] - own[0][0])
    found = float(least_cost(hulls(own[0][None], own[1][None]), np.array([accuracy]))[0])
    assert found == pytest.approx(mixed, rel=1e-9)
    assert 100 * (1 - found / paid) == pytest.approx(98.6, abs=0.05)


@pytest.mark.parametrize("name", ["AGNEWS", "COQA", "HEADLINES", "OVERRULING", "SCIQ"])
def test_no_published_point_lies_above_the_hull(public_data: Path, name: str) -> None:
    own, singles = points(public_data, name)
    cost, accuracy = (np.append(own[at], [pair[at] for pair in singles.values()]) for at in (0, 1))
    kept = upper_hull(cost, accuracy)
    assert (np.interp(cost, cost[kept], accuracy[kept]) >= accuracy - 1e-12).all()
