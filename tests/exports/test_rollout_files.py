"""What every export of a rollout plan owes: warnings, the same bytes, shares that add up."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from referencing import Registry, Resource

from llmops_cli.exports import ROLLOUT_EXPORTS
from llmops_cli.exports.rollout_file import weights
from llmops_cli.rollout import Plan
from llmops_cli.rollout.document import from_yaml, to_yaml

UNSAID = {
    "argo": ("fixed limits", "sample ratio", "every request", "bucket", "standard metric"),
    "flagger": ("no hold", "100 %", "sample ratio", "not kept on one version", "standard metric"),
    "http-route": ("No guardrail", "every request"),
    "flagd": ("No guardrail", "targetingKey"),
    "litellm": ("No guardrail", "every request", "retry", "cooldown"),
    "envoy-ai-gateway": ("No guardrail", "every request", "prompt"),
    "github": ("two scripts", "come late"),
}
"""Words of what each target cannot express."""


@pytest.mark.parametrize("name", ROLLOUT_EXPORTS)
def test_what_a_target_cannot_say_is_in_its_warnings_and_in_the_head_of_its_file(
    name: str, plan: Plan
) -> None:
    export = ROLLOUT_EXPORTS[name](plan)
    head = " ".join(line[1:].strip() for line in comments(export.text))
    said = " ".join(export.warnings)
    for warning in export.warnings:
        assert f"- {warning}" in head
    expected = UNSAID[name]
    if name == "argo" and plan.guardrails[0].name != "quality":
        expected = expected[:-1]
    for words in expected:
        assert words in said


def comments(text: str) -> Iterator[str]:
    for line in text.splitlines():
        if not line.startswith("#"):
            return
        yield line


@pytest.mark.parametrize("name", ROLLOUT_EXPORTS)
def test_the_same_plan_gives_the_same_bytes_also_from_its_document(name: str, plan: Plan) -> None:
    text = ROLLOUT_EXPORTS[name](plan).text
    assert ROLLOUT_EXPORTS[name](from_yaml(to_yaml(plan))).text == text
    assert not re.search(r"20\d\d-\d\d", text), "a date"


@pytest.mark.parametrize("name", ["argo", "flagger"])
def test_a_target_of_whole_percents_says_which_stages_it_moved(name: str, plan: Plan) -> None:
    moved = [stage.percent for stage in plan.stages if stage.percent != int(stage.percent)]
    said = " ".join(ROLLOUT_EXPORTS[name](plan).warnings)
    assert ("whole percents" in said) is bool(moved)
    for percent in moved:
        assert f"{percent:g} % is {max(1, round(percent))} %" in said


@given(st.integers(1, 1_000_000))
def test_weights_are_whole_small_and_the_very_share(parts: int) -> None:
    percent = parts / 10_000
    control, canary = weights(percent)
    assert canary / (control + canary) == pytest.approx(percent / 100, rel=1e-12)
    assert 0 <= control <= control + canary <= 1_000_000
    if parts % 10_000 == 0:
        assert control + canary == 100


def live(name: str, plan: Plan) -> dict[str, Any]:
    return yaml.safe_load(ROLLOUT_EXPORTS[name](plan).text)


@pytest.fixture(scope="session")
def flags(public_data: Path) -> jsonschema.Draft7Validator:
    """The schema of flagd's files; it refers to that of targeting rules."""
    found = [
        yaml.safe_load((public_data / "schemas" / name).read_text("utf-8"))
        for name in ("flagd-flags.json", "flagd-targeting.json")
    ]
    known = [(item["$id"], Resource.from_contents(item)) for item in found]
    registry: Registry[Any] = Registry().with_resources(known)
    # By its name, so that what it refers to is sought beside it.
    return jsonschema.Draft7Validator({"$ref": found[0]["$id"]}, registry=registry)


def test_the_flag_obeys_flagds_schema_and_keeps_users(
    plan: Plan, flags: jsonschema.Draft7Validator
) -> None:
    document = live("flagd", plan)
    flags.validate(document)
    flag = document["flags"]["llm-app"]
    key, first, second = flag["targeting"]["fractional"]
    assert key == {"cat": [{"var": "$flagd.flagKey"}, {"var": "targetingKey"}]}
    # The first bucket grows in place: who is in it stays in it.
    assert [first[0], second[0]] == ["canary", "stable"]
    assert {first[0], second[0]} == set(flag["variants"])
    assert flag["defaultVariant"] == "stable"
    shares = [100 * first[1] / (first[1] + second[1])]
    text = ROLLOUT_EXPORTS["flagd"](plan).text
    for canary, stable in re.findall(r'\["canary", (\d+)\], \["stable", (\d+)\]', text):
        first[1], second[1] = int(canary), int(stable)
        flags.validate(document)
        shares.append(100 * first[1] / (first[1] + second[1]))
    assert shares == pytest.approx([stage.percent for stage in plan.stages], rel=1e-4)


