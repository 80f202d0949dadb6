"""Manifests as people write them: guards, percent, templates not filled in, and plain mistakes."""

from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.manifest import Manifest, read_manifest
from llmops_cli.rollout.manifest_conditions import (
    Limit,
    least_requests,
    limit_of_condition,
    limit_of_range,
)

PAUSED = [{"setWeight": 5}, {"pause": {"duration": "10m"}}, {"setWeight": 100}]


def argo(steps: Any = PAUSED, canary: dict[str, Any] | None = None, **metric: Any) -> str:  # noqa: ANN401 - any YAML value
    strategy = {"canary": {"steps": steps, **(canary or {})}}
    given = {"name": "error-rate", "successCondition": "result[0] <= 0.03", **metric}
    return yaml.safe_dump_all(
        [
            {"kind": "Rollout", "spec": {"strategy": strategy}},
            {"kind": "AnalysisTemplate", "spec": {"metrics": [given]}},
        ]
    )


def flagger(**analysis: Any) -> str:  # noqa: ANN401 - any YAML value
    metric = {"name": "error-rate", "thresholdRange": {"max": 3}}
    given = {"interval": "1m", "stepWeights": [5], "metrics": [metric], **analysis}
    return yaml.safe_dump({"kind": "Canary", "spec": {"analysis": given}})


def read(text: str) -> Manifest:
    return read_manifest(text, source="rollout.yaml")


@pytest.mark.parametrize(
    ("name", "success", "failure", "bound", "empty_fails"),
    [
        ("success-rate", "default(result[0], 1) >= 0.95", "", 0.05, False),
        ("success-rate", "default(result[0], 0) >= 0.95", "", 0.05, True),
        ("success-rate", "default(result, 0) >= 95", "", 0.05, True),
        ("error-rate", "len(result) == 0 || result[0] < 0.03", "", 0.03, False),
        ("error-rate", "isNaN(result[0]) || result[0] < 0.03", "", 0.03, False),
        ("error-rate", "len(result) > 0 && result[0] < 3", "", 0.03, True),
        ("error-rate", "!isNaN(result[0]) && result[0] < .03", "", 0.03, True),
        ("error-rate", "", "len(result) == 0 || result[0] > 0.03", 0.03, True),
        ("error-rate", "", "len(result) > 0 && result[0] > 0.03", 0.03, False),
        ("error-rate", "", "default(result[0], 1) > 0.03", 0.03, True),
    ],
)
def test_the_guards_of_the_manual_say_what_no_requests_mean(
    name: str, success: str, failure: str, bound: float, *, empty_fails: bool
) -> None:
    assert limit_of_condition(name, success, failure) == Limit(pytest.approx(bound), empty_fails)


@pytest.mark.parametrize(
    ("success", "failure"),
    [
        ("result[0] >= 0.95", ""),
        ("result[0] < 1", ""),
        ("", "result[0] > 0.03"),
        ("result[0] < 0.01", "len(result) == 0 || result[0] > 0.03"),
    ],
)
def test_a_condition_without_a_guard_errs_where_there_is_no_result(
    success: str, failure: str
) -> None:
    limit = limit_of_condition("success" if ">=" in success else "error", success, failure)
    assert limit is not None
    assert limit.empty_errs
    assert not limit.empty_fails


@pytest.mark.parametrize(
    ("metric", "ends"),
    [
        ({}, True),
        ({"consecutiveErrorLimit": 4, "interval": "30s"}, False),
        ({"consecutiveErrorLimit": 1000}, False),
        ({"successCondition": "len(result) == 0 || result[0] <= 0.03"}, False),
    ],
)
def test_errors_of_an_empty_window_end_an_argo_analysis_unless_it_may_have_many(
    metric: dict[str, Any], *, ends: bool
) -> None:
    assert read(argo(**metric)).rules[0].empty_ends is ends


