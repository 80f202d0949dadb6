"""Shadow stages and A/B stages: their samples, their decisions, and plans that name them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.stats import norm

from llmops_cli import check_rollout, plan_rollout
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Report
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.document import from_yaml, to_yaml
from llmops_cli.rollout.model import Stage
from llmops_cli.rollout.observed import CANARY, CONTROL, USERS, Cell, Observed, Sums
from llmops_cli.rollout.rehearsal import HELD, OWN, RULES, rehearse
from llmops_cli.rollout.replay import Replay
from llmops_cli.rollout.schedule import make_schedule
from llmops_cli.rollout.state import State, fingerprint, from_json, to_json

Make = Callable[..., pd.DataFrame]

ASKED = RolloutParameters(latency_margin=1.5, error_margin=0.03, quality_margin=0.05)
WITH_BOTH = replace(ASKED, shadow=50, ab_stage=50, ab_gain=0.02)


@pytest.fixture(scope="module")
def log(calls: Make) -> pd.DataFrame:
    return calls(8000, user_id=[f"u{i}" for i in range(8000)])


@pytest.fixture(scope="module")
def plan(log: pd.DataFrame) -> Plan:
    return draw_plan(log, WITH_BOTH)


def shadow_of(plan: Plan) -> Stage:
    assert plan.shadow is not None
    return plan.shadow


def test_a_shadow_stage_leaves_every_request_to_the_old_version(log: pd.DataFrame) -> None:
    half, whole = (
        shadow_of(draw_plan(log, replace(ASKED, shadow=percent, minimum_stage_s=0)))
        for percent in (50.0, 100.0)
    )
    assert half.canary_requests == pytest.approx(half.requests / 2, abs=1)
    assert whole.canary_requests == whole.requests
    # Two control requests per copy in place of one: fewer copies, of more requests.
    assert half.canary_requests < whole.canary_requests
    assert half.requests > whole.requests
    assert {item.guardrail for item in half.decisions} == {"latency", "errors"}
    judged = shadow_of(draw_plan(log, replace(ASKED, shadow=50, shadow_quality=True)))
    assert {item.guardrail for item in judged.decisions} == {"quality", "latency", "errors"}


def test_a_shadow_stage_takes_a_share_of_the_risk_and_of_the_time(log: pd.DataFrame) -> None:
    with_it, without = draw_plan(log, replace(ASKED, shadow=100)), draw_plan(log, ASKED)
    assert with_it.alpha_per_stage == pytest.approx(without.alpha_per_stage * 5 / 6)
    assert with_it.harm_alpha == pytest.approx(without.harm_alpha * 5 / 6)
    stages = sum(stage.duration_s for stage in with_it.stages)
    assert with_it.duration_s == stages + shadow_of(with_it).duration_s
    assert [stage.percent for stage in with_it.stages] == [5, 10, 25, 50, 100]


def test_an_ab_stage_has_the_sample_of_a_superiority_test(plan: Plan) -> None:
    stage = next(stage for stage in plan.stages if stage.goal is not None)
    assert stage.percent == 50
    assert stage.goal is not None
    quality = plan.guardrails[0]
    alpha, beta = plan.alpha_per_stage, 0.2 / (6 * 3)
    reach = norm.ppf(1 - alpha) + norm.ppf(1 - beta)
    variance = quality.variance * quality.design_effect
    needed = reach**2 * 2 * variance / 0.02**2 / quality.coverage
    assert stage.goal.canary_requests == pytest.approx(needed, rel=1e-3)
    assert stage.canary_requests >= stage.goal.canary_requests
    assert stage.bottleneck == "quality"
    assert sum(item.goal is not None for item in plan.stages) == 1


def seen(plan: Plan, stage: Stage, better: float = 0.0, worse: float = 0.0) -> Observed:
    """A whole stage in four hours, as expected but for scores and errors of the new version."""
    canary, cells = -(-stage.canary_requests // 4), dict[Cell, Sums]()
    control = canary * (stage.control_per_canary or 0)
    for hour in range(4):
        moment = f"2026-09-{2 + int(stage.key / 4):02d}T{hour:02d}:00:00+00:00"
        for variant, n in ((CANARY, canary), (CONTROL, control)):
            for item in plan.guardrails:
                if item.name not in {d.guardrail for d in stage.decisions}:
                    continue
                change = {"quality": -better, "errors": worse}.get(item.name, 0.0)
                bad = n * item.coverage * (item.bad_share + (change if variant == CANARY else 0.0))
                cells[moment, variant, item.name] = Sums(n * item.coverage, bad, bad)
    return Observed(cells)


def word(report: Report) -> str:
    return report.headline.split(":")[0]


@pytest.mark.parametrize(("worse", "said"), [(0.0, "PROMOTE"), (0.2, "ROLLBACK")])
def test_the_shadow_stage_is_decided_before_anybody_is_exposed(
    plan: Plan, worse: float, said: str
) -> None:
    shadow = shadow_of(plan)
    data = seen(plan, shadow, worse=worse)
    # Users are in both versions: their numbers are no split.
    data += Observed({(data.windows[0], v, USERS): Sums(500.0) for v in (CANARY, CONTROL)})
    report, state = check_rollout(plan, State(fingerprint(plan)), 0, data)
    assert (word(report), report.title) == (said, "The shadow stage")
    assert from_json(to_json(state), plan, source="s") == state
    first = plan.stages[0]
    later, _ = check_rollout(plan, state, 5, seen(plan, first))
    assert word(later) == ("PROMOTE" if said == "PROMOTE" else "ROLLBACK")
    skipped = {item.slug for item in later.findings}
    assert ("rollout-stage-skipped" in skipped) is (said == "ROLLBACK")


@pytest.mark.parametrize(
    ("better", "worse", "said"),
    [(0.03, 0.0, "PROMOTE"), (0.0, 0.0, "HOLD"), (0.03, 0.2, "ROLLBACK"), (-0.1, 0.0, "ROLLBACK")],
)
def test_an_ab_stage_goes_on_with_a_gain_only(
    plan: Plan, better: float, worse: float, said: str
) -> None:
    stage = plan.stages[3]
    report, _ = check_rollout(plan, State(fingerprint(plan)), 50, seen(plan, stage, better, worse))
    assert word(report) == said
    if said == "HOLD":
        assert "nor is a gain in quality" in report.headline
    # Without the goal the harmless one goes on.
    plain = replace(plan, stages=tuple(replace(item, goal=None) for item in plan.stages))
    report, _ = check_rollout(plain, State(fingerprint(plain)), 50, seen(plain, stage))
    assert word(report) == "PROMOTE"


def test_the_rehearsal_holds_harmless_changes_at_the_ab_stage(
    log: pd.DataFrame, plan: Plan
) -> None:
    replay = Replay.of(log, np.arange(len(log)), plan.guardrails, 6 * 3600.0)
    schedule = make_schedule(plan, replay.arrivals, 6 * 3600.0)
    (found,) = rehearse(replay, plan, schedule, [RULES[OWN]], 60, 1)
    assert found.count(HELD, 4) >= 50  # after the shadow, 5, 10 and 25 %


def test_plans_with_such_steps_survive_their_document(plan: Plan) -> None:
    assert from_yaml(to_yaml(plan)) == plan


def test_the_report_names_what_such_steps_are_not(log: pd.DataFrame) -> None:
    report = plan_rollout(log, WITH_BOTH)
    assert {"rollout-shadow-quality", "rollout-gain-needed"} <= {f.slug for f in report.findings}
    assert report.headline.startswith("shadow → 5 → 10")
    stages = next(item for item in report.tables if item.name == "stages")
    assert [row[0] for row in stages.rows] == ["shadow", 5, 10, 25, 50, 100]
    assert "a gain of 0.02 in quality" in stages.note


@pytest.mark.parametrize(
    ("asked", "slug"),
    [
        ({"shadow": 0.0}, "rollout-bad-shadow"),
        ({"shadow": 101.0}, "rollout-bad-shadow"),
        ({"ab_stage": 50.0}, "rollout-bad-ab-stage"),
        ({"ab_gain": 0.1}, "rollout-bad-ab-stage"),
        ({"ab_stage": 100.0, "ab_gain": 0.1}, "rollout-bad-ab-stage"),
        ({"ab_stage": 30.0, "ab_gain": 0.1}, "rollout-bad-ab-stage"),
        ({"ab_stage": 50.0, "ab_gain": 0.0}, "rollout-bad-ab-gain"),
    ],
)
def test_steps_that_are_none(asked: dict[str, float], slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        RolloutParameters(**asked)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


def test_a_gain_in_what_is_not_measured_is_refused(log: pd.DataFrame) -> None:
    with pytest.raises(LlmopsError) as caught:
        draw_plan(log, replace(WITH_BOTH, ab_goal="cost"))
    assert (caught.value.slug, caught.value.exit_code) == ("rollout-no-goal", ExitCode.USAGE)
    with pytest.raises(LlmopsError) as caught:
        check_rollout(draw_plan(log, ASKED), State("x"), 0, Observed())
    assert "no shadow stage" in caught.value.message


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda it: it.update(alpha=1.5), "alpha"),
        (lambda it: it.update(alpha_per_stage=float("nan")), "alpha_per_stage"),
        (lambda it: it.update(baseline_calls=0), "baseline_calls"),
        (lambda it: it.update(requests_per_hour=float("inf")), "requests_per_hour"),
        (lambda it: it["guardrails"][0].update(name="colour"), "guardrails[0].name"),
        (lambda it: it["guardrails"].append(it["guardrails"][0]), "guardrails"),
        (lambda it: it["guardrails"][0].update(variance=-1), "guardrails[0].variance"),
        (lambda it: it["guardrails"][0].update(margin=0), "guardrails[0].margin"),
        (lambda it: it["guardrails"][0].update(coverage=0), "guardrails[0].coverage"),
        (lambda it: it["guardrails"][1].update(design_effect=0.5), "guardrails[1].design_effect"),
        (lambda it: it["guardrails"][2].update(ratio=1.0), "guardrails[2].ratio"),
        (lambda it: it["guardrails"][2].update(name="cost"), "guardrails[2]"),
        (lambda it: it["stages"][0].update(canary_requests=0), "stages[0].canary_requests"),
        (lambda it: it["stages"][1].update(maximum_s=-1), "stages[1].maximum_s"),
        (lambda it: it["stages"][1].update(compared_with="baseline"), "stages[1].compared_with"),
        (lambda it: it["stages"][2]["decisions"].pop(), "stages[2].decisions"),
        (lambda it: it["stages"][3]["goal"].update(guardrail="x"), "stages[3]"),
        (lambda it: it["stages"][3].update(shadow=True), "stages[3]"),
        (lambda it: it["shadow"].update(shadow=False), "shadow"),
        (lambda it: it["shadow"]["decisions"].clear(), "shadow"),
        (lambda it: it["shadow"].update(percent=0), "shadow.percent"),
    ],
)
def test_a_plan_edited_into_nonsense_is_refused_at_the_place(
    plan: Plan, change: Change, field: str
) -> None:
    document = yaml.safe_load(to_yaml(plan))
    change(document)
    with pytest.raises(LlmopsError) as caught:
        from_yaml(yaml.safe_dump(document), source="plan.yaml")
    assert (caught.value.slug, caught.value.file) == ("plan-invalid", "plan.yaml")
    assert caught.value.field == field
