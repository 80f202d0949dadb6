"""The path of a running stage: evidence and harm window by window, as the decision has them."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from llmops_cli import check_rollout
from llmops_cli.report import Report, Series
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.observed import CANARY, CONTROL, Cell, Observed, Sums
from llmops_cli.rollout.state import State, fingerprint
from llmops_cli.views import render

Make = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def plan(calls: Make) -> Plan:
    """A plan that guards errors and latency."""
    table = calls(8000, evaluation_score=[None] * 8000, user_id=[f"u{i}" for i in range(8000)])
    return draw_plan(table, RolloutParameters(latency_margin=1.5, error_margin=0.03))


def seen(plan: Plan, worse: float, windows: int = 10) -> Observed:
    """The first stage, even traffic; errors worse by so much."""
    cells, stage = dict[Cell, Sums](), plan.stages[0]
    n = -(-stage.canary_requests // 10)
    for hour in range(windows):
        for variant, requests in ((CANARY, n), (CONTROL, 19 * n)):
            for item in plan.guardrails:
                harm = worse if (variant, item.name) == (CANARY, "errors") else 0.0
                bad = (item.bad_share + harm) * requests * item.coverage
                window = f"2026-09-01T{hour:02d}:00:00+00:00"
                cells[window, variant, item.name] = Sums(requests * item.coverage, bad, bad)
    return Observed(cells)


def checked(plan: Plan, observed: Observed) -> Report:
    return check_rollout(plan, State(fingerprint(plan)), 5, observed)[0]


def curves(report: Report) -> dict[str, Series]:
    return {item.name: item for item in report.series}


def test_evidence_crosses_its_limit_at_the_window_that_decided(plan: Plan) -> None:
    report = checked(plan, seen(plan, 0.06))
    found = curves(report)
    path, limit = found["evidence_errors"], found["evidence_limit"]
    crossed = next(i for i, y in enumerate(path.y) if (y or 0) >= 1)
    assert report.parameters["decided_at"] == f"2026-09-01T{crossed:02d}:00:00+00:00"
    assert set(limit.y) == {1.0}
    assert limit.chart == path.chart == found["evidence_latency"].chart
    assert max(y or 0 for y in found["evidence_latency"].y) < 1


def test_the_last_point_is_where_the_guardrail_stands(plan: Plan) -> None:
    report = checked(plan, seen(plan, 0.0))
    table = next(item for item in report.tables if item.name == "guardrails")
    for row in table.rows:
        name, harm, _, high, margin, evidence = row[:6]
        found = curves(report)
        assert found[f"evidence_{name}"].y[-1] == pytest.approx(evidence)
        if f"{name}_harm" in found:
            assert found[f"{name}_harm"].y[-1] == pytest.approx(harm)
            assert found[f"{name}_harm_high"].y[-1] == pytest.approx(high)
            assert found[f"{name}_harm_margin"].y[-1] == pytest.approx(margin)
    told = [name for name in curves(report) if name.endswith("_harm")]
    assert len(told) == 1


def test_a_stage_goes_on_where_the_upper_bound_lies_below_the_margin(plan: Plan) -> None:
    report = checked(plan, seen(plan, 0.0))
    assert report.headline.startswith("PROMOTE")
    for item in report.series:
        if item.name.endswith("_harm_high"):
            margin = curves(report)[item.name.replace("_high", "_margin")]
            assert (item.y[-1] or 0) < (margin.y[-1] or 0)
            assert (item.y[0] or 0) > (margin.y[0] or 0)


def test_many_windows_are_thinned_and_the_last_stays(plan: Plan) -> None:
    cells = dict[Cell, Sums]()
    hours = pd.date_range("2026-09-01", periods=1500, freq="h", tz="UTC")
    for hour in hours:
        for variant, n in ((CANARY, 1), (CONTROL, 19)):
            for item in plan.guardrails:
                cells[hour.isoformat(), variant, item.name] = Sums(n, 0.0, 0.0)
    report = checked(plan, Observed(cells))
    path = curves(report)["evidence_errors"]
    assert len(path.x) <= 400
    assert path.x[-1] == 1500
    assert list(path.x) == sorted(np.unique([x or 0 for x in path.x]))


def test_nothing_seen_draws_nothing(plan: Plan) -> None:
    assert checked(plan, Observed({})).series == ()


def test_the_boundary_is_drawn_in_the_page_and_in_the_terminal(plan: Plan) -> None:
    report = checked(plan, seen(plan, 0.06))
    page, text = render(report, "html"), render(report, "text")
    assert "Evidence of harm: 1 goes back" in page
    assert page.count('class="curve curve-2"') >= 2  # a line and its legend
    assert "goes back" in text
    assert any(bar in text for bar in "▂▃▄▅▆▇█")
