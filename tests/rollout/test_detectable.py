"""Stages with a time limit: what they still see, what they miss, and years that are named."""

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import plan_rollout
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.detectable import seen_within
from llmops_cli.rollout.evidence import Arms, Sample
from llmops_cli.rollout.harm import harm_evidence
from llmops_cli.rollout.model import Guardrail
from llmops_cli.rollout.plan import control_ratio
from llmops_cli.rollout.sample import Risks, canary_needed, detects, with_margin
from llmops_cli.rollout.schedule import requests_within, seconds_until

Make = Callable[..., pd.DataFrame]

DAY_S = 86_400.0
ASKED = RolloutParameters(latency_margin=1.5, error_margin=0.03)


def limited(days: float, asked: RolloutParameters = ASKED) -> RolloutParameters:
    return replace(asked, max_stage_s=(days * DAY_S,))


def guardrail(name: str, share: float, effect: float, ratio: float | None) -> Guardrail:
    margin = 0.05 if ratio is None else (ratio - 1) * share
    worse = share + margin
    return Guardrail(
        name=name,
        metric="",
        baseline=1 - share if name == "quality" else share,
        margin=margin,
        asked=margin,
        variance=share * (1 - share),
        variance_at_margin=max(share * (1 - share), worse * (1 - worse)),
        design_effect=effect,
        ratio=ratio,
    )


@settings(max_examples=60, deadline=None)
@given(
    share=st.floats(0.01, 0.3),
    effect=st.floats(1, 5),
    ratio=st.sampled_from([None, 1.5]),
    control=st.floats(1, 19),
    canary=st.integers(100, 10**6),
)
def test_the_smallest_harm_seen_is_what_so_many_requests_could_be_planned_for(
    share: float, effect: float, ratio: float | None, control: float, canary: int
) -> None:
    item = guardrail("errors", share, effect, ratio)
    risks = Risks.shared_out(0.05, 0.8, 5, 3)
    seen = detects(item, canary, control, risks)
    if seen is None:
        largest = with_margin(item, (1 - share) * (1 - 1e-6))
        assert canary_needed(largest, control, risks) > canary
        return
    # The boundary of rare events moves a little with the margin that it is tuned for.
    assert canary_needed(with_margin(item, 1.1 * seen), control, risks) <= canary
    assert canary_needed(with_margin(item, 0.9 * seen), control, risks) > canary


def test_the_margin_planned_for_is_about_what_its_sample_sees(calls: Make) -> None:
    plan = draw_plan(calls(), ASKED)
    for stage in plan.stages:
        held = next(item for item in stage.decisions if item.guardrail == stage.bottleneck)
        margin = next(g.margin for g in plan.guardrails if g.name == held.guardrail)
        assert held.detects == pytest.approx(margin, rel=0.05)
        assert held.catches is not None
        assert held.passes is not None
        assert held.catches >= 0.8 - 0.01
        assert held.passes >= 1 - 0.2 / 15 - 0.001
        assert all((item.detects or 1) <= margin * 1.1 for item in (held,))


def test_a_stage_lasts_no_longer_than_it_may_and_takes_what_comes(calls: Make) -> None:
    free, plan = draw_plan(calls(), ASKED), draw_plan(calls(), limited(2.0))
    assert any(stage.duration_s > 2 * DAY_S for stage in free.stages)
    at = 0.0
    for before, stage in zip(free.stages, plan.stages, strict=True):
        assert stage.maximum_s == 2 * DAY_S
        assert stage.duration_s <= 2 * DAY_S
        assert (stage.duration_high_s or 0.0) <= 2 * DAY_S
        if stage.cut_short:
            assert stage.duration_s == pytest.approx(2 * DAY_S, rel=0.01)
            assert stage.requests == pytest.approx(8000, abs=10)
        else:
            assert stage.requests <= before.requests
        at += stage.duration_s


def test_each_stage_may_have_a_limit_of_its_own(calls: Make) -> None:
    maxima = (9.0, 8.0, 7.0, 6.0, 5.0)
    asked = replace(ASKED, max_stage_s=tuple(day * DAY_S for day in maxima))
    assert tuple((s.maximum_s or 0) / DAY_S for s in draw_plan(calls(), asked).stages) == maxima


@pytest.mark.parametrize("maxima", [(1.0, 2.0), (60.0,), (math.nan,), (math.inf,), (-DAY_S,)])
def test_limits_that_are_none(maxima: tuple[float, ...]) -> None:
    with pytest.raises(LlmopsError) as caught:
        RolloutParameters(max_stage_s=maxima)
    assert caught.value.slug == "rollout-bad-max-stage-days"
    assert caught.value.exit_code is ExitCode.USAGE


