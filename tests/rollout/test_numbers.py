"""Plans from a handful of numbers: the same as from a log that has them, and what is refused."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from llmops_cli import plan_rollout
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Verdict
from llmops_cli.rollout import Numbers, RolloutParameters, draw_plan
from llmops_cli.rollout.cost import costs_usd
from llmops_cli.rollout.document import from_yaml, to_yaml
from llmops_cli.rollout.numbers import numbers_of

Make = Callable[..., pd.DataFrame]

KNOWN: dict[str, Any] = {
    "requests_per_day": 40_000,
    "error_rate": 0.02,
    "score_mean": 0.9,
    "latency_p50_s": 1.0,
    "latency_p95_s": 1.93,
    "cost_mean_usd": 0.01,
    "cost_sd_usd": 0.01,
}


@pytest.fixture(scope="module")
def log(calls: Make) -> pd.DataFrame:
    """A day of 40,000 calls of as many users: yes-and-no scores, lognormal latencies and costs."""
    n = 40_000
    tokens = np.exp(np.random.default_rng(5).normal(6, 0.6, n)).astype(int)
    return calls(
        n,
        user_id=[f"u{i}" for i in range(n)],
        request_model=["claude-haiku-4-5"] * n,
        provider_name=["anthropic"] * n,
        input_tokens=tokens,
        output_tokens=tokens // 4,
        tokens_estimated=[False] * n,
    )


def test_numbers_of_a_log_plan_as_the_log_does(log: pd.DataFrame) -> None:
    served = log[log["error_type"].isna()]
    usd = costs_usd(log)
    numbers = Numbers(
        requests_per_day=len(log),
        baseline_days=1,
        error_rate=float(log["error_type"].notna().mean()),
        score_mean=float(served["evaluation_score"].mean()),
        score_share=len(served) / len(log),
        latency_p50_s=float(served["duration_s"].quantile(0.5)),
        latency_p95_s=float(served["duration_s"].quantile(0.95)),
        cost_mean_usd=float(usd.mean()),
        cost_sd_usd=float(usd.std()),
    )
    asked = RolloutParameters(cost_margin=1.15, minimum_stage_s=0)
    measured, told = draw_plan(log, asked), draw_plan(numbers, asked)
    assert [g.name for g in told.guardrails] == [g.name for g in measured.guardrails]
    for one, other in zip(measured.stages, told.stages, strict=True):
        for a, b in zip(one.decisions, other.decisions, strict=True):
            # A hundred latencies more or less below the p95 make its margin: chance, squared.
            near = 0.25 if a.guardrail == "latency" else 0.02
            assert b.canary_requests == pytest.approx(a.canary_requests, rel=near), a.guardrail


def test_a_stage_lasts_as_long_as_its_requests_take_to_come() -> None:
    plan = draw_plan(Numbers(**KNOWN))
    for stage in plan.stages:
        evenly = 86_400 * stage.requests / 40_000
        assert stage.duration_s == pytest.approx(max(evenly, 3600), rel=1e-6)


def test_users_who_are_alike_stretch_the_plan_as_much() -> None:
    asked = RolloutParameters(minimum_stage_s=0)
    alone, alike = (draw_plan(Numbers(**KNOWN, design_effect=e), asked) for e in (1.0, 3.0))
    for one, other in zip(alone.stages, alike.stages, strict=True):
        assert other.canary_requests == pytest.approx(3 * one.canary_requests, rel=0.1)


def test_graded_scores_need_fewer_requests_than_yes_and_no() -> None:
    needs = [
        draw_plan(Numbers(**KNOWN, score_sd=sd)).stages[0].decisions[0].canary_requests
        for sd in (0.1, 0.3)
    ]
    binary = draw_plan(Numbers(**KNOWN)).stages[0].decisions[0].canary_requests
    assert needs[0] < needs[1] / 4
    assert needs[1] == pytest.approx(binary, rel=0.05)


def test_the_report_says_that_numbers_were_given() -> None:
    report = plan_rollout(Numbers(**KNOWN), RolloutParameters(max_days=1000, cost_margin=1.2))
    measures = {item.name: item for item in report.measures}
    assert measures["cost_usd"].value == 0.01
    for name in ("error_rate", "mean_score", "p95_s", "cost_usd"):
        assert (measures[name].low, measures[name].high) == (None, None)
        assert measures[name].method == "as given"
    assert report.verdict is Verdict.PASS
    slugs = {item.slug for item in report.findings}
    assert slugs == {"rollout-no-users"}


@pytest.mark.parametrize(
    ("days", "verdict"), [(1000, Verdict.PASS), (0.1, Verdict.FAIL), (None, Verdict.INCONCLUSIVE)]
)
def test_a_range_of_traffic_decides_the_gate(days: float | None, verdict: Verdict) -> None:
    numbers = Numbers(**KNOWN, requests_per_day_low=30_000, requests_per_day_high=50_000)
    planned = draw_plan(numbers).duration_s / 86_400
    report = plan_rollout(numbers, RolloutParameters(max_days=days or planned))
    assert report.verdict is verdict


def test_few_errors_are_planned_for_at_their_upper_end() -> None:
    known = KNOWN | {"error_rate": 0.0, "requests_per_day": 1000, "baseline_days": 1}
    errors = draw_plan(Numbers(**known)).guardrails[-1]
    assert errors.rare
    assert errors.planned_share > 0.002


def test_a_plan_of_numbers_survives_its_document_and_is_the_same_twice() -> None:
    plan = draw_plan(Numbers(**KNOWN), RolloutParameters(cost_margin=1.3))
    assert from_yaml(to_yaml(plan)) == plan
    assert to_yaml(draw_plan(Numbers(**KNOWN), RolloutParameters(cost_margin=1.3))) == to_yaml(plan)


@pytest.mark.parametrize(
    ("missing", "asked", "slug"),
    [
        ("score_mean", {"quality_margin": 0.02}, "rollout-no-quality"),
        ("latency", {"latency_margin": 1.2}, "rollout-no-latency"),
        ("cost", {"cost_margin": 1.2}, "rollout-no-cost"),
    ],
)
def test_a_margin_without_its_numbers_is_refused(
    missing: str, asked: dict[str, float], slug: str
) -> None:
    numbers = Numbers(**{k: v for k, v in KNOWN.items() if not k.startswith(missing)})
    with pytest.raises(LlmopsError) as caught:
        plan_rollout(numbers, RolloutParameters(**asked))
    assert caught.value.slug == slug
    if "cost_margin" not in asked:
        assert slug in {item.slug for item in plan_rollout(numbers).findings}


def test_a_ratio_of_too_few_errors_is_refused_of_numbers_too() -> None:
    known = KNOWN | {"error_rate": 0.001, "requests_per_day": 1000, "baseline_days": 1}
    with pytest.raises(LlmopsError) as caught:
        draw_plan(Numbers(**known), RolloutParameters(error_ratio=2))
    assert caught.value.slug == "rollout-few-errors"


@pytest.mark.parametrize(
    ("changed", "slug", "field"),
    [
        ({"requests_per_day": 0}, "rollout-bad-number", "requests_per_day"),
        ({"requests_per_day": "many"}, "rollout-bad-number", "requests_per_day"),
        ({"requests_per_day": None}, "rollout-no-traffic", "requests_per_day"),
        ({"requests_per_day_low": 50_000}, "rollout-bad-number", "requests_per_day_low"),
        ({"requests_per_day_high": 30_000}, "rollout-bad-number", "requests_per_day_high"),
        ({"error_rate": 1.0}, "rollout-bad-number", "error_rate"),
        ({"error_rate": -0.1}, "rollout-bad-number", "error_rate"),
        ({"error_rate": True}, "rollout-bad-number", "error_rate"),
        ({"error_rate": [0.1]}, "rollout-bad-number", "error_rate"),
        ({"score_mean": 1.2}, "rollout-bad-number", "score_mean"),
        ({"score_sd": 0.5}, "rollout-bad-number", "score_sd"),
        ({"latency_p95_s": 0.9}, "rollout-bad-number", "latency_p95_s"),
        ({"latency_p95_s": None}, "rollout-bad-number", "latency_p50_s"),
        ({"latency_p50_s": "nan"}, "rollout-bad-number", "latency_p50_s"),
        ({"design_effect": 0.5}, "rollout-bad-number", "design_effect"),
        ({"eror_rate": 0.1}, "rollout-unknown-number", "eror_rate"),
    ],
)
def test_numbers_that_are_refused(changed: dict[str, object], slug: str, field: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        numbers_of(KNOWN | changed, source="numbers.yaml")
    assert (caught.value.slug, caught.value.field) == (slug, field)
    assert caught.value.file == "numbers.yaml"
    assert caught.value.exit_code is ExitCode.BAD_INPUT


def test_all_requests_failing_leave_nothing_to_plan() -> None:
    with pytest.raises(LlmopsError) as caught:
        draw_plan(Numbers(**KNOWN | {"error_rate": 0.995}))
    assert caught.value.slug == "rollout-mostly-errors"
