"""Plans: samples per stage, durations, gates, missing evidence, and the document they become."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import plan_rollout
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Report, Verdict
from llmops_cli.rollout import RolloutParameters, draw_plan
from llmops_cli.rollout.plan import Risks, canary_needed
from llmops_cli.stats.power import Comparison, non_inferiority_sample

Make = Callable[..., pd.DataFrame]

DAY_US = 86_400_000_000


def slugs(report: Report) -> set[str]:
    return {item.slug for item in report.findings}


def test_every_stage_has_the_sample_its_share_needs(calls: Make) -> None:
    given = RolloutParameters(error_margin=0.01)
    plan = draw_plan(calls(), given)
    errors = next(item for item in plan.guardrails if item.name == "errors")
    for stage in plan.stages[:-1]:
        ratio = (100 - stage.percent) / stage.percent
        worse = errors.baseline + 0.01
        independent = non_inferiority_sample(
            Comparison(
                variance=errors.baseline * (1 - errors.baseline),
                variance_at_margin=worse * (1 - worse),
                margin=0.01,
                ratio=ratio,
                alpha=0.05 / 5,
            ),
            1 - 0.2 / (5 * 3),
        )
        decision = next(item for item in stage.decisions if item.guardrail == "errors")
        assert decision.canary_requests == math.ceil(independent * errors.design_effect)
        assert stage.canary_requests >= max(item.canary_requests for item in stage.decisions)
        assert stage.requests == pytest.approx(
            stage.canary_requests * 100 / stage.percent, rel=0.05
        )
        assert stage.compared_with == "control"
    assert plan.stages[-1].compared_with == "baseline"


def test_a_p95_ratio_is_a_share_beyond_the_old_p95(calls: Make) -> None:
    # Latencies 1..1000 s: ten percent slower lifts what lies above 950/1.1 = 863.6 over it.
    table = calls(1000, duration_s=np.arange(1.0, 1001.0), error_type=[None] * 1000)
    guardrail = next(item for item in draw_plan(table).guardrails if item.name == "latency")
    assert guardrail.threshold_s == pytest.approx(950.05)
    assert guardrail.baseline == 0.05
    assert guardrail.margin == pytest.approx((1000 - 863) / 1000 - 0.05)


def test_duration_is_requests_over_the_rate_of_arrival(calls: Make) -> None:
    plan = draw_plan(calls())
    assert plan.requests_per_hour == pytest.approx(4000 / 24, rel=1e-3)
    for stage in plan.stages:
        assert stage.duration_s == pytest.approx(3600 * stage.requests / plan.requests_per_hour)
        assert stage.duration_low_s <= stage.duration_s <= (stage.duration_high_s or math.inf)


def test_no_stage_is_shorter_than_asked(calls: Make) -> None:
    plan = draw_plan(calls(), RolloutParameters(minimum_stage_s=30 * 86_400))
    assert all(stage.duration_s >= 30 * 86_400 for stage in plan.stages)


def test_users_who_repeat_themselves_stretch_the_plan(calls: Make) -> None:
    alike = [float(int(user[1:]) % 2) for user in calls()["user_id"]]
    clustered = draw_plan(calls(evaluation_score=alike))
    quality = next(item for item in clustered.guardrails if item.name == "quality")
    assert quality.design_effect == pytest.approx(20, rel=0.1)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.005, 0.1), st.floats(1.05, 2.0), st.floats(0.6, 0.95))
def test_smaller_margins_and_more_power_never_shorten_a_plan(
    calls: Make, error: float, latency: float, power: float
) -> None:
    def duration(**more: float) -> float:
        question = {"error_margin": error, "latency_margin": latency, "power": power} | more
        return draw_plan(calls(2000), RolloutParameters(minimum_stage_s=0, **question)).duration_s

    base = duration()
    assert duration(error_margin=error / 2) >= base
    assert duration(latency_margin=1 + (latency - 1) / 2) >= base
    assert duration(power=power + 0.04) >= base


def test_rare_events_are_waited_for(calls: Make) -> None:
    plan = draw_plan(calls(error_type=[None] * 4000), RolloutParameters(error_margin=0.001))
    errors = next(item for item in plan.guardrails if item.name == "errors")
    assert errors.variance > 0
    lax = Risks(promote=0.4, roll_back=0.4, hold=0.5)
    assert canary_needed(errors, 19, lax) == 10_000


@pytest.mark.parametrize(
    ("days", "verdict"), [(1000, Verdict.PASS), (1, Verdict.FAIL), (None, Verdict.PASS)]
)
def test_the_gate_on_the_duration(calls: Make, days: float | None, verdict: Verdict) -> None:
    assert plan_rollout(calls(), RolloutParameters(max_days=days)).verdict is verdict


def test_bursty_arrivals_leave_the_gate_undecided(calls: Make) -> None:
    draw = np.random.default_rng(3)
    bursts = np.sort(draw.choice(12, 4000, p=draw.dirichlet(np.full(12, 0.4))) * DAY_US // 12)
    table = calls(start_time=bursts + draw.integers(0, DAY_US // 50, 4000))
    planned = draw_plan(table).duration_s / 86_400
    report = plan_rollout(table, RolloutParameters(max_days=planned * 1.02))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.checks[0].needed


def test_a_plan_that_is_too_long_says_what_a_shorter_one_sees(calls: Make) -> None:
    report = plan_rollout(calls(), RolloutParameters(max_days=2))
    table = next(item for item in report.tables if item.name == "shorter")
    assert all(float(str(seen)) > float(str(planned)) for _, planned, seen in table.rows)


def test_too_few_calls_decide_nothing(calls: Make) -> None:
    report = plan_rollout(calls(60))
    assert report.verdict is Verdict.INCONCLUSIVE
    assert report.checks[0].needed == "a baseline log of 100 calls or more"
    assert report.headline == "A log of 60 calls is too short to plan a rollout from."


def test_a_handful_of_calls_is_not_a_steady_stream(calls: Make) -> None:
    duration = plan_rollout(calls(4)).measures[0]
    assert duration.low is not None
    assert duration.value is not None
    assert duration.low < 0.7 * duration.value
    assert duration.high is None or duration.high > 1.5 * duration.value
    with pytest.raises(LlmopsError, match="start at the same time") as one:
        plan_rollout(calls(1))
    assert one.value.exit_code is ExitCode.INCONCLUSIVE


def test_one_stage_is_the_longest_without_saying_so(calls: Make) -> None:
    report = plan_rollout(calls(), RolloutParameters(stages=(100,)))
    assert "longest" not in report.headline


def test_what_the_log_lacks_is_named_not_guessed(calls: Make) -> None:
    report = plan_rollout(calls(evaluation_score=[None] * 4000, user_id=[None] * 4000))
    assert {"rollout-no-quality", "rollout-no-users"} <= slugs(report)
    plan = draw_plan(calls(evaluation_score=[None] * 4000))
    assert [item.name for item in plan.guardrails] == ["latency", "errors"]


@pytest.mark.parametrize(
    ("slug", "columns", "given"),
    [
        ("rollout-no-quality", {"evaluation_score": None}, {"quality_margin": 0.02}),
        ("rollout-no-latency", {"duration_s": None}, {"latency_margin": 1.2}),
        ("rollout-no-span", {"start_time": 1_788_249_600_000_000}, {}),
        ("calls-missing-column", {"start_time": None}, {}),
    ],
)
def test_missing_evidence_is_refused(
    calls: Make, slug: str, columns: dict[str, Any], given: dict[str, float]
) -> None:
    table = calls(200, **{name: [value] * 200 for name, value in columns.items()})
    with pytest.raises(LlmopsError) as caught:
        plan_rollout(table, RolloutParameters(**given))
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.BAD_INPUT)


@pytest.mark.parametrize(
    ("slug", "given"),
    [
        ("rollout-bad-stages", {"stages": (10, 5, 100)}),
        ("rollout-bad-stages", {"stages": (5, 50)}),
        ("rollout-bad-stages", {"stages": ()}),
        ("rollout-bad-latency-margin", {"latency_margin": 0.9}),
        ("rollout-bad-error-margin", {"error_margin": 0.0}),
        ("rollout-bad-quality-margin", {"quality_margin": math.nan}),
        ("rollout-bad-alpha", {"alpha": 0.7}),
        ("rollout-bad-max-days", {"max_days": -1.0}),
    ],
)
def test_questions_without_an_answer_are_usage_errors(slug: str, given: dict[str, Any]) -> None:
    with pytest.raises(LlmopsError) as caught:
        RolloutParameters(**given)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


def test_the_report_is_json(calls: Make) -> None:
    report = plan_rollout(calls())
    assert json.dumps(dict(report.parameters))
    assert {item.of for item in report.explanations} >= {"duration", "error rates of the plan"}
