"""Rehearsals: what becomes of harmless and harmful changes, who sees them, and the gates."""

from collections.abc import Callable
from dataclasses import replace
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


def easy(calls: Make) -> tuple[pd.DataFrame, Plan]:
    """A log of 1,000 users and a plan of about a day."""
    table = calls(4000, user_id=[f"u{i}" for i in np.random.default_rng(2).integers(0, 1000, 4000)])
    return table, draw_plan(table, EASY)


def measure(report: Report, name: str) -> Measure:
    return next(item for item in report.measures if item.name == name)


def table_of(report: Report, name: str) -> Table:
    return next(item for item in report.tables if item.name == name)


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
    rules = {str(row[0]): row[1:] for row in table_of(report, "rules").rows}
    naive, own, fixed = (rules[k] for k in ("naive peeking", "this plan", "one look per stage"))
    assert float(naive[0] or 0) > 0.2 > float(own[0] or 0)
    assert float(naive[-1] or 0) < float(own[-1] or 0) < float(fixed[-1] or 0)
    # Everybody at once is seen at once, but by ten times as many in the same time.
    assert float(rules["all at once"][-1] or 0) > float(own[-1] or 0) / 2


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


def test_a_harm_of_one_slice_is_seen_less_often(calls: Make) -> None:
    table, plan = easy(calls)
    table = table.assign(task=["rare" if i % 10 == 0 else "usual" for i in range(len(table))])

    def found(only: tuple[str, str] | None) -> float:
        change = Change(name="errors", error_rise=0.1, only=only)
        given = asked(change=change, runs=40)
        return measure(simulate_rollout(table, plan, given), "detection").value or 0.0

    assert found(("task", "rare")) < found(None) - 0.3


def test_users_are_counted_only_where_they_are_named(calls: Make) -> None:
    table, plan = easy(calls)
    given = asked(runs=5)
    row = table_of(simulate_rollout(table, plan, given), "changes").rows[0]
    assert 100 <= int(row[-1] or 0) <= 1000
    nobody = table.assign(user_id=pd.Series([None] * len(table), dtype=table["user_id"].dtype))
    report = simulate_rollout(nobody, plan, given)
    assert table_of(report, "changes").rows[0][-1] is None
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