@pytest.mark.parametrize(
    ("name", "success"),
    [
        ("error-rate", "result[0] >= 0.03"),
        ("success-rate", "result[0] <= 0.03"),
        ("latency", "result[0] <= 0.03"),
        ("error-rate", "result[0] < 1.2.3"),
        ("error-rate", "result[0] < 0.03 && result[1] < 0.03"),
        ("error-rate", "all(result, # < 0.03)"),
        ("error-rate", ""),
    ],
)
def test_what_is_no_bound_of_errors_is_not_taken_for_one(name: str, success: str) -> None:
    assert limit_of_condition(name, success, "") is None


@pytest.mark.parametrize(
    ("name", "ends", "bound"),
    [
        ("error-rate", (None, 1.0), 0.01),
        ("error-rate", (None, 0.02), 0.02),
        ("request-success-rate", (99.0, None), 0.01),
        ("request-success-rate", (0.99, None), 0.01),
        ("availability", (None, 99.0), None),
        ("request-duration", (None, 500.0), None),
    ],
)
def test_percent_and_shares_are_told_apart(
    name: str, ends: tuple[float | None, float | None], bound: float | None
) -> None:
    found = limit_of_range(name, *ends)
    assert (found and found.bound) == (bound and pytest.approx(bound))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (argo(steps=[{"setWeight": "{{weight}}"}]), "setWeight"),
        (argo(steps=[{"setWeight": 5}, {"pause": "10m"}]), "pause"),
        (argo(steps=[{"setWeight": 5}, {"pause": {"duration": "soon"}}]), "duration"),
        (argo(steps="none"), "steps"),
        (argo(steps=[1, 2]), "steps"),
        (argo(failureLimit="{{args.limit}}"), "failureLimit"),
        (argo(interval="often"), "interval"),
        (flagger(threshold="few"), "threshold"),
        (flagger(threshold=float("nan")), "threshold"),
        (flagger(stepWeights={"a": 1}), "stepWeights"),
        (flagger(stepWeights=["a"]), "stepWeights"),
        (flagger(metrics=[{"name": "error-rate", "thresholdRange": 3}]), "thresholdRange"),
        (flagger(metrics=[{"name": "error-rate", "thresholdRange": {"max": "m"}}]), "max"),
        ("{kind: Canary, spec: {analysis: [1]}}", "analysis"),
        ("{kind: Canary, spec: text}", "spec"),
    ],
)
def test_a_field_of_the_wrong_kind_is_named(text: str, field: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        read(text)
    assert (caught.value.slug, caught.value.field) == ("manifest-bad-field", field)
    assert caught.value.file == "rollout.yaml"


def test_durations() -> None:
    for text, seconds in (("1h30m", 5400.0), ("90", 90.0), (90, 90.0), ("1.5m", 90.0)):
        steps = [{"setWeight": 5}, {"pause": {"duration": text}}]
        assert read(argo(steps=steps)).steps == ((0.05, seconds),)


def test_a_threshold_of_none_is_the_default_of_one() -> None:
    assert read(flagger(threshold=0)).rules[0].strikes == 1


def test_what_is_not_rehearsed_is_named() -> None:
    gate = {"type": "confirm-promotion", "name": "gate", "url": "http://gate"}
    assert read(argo(steps=[*PAUSED[:2], {"experiment": {}}])).left_out == ("experiment as a step",)
    assert read(flagger(webhooks=[gate])).left_out == (
        "gates that hold a step until somebody opens them, taken as 3600 s",
    )


def test_an_analysis_beside_the_steps_begins_at_its_starting_step() -> None:
    steps = [{"setWeight": 5}, {"pause": {}}, {"setWeight": 25}, {"pause": {}}]
    for start, first in ((0, 0), (1, 0), (2, 1), (3, 1), (9, 2)):
        found = read(argo(steps=steps, canary={"analysis": {"startingStep": start}}))
        assert found.rules[0].first_step == first


def test_an_analysis_that_is_a_step_looks_at_its_weight_and_holds_it() -> None:
    """Three checks, ten minutes apart, from twenty minutes on; then a pause of five."""
    look = {"analysis": {"templates": [{"templateName": "look"}]}}
    pause = {"pause": {"duration": "5m"}}
    rollout = yaml.safe_load(argo(steps=[{"setWeight": 5}, look, pause]).split("---")[0])
    metric = {"name": "error-rate", "failureCondition": "result[0] > 0.1", "interval": "10m"}
    metric |= {"initialDelay": "20m", "count": 3, "failureLimit": 1}
    other = {"name": "error-rate", "failureCondition": "result[0] > 0.2"}
    templates = [
        {"kind": "AnalysisTemplate", "metadata": {"name": name}, "spec": {"metrics": [item]}}
        for name, item in (("look", metric), ("beside", other))
    ]
    found = read(yaml.safe_dump_all([rollout, *templates]))
    assert found.steps == ((0.05, 20 * 60 + 2 * 600 + 300.0),)
    beside, inside = found.rules
    assert (beside.step, beside.bound) == (None, 0.2)
    assert (inside.step, inside.count, inside.delay_s, inside.strikes) == (0, 3, 1200.0, 2)


@pytest.mark.parametrize(
    ("success", "failure", "pauses_above", "empty"),
    [
        ("result[0] < 0.01", "result[0] > 0.03", 0.01, (False, False)),
        ("len(result) > 0 && result[0] < 0.01", "len(result) > 0 && result[0] > 0.03", 0.01,
         (False, True)),
        ("len(result) == 0 || result[0] < 0.01", "len(result) > 0 && result[0] > 0.03", 0.01,
         (False, False)),
        ("", "result[0] > 0.03", None, (False, False)),
    ],
)  # fmt: skip
def test_what_meets_neither_condition_pauses(
    success: str, failure: str, pauses_above: float | None, empty: tuple[bool, bool]
) -> None:
    limit = limit_of_condition("error-rate", success, failure)
    assert limit is not None
    assert (limit.bound, limit.pauses_above) == (0.03, pauses_above)
    assert (limit.empty_fails, limit.empty_pauses) == empty


def test_a_window_of_flagger_is_what_its_metric_looks_back_on() -> None:
    metric = {"name": "error-rate", "interval": "5m", "thresholdRange": {"max": 3}}
    rule = read(flagger(metrics=[metric])).rules[0]
    assert (rule.interval_s, rule.window_s) == (60.0, 300.0)


def test_the_least_requests_of_our_own_queries_are_read() -> None:
    query = "(a\n  - b)\nand sum(increase(c[5m])) >= 120\nand sum(increase(d[5m])) > 0\n"
    assert least_requests("harm-errors", query) == 120
    assert least_requests("harm-errors", f"({query}) or vector(0)\n") == 120
    # What another query asks for may be anything.
    assert least_requests("error-rate", query) == 1


KEYS = ["kind", "spec", "strategy", "canary", "analysis", "steps", "metrics", "setWeight", "pause"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 200) | st.sampled_from(["Canary", "x", "5m"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*KEYS, "stepWeights", "interval", "name"]), inner)
    ),
    max_leaves=15,
)


@given(inner=ANYTHING, place=st.sampled_from(["Canary", "Rollout"]))
def test_no_manifest_is_a_crash(inner: object, place: str) -> None:
    analysis = {"analysis": inner, "strategy": {"canary": inner}}
    with suppress(LlmopsError):
        read(yaml.safe_dump({"kind": place, "spec": analysis}))


@given(kind=ANYTHING, inner=ANYTHING)
def test_no_template_beside_a_rollout_is_a_crash(kind: object, inner: object) -> None:
    rollout = {"kind": "Rollout", "spec": {"strategy": {"canary": {"steps": [{"setWeight": 5}]}}}}
    with suppress(LlmopsError):
        read(yaml.safe_dump_all([rollout, {"kind": kind, "spec": {"metrics": inner}}]))
