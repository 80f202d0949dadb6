"""The policy of a plan: time limits, silence, blips, pausing, and the watch at 100 %."""

from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from hashlib import sha256
from json import dumps
from operator import add
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli import check_rollout
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Report, Verdict
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.decision import in_a_row
from llmops_cli.rollout.document import from_yaml, to_yaml
from llmops_cli.rollout.observed import CANARY, CONTROL, Cell, Observed, Sums
from llmops_cli.rollout.policy import Policy
from llmops_cli.rollout.state import State, fingerprint, from_json, to_json

Make = Callable[..., pd.DataFrame]

START = datetime(2026, 9, 1, tzinfo=UTC)
HOUR_S = 3600.0
WINDOWS = 12


@pytest.fixture(scope="module")
def drawn(calls: Make) -> Plan:
    """A plan that guards errors and latency; its stages take what they need."""
    table = calls(8000, evaluation_score=[None] * 8000, user_id=[f"u{i}" for i in range(8000)])
    return draw_plan(table, RolloutParameters(latency_margin=1.5, error_margin=0.03))


def with_policy(plan: Plan, maximum_h: float | None = None, **policy: Any) -> Plan:  # noqa: ANN401
    maximum = None if maximum_h is None else HOUR_S * maximum_h
    stages = tuple(replace(stage, maximum_s=maximum) for stage in plan.stages)
    return replace(plan, stages=stages, policy=Policy(**policy))


def moment(hour: float) -> str:
    return (START + timedelta(hours=hour)).isoformat()


