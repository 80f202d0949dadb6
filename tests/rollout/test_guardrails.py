"""Guardrails from a log: variances, clustering, coverage, and logs that cannot carry one."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from llmops_cli import plan_rollout
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout import RolloutParameters, draw_plan
from llmops_cli.rollout.baseline import Baseline, measure_baseline
from llmops_cli.rollout.guardrails import Measured
from llmops_cli.rollout.sample import Risks, canary_needed

Make = Callable[..., pd.DataFrame]

DAY_US = 86_400_000_000
NO_ERRORS: dict[str, Any] = {"error_type": [None] * 4000}


def measured(baseline: Baseline, name: str) -> Measured:
    return next(item for item in baseline.measured if item.guardrail.name == name)


def baseline(table: pd.DataFrame, **given_: float) -> Baseline:
    return measure_baseline(table, RolloutParameters(**given_))  # type: ignore[arg-type]


def test_scores_on_every_tenth_call_make_a_stage_ten_times_as_long(calls: Make) -> None:
    scores = np.tile([1.0, 0.0], 2000)
    sampled = np.where(np.arange(4000) % 20 < 2, scores, np.nan)
    whole, part = (
        baseline(
            calls(evaluation_score=values, user_id=[f"u{i}" for i in range(4000)], **NO_ERRORS)
        )
        for values in (scores, sampled)
    )
    both = [measured(item, "quality").guardrail for item in (whole, part)]
    assert [item.coverage for item in both] == [1.0, 0.1]
    assert both[0].baseline == both[1].baseline
    risks = Risks.shared_out(0.05, 0.8, 5, 3)
    needs = [canary_needed(item, 19, risks) for item in both]
    assert needs[1] == pytest.approx(10 * needs[0], rel=0.01)


def test_calls_that_failed_carry_neither_latency_nor_score(calls: Make) -> None:
    failed = [None, "timeout"] * 2000
    table = calls(error_type=failed, duration_s=np.where(np.arange(4000) % 2, 600.0, 1.0))
    found = baseline(table)
    assert [item.guardrail.name for item in found.measured] == ["quality", "errors"]
    assert measured(found, "quality").n == 2000
    assert found.missing[0].slug == "rollout-flat-latency"


def test_yes_and_no_scores_vary_at_the_margin_as_shares_do(calls: Make) -> None:
    scores = (np.arange(4000) % 100 < 95).astype(float)
    table = calls(evaluation_score=scores, **NO_ERRORS)
    guardrail = measured(baseline(table, quality_margin=0.03), "quality").guardrail
    assert guardrail.variance == pytest.approx(0.95 * 0.05, rel=1e-3)
    assert guardrail.variance_at_margin == pytest.approx(0.92 * 0.08, rel=1e-3)


@pytest.mark.parametrize("score", [1.0, 0.7])
def test_scores_that_never_vary_are_not_taken_for_certain(calls: Make, score: float) -> None:
    table = calls(evaluation_score=np.full(4000, score), **NO_ERRORS)
    guardrail = measured(baseline(table), "quality").guardrail
    assert guardrail.baseline == pytest.approx(score)
    assert guardrail.design_effect == 1
    assert 0 < guardrail.variance <= guardrail.variance_at_margin
    assert plan_rollout(table).tables[0].rows[0][1] != 0


def test_few_low_scores_are_planned_for_at_the_upper_end_of_their_rate(calls: Make) -> None:
    scores = np.ones(4000)
    scores[[5, 50, 500]] = 0.0
    guardrail = measured(baseline(calls(evaluation_score=scores, **NO_ERRORS)), "quality").guardrail
    _, most = proportion_confint(3, 4000, method="wilson")
    assert guardrail.variance == pytest.approx(most * (1 - most))
    assert guardrail.rare
    assert "3 low scores in 4,000 calls" in str(
        plan_rollout(calls(evaluation_score=scores, **NO_ERRORS)).findings
    )


def test_ten_errors_are_enough_to_count(calls: Make) -> None:
    for count, rare in ((9, True), (10, False)):
        failed = ["timeout"] * count + [None] * (4000 - count)
        assert measured(baseline(calls(error_type=failed)), "errors").guardrail.rare is rare


@pytest.mark.parametrize("scores", [np.tile([1.0, 5.0], 2000), np.tile([-1.0, 1.0], 2000)])
def test_scores_on_another_scale_are_left_out_or_refused(calls: Make, scores: np.ndarray) -> None:
    table = calls(evaluation_score=scores)
    assert [item.slug for item in baseline(table).missing] == ["rollout-score-scale"]
    with pytest.raises(
        LlmopsError, match="not between 0 and 1, so quality cannot be guarded"
    ) as no:
        baseline(table, quality_margin=0.02)
    assert no.value.exit_code is ExitCode.BAD_INPUT


def test_scores_without_room_to_fall_are_no_guardrail(calls: Make) -> None:
    table = calls(evaluation_score=np.zeros(4000))
    assert [item.slug for item in baseline(table).missing] == ["rollout-low-quality"]
    with pytest.raises(LlmopsError, match=r"a mean score of 0 cannot fall by 0\.1"):
        baseline(table, quality_margin=0.1)


def test_a_log_of_failures_is_no_baseline(calls: Make) -> None:
    with pytest.raises(LlmopsError, match="4,000 of 4,000 calls failed") as failed:
        baseline(calls(error_type=["timeout"] * 4000))
    assert failed.value.slug == "rollout-mostly-errors"


def test_a_share_above_a_half_is_planned_as_it_is(calls: Make) -> None:
    failed = np.where(np.arange(4000) % 10 < 7, "timeout", None)
    guardrail = measured(baseline(calls(error_type=failed)), "errors").guardrail
    assert guardrail.planned_share == pytest.approx(0.7)
    assert guardrail.variance == guardrail.variance_at_margin == pytest.approx(0.21)


def test_a_few_scores_do_not_tell_quality(calls: Make) -> None:
    table = calls(evaluation_score=[0.5, 0.7] * 10 + [None] * 3980, **NO_ERRORS)
    assert [item.slug for item in baseline(table).missing] == ["rollout-few-quality"]
    with pytest.raises(LlmopsError, match="only 20 of 4,000 calls carry 'evaluation_score'") as few:
        baseline(table, quality_margin=0.02)
    assert few.value.exit_code is ExitCode.INCONCLUSIVE
    assert few.value.hint == "log it for 30 calls or more, or leave out --quality-margin"


def test_durations_in_whole_seconds_leave_latency_out_unless_asked(calls: Make) -> None:
    table = calls(duration_s=np.repeat([1.0, 2.0, 3.0, 9.0], 1000))
    assert [item.slug for item in baseline(table).missing] == ["rollout-flat-latency"]
    with pytest.raises(LlmopsError, match="cannot be told from its tail") as flat:
        baseline(table, latency_margin=1.1)
    assert flat.value.field == "duration_s"
    slower = measured(baseline(table, latency_margin=3.5), "latency").guardrail
    assert slower.baseline == pytest.approx(0.25, abs=0.01)
    assert slower.margin == pytest.approx(0.25, abs=0.01)


@settings(max_examples=50, deadline=None)
@given(st.floats(1.01, 3.0), st.floats(0.1, 1.5))
def test_the_latency_margin_is_what_a_slower_log_shows(
    calls: Make, ratio: float, spread: float
) -> None:
    # Slow every call of the log down: the share beyond the old p95 must rise by the margin.
    draw = np.random.default_rng(2)
    seconds = np.exp(draw.normal(0, spread, 4000))
    found = baseline(calls(duration_s=seconds, **NO_ERRORS))
    guardrail = measured(found, "latency").guardrail
    assert guardrail.threshold_s is not None
    planned = measured(
        baseline(calls(duration_s=seconds, **NO_ERRORS), latency_margin=ratio), "latency"
    ).guardrail
    slower = (seconds * ratio >= guardrail.threshold_s * (1 + 1e-12)).mean()
    assert slower == pytest.approx(planned.baseline + planned.margin, abs=1 / 4000)


def test_design_effects_are_those_of_the_unit_users_are_assigned_by(calls: Make) -> None:
    # 200 users of 20 calls; each user always fails or never does.
    users = np.repeat(np.arange(200), 20)
    table = calls(
        user_id=[f"u{user}" for user in users],
        error_type=np.where(users % 10 == 0, "timeout", None),
    )
    errors = measured(baseline(table), "errors").guardrail
    assert errors.design_effect == pytest.approx(20, rel=1e-6)
    alone = calls(user_id=[f"u{i}" for i in range(4000)])
    assert measured(baseline(alone), "errors").guardrail.design_effect == pytest.approx(1, abs=1e-3)


def test_todays_values_carry_intervals(calls: Make) -> None:
    found = {item.name: item for item in plan_rollout(calls()).measures}
    for name in ("mean_score", "p95_s", "error_rate", "requests_per_hour", "duration_days"):
        item = found[name]
        assert item.low is not None
        assert item.high is not None
        assert item.value is not None
        assert item.low <= item.value <= item.high
        assert (item.level, item.n is not None) == (0.90, True)


@pytest.mark.slow
def test_todays_intervals_cover() -> None:
    from llmops_cli.rollout.guardrails import measure_guardrails  # noqa: PLC0415 - one test only

    draw, runs, n = np.random.default_rng(8), 400, 1000
    p95 = math.exp(1.6448536 * 0.5)
    hits = np.zeros(3)
    for _ in range(runs):
        failed = draw.random(n) < 0.03
        table = pd.DataFrame(
            {
                "error_type": np.where(failed, "timeout", None),
                "duration_s": np.exp(draw.normal(0, 0.5, n)),
                "evaluation_score": draw.beta(8, 2, n),
            }
        )
        found, _ = measure_guardrails(table, np.arange(n), RolloutParameters())
        truths = (0.8, p95, 0.03)
        hits += [
            item.now.low <= truth <= item.now.high
            for item, truth in zip(found, truths, strict=True)
        ]
    assert (hits / runs > 0.86).all()


def test_whole_days_do_not_take_the_daily_cycle_for_chance(calls: Make) -> None:
    # Ten days, every call between 9 and 17 o'clock: each day is like the other.
    day = np.linspace(9, 17, 400) / 24 * DAY_US
    table = calls(start_time=np.concatenate([day + i * DAY_US for i in range(10)]).astype(np.int64))
    found = baseline(table)
    assert found.blocks in {9, 10}
    assert found.rate.high / found.rate.low < 1.05
    short = baseline(calls(400, start_time=day.astype(np.int64)))
    assert short.blocks == 20


@pytest.mark.slow
def test_the_interval_of_the_rate_covers() -> None:
    from llmops_cli.rollout.baseline import _arrivals  # noqa: PLC0415 - one test only

    draw, runs, hits = np.random.default_rng(4), 1000, 0
    for _ in range(runs):
        # A burst process: 10 calls an hour on average, in bursts of 5.
        starts = np.cumsum(draw.exponential(0.5, 2000))
        moments = np.sort(np.repeat(starts[starts < 14 * 24], 5) * 3.6e9).astype(np.int64)
        rate, interval, _ = _arrivals(moments, (moments[-1] - moments[0]) / 1e6)
        assert interval.low < rate < interval.high
        hits += interval.low <= 10 / 3600 <= interval.high
    assert hits / runs == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("good", [0.5, 0.9, 0.99])
def test_scores_of_yes_and_no_are_rare_only_where_they_are(calls: Make, good: float) -> None:
    n = 4000
    scores = (np.arange(n) % 1000 < 1000 * good).astype(float)
    quality = draw_plan(calls(n, evaluation_score=scores)).guardrails[0]
    assert (quality.name, quality.binary, quality.rare) == ("quality", True, False)
    few = draw_plan(calls(n, evaluation_score=(np.arange(n) > 5).astype(float))).guardrails[0]
    assert few.rare
