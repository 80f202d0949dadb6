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
from scipy.stats import norm

from llmops_cli import plan_rollout
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Report, Verdict
from llmops_cli.rollout import RolloutParameters, draw_plan
from llmops_cli.rollout.boundary_choice import Boundaries
from llmops_cli.rollout.harm import harm_limit
from llmops_cli.rollout.policy import Policy
from llmops_cli.rollout.sample import Risks, canary_needed
from llmops_cli.rollout.schedule import seconds_until
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
        harmless = math.ceil(independent * errors.design_effect)
        # Unless that many would not send a harm of the margin back four times in five.
        limit = harm_limit(errors, harmless, harmless * ratio, 0.05 / 15)
        spread = worse * (1 - worse) + errors.variance / ratio
        shown = limit + norm.ppf(0.8) * math.sqrt(spread * errors.design_effect / harmless)
        if shown <= 0.01:
            assert decision.canary_requests == harmless
        else:
            assert harmless < decision.canary_requests < 1.5 * harmless
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
        evenly = 3600 * stage.requests / plan.requests_per_hour
        assert stage.duration_s == pytest.approx(evenly, rel=5e-3)
        assert stage.duration_low_s <= stage.duration_s <= (stage.duration_high_s or math.inf)


def test_no_stage_is_shorter_than_asked(calls: Make) -> None:
    plan = draw_plan(calls(), RolloutParameters(minimum_stage_s=30 * 86_400))
    assert all(stage.duration_s >= 30 * 86_400 for stage in plan.stages)


def test_users_who_repeat_themselves_stretch_the_plan(calls: Make) -> None:
    alike = [float(int(user[1:]) % 2) for user in calls()["user_id"]]
    clustered = draw_plan(calls(evaluation_score=alike))
    quality = next(item for item in clustered.guardrails if item.name == "quality")
    assert quality.design_effect == pytest.approx(20, rel=0.1)


@pytest.mark.slow
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
    lax = Risks(promote=0.4, roll_back=0.4, hold=0.5, miss=0.5)
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
        ("rollout-idle-option", {"shadow_quality": True}),
        ("rollout-idle-option", {"policy": Policy(at_maximum="abort")}),
        ("rollout-idle-option", {"policy": Policy(no_data_after_s=3600.0)}),
        ("rollout-idle-option", {"boundaries": Boundaries(harm_looks=5)}),
        ("rollout-idle-option", {"boundaries": Boundaries(benefit_looks=3)}),
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


def test_an_eighty_percent_judge_needs_2_8_times_the_sample(calls: Make) -> None:
    perfect = draw_plan(calls())
    report = plan_rollout(calls(), RolloutParameters(judge_sensitivity=0.8, judge_specificity=0.8))
    judged = draw_plan(calls(), RolloutParameters(judge_sensitivity=0.8, judge_specificity=0.8))
    (before, _, _), (after, _, _) = (plan.stages[0].decisions for plan in (perfect, judged))
    assert before.guardrail == after.guardrail == "quality"
    assert after.canary_requests / before.canary_requests == pytest.approx(1 / 0.36, rel=0.06)
    quality = judged.guardrails[0]
    assert (quality.asked, quality.margin) == (0.02, pytest.approx(0.012))
    note = next(item for item in report.findings if item.slug == "rollout-judge-noise")
    assert note.message.endswith("2.78")
    # Errors and latency need no judge.
    needs = (
        [item.canary_requests for item in plan.stages[0].decisions[1:]]
        for plan in (perfect, judged)
    )
    assert next(needs) == next(needs)


@pytest.mark.parametrize("rates", [(0.5, 0.5), (0.0, 1.0), (1.2, 0.9), (float("nan"), 1.0)])
def test_a_judge_that_knows_nothing_is_refused(rates: tuple[float, float]) -> None:
    with pytest.raises(LlmopsError) as caught:
        RolloutParameters(judge_sensitivity=rates[0], judge_specificity=rates[1])
    assert (caught.value.slug, caught.value.exit_code) == ("rollout-bad-judge", ExitCode.USAGE)


def test_a_stage_that_begins_at_night_waits_for_the_morning(calls: Make) -> None:
    # Two days from noon to noon: 100 calls an hour until midnight, then none but the very last.
    hours = [h for day in (0, 1) for h in range(24 * day, 24 * day + 12)]
    moments = np.concatenate([np.linspace(h, h + 0.99, 100) for h in hours]) * 3.6e9
    moments = np.append(moments[:-1], 47.9 * 3.6e9)
    table = calls(
        2400, start_time=moments.astype(np.int64) + 1_788_249_600_000_000, user_id=[None] * 2400
    )
    plan = draw_plan(table, RolloutParameters(stages=(50, 100)))
    came, now = 0.0, 0.0
    for stage in plan.stages:
        came += stage.requests
        now += stage.duration_s
        full_days, rest = divmod(came, 1200)
        assert now / 3600 == pytest.approx(24 * full_days + rest / 100, abs=0.2)


@given(
    arrivals=st.lists(st.floats(0, 100), min_size=1, max_size=8).filter(lambda it: sum(it) > 1),
    start=st.floats(0, 50),
    requests=st.floats(0.5, 500),
)
def test_requests_have_come_when_their_time_is_over(
    arrivals: list[float], start: float, requests: float
) -> None:
    found = seconds_until(np.array(arrivals), start, requests, 1.0)
    steps = np.linspace(start, start + found, 4001)
    middle = (steps[1:] + steps[:-1]) / 2
    rates = np.array(arrivals)[np.floor(middle).astype(int) % len(arrivals)]
    assert float((rates * np.diff(steps)).sum()) == pytest.approx(requests, rel=0.03, abs=1.0)
