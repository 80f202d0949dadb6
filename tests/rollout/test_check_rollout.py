"""Stages as they run: decisions, the state between looks, and the data both are made of."""

import json
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import reduce
from operator import add

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import check_rollout
from llmops_cli.errors import LlmopsError
from llmops_cli.report import Report, Verdict
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.model import Stage
from llmops_cli.rollout.observed import CANARY, CONTROL, USERS, Cell, Observed, Sums
from llmops_cli.rollout.observed_csv import read_sums
from llmops_cli.rollout.observed_log import sums_of_calls
from llmops_cli.rollout.observed_prometheus import read_query
from llmops_cli.rollout.state import State, fingerprint, from_json, to_json

Make = Callable[..., pd.DataFrame]

WINDOWS = 12


@pytest.fixture(scope="module")
def plan(calls: Make) -> Plan:
    """A plan that guards errors and latency."""
    table = calls(8000, evaluation_score=[None] * 8000, user_id=[f"u{i}" for i in range(8000)])
    return draw_plan(table, RolloutParameters(latency_margin=1.5, error_margin=0.03))


def stage_data(plan: Plan, stage: Stage, worse: float = 0.0, *, seed: int = 0) -> Observed:
    """A stage of twelve hourly windows; ``worse`` more errors on the new version."""
    draw, cells = np.random.default_rng(seed), dict[Cell, Sums]()
    canary = -(-stage.canary_requests // WINDOWS)
    sizes = {CANARY: canary, CONTROL: round(canary * (100 - stage.percent) / stage.percent)}
    for hour in range(WINDOWS):
        window = f"2026-09-0{1 + plan.stages.index(stage)}T{hour:02d}:00:00+00:00"
        for variant, n in sizes.items():
            for item in plan.guardrails:
                share = item.bad_share + (
                    worse if (variant, item.name) == (CANARY, "errors") else 0
                )
                seen = max(1, round(n * item.coverage)) if n else 0
                bad = float(draw.binomial(seen, share))
                cells[window, variant, item.name] = Sums(seen, bad, bad)
    return Observed(cells)


def new(plan: Plan) -> State:
    return State(fingerprint(plan))


def windows(seen: Observed) -> list[Observed]:
    return [
        Observed({cell: sums for cell, sums in seen.cells.items() if cell[0] == window})
        for window in seen.windows
    ]


def word(report: Report) -> str:
    return report.headline.split(":")[0]


def test_a_good_change_walks_through_all_stages(plan: Plan) -> None:
    state = new(plan)
    for stage in plan.stages:
        report, state = check_rollout(plan, state, stage.percent, stage_data(plan, stage))
        assert (word(report), report.verdict) == ("PROMOTE", Verdict.PASS), stage.percent


def test_a_bad_change_goes_back_at_the_first_stage(plan: Plan) -> None:
    first = plan.stages[0]
    report, state = check_rollout(plan, new(plan), 5, stage_data(plan, first, 0.06))
    assert (word(report), report.verdict) == ("ROLLBACK", Verdict.FAIL)
    assert "errors is worse" in report.headline
    # What went back stays back: at any stage, with any data.
    for data in (stage_data(plan, plan.stages[1]), Observed()):
        report, _ = check_rollout(plan, state, 10, data)
        assert (word(report), report.verdict) == ("ROLLBACK", Verdict.FAIL)


def test_a_change_that_turns_bad_at_full_traffic_goes_back_there(plan: Plan) -> None:
    last = plan.stages[-1]
    report, _ = check_rollout(plan, new(plan), 100, stage_data(plan, last, 0.06))
    assert word(report) == "ROLLBACK"


def test_a_stage_that_is_not_over_holds(plan: Plan) -> None:
    part = reduce(add, windows(stage_data(plan, plan.stages[0]))[:5])
    report, _ = check_rollout(plan, new(plan), 5, part)
    assert (word(report), report.verdict) == ("HOLD", Verdict.INCONCLUSIVE)
    assert "more requests" in report.checks[0].needed


def test_no_data_and_a_missing_arm_hold(plan: Plan) -> None:
    report, state = check_rollout(plan, new(plan), 5, Observed())
    assert word(report) == "HOLD"
    assert "no data" in report.headline
    whole = stage_data(plan, plan.stages[0], 0.06)
    alone = Observed({cell: sums for cell, sums in whole.cells.items() if cell[1] == CANARY})
    report, _ = check_rollout(plan, state, 5, alone)
    assert word(report) == "HOLD"
    assert {item.slug for item in report.findings} == {"rollout-arm-missing"}


def test_a_split_that_is_off_holds_whatever_the_metrics_say(plan: Plan) -> None:
    whole = stage_data(plan, plan.stages[0])
    window = whole.windows[0]
    users = {(window, CANARY, USERS): Sums(400), (window, CONTROL, USERS): Sums(4600)}
    report, _ = check_rollout(plan, new(plan), 5, whole + Observed(users))
    assert word(report) == "HOLD"
    assert {item.slug for item in report.findings} == {"rollout-sample-ratio"}
    assert "a sound split" in report.checks[0].needed
    sound = {(window, CANARY, USERS): Sums(250), (window, CONTROL, USERS): Sums(4750)}
    report, _ = check_rollout(plan, new(plan), 5, whole + Observed(sound))
    assert word(report) == "PROMOTE"


def test_a_stage_the_plan_does_not_have(plan: Plan) -> None:
    with pytest.raises(LlmopsError) as caught:
        check_rollout(plan, new(plan), 33, Observed())
    assert caught.value.slug == "rollout-no-such-stage"


@settings(max_examples=40)
@given(data=st.data(), worse=st.sampled_from([0.0, 0.02, 0.06]), seed=st.integers(0, 20))
def test_a_rollout_interrupted_anywhere_decides_as_one_that_was_not(
    plan: Plan, data: st.DataObject, worse: float, seed: int
) -> None:
    pieces = windows(stage_data(plan, plan.stages[0], worse, seed=seed))
    at_once, _ = check_rollout(plan, new(plan), 5, reduce(add, pieces))
    cuts = data.draw(st.lists(st.integers(1, WINDOWS - 1), unique=True, max_size=4).map(sorted))
    state, report = new(plan), at_once
    for first, last in zip([0, *cuts], [*cuts, WINDOWS], strict=True):
        # As a process does that ends: through the file.
        state = from_json(to_json(state), plan, source="state")
        report, state = check_rollout(plan, state, 5, reduce(add, pieces[first:last]))
    assert word(report) == word(at_once)
    assert report.parameters["stage"] == at_once.parameters["stage"]


@settings(max_examples=40)
@given(data=st.data())
def test_late_repeated_and_disordered_windows_make_the_same_state(
    plan: Plan, data: st.DataObject
) -> None:
    pieces = windows(stage_data(plan, plan.stages[0]))
    order = data.draw(st.permutations(range(WINDOWS)))
    again = data.draw(st.lists(st.integers(0, WINDOWS - 1), max_size=6))
    state = new(plan)
    for place in [*order, *again]:
        _, state = check_rollout(plan, state, 5, pieces[place])
    _, straight = check_rollout(plan, new(plan), 5, reduce(add, pieces))
    assert to_json(state) == to_json(straight)


def test_the_fuller_account_of_a_window_counts(plan: Plan) -> None:
    cell: Cell = ("2026-09-01T00:00:00+00:00", CANARY, "errors")
    early, late = Observed({cell: Sums(10, 1, 1)}), Observed({cell: Sums(12, 1, 1)})
    assert (early + late).cells == (late + early).cells == {cell: Sums(12, 1, 1)}
    assert (late + late).cells == late.cells
    del plan


def test_the_latest_open_window_is_the_open_one() -> None:
    early, late = Observed({}, "2026-09-01"), Observed({}, "2026-09-02")
    assert (early + late).open == (late + early).open == (late + Observed()).open == "2026-09-02"


@pytest.mark.parametrize(("short", "said"), [(0, "PROMOTE"), (1, "HOLD")])
def test_a_stage_is_full_at_the_very_request_that_the_plan_names(
    plan: Plan, short: int, said: str
) -> None:
    n = plan.stages[0].canary_requests - short
    cells = {
        ("2026-09-01", variant, item.name): Sums(math.floor(size * item.coverage))
        for variant, size in ((CANARY, n), (CONTROL, 19 * n))
        for item in plan.guardrails
    }
    report, _ = check_rollout(plan, new(plan), 5, Observed(cells))
    assert word(report) == said


def test_whole_numbers_decide_as_fractions_of_the_same_value_do(plan: Plan) -> None:
    n = plan.stages[0].canary_requests
    cells: dict[Cell, Sums] = {
        ("2026-09-01", variant, item.name): Sums(size, 0, 0)
        for variant, size in ((CANARY, 2 * n), (CONTROL, 38 * n))
        for item in plan.guardrails
    }
    as_floats = {cell: Sums(float(sums.n), 0.0, 0.0) for cell, sums in cells.items()}
    for seen in (cells, as_floats):
        assert word(check_rollout(plan, new(plan), 5, Observed(seen))[0]) == "PROMOTE"


def test_a_window_in_parts_is_named(plan: Plan) -> None:
    whole = stage_data(plan, plan.stages[0])
    report, state = check_rollout(plan, new(plan), 5, whole)
    again, _ = check_rollout(plan, state, 5, whole)
    assert not {item.slug for item in (*report.findings, *again.findings)}
    part = Observed({cell: replace(sums, n=sums.n - 1) for cell, sums in whole.cells.items()})
    report, after = check_rollout(plan, state, 5, part)
    assert {item.slug: item.count for item in report.findings} == {
        "rollout-window-in-parts": WINDOWS
    }
    assert after == state


def test_a_clock_that_goes_back_is_refused(plan: Plan) -> None:
    first, second = plan.stages[:2]
    _, state = check_rollout(plan, new(plan), second.percent, stage_data(plan, second))
    # Late data of the stage before are no such thing.
    _, both = check_rollout(plan, state, first.percent, stage_data(plan, first))
    cell: Cell = ("2026-09-30T00:00:00+00:00", CANARY, "errors")
    with pytest.raises(LlmopsError) as caught:
        check_rollout(plan, both, first.percent, Observed({cell: Sums(1)}))
    assert caught.value.slug == "rollout-clock-back"


def test_what_went_back_stays_back_for_the_same_reason(plan: Plan) -> None:
    first = plan.stages[0]
    report, state = check_rollout(plan, new(plan), 5, stage_data(plan, first, 0.06))
    again, after = check_rollout(plan, state, 5, Observed())
    assert (again.headline, after) == (report.headline, state)


def test_a_split_that_breaks_later_undoes_no_rollback(plan: Plan) -> None:
    bad = stage_data(plan, plan.stages[0], 0.06)
    for window, undone in ((bad.windows[0], True), (bad.windows[-1], False)):
        users = {(window, CANARY, USERS): Sums(400), (window, CONTROL, USERS): Sums(4600)}
        report, _ = check_rollout(plan, new(plan), 5, bad + Observed(users))
        assert word(report) == ("HOLD" if undone else "ROLLBACK")


def test_a_state_belongs_to_its_plan(plan: Plan) -> None:
    text = to_json(new(plan))
    other = replace(plan, alpha=0.01)
    with pytest.raises(LlmopsError) as caught:
        from_json(text, other, source="rollout.json")
    assert (caught.value.slug, caught.value.file) == ("state-other-plan", "rollout.json")


def a_state(**changed: object) -> str:
    whole = {"plan": "x", "rolled_back": None, "open": {}, "stages": {}}
    return json.dumps({"schema": "llmops.rollout-state/1", **whole, **changed})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[1]",
        '{"schema": "other"}',
        a_state(schema="llmops.rollout-state/2"),
        a_state(more=1),
        a_state(stages={"5": [["w", "canary", "errors", "many", 1, 1]]}),
    ],
)
def test_what_is_no_state(plan: Plan, text: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        from_json(text, plan, source="rollout.json")
    assert caught.value.slug == "state-invalid"


@pytest.mark.parametrize("percent", ["7", "x", "nan"])
def test_a_state_of_stages_that_the_plan_has_not(plan: Plan, percent: str) -> None:
    text = a_state(plan=fingerprint(plan), stages={percent: []})
    with pytest.raises(LlmopsError) as caught:
        from_json(text, plan, source="rollout.json")
    assert caught.value.slug == "state-invalid"


HEADER = "window,variant,metric,requests,total"


def lines(*rows: str, header: str = HEADER) -> Iterable[str]:
    return [header, *rows]


def test_sums_come_from_a_csv(plan: Plan) -> None:
    seen = read_sums(
        lines(
            "2026-09-01T02:00:00+02:00,canary,errors,100,3",
            "2026-09-01T00:00:00Z,control,errors,1900,40",
            "2026-09-01T00:00:00,canary,users,50,",
        ),
        plan,
        source="sums.csv",
    )
    window = "2026-09-01T00:00:00+00:00"
    assert seen.cells == {
        (window, CANARY, "errors"): Sums(100, 3, 3),
        (window, CANARY, USERS): Sums(50),
        (window, CONTROL, "errors"): Sums(1900, 40, 40),
    }


@pytest.mark.parametrize(
    ("row", "slug", "field"),
    [
        ("2026-09-01T00:00,blue,errors,10,1", "rollout-unknown-variant", "variant"),
        ("2026-09-01T00:00,canary,colour,10,1", "rollout-unknown-metric", "metric"),
        ("2026-09-01T00:00,canary,quality,10,1", "rollout-unknown-metric", "metric"),
        ("yesterday,canary,errors,10,1", "sums-bad-row", "window"),
        ("2026-09-01T00:00,canary,errors,nan,1", "sums-bad-row", "requests"),
        ("2026-09-01T00:00,canary,errors,10,-1", "sums-bad-row", "total"),
        ("2026-09-01T00:00,canary,errors,10,11", "sums-bad-row", "total"),
        ("2026-09-01T00:00,canary,errors,10", "sums-bad-row", "total"),
        ("2026-09-01T00:00,canary,errors,1e300,1", "sums-bad-row", "requests"),
        ("2026-09-01T00:00,canary,errors,1,000,1", "sums-bad-row", ""),
    ],
)
def test_rows_that_are_refused(plan: Plan, row: str, slug: str, field: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        read_sums(lines("2026-09-01T00:00,canary,errors,9,1", row), plan, source="sums.csv")
    assert (caught.value.slug, caught.value.field, caught.value.line) == (slug, field, 3)


def test_a_csv_without_its_columns(plan: Plan) -> None:
    with pytest.raises(LlmopsError) as caught:
        read_sums(lines(header="window,variant"), plan, source="sums.csv")
    assert caught.value.slug == "sums-no-header"


def test_sums_of_a_log_agree_with_counting(plan: Plan, calls: Make) -> None:
    n = 3000
    table = calls(n, request_model=["new" if i % 20 == 0 else "old" for i in range(n)])
    seen = sums_of_calls(table, plan, ("request_model", "new"))
    failed = table["error_type"].notna().to_numpy(dtype=bool)
    hours = table["start_time"].dt.floor("h")
    for variant, name in ((CANARY, "new"), (CONTROL, "old")):
        mine = (table["request_model"] == name).to_numpy(dtype=bool)
        for hour in hours.unique():
            here = mine & (hours == hour).to_numpy(dtype=bool)
            key = pd.Timestamp(hour).isoformat()
            if here.any():
                sums = seen.cells[key, variant, "errors"]
                assert (sums.n, sums.total) == (here.sum(), (here & failed).sum())
        users = sum(s.n for c, s in seen.cells.items() if c[1:] == (variant, USERS))
        assert users == table["user_id"][mine].nunique()


def test_a_log_seen_hour_by_hour_is_the_log(plan: Plan, calls: Make) -> None:
    table = calls(2000, request_model=["new" if i % 2 else "old" for i in range(2000)])
    whole = sums_of_calls(table, plan, ("request_model", "new"))
    part = sums_of_calls(table.iloc[:700], plan, ("request_model", "new"))
    assert (part + whole).cells == whole.cells


def series(variant: str, field: str, *values: tuple[float, str], metric: str = "errors") -> object:
    labels = {"variant": variant, "metric": metric, "field": field}
    return {"metric": labels, "values": [list(pair) for pair in values]}


def answer(*result: object, status: str = "success") -> str:
    return json.dumps({"status": status, "data": {"resultType": "matrix", "result": result}})


def test_sums_come_from_a_prometheus_query(plan: Plan) -> None:
    text = answer(
        series("canary", "requests", (1788249600, "100"), (1788253200, "0"), (1788256800, "50")),
        series("canary", "total", (1788249600, "3"), (1788253200, "NaN")),
        series("control", "requests", (1788249600, "1900")),
        series("control", "total", (1788249600, "40")),
    )
    seen = read_query(text, plan, source="query.json")
    first, third = "2026-09-01T08:00:00+00:00", "2026-09-01T10:00:00+00:00"
    assert seen.cells == {
        (first, CANARY, "errors"): Sums(100, 3, 3),
        (third, CANARY, "errors"): Sums(50, 0, 0),
        (first, CONTROL, "errors"): Sums(1900, 40, 40),
    }


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("{", "prometheus-not-an-answer"),
        ("{}", "prometheus-not-an-answer"),
        (answer(status="error"), "prometheus-failed"),
        (answer({"metric": {"variant": "canary"}, "values": []}), "prometheus-no-label"),
        (answer(series("green", "requests", (1, "5"))), "rollout-unknown-variant"),
        (answer(series("canary", "requests", (1, "5"), metric="x")), "rollout-unknown-metric"),
    ],
)
def test_answers_that_are_refused(plan: Plan, text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        read_query(text, plan, source="query.json")
    assert (caught.value.slug, caught.value.file) == (slug, "query.json")