@pytest.mark.parametrize("weight", [-5, 2.5, "5"])
def test_flagds_schema_refuses_weights_that_are_not_whole(
    weight: object, usual: Plan, flags: jsonschema.Draft7Validator
) -> None:
    document = live("flagd", usual)
    document["flags"]["llm-app"]["targeting"]["fractional"][1][1] = weight
    with pytest.raises(jsonschema.ValidationError):
        flags.validate(document)


def test_litellm_draws_from_one_group_by_the_weights_of_the_first_stage(plan: Plan) -> None:
    config = live("litellm", plan)
    assert set(config) == {"model_list", "router_settings"}
    assert {item["model_name"] for item in config["model_list"]} == {"llm-app"}
    weight = {
        item["model_info"]["id"]: item["litellm_params"]["weight"] for item in config["model_list"]
    }
    share = 100 * weight["canary"] / sum(weight.values())
    assert share == pytest.approx(plan.stages[0].percent, rel=1e-4)
    assert config["router_settings"]["routing_strategy"] == "simple-shuffle"


BOTH = ("2 times in a row", "pauses on harm", "watch of 3 days", "is a ratio", "tells cost")
POLICY = {
    "argo": ("Pocock boundary", "promote at 4 looks", "forgiven", *BOTH),
    "flagger": BOTH,
}
"""Of a plan with ratio margins and a policy of its own."""


@pytest.mark.parametrize("name", POLICY)
def test_a_policy_and_margins_that_a_target_cannot_say_are_warned_of(
    name: str, named_plan: Callable[[str], Plan]
) -> None:
    said = " ".join(ROLLOUT_EXPORTS[name](named_plan("ratios and a policy")).warnings)
    usual = " ".join(ROLLOUT_EXPORTS[name](named_plan("usual")).warnings)
    for words in POLICY[name]:
        assert words in said
        assert words not in usual


def test_a_stage_that_is_never_given_up_is_warned_of_and_one_that_is_is_not(
    named_plan: Callable[[str], Plan],
) -> None:
    for name, expected in (("usual", True), ("ratios and a policy", False)):
        said = " ".join(ROLLOUT_EXPORTS["github"](named_plan(name)).warnings)
        assert ("holds for ever" in said) is expected


def test_argo_gives_an_undecided_stage_up_where_the_plan_does(
    named_plan: Callable[[str], Plan],
) -> None:
    for name, given_up in (("usual", False), ("ratios and a policy", True)):
        found = yaml.safe_load_all(ROLLOUT_EXPORTS["argo"](named_plan(name)).text)
        templates = [item for item in found if item["kind"] == "AnalysisTemplate"]
        ends = [item for item in templates if item["metadata"]["name"].endswith("-end")]
        for metric in (metric for item in ends for metric in item["spec"]["metrics"]):
            # Argo fails what is no success where nothing says what a failure is.
            assert ("failureCondition" not in metric) is given_up
            assert "successCondition" in metric
        metrics = [metric for item in templates for metric in item["spec"]["metrics"]]
        blips = {metric.get("failureLimit", 0) for metric in metrics}
        assert blips == ({0, 1} if given_up else {0})


@pytest.mark.parametrize("name", ROLLOUT_EXPORTS)
def test_copies_are_made_or_warned_of(name: str, named_plan: Callable[[str], Plan]) -> None:
    export = ROLLOUT_EXPORTS[name](named_plan("shadow and gain"))
    warned = "shadow stage is not in it" in " ".join(export.warnings)
    assert warned is (name not in {"http-route", "github"})
    assert "shadow" in export.text
    assert "shadow" not in ROLLOUT_EXPORTS[name](named_plan("usual")).text


def test_a_gain_that_argo_does_not_ask_for_is_warned_of(named_plan: Callable[[str], Plan]) -> None:
    said = " ".join(ROLLOUT_EXPORTS["argo"](named_plan("shadow and gain")).warnings)
    assert "50 % goes on only with a gain of quality" in said


def test_a_route_mirrors_the_shadow_stage_and_its_first_patch_ends_that(
    named_plan: Callable[[str], Plan],
) -> None:
    text = ROLLOUT_EXPORTS["http-route"](named_plan("shadow and gain")).text
    rule = yaml.safe_load(text)["spec"]["rules"][0]
    mirror = rule["filters"][0]["requestMirror"]
    assert mirror["fraction"] == {"numerator": 1, "denominator": 8}
    assert mirror["backendRef"]["name"] == rule["backendRefs"][1]["name"]
    assert [backend["weight"] for backend in rule["backendRefs"]] == [1, 0]
    patches = [line for line in text.splitlines() if "kubectl patch" in line]
    assert len(patches) == 5
    assert [('"op":"remove"' in line) for line in patches] == [True, *[False] * 4]
