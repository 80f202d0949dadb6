"""The whole answer: on any outcomes there is a report or a refusal, and its figures agree."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import simulate_tiers
from llmops_cli.errors import LlmopsError
from llmops_cli.report import Report
from llmops_cli.tiers import Outcomes, TierParameters
from llmops_cli.views import Look, render
from llmops_cli.views.json import parse

FORMATS = ("text", "markdown", "html", "junit", "github", "sarif")


LOOK = Look(color=False, width=100, explain=True, verbose=True)


@st.composite
def outcomes(draw: st.DrawFn) -> Outcomes:
    """Few rows with holes in them, ties, free models, clusters and unknown latencies."""
    n, m, classes = draw(st.integers(1, 60)), draw(st.integers(2, 4)), draw(st.integers(1, 3))
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    holes = draw(st.sampled_from([0.0, 0.0, 0.1, 0.6]))
    quality = random.choice([0.0, 0.5, 1.0], (n, m))
    cost = random.choice([0.0, 0.1, 2.0], (n, m))
    quality[random.random((n, m)) < holes] = np.nan
    cost[random.random((n, m)) < holes / 4] = np.nan
    late = random.choice([0.5, 3.0, np.nan], (n, m)) if draw(st.booleans()) else None
    return Outcomes(
        models=tuple(f"p{k % 2}/m{k}" for k in range(m)),
        quality=quality,
        cost_usd=cost,
        latency_s=late,
        task=random.integers(0, classes, n),
        tasks=tuple(f"t{k}" for k in range(classes)),
        cluster=np.arange(n) // draw(st.sampled_from([1, 3])),
    )


ASKED = (
    {},
    {"floor": 0.9, "evidence": "point"},
    {"floor": 0.9, "class_floor": 0.5, "fractional": True, "min_rows": 1},
    {"budget_usd": 300.0},
    {"budget_usd": float("inf"), "evidence": "point", "min_rows": 1},
    {"class_floor": 0.8, "evidence": "paired", "min_rows": 2},
    {"floor": 0.5, "max_p95_s": 1.0, "evidence": "point"},
    {"floor": 0.5, "capacity": (("p0/m0", 0.5),), "max_providers": 1, "evidence": "point"},
)


@pytest.mark.slow
@settings(max_examples=20)
@given(outcomes(), st.sampled_from(ASKED))
def test_a_report_or_a_refusal(found: Outcomes, asked: dict[str, object]) -> None:
    given_ = TierParameters(**asked, min_saving=0.1, max_quality_loss=0.05)  # type: ignore[arg-type]
    try:
        report = simulate_tiers(found, given_)
    except LlmopsError as error:
        slug = error.slug
    else:
        slug = ""
    if slug:
        assert slug.startswith("tiers-")
        return
    for name in FORMATS:
        assert render(report, name, LOOK)
    assert parse(render(report, "json", LOOK), "report").verdict == report.verdict
    plan = next(table for table in report.tables if table.name == "plan")
    assert len(plan.rows) == len(found.tasks)


def planted(n: int = 900) -> Outcomes:
    random = np.random.default_rng(1)
    task = np.arange(n) % 3
    large = random.random(n) < 0.9
    small = np.where(task == 0, large, random.random(n) < 0.5)
    return Outcomes(
        models=("small", "large"),
        quality=np.column_stack([small, large]).astype(np.float64),
        cost_usd=np.broadcast_to([0.001, 0.01], (n, 2)).copy(),
        latency_s=np.broadcast_to([0.5, 2.0], (n, 2)).copy(),
        task=task,
        tasks=("easy", "mid", "hard"),
        cluster=np.arange(n) // 3,
    )


def figures(report: Report) -> dict[str, float]:
    return {item.name: item.value for item in report.measures if item.value is not None}


def test_a_third_of_the_traffic_leaves_at_a_tenth_of_its_price() -> None:
    found = figures(simulate_tiers(planted()))
    assert found["saving"] == pytest.approx(0.3)
    assert found["quality_loss"] == pytest.approx(0)
    assert found["cost_usd_per_1000"] == pytest.approx(7.0)


def test_the_order_of_rows_and_models_does_not_matter() -> None:
    whole = planted()
    order = np.random.default_rng(2).permutation(len(whole))
    turned = replace(
        whole,
        models=whole.models[::-1],
        quality=whole.quality[order][:, ::-1],
        cost_usd=whole.cost_usd[order][:, ::-1],
        latency_s=None if whole.latency_s is None else whole.latency_s[order][:, ::-1],
        task=whole.task[order],
        cluster=whole.cluster[order],
    )
    one, other = (simulate_tiers(item) for item in (whole, turned))
    assert figures(one) == pytest.approx(figures(other))
    rows = [next(t for t in item.tables if t.name == "plan").rows for item in (one, other)]
    assert [row[2] for row in rows[0]] == [row[2] for row in rows[1]]


def test_a_limit_on_latency_is_met_by_the_share_of_slow_answers() -> None:
    # Only a third of the requests can be fast, so no p95 of a second can be reached at a floor.
    with pytest.raises(LlmopsError) as caught:
        simulate_tiers(planted(), TierParameters(class_floor=0.95, max_p95_s=1.0))
    assert caught.value.slug == "tiers-infeasible"
    found = figures(simulate_tiers(planted(), TierParameters(class_floor=0.95, max_p95_s=2.5)))
    assert found["slow_share"] == 0
    with pytest.raises(LlmopsError) as caught:
        simulate_tiers(
            replace(planted(), latency_s=None), TierParameters(class_floor=0.95, max_p95_s=1.0)
        )
    assert caught.value.slug == "tiers-no-latency"
