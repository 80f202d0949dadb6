"""Logs looked at while they grow: the same stage in the end, however often one looked."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import check_rollout
from llmops_cli.errors import LlmopsError
from llmops_cli.report import Report
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.observed_log import calls_of_versions, sums_of_calls
from llmops_cli.rollout.state import State, fingerprint, from_json, to_json

Make = Callable[..., pd.DataFrame]

CALLS = 12_000
CANARY = ("request_model", "new")


@pytest.fixture(scope="module")
def plan(calls: Make) -> Plan:
    """A plan whose first stage the log below fills in its eighteenth hour."""
    table = calls(8000, evaluation_score=[None] * 8000, user_id=[f"u{i}" for i in range(8000)])
    margins = RolloutParameters(stages=(5, 50, 100), latency_margin=2.0, error_margin=0.06)
    return draw_plan(table, margins)


@pytest.fixture(scope="module", params=[0.0, 0.01, 0.12], ids=lambda worse: f"errors +{worse}")
def stage(request: pytest.FixtureRequest, calls: Make) -> pd.DataFrame:
    """A day at 5 %, and how much more often the new version fails."""
    draw = np.random.default_rng(3)
    new = draw.random(CALLS) < 0.05
    failed = draw.random(CALLS) < 0.02 + request.param * new
    return calls(
        CALLS,
        user_id=[f"u{i}" for i in range(CALLS)],
        request_model=np.where(new, "new", "old"),
        error_type=np.where(failed, "overloaded_error", None),
    )


def look(plan: Plan, state: State, log: pd.DataFrame) -> tuple[Report, State]:
    return check_rollout(plan, state, 5, sums_of_calls(log, plan, CANARY))


def word(report: Report) -> str:
    return report.headline.split(":")[0]


@pytest.mark.slow
@settings(max_examples=15)
@given(cuts=st.lists(st.integers(1, CALLS - 1), max_size=4).map(sorted))
def test_a_log_looked_at_while_it_grows_decides_as_the_whole_one(
    plan: Plan, stage: pd.DataFrame, cuts: list[int]
) -> None:
    once, straight = look(plan, State(fingerprint(plan)), stage)
    state, words = State(fingerprint(plan)), list[str]()
    for cut in [*cuts, CALLS]:
        report, state = look(plan, state, stage.iloc[:cut])
        state = from_json(to_json(state), plan, source="state")
        words.append(word(report))
    # An hour that is not over may already go back; all else is as if nobody had looked.
    assert words[-1] == ("ROLLBACK" if "ROLLBACK" in words else word(once))
    assert state.stages == straight.stages


def test_the_days_end_in_each_of_the_decisions(
    plan: Plan, stage: pd.DataFrame, request: pytest.FixtureRequest
) -> None:
    found, _ = look(plan, State(fingerprint(plan)), stage)
    worse = request.node.callspec.params["stage"]
    assert word(found) == {0.0: "PROMOTE", 0.01: "HOLD", 0.12: "ROLLBACK"}[worse]


def test_whoever_looks_at_every_call_goes_on_no_earlier_than_the_hour_is_over(
    plan: Plan, stage: pd.DataFrame
) -> None:
    new = (stage["request_model"] == "new").to_numpy(dtype=bool)
    full = int(np.flatnonzero(np.cumsum(new) >= plan.stages[0].canary_requests)[0])
    hour = stage["start_time"].dt.floor("h")
    over = int((hour <= hour.iloc[full]).to_numpy(dtype=bool).sum())
    for cut in range(full, over, max(1, (over - full) // 5)):
        report, _ = look(plan, State(fingerprint(plan)), stage.iloc[:cut])
        assert word(report) != "PROMOTE"
    after, _ = look(plan, State(fingerprint(plan)), stage.iloc[: over + 1])
    whole, _ = look(plan, State(fingerprint(plan)), stage)
    assert word(after) == word(whole)


def test_only_calls_since_a_moment_and_of_either_version(stage: pd.DataFrame) -> None:
    noon = "2026-09-01T12:00:00+00:00"
    both, others = calls_of_versions(stage, CANARY, "old", noon)
    assert others == 0
    assert len(both) == int((stage["start_time"] >= pd.Timestamp(noon)).sum())
    mine, others = calls_of_versions(stage, CANARY, "none-of-them")
    assert set(mine["request_model"]) == {"new"}
    assert len(mine) + others == len(stage)


def test_a_column_that_is_not_there(stage: pd.DataFrame) -> None:
    with pytest.raises(LlmopsError) as caught:
        calls_of_versions(stage, ("colour", "blue"), "green")
    assert caught.value.slug == "rollout-no-slice"
