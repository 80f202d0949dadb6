"""Manifests as people write them: guards, percent, templates not filled in, and plain mistakes."""

from contextlib import suppress
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.manifest import Manifest, read_manifest
from llmops_cli.rollout.manifest_conditions import Limit, limit_of_condition, limit_of_range

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
        ("success-rate", "result[0] >= 0.95", "", 0.05, False),
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
        ("error-rate", "result[0] < 1", "", 0.01, False),
    ],
)
def test_the_guards_of_the_manual_say_what_no_requests_mean(
    name: str, success: str, failure: str, bound: float, *, empty_fails: bool
) -> None:
    assert limit_of_condition(name, success, failure) == Limit(pytest.approx(bound), empty_fails)


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
    steps = [*PAUSED[:2], {"analysis": {"templates": []}}, {"experiment": {}}]
    found = read(argo(steps=steps, canary={"analysis": {"startingStep": 2}}, count=5))
    named = ("startingStep", "analysis as a step", "experiment", "count")
    assert len(found.left_out) == len(named)
    assert all(
        any(words.startswith(name) or name in words for words in found.left_out) for name in named
    )


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
