"""A log served again: its arrivals, its users, its levels; changes put into it; the clock."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.baseline import who_calls
from llmops_cli.rollout.changes import NO_CHANGE, Change, requests_of
from llmops_cli.rollout.exposure import users_exposed
from llmops_cli.rollout.replay import Replay
from llmops_cli.rollout.schedule import Schedule, StageLooks, clock, make_schedule

Make = Callable[..., pd.DataFrame]
HOUR = 3600.0


def short(plan: Plan, *requests: int) -> Plan:
    """The plan with stages of so many requests."""
    stages = tuple(replace(s, requests=n) for s, n in zip(plan.stages, requests, strict=True))
    return replace(plan, stages=stages)


def served(calls: pd.DataFrame, plan: Plan, change: Change = NO_CHANGE) -> Replay:
    return Replay.of(calls, who_calls(calls)[1], plan.guardrails, HOUR, change)


def plan_of(calls: Make, *sizes: int) -> Plan:
    return short(draw_plan(calls(), RolloutParameters(stages=(50, 100))), *sizes)


@pytest.mark.slow
@given(
    arrivals=st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(sum),
    sizes=st.lists(st.integers(1, 400), min_size=2, max_size=2),
)
def test_a_stage_lasts_until_its_requests_are_in(
    calls: Make, arrivals: list[int], sizes: list[int]
) -> None:
    schedule = make_schedule(plan_of(calls, *sizes), np.array(arrivals, dtype=float), HOUR)
    at = 0
    for stage, wanted in zip(schedule.stages, sizes, strict=True):
        assert stage.first == at
        came, look = 0, at
        while came < wanted or look == at:
            came += arrivals[look % len(arrivals)]
            look += 1
        assert stage.last == look
        assert schedule.expected(stage)[-1] == came
        at = look


def test_years_of_looks_are_refused(calls: Make) -> None:
    with pytest.raises(LlmopsError) as caught:
        make_schedule(plan_of(calls, 10**7, 10), np.array([10.0]), HOUR)
    assert caught.value.slug == "rollout-too-many-looks"


@pytest.mark.parametrize(
    ("span_h", "looks"), [(0.5, 1), (23.9, 24), (24.5, 25), (47.9, 48), (119.4, 120), (30.0, 30)]
)
def test_a_log_of_nearly_whole_days_repeats_by_days(span_h: float, looks: int) -> None:
    moments = np.array([0, span_h * 3.6e9], dtype=np.int64) + 10**15
    assert clock(moments, HOUR)[1] == looks


def test_arms_are_as_large_and_as_bad_as_the_log_says(calls: Make) -> None:
    table = calls()
    plan = short(draw_plan(table), 800, 800, 800, 800, 800)
    replay = served(table, plan)
    schedule = make_schedule(plan, replay.arrivals, HOUR)
    paths = replay.play(schedule, 400, np.random.default_rng(0))
    for stage in schedule.stages:
        expected = schedule.expected(stage)[-1]
        for index, guardrail in enumerate(plan.guardrails):
            arms = paths.arms(index, stage)
            n = arms.treated.n[:, -1].mean()
            assert n == pytest.approx(stage.share * expected * guardrail.coverage, rel=0.1)
            bad = arms.treated.total[:, -1].sum() / arms.treated.n[:, -1].sum()
            assert bad == pytest.approx(guardrail.bad_share, abs=0.01)
            if stage.share < 1:
                total = n + arms.control.n[:, -1].mean()
                assert total == pytest.approx(expected * guardrail.coverage, rel=0.05)


def test_users_who_repeat_themselves_widen_the_harm(calls: Make) -> None:
    # 200 users of 20 requests: all of a user's requests fail, or none.
    units = np.arange(4000) % 200
    alike = calls(
        user_id=[f"u{i}" for i in units], error_type=np.where(units % 4 == 0, "timeout", None)
    )
    plan = short(draw_plan(alike, RolloutParameters(stages=(50, 100))), 4000, 100)
    errors = next(i for i, item in enumerate(plan.guardrails) if item.name == "errors")
    assert plan.guardrails[errors].design_effect == pytest.approx(20, rel=0.02)
    replay = served(alike, plan)
    schedule = make_schedule(plan, replay.arrivals, HOUR)
    paths = replay.play(schedule, 2000, np.random.default_rng(0))
    arms = paths.arms(errors, schedule.stages[0])
    # Each arm is 100 users drawn with replacement, a quarter of them bad.
    assert arms.harm[:, -1].std() == pytest.approx(math.sqrt(2 * 0.1875 / 100), rel=0.06)
    z = arms.evidence_of_harm(plan.guardrails[errors])[:, -1]
    assert z.std() == pytest.approx(1.0, rel=0.06)


def test_one_run_is_the_sum_of_the_users_drawn(calls: Make) -> None:
    table = calls(300, user_id=[f"u{i % 20}" for i in range(300)])
    plan = short(draw_plan(table, RolloutParameters(stages=(50, 100))), 300, 10)
    replay = served(table, plan)
    schedule = Schedule(HOUR, replay.arrivals, (StageLooks(0.5, 0, 24),))
    paths = replay.play(schedule, 1, np.random.default_rng(3))
    chosen = np.random.default_rng(3).integers(0, 20, (1, 10), dtype=np.int32)[0]
    by_hand = np.zeros(24)
    for group in chosen.tolist():
        for look in replay.look[replay.group == group]:
            by_hand[look] += 1
    assert paths.exposed[0] == pytest.approx(by_hand)


def test_chance_of_an_hour_is_taken_away_and_a_bad_hour_stays(calls: Make) -> None:
    draw = np.random.default_rng(2)
    even = draw.random(40_000) < 0.02
    outage = even | ((np.arange(40_000) < 2000) & (draw.random(40_000) < 0.3))
    spreads: list[float] = []
    for failed in (even, outage):
        table = calls(40_000, error_type=np.where(failed, "timeout", None))
        plan = draw_plan(table, RolloutParameters(stages=(50, 100)))
        replay = served(table, plan)
        schedule = Schedule(HOUR, replay.arrivals, (StageLooks(0.5, 0, 24),))
        paths = replay.play(schedule, 300, np.random.default_rng(0))
        errors = paths.treated[-1]
        rate = errors.total.mean(axis=0) / np.maximum(errors.n.mean(axis=0), 1)
        spreads.append(float(rate[:24].max() - rate[:24].min()))
    assert spreads[0] < 0.006
    assert spreads[1] > 0.2


def test_changes_make_exactly_as_many_requests_worse_as_they_say(calls: Make) -> None:
    table = calls()
    n = len(table)
    given = requests_of(table, Change(name="x", error_rise=0.03, quality_drop=0.05), 0)
    worse = given.changed(Change(name="x", error_rise=0.03), np.ones(n))
    assert int(worse.failed.sum() - given.failed.sum()) == round(0.03 * n)
    assert np.isnan(worse.score[worse.failed]).all()
    scored = int(np.isfinite(given.score).sum())
    worse = given.changed(Change(name="x", quality_drop=0.05), np.ones(n))
    assert np.nansum(given.score) - np.nansum(worse.score) == pytest.approx(0.05 * scored, abs=1)
    half = given.changed(Change(name="x", error_rise=0.03), np.full(n, 0.5))
    assert int(half.failed.sum() - given.failed.sum()) == round(0.015 * n)
    slow = given.changed(Change(name="x", latency_ratio=1.5), np.ones(n))
    assert slow.duration_s == pytest.approx(1.5 * given.duration_s, nan_ok=True)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_a_slower_tail_is_a_p95_times_its_ratio_with_the_median_left_alone(
    calls: Make, strength: float
) -> None:
    given = requests_of(calls(), NO_CHANGE, 0)
    slow = given.changed(Change(name="x", p95_ratio=1.6), np.full(4000, strength)).duration_s
    before, after = (np.nanquantile(it, (0.5, 0.95)) for it in (given.duration_s, slow))
    assert after[0] == pytest.approx(before[0])
    assert after[1] == pytest.approx((1 + 0.6 * strength) * before[1])
    assert (slow[np.isfinite(slow)] >= given.duration_s[np.isfinite(slow)]).all()


def test_slower_and_dearer_only_where_the_change_is(calls: Make) -> None:
    tokens = {"input_tokens": [1000] * 4000, "output_tokens": [10] * 4000}
    model = {"request_model": ["claude-haiku-4-5"] * 4000, "provider_name": ["anthropic"] * 4000}
    table = calls(task=["a" if i % 2 else "b" for i in range(4000)], **tokens, **model)
    plan = draw_plan(table, RolloutParameters(cost_margin=1.2))
    change = Change(name="x", cost_ratio=1.3, latency_ratio=2.0, only=("task", "a"))
    given = requests_of(table, change, 0, plan.guardrails)
    worse = given.changed(change, np.ones(4000))
    there = np.arange(4000) % 2 == 1
    cost = next(item for item in plan.guardrails if item.name == "cost")
    more = worse.badness(cost) / given.badness(cost)
    assert more[there] == pytest.approx(1.3)
    assert more[~there] == pytest.approx(1.0)
    known = np.isfinite(given.duration_s)
    slower = worse.duration_s / given.duration_s
    assert slower[there & known] == pytest.approx(2.0)
    assert slower[~there & known] == pytest.approx(1.0)


def test_graded_scores_fall_in_proportion_and_stay_scores(calls: Make) -> None:
    table = calls(evaluation_score=np.random.default_rng(1).beta(5, 2, 4000))
    given = requests_of(table, NO_CHANGE, 0)
    worse = given.changed(Change(name="x", quality_drop=0.1), np.ones(4000))
    assert np.nanmean(given.score) - np.nanmean(worse.score) == pytest.approx(0.1)
    assert np.nanmin(worse.score) >= 0


def test_a_change_of_one_slice_leaves_the_others_alone(calls: Make) -> None:
    table = calls(task=["summary" if i % 4 == 0 else "chat" for i in range(4000)])
    change = Change(name="x", error_rise=0.1, only=("task", "summary"))
    given = requests_of(table, change, 0)
    more = given.changed(change, np.ones(4000)).failed & ~given.failed
    assert int(more.sum()) == 100
    assert not more[np.arange(4000) % 4 != 0].any()


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        (Change(name="x", error_rise=0.99), "rollout-change-too-large"),
        (Change(name="x", quality_drop=0.95), "rollout-change-too-large"),
        (Change(name="x", error_rise=0.1, only=("task", "none")), "rollout-no-slice"),
        (Change(name="x", error_rise=0.1, only=("colour", "red")), "rollout-no-slice"),
        (Change(name="x", p95_ratio=2.0, only=("user_id", "u3")), "rollout-flat-latency"),
    ],
)
def test_changes_a_log_cannot_carry(calls: Make, change: Change, slug: str) -> None:
    if change.p95_ratio != 1:
        calls = partial(calls, duration_s=[1.0] * 4000)
    with pytest.raises(LlmopsError) as caught:
        requests_of(calls(), change, 0).changed(change, np.ones(4000))
    assert caught.value.slug == slug


def test_a_drift_grows_evenly_from_its_start() -> None:
    change = Change(name="x", error_rise=0.1, after_s=100.0, drift_s=200.0)
    at = np.array([0.0, 100.0, 200.0, 300.0, 999.0])
    assert change.strength(at).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]
    assert replace(change, drift_s=0.0).strength(at).tolist() == [0.0, 1.0, 1.0, 1.0, 1.0]


@given(
    units=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    seed=st.integers(0, 100),
    lengths=st.lists(st.integers(1, 15), min_size=2, max_size=2),
)
def test_users_exposed_agree_with_walking_through_their_requests(
    units: list[int], seed: int, lengths: list[int]
) -> None:
    _, dense = np.unique(units, return_inverse=True)
    look = np.random.default_rng(seed).integers(0, 6, len(units))
    first, second = lengths
    stages = (StageLooks(0.2, 0, first), StageLooks(1.0, first, first + second))
    schedule = Schedule(HOUR, np.ones(6), stages)
    found = users_exposed(schedule, dense.astype(np.int64), look.astype(np.int64))
    met: list[float] = []
    for now in range(first + second):
        total = 0.0
        for user in set(dense.tolist()):
            looks = set(look[dense == user].tolist())
            # Of users with that behaviour a fifth are on the canary from the first stage.
            total += 0.2 * any(at % 6 in looks for at in range(now + 1))
            total += 0.8 * any(at % 6 in looks for at in range(first, now + 1))
        met.append(total)
    assert found == pytest.approx(np.array(met))
