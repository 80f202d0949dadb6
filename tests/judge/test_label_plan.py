"""Label budgets: one look, many looks, strata and pilots, held against simulation."""

import numpy as np
import pandas as pd
import pytest

from llmops_cli.errors import LlmopsError
from llmops_cli.judge.label_plan import plan_labels
from llmops_cli.judge.label_strata import PlanParameters, Stratum, stratified_labels
from llmops_cli.judge.model import least_correct
from llmops_cli.judge.pilot import pilot
from llmops_cli.report import Report, Table
from llmops_cli.stats.sprt import Sprt

STRATA = (Stratum("easy", 0.7, 0.96), Stratum("hard", 0.3, 0.74))


def table(report: Report, name: str) -> Table:
    return next(item for item in report.tables if item.name == name)


def test_the_headline_is_the_budget_of_what_is_asked() -> None:
    report = plan_labels(PlanParameters(accuracies=(0.88,)))
    assert "135 labels" in report.headline
    assert report.measures[0].value == 135
    assert report.checks == ()


def test_below_the_bar_the_budget_shows_the_failure() -> None:
    assert "fails 80 %" in plan_labels(PlanParameters(accuracies=(0.7,))).headline


def test_on_the_bar_no_number_of_labels_decides() -> None:
    report = plan_labels(PlanParameters(accuracies=(0.8,)))
    assert "No feasible number" in report.headline
    assert table(report, "label_budgets").rows[0][1:] == (None, None)


def test_clusters_multiply_the_budget() -> None:
    report = plan_labels(PlanParameters(accuracies=(0.88,), design_effect=2.5))
    assert report.measures[0].value == 338  # 135 * 2.5, rounded up


def test_one_by_one_takes_as_many_as_the_exact_recursion_says() -> None:
    row = table(plan_labels(PlanParameters(accuracies=(0.90,))), "label_budgets").rows[0]
    draw = np.random.default_rng(1)
    test = Sprt(low=0.80, high=0.90, alpha=0.05, beta=0.20)
    taken = [test.walk((draw.random(2_000) < 0.90).astype(float)).cases for _ in range(600)]
    assert row[2] == pytest.approx(np.mean(taken), rel=0.08)
    assert row[2] < row[1]


def test_strata_take_fewer_labels_than_a_plain_sample() -> None:
    given = PlanParameters(strata=STRATA)
    plain = plan_labels(PlanParameters(accuracies=given.expected)).measures[0].value or 0.0
    even, best = (stratified_labels(given, optimal=flag) for flag in (False, True))
    assert even is not None
    assert best is not None
    assert best[0] <= even[0] <= plain
    assert best[1][1] / best[0] > 0.3  # the hard part needs more than its share


@pytest.mark.slow
def test_a_sample_by_share_has_the_power_at_the_gate_itself() -> None:
    found = stratified_labels(PlanParameters(strata=STRATA), optimal=False)
    assert found is not None
    draw = np.random.default_rng(2)
    mark = int(least_correct(np.array([found[0]]), 0.80)[0])
    hits = sum(draw.binomial(n, s.accuracy, 4_000) for n, s in zip(found[1], STRATA, strict=True))
    # The exact gate's power rises and falls by several points from one size to the next.
    assert (hits >= mark).mean() == pytest.approx(0.80, abs=0.06)


@pytest.mark.slow
def test_a_sample_by_spread_has_the_power_when_it_is_weighted() -> None:
    found = stratified_labels(PlanParameters(strata=STRATA), optimal=True)
    assert found is not None
    draw = np.random.default_rng(2)
    shift = 0.7 * 0.96 + 0.3 * 0.74 - 0.80
    value = sum(
        s.share * draw.binomial(n, s.accuracy, 4_000) / n
        for n, s in zip(found[1], STRATA, strict=True)
    )
    at_bar = [s.accuracy - shift for s in STRATA]
    error = np.sqrt(
        sum(s.share**2 * p * (1 - p) / n for n, s, p in zip(found[1], STRATA, at_bar, strict=True))
    )
    assert (value - 1.645 * error > 0.80).mean() == pytest.approx(0.80, abs=0.04)


def test_the_table_of_strata_adds_up() -> None:
    rows = table(plan_labels(PlanParameters(strata=STRATA)), "strata").rows
    assert [row[0] for row in rows] == ["easy", "hard", "all"]
    for column in (3, 4):
        assert rows[2][column] == rows[0][column] + rows[1][column]
    assert rows[2][2] == pytest.approx(0.7 * 0.96 + 0.3 * 0.74)


def test_a_pilot_gives_accuracy_tasks_and_clusters() -> None:
    gold = np.arange(120) % 2
    judge = np.where(np.arange(120) < 108, gold, 1 - gold)
    frame = pd.DataFrame({"judge": judge, "gold": gold, "task": ["a", "a", "b"] * 40})
    found = pilot(frame)
    assert found.accuracy == pytest.approx(108.5 / 121)
    assert [(s.name, round(s.share, 6)) for s in found.strata] == [("a", 0.666667), ("b", 0.333333)]
    repeated = pd.concat([frame] * 3, ignore_index=True)
    clustered = repeated.assign(cluster=np.tile(np.arange(120).astype(str), 3))
    assert pilot(clustered).design_effect == pytest.approx(3, rel=0.05)


def test_a_pilot_without_a_mistake_does_not_promise_perfection() -> None:
    frame = pd.DataFrame({"judge": [0, 1] * 10, "gold": [0, 1] * 10})
    assert pilot(frame).accuracy < 1


def test_a_pilot_without_labels_is_refused() -> None:
    with pytest.raises(LlmopsError) as caught:
        pilot(pd.DataFrame({"judge": [1], "gold": [2]}))
    assert caught.value.slug == "judge-no-labels"


@pytest.mark.parametrize(
    ("slug", "given"),
    [
        ("judge-bad-accuracy", {"accuracies": (1.0,)}),
        ("judge-bad-power", {"power": 0.0}),
        ("judge-bad-design-effect", {"design_effect": 0.5}),
        ("judge-bad-stratum", {"strata": (Stratum("x", 0.0, 0.9),)}),
    ],
)
def test_what_cannot_be_planned_is_a_usage_error(slug: str, given: dict[str, object]) -> None:
    with pytest.raises(LlmopsError) as caught:
        PlanParameters(**given)  # type: ignore[arg-type]
    assert (caught.value.slug, caught.value.exit_code) == (slug, 2)