def hour_of(
    plan: Plan, hour: int, part: float = 1 / WINDOWS, *, place: int = 0, worse: float = 0.0
) -> Observed:
    """An hour that brings a part of a stage, exactly as expected or with so many more errors."""
    stage, cells = plan.stages[place], dict[Cell, Sums]()
    canary = -(-stage.canary_requests * part // 1)
    control = canary * (100 - stage.percent) / stage.percent
    for variant, n in ((CANARY, canary), (CONTROL, control)):
        for item in plan.guardrails:
            more = worse if (variant, item.name) == (CANARY, "errors") else 0.0
            bad = n * item.coverage * (item.bad_share + more)
            if n:
                cells[moment(hour), variant, item.name] = Sums(n * item.coverage, bad, bad)
    return Observed(cells)


def word(report: Report) -> str:
    return report.headline.split(":")[0]


def look(plan: Plan, *parts: Observed, percent: float = 5.0) -> Report:
    return check_rollout(plan, State(fingerprint(plan)), percent, reduce(add, parts))[0]


@pytest.mark.parametrize(
    ("at_maximum", "hours", "word_then", "word_later"),
    [
        ("hold", 6, "HOLD", "HOLD"),
        ("abort", 6, "ROLLBACK", "ROLLBACK"),
        # Extended by as long again, the requests come in.
        ("extend", 6, "HOLD", "PROMOTE"),
    ],
)
def test_a_stage_that_lasts_as_long_as_it_may(
    drawn: Plan, at_maximum: str, hours: float, word_then: str, word_later: str
) -> None:
    # A few errors more than today: not worse, and with half of the requests not shown better.
    plan = with_policy(drawn, hours, at_maximum=at_maximum)
    every = [hour_of(plan, hour, worse=0.012 if hour < 6 else 0.0) for hour in range(WINDOWS + 1)]
    assert word(look(plan, *every[:6])) == "HOLD"
    report = look(plan, *every[:7])
    assert word(report) == word_then
    if at_maximum != "extend":
        assert "as long as it may and errors is not shown better" in report.headline
    assert word(look(plan, *every)) == word_later


def test_at_the_limit_what_is_in_may_be_enough(drawn: Plan) -> None:
    # Ten of twelve parts, and not one error more: shown, with the risk that the plan allows.
    plan = with_policy(drawn, 10.0, at_maximum="abort")
    parts = [hour_of(plan, hour, worse=-0.01) for hour in range(11)]
    assert word(look(plan, *parts[:10])) == "HOLD"
    assert word(look(plan, *parts)) == "PROMOTE"


def test_the_limit_passes_without_data_where_somebody_says_when_it_is(drawn: Plan) -> None:
    plan = with_policy(drawn, 6.0, at_maximum="abort")
    early = hour_of(plan, 0)
    assert word(look(plan, early)) == "HOLD"
    assert word(look(plan, early, Observed(as_of=moment(5.9)))) == "HOLD"
    assert word(look(plan, early, Observed(as_of=moment(6.0)))) == "ROLLBACK"


def test_harm_after_the_limit_still_goes_back(drawn: Plan) -> None:
    plan = with_policy(drawn, 2.0, at_maximum="hold")
    fine = [hour_of(plan, hour, worse=0.012) for hour in range(3)]
    bad = [hour_of(plan, hour, worse=0.2) for hour in range(3, 12)]
    assert word(look(plan, *fine, *bad)) == "ROLLBACK"


@pytest.mark.parametrize(("no_data", "said"), [("hold", "HOLD"), ("rollback", "ROLLBACK")])
def test_a_new_version_that_falls_silent(drawn: Plan, no_data: str, said: str) -> None:
    plan = with_policy(drawn, no_data=no_data, no_data_after_s=3 * HOUR_S)
    heard = [hour_of(plan, hour) for hour in range(3)]
    alone = [
        Observed({c: s for c, s in hour_of(plan, hour).cells.items() if c[1] == CONTROL})
        for hour in range(3, 8)
    ]
    assert word(look(plan, *heard, *alone[:3])) == "HOLD"
    report = look(plan, *heard, *alone)
    assert word(report) == said
    # Nothing of either version: by the clock of whoever asks.
    assert word(look(plan, *heard, Observed(as_of=moment(5.5)))) == "HOLD"
    assert word(look(plan, *heard, Observed(as_of=moment(6.0)))) == said
    # Never heard of at all.
    assert word(look(plan, *alone)) == said
    assert ("nothing was heard" in report.headline) is (no_data == "rollback")


def test_silence_after_a_promotion_undoes_nothing(drawn: Plan) -> None:
    plan = with_policy(drawn, no_data="rollback", no_data_after_s=3 * HOUR_S)
    full = [hour_of(plan, hour, 1 / 6) for hour in range(6)]
    assert word(look(plan, *full, Observed(as_of=moment(100)))) == "PROMOTE"


@pytest.mark.parametrize(("looks", "said"), [(1, "ROLLBACK"), (3, "HOLD"), (2, "ROLLBACK")])
def test_harm_must_be_found_so_many_times_in_a_row(drawn: Plan, looks: int, said: str) -> None:
    plan = with_policy(drawn, consecutive_looks=looks)
    # Two hours of harm, then so many good requests that nothing of it is left.
    blip = [hour_of(plan, hour, 0.06, worse=0.3) for hour in range(2)]
    good = hour_of(plan, 2, 3.0)
    assert (word(look(plan, *blip, good)) == "ROLLBACK") is (said == "ROLLBACK")
    # An hour without the new version confirms nothing.
    gone = [
        Observed({c: s for c, s in hour_of(plan, hour).cells.items() if c[1] == CONTROL})
        for hour in range(2, 9)
    ]
    assert word(look(plan, *blip, *gone)) == said


@given(
    st.lists(st.booleans(), min_size=1, max_size=30),
    st.integers(1, 6),
)
def test_in_a_row_is_a_count(found: list[bool], consecutive: int) -> None:
    run, expected = 0, list[bool]()
    for item in found:
        run = run + 1 if item else 0
        expected.append(run >= consecutive)
    assert in_a_row(np.array([found]), consecutive).tolist() == [expected]


def test_a_plan_that_pauses_leaves_what_is_worse_to_a_person(drawn: Plan) -> None:
    plan = with_policy(drawn, on_harm="pause")
    bad = reduce(add, [hour_of(plan, hour, worse=0.2) for hour in range(WINDOWS)])
    report, state = check_rollout(plan, State(fingerprint(plan)), 5, bad)
    assert (word(report), report.verdict) == ("HOLD", Verdict.INCONCLUSIVE)
    assert "errors is worse: paused" in report.headline
    assert {item.slug for item in report.findings} == {"rollout-paused"}
    assert "a person" in report.checks[0].needed
    assert (state.paused, state.rolled_back) == (5.0, None)
    # It stays so, whatever comes later and at whatever stage.
    state = from_json(to_json(state), plan, source="state")
    good = reduce(add, [hour_of(plan, 24 + hour, place=1) for hour in range(WINDOWS + 1)])
    later, state = check_rollout(plan, state, 10, good)
    assert (word(later), state.paused) == ("HOLD", 5.0)
    assert "paused" in later.headline


def at_full(plan: Plan, hours: range, worse: float = 0.0, part: float = 1 / 4) -> list[Observed]:
    return [hour_of(plan, hour, part, place=4, worse=worse) for hour in hours]


def test_the_watch_after_everybody_has_it(drawn: Plan) -> None:
    plan = with_policy(drawn, watch_s=10 * HOUR_S)
    good = at_full(plan, range(5))  # full, and shown good, at the fourth hour
    assert word(look(drawn, *good, percent=100)) == "PROMOTE"
    report = look(plan, *good, percent=100)
    assert word(report) == "HOLD"
    assert "the watch" in report.headline
    bad = at_full(plan, range(6, 9), worse=0.5)
    assert word(look(plan, *good, *bad, percent=100)) == "ROLLBACK"
    # Until it is over, and not after.
    calm = at_full(plan, range(5, 14), part=0.01)
    assert word(look(plan, *good, *calm, percent=100)) == "PROMOTE"
    late = at_full(plan, range(14, 18), worse=0.5)
    assert word(look(plan, *good, *calm, *late, percent=100)) == "PROMOTE"
    assert word(look(plan, *good, Observed(as_of=moment(13)), percent=100)) == "PROMOTE"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_rollout_interrupted_anywhere_obeys_its_policy_as_one_that_was_not(
    drawn: Plan, data: st.DataObject
) -> None:
    plan = with_policy(
        drawn,
        data.draw(st.sampled_from([None, 3.0, 8.0])),
        at_maximum=data.draw(st.sampled_from(["hold", "extend", "abort"])),
        no_data=data.draw(st.sampled_from(["hold", "rollback"])),
        no_data_after_s=2 * HOUR_S,
        consecutive_looks=data.draw(st.integers(1, 3)),
        on_harm=data.draw(st.sampled_from(["rollback", "pause"])),
        watch_s=data.draw(st.sampled_from([0.0, 4 * HOUR_S])),
    )
    place = data.draw(st.sampled_from([0, 4]))
    percent = plan.stages[place].percent
    pieces = list[Observed]()
    for hour in range(WINDOWS):
        part = data.draw(st.sampled_from([0.0, 1 / WINDOWS, 0.3]))
        worse = data.draw(st.sampled_from([0.0, 0.0, 0.02, 0.2]))
        piece = hour_of(plan, hour, part, place=place, worse=worse)
        pieces.append(piece + Observed(as_of=moment(hour + 1)))
    at_once, _ = check_rollout(plan, State(fingerprint(plan)), percent, reduce(add, pieces))
    cuts = data.draw(st.lists(st.integers(1, WINDOWS - 1), unique=True, max_size=4).map(sorted))
    state, report = State(fingerprint(plan)), at_once
    for first, last in zip([0, *cuts], [*cuts, WINDOWS], strict=True):
        state = from_json(to_json(state), plan, source="state")
        report, state = check_rollout(plan, state, percent, reduce(add, pieces[first:last]))
    assert (word(report), report.verdict) == (word(at_once), at_once.verdict)
    assert report.parameters["decided_at"] == at_once.parameters["decided_at"]


@pytest.mark.parametrize(
    ("asked", "slug"),
    [
        ({"at_maximum": "wait"}, "rollout-bad-at-maximum"),
        ({"no_data": "ignore"}, "rollout-bad-no-data"),
        ({"on_harm": "shout"}, "rollout-bad-on-harm"),
        ({"consecutive_looks": 0}, "rollout-bad-consecutive-looks"),
        ({"no_data_after_s": float("nan")}, "rollout-bad-no-data-hours"),
        ({"watch_s": -1.0}, "rollout-bad-watch-days"),
    ],
)
def test_policies_that_nobody_can_obey(asked: dict[str, Any], slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        Policy(**asked)
    assert (caught.value.slug, caught.value.exit_code) == (slug, ExitCode.USAGE)


@pytest.mark.parametrize(
    "changed", [{"at_maximum": "wait"}, {"consecutive_looks": 0}, {"watch": 1}, "hold"]
)
def test_a_document_with_such_a_policy_is_refused_there(drawn: Plan, changed: Any) -> None:  # noqa: ANN401
    document = yaml.safe_load(to_yaml(drawn))
    document["policy"] = changed
    with pytest.raises(LlmopsError) as caught:
        from_yaml(yaml.safe_dump(document))
    assert caught.value.slug == "plan-invalid"
    assert caught.value.field.startswith("policy")
    assert caught.value.exit_code is ExitCode.BAD_INPUT


def without(value: Any, *names: str) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {key: without(item, *names) for key, item in value.items() if key not in names}
    return [without(item, *names) for item in value] if isinstance(value, list | tuple) else value


def test_a_plan_and_a_state_of_before_policies_still_belong_together(drawn: Plan) -> None:
    document = yaml.safe_load(to_yaml(drawn))
    del document["policy"], document["boundaries"], document["shadow"]
    for stage in document["stages"]:
        del stage["maximum_s"], stage["goal"], stage["shadow"]
        for item in stage["decisions"]:
            for name in ("detects", "catches", "passes"):
                del item[name]
    for item in document["guardrails"]:
        for name in ("ratio", "unit_usd", "least_requests"):
            del item[name]
    old = from_yaml(yaml.safe_dump(document))
    assert old.policy == Policy()
    # What the first version of this package wrote: the hash of every field that it knew.
    told = without(asdict(old), "policy", "boundaries", "shadow", "maximum_s", "goal")
    told = without(told, "detects", "catches", "passes")
    told = without(told, "ratio", "unit_usd", "least_requests")
    known = sha256(dumps(told, sort_keys=True).encode()).hexdigest()[:32]
    assert fingerprint(old) == known
    state = {"schema": "llmops.rollout-state/1", "plan": known, "rolled_back": None}
    assert from_json(dumps({**state, "open": {}, "stages": {}}), old, source="s") == State(known)
    changed = replace(old, policy=Policy(on_harm="pause"))
    assert fingerprint(changed) != known
    assert asdict(from_yaml(to_yaml(changed))) == asdict(changed)
