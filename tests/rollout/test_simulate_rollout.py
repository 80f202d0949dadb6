"""Rehearsals: what becomes of harmless and harmful changes, who sees them, and the gates."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from llmops_cli import simulate_rollout
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Measure, Report, Table, Verdict
from llmops_cli.rollout import Plan, RehearsalParameters, RolloutParameters, draw_plan
from llmops_cli.rollout.changes import Change

Make = Callable[..., pd.DataFrame]

EASY = RolloutParameters(
    stages=(10, 50, 100), quality_margin=0.1, latency_margin=1.5, error_margin=0.05
)
MANY = 80


def asked(**given: Any) -> RehearsalParameters:  # noqa: ANN401 - any parameter
    """A rehearsal looked at every three hours, to be quick."""
    return RehearsalParameters(look_s=3 * 3600.0, **given)


@cache  # nobody changes either; to draw a plan takes half a second
def easy(calls: Make) -> tuple[pd.DataFrame, Plan]:
    """A log of 1,000 users and a plan of about a day."""
    table = calls(4000, user_id=[f"u{i}" for i in np.random.default_rng(2).integers(0, 1000, 4000)])
    return table, draw_plan(table, EASY)


def measure(report: Report, name: str) -> Measure:
    return next(item for item in report.measures if item.name == name)


def table_of(report: Report, name: str) -> Table:
    return next(item for item in report.tables if item.name == name)


def by_rule(report: Report, rule: str) -> dict[str, float]:
    """The numbers of one rule by the name of their column."""
    table = table_of(report, "rules")
    row = next(row for row in table.rows if row[0] == rule)
    pairs = zip(table.columns[1:], row[1:], strict=True)
    return {column.name: float(value or 0) for column, value in pairs}


def test_harmless_changes_pass_and_harms_of_the_margin_go_back(calls: Make) -> None:
    table, plan = easy(calls)
    report = simulate_rollout(table, plan, asked(runs=MANY))
    assert (measure(report, "false_rollback").low or 0) <= plan.alpha
    assert (measure(report, "completed").high or 0) >= plan.power
    for place in (1, 2, 3):
        assert (measure(report, f"detection_{place}").high or 0) >= plan.power
    rows = table_of(report, "changes").rows
    assert [row[0] for row in rows] == ["no change", "score -0.1", "latency x1.5", "errors +0.05"]
    for row in rows:
        assert sum(float(share or 0) for share in row[1:4]) == pytest.approx(1.0)


def test_the_plan_lies_between_one_look_and_naive_peeking(calls: Make) -> None:
    table, plan = easy(calls)
    change = Change(name="errors", error_rise=0.08)
    report = simulate_rollout(table, plan, asked(change=change, runs=MANY))
    naive, own, fixed, once = (
        by_rule(report, name)
        for name in ("naive peeking", "this plan", "one look per stage", "all at once")
    )
    assert naive["false_rollback"] > 0.2 > own["false_rollback"]
    for column in ("exposed", "back_after_s"):
        assert naive[column] < own[column] < fixed[column]
    # Everybody at once is seen at once, but by ten times as many in the same time.
    assert once["exposed"] > own["exposed"] / 2
    assert once["users"] > 5 * own["users"]


@pytest.mark.parametrize(
    ("gates", "verdict"),
    [
        ({"max_false_rollback": 0.5, "min_detection": 0.3, "max_exposed": 1e6}, Verdict.PASS),
        ({"max_false_rollback": 0.02}, Verdict.INCONCLUSIVE),
        ({"min_detection": 0.99}, Verdict.INCONCLUSIVE),
        ({"max_exposed": 10.0}, Verdict.FAIL),
    ],
)
def test_gates_are_decided_on_intervals(
    calls: Make, gates: dict[str, float], verdict: Verdict
) -> None:
    table, plan = easy(calls)
    change = Change(name="errors", error_rise=0.1)
    given = asked(change=change, runs=40, **gates)
    report = simulate_rollout(table, plan, given)
    assert report.verdict is verdict
    assert len(report.checks) == len(gates)


def test_the_same_seed_gives_the_same_report_and_another_one_another(calls: Make) -> None:
    table, plan = easy(calls)
    first, again, other = (
        simulate_rollout(table, plan, asked(runs=20, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == again
    assert first.measures != other.measures


def test_a_drift_and_a_late_start_are_seen_later(calls: Make) -> None:
    table, plan = easy(calls)

    def after(change: Change) -> float:
        report = simulate_rollout(table, plan, asked(change=change, runs=40))
        return float(table_of(report, "changes").rows[1][4] or 0)

    sudden = Change(name="errors", error_rise=0.15)
    assert after(sudden) < after(replace(sudden, drift_s=12 * 3600))
    assert after(replace(sudden, after_s=6 * 3600)) > 6 * 3600


@pytest.mark.parametrize(("days", "said"), [(0.1, False), (30, True)])
def test_a_change_that_begins_when_all_is_over_is_said(
    calls: Make,
    days: float,
    said: bool,  # noqa: FBT001 - a case
) -> None:
    change = Change(name="errors", error_rise=0.15, after_s=days * 86_400)
    report = simulate_rollout(*easy(calls), asked(change=change, runs=2))
    assert ("rollout-change-too-late" in {item.slug for item in report.findings}) is said


def test_a_harm_of_one_slice_is_seen_less_often(calls: Make) -> None:
    table, plan = easy(calls)
    table = table.assign(task=["rare" if i % 10 == 0 else "usual" for i in range(len(table))])

    def found(only: tuple[str, str] | None) -> float:
        change = Change(name="errors", error_rise=0.1, only=only)
        given = asked(change=change, runs=40)
        return measure(simulate_rollout(table, plan, given), "detection").value or 0.0

    assert found(("task", "rare")) < found(None) - 0.3


def test_dearer_requests_and_a_slower_tail_go_back(calls: Make) -> None:
    n, draw = 4000, np.random.default_rng(2)
    table = calls(
        n,
        user_id=[f"u{i}" for i in draw.integers(0, 1000, n)],
        input_tokens=draw.integers(500, 1500, n),
        output_tokens=draw.integers(5, 30, n),
        request_model=["claude-haiku-4-5"] * n,
        provider_name=["anthropic"] * n,
    )
    plan = draw_plan(table, replace(EASY, cost_margin=1.3))
    shares = list[float]()
    for change in (
        Change(name="dearer", cost_ratio=1.3),
        Change(name="slower", p95_ratio=2.0),
        Change(name="dearer, a little", cost_ratio=1.02),
    ):
        report = simulate_rollout(table, plan, asked(change=change, runs=40))
        shares.append(measure(report, "detection").value or 0.0)
    assert min(shares[:2]) >= plan.power
    assert shares[2] < 0.3
    report = simulate_rollout(table, plan, asked(runs=5))
    assert "cost x1.3" in [row[0] for row in table_of(report, "changes").rows]
    free = table.assign(input_tokens=pd.Series([None] * n, dtype=table["input_tokens"].dtype))
    free["output_tokens"] = free["input_tokens"]
    with pytest.raises(LlmopsError) as caught:
        simulate_rollout(free, plan, asked(runs=1))
    assert (caught.value.slug, caught.value.field) == ("rollout-not-in-log", "input_tokens")


def test_curves_tell_who_is_exposed_and_when_it_goes_back(calls: Make) -> None:
    table, plan = easy(calls)
    change = Change(name="errors", error_rise=0.1)
    report = simulate_rollout(table, plan, asked(change=change, runs=40))
    curves = {item.name: item for item in report.series}
    exposed = curves["exposed_requests_errors"]
    assert list(exposed.y) == sorted(float(y or 0) for y in exposed.y)
    mean = measure(report, "exposed_requests").value or 0.0
    assert np.mean([y or 0 for y in exposed.y]) == pytest.approx(mean, rel=0.1)
    back = curves["gone_back_errors"]
    assert (back.y[0], back.y[-1]) == (0.0, measure(report, "detection").value)
    assert curves["gone_back_no_change"].y[-1] == measure(report, "false_rollback").value
    assert {item.chart for item in report.series} == {
        "Requests exposed before it ends",
        "Users exposed before it ends",
        "Rollouts gone back so far",
    }
    days = measure(report, "detection_days").value or 0.0
    reached = next(
        x for x, y in zip(back.x, back.y, strict=True) if (y or 0) > (back.y[-1] or 0) / 2
    )
    assert days == pytest.approx(reached or 0.0, abs=0.5)


def test_a_stage_that_asks_for_a_gain_says_why_it_holds(calls: Make) -> None:
    table, _ = easy(calls)
    plan = draw_plan(table, replace(EASY, ab_stage=50, ab_gain=0.05))
    report = simulate_rollout(table, plan, asked(runs=20))
    slugs = {item.slug for item in report.findings}
    assert "rollout-held-without-gain" in slugs
    assert "rollout-often-held" not in slugs
    assert (measure(report, "completed").value or 0.0) < 0.2


def test_a_shadow_stage_is_rehearsed_and_exposes_nobody(calls: Make) -> None:
    table, _ = easy(calls)
    plan = draw_plan(table, replace(EASY, shadow=100.0, shadow_quality=True))
    change = Change(name="errors", error_rise=0.3)
    report = simulate_rollout(table, plan, asked(change=change, runs=30))
    stages = table_of(report, "stages").rows
    assert [row[0] for row in stages] == ["shadow", 10.0, 50.0, 100.0]
    assert stages[0][2] == 1.0
    assert measure(report, "exposed_requests").value == 0.0
    assert measure(report, "exposed_users").value == 0.0
    # Whoever switches at once exposes everybody.
    assert by_rule(report, "all at once")["users"] > 0


def test_users_are_counted_only_where_they_are_named(calls: Make) -> None:
    table, plan = easy(calls)
    given = asked(runs=5)
    row = table_of(simulate_rollout(table, plan, given), "changes").rows[0]
    assert 100 <= int(row[-1] or 0) <= 1000
    nobody = table.assign(user_id=pd.Series([None] * len(table), dtype=table["user_id"].dtype))
    report = simulate_rollout(nobody, plan, given)
    assert table_of(report, "changes").rows[0][-1] is None
    assert not [item for item in report.series if "Users" in item.chart]
    assert "rollout-no-users" in {item.slug for item in report.findings}


def test_a_log_without_the_plans_metric_is_refused(calls: Make) -> None:
    table, plan = easy(calls)
    for column in ("duration_s", "evaluation_score"):
        bare = table.assign(**{column: pd.Series([None] * len(table), dtype=table[column].dtype)})
        with pytest.raises(LlmopsError) as caught:
            simulate_rollout(bare, plan, RehearsalParameters(runs=1))
        assert caught.value.slug == "rollout-not-in-log"


def test_a_change_that_no_guardrail_counts_is_refused(calls: Make) -> None:
    table, plan = easy(calls)
    errors = replace(plan, guardrails=tuple(g for g in plan.guardrails if g.name == "errors"))
    for change in (Change(name="slow", latency_ratio=2.0), Change(name="nothing")):
        with pytest.raises(LlmopsError) as caught:
            simulate_rollout(table, errors, RehearsalParameters(change=change, runs=1))
        assert (caught.value.slug, caught.value.exit_code) == ("rollout-unguarded", ExitCode.USAGE)


@pytest.mark.parametrize(
    ("parameters", "slug"),
    [
        ({"runs": 0}, "rollout-bad-runs"),
        ({"look_s": 1.0}, "rollout-bad-looks"),
        ({"max_false_rollback": 1.5}, "rollout-bad-gate"),
        ({"min_detection": float("nan")}, "rollout-bad-gate"),
        ({"max_exposed": -1.0}, "rollout-bad-gate"),
        ({"change": Change(error_rise=2.0)}, "rollout-bad-change"),
        ({"change": Change(latency_ratio=0.5)}, "rollout-bad-change"),
        ({"change": Change(p95_ratio=0.5)}, "rollout-bad-change"),
        ({"change": Change(cost_ratio=float("inf"))}, "rollout-bad-change"),
        ({"change": Change(drift_s=float("nan"))}, "rollout-bad-change"),
    ],
)
def test_questions_without_an_answer(parameters: dict[str, object], slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        RehearsalParameters(**parameters)  # type: ignore[arg-type]
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


def test_a_log_of_failures_cannot_fail_more(calls: Make) -> None:
    table, plan = easy(calls)
    errors = replace(plan, guardrails=tuple(g for g in plan.guardrails if g.name == "errors"))
    failing = table.assign(error_type=pd.Series(["timeout"] * len(table), dtype="string[pyarrow]"))
    with pytest.raises(LlmopsError) as caught:
        simulate_rollout(failing, errors, RehearsalParameters(runs=3))
    assert caught.value.slug == "rollout-change-too-large"


@pytest.mark.slow
@pytest.mark.parametrize("clustered", [False, True])
def test_promises_hold_under_hourly_looks(calls: Make, clustered: bool) -> None:  # noqa: FBT001 - a case
    draw, users, n = np.random.default_rng(5), 2000, 20_000
    who = draw.integers(0, users if clustered else n, n)
    # Each user has an error rate of its own, 4 % on average.
    own = draw.beta(0.4, 9.6, users)[who % users] if clustered else np.full(n, 0.04)
    table = calls(
        n,
        user_id=[f"u{i}" for i in who],
        error_type=np.where(draw.random(n) < own, "timeout", None),
        evaluation_score=[None] * n,
    )
    plan = draw_plan(table, RolloutParameters(error_margin=0.03, latency_margin=1.3))
    report = simulate_rollout(table, plan, RehearsalParameters(runs=1500))
    assert (measure(report, "false_rollback").low or 0) <= plan.alpha
    assert (measure(report, "completed").high or 0) >= plan.power
    for place in (1, 2):
        assert (measure(report, f"detection_{place}").high or 0) >= plan.power