def test_what_a_stage_cut_short_misses_is_said(calls: Make) -> None:
    report = plan_rollout(calls(), limited(1.0))
    table = next(item for item in report.tables if item.name == "capped")
    plan = draw_plan(calls(), limited(1.0))
    assert {row[0] for row in table.rows} == {s.percent for s in plan.stages if s.cut_short}
    for row in table.rows:
        planned, seen, catches, passes = (float(str(part)) for part in row[2:])
        assert seen > planned
        assert 0 <= catches < 0.8
        assert 0 <= passes <= 1
    (finding,) = (item for item in report.findings if item.slug == "rollout-stage-capped")
    assert "--error-margin" in finding.hint
    assert not [item for item in plan_rollout(calls(), ASKED).tables if item.name == "capped"]


def test_margins_that_a_capped_plan_offers_fit_into_its_time(calls: Make) -> None:
    asked = limited(4.0)
    report = plan_rollout(calls(), asked)
    hint = next(i.hint for i in report.findings if i.slug == "rollout-stage-capped")
    words = hint.replace(",", "").split()
    offered = {
        words[at].removeprefix("--").replace("-", "_"): float(words[at + 1])
        for at, word in enumerate(words)
        if word.startswith("--") and words[at - 1] != "larger"
    }
    assert offered
    again = draw_plan(calls(), replace(asked, **offered))
    names = {name.split("_")[0] + ("s" if name == "error_margin" else "") for name in offered}
    for stage in again.stages:
        for item in stage.decisions:
            if item.guardrail in names:
                assert item.canary_requests <= stage.canary_requests


def test_a_stage_of_years_says_so_and_what_a_month_would_see(calls: Make) -> None:
    asked = RolloutParameters(latency_margin=1.5, error_margin=0.0005)
    report, plan = plan_rollout(calls(), asked), draw_plan(calls(), asked)
    long = [stage for stage in plan.stages if stage.duration_s > 365 * DAY_S]
    found = [item for item in report.findings if item.slug == "rollout-years"]
    assert len(found) == len(long) > 0
    seen = seen_within(plan, long[0], 28 * DAY_S)["errors"]
    assert seen is not None
    assert f"from {seen:.2g} on, not 0.0005" in found[0].message
    # What it offers can be planned: about a month.
    words = found[0].hint.replace(",", "").replace(";", "").split()
    offered = {
        name: float(words[words.index(f"--{name.replace('_', '-')}") + 1])
        for name in ("error_margin", "quality_margin")
    }
    stage = draw_plan(calls(), replace(asked, **offered)).stages[0]
    assert stage.duration_s <= 28 * DAY_S


@given(
    arrivals=st.lists(st.floats(0, 100), min_size=1, max_size=8).filter(lambda it: sum(it) > 1),
    start=st.floats(0, 50),
    requests=st.floats(0.5, 500),
)
def test_as_many_requests_come_as_were_waited_for(
    arrivals: list[float], start: float, requests: float
) -> None:
    rates = np.array(arrivals)
    waited = seconds_until(rates, start, requests, 1.0)
    assert requests_within(rates, start, waited, 1.0) == pytest.approx(requests, rel=1e-6, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("place", [0, 3])
def test_odds_of_a_capped_stage_are_those_of_drawn_ones(calls: Make, place: int) -> None:
    plan: Plan = draw_plan(calls(user_id=[f"u{i}" for i in range(4000)]), limited(3.0))
    stage, runs = plan.stages[place], 20_000
    decision = next(item for item in stage.decisions if item.guardrail == "errors")
    errors = next(item for item in plan.guardrails if item.name == "errors")
    n = stage.canary_requests
    control = round(n * control_ratio(stage, plan.baseline_calls, n))
    draw = np.random.default_rng(1)

    def arm(size: int, share: float) -> Sample:
        bad = draw.binomial(size, share, (runs, 1)).astype(float)
        return Sample(np.full((runs, 1), float(size)), bad, bad)

    harmful = Arms(arm(n, errors.baseline + errors.margin), arm(control, errors.baseline))
    back = harm_evidence(harmful, errors, harmful.information[0], "mixture", plan.harm_alpha) >= 1
    assert decision.catches is not None
    assert decision.passes is not None
    assert back.mean() == pytest.approx(decision.catches, abs=0.06)
    harmless = Arms(arm(n, errors.baseline), arm(control, errors.baseline))
    needed = 2.3263  # of 5 % over five stages
    assert (harmless.room(errors) >= needed).mean() == pytest.approx(decision.passes, abs=0.06)
