"""Exports to Kubernetes obey the schemas their controllers publish, at every stage."""

import json
import math
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import jsonschema
import pytest
import yaml

from llmops_cli.exports import ROLLOUT_EXPORTS
from llmops_cli.exports.rollout_queries import measurable
from llmops_cli.rollout import Plan
from llmops_cli.rollout.manifest import read_manifest

Validate = Callable[[dict[str, Any]], None]

KINDS = {
    "argo": {"Rollout", "AnalysisTemplate"},
    "flagger": {"Canary", "MetricTemplate"},
    "http-route": {"HTTPRoute"},
    "envoy-ai-gateway": {"AIGatewayRoute", "AIServiceBackend"},
}
FREE = {"metadata", "plugins"}
"""Objects in which a server keeps whatever it is given."""


def manifests(name: str, plan: Plan) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(ROLLOUT_EXPORTS[name](plan).text))


def objects(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401 - any YAML value
    """Where in a manifest objects with named fields are."""
    if isinstance(value, dict):
        yield path
        for key, item in value.items():
            if key not in FREE:
                yield from objects(item, (*path, key))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from objects(item, (*path, place))


@pytest.mark.parametrize("name", KINDS)
def test_every_manifest_obeys_its_own_schema(name: str, plan: Plan, validate: Validate) -> None:
    found = manifests(name, plan)
    assert {item["kind"] for item in found} == KINDS[name]
    for manifest in found:
        validate(manifest)
        assert re.fullmatch(r"[a-z0-9]([-.a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"])


@pytest.mark.parametrize("name", KINDS)
def test_a_field_the_server_would_prune_is_refused_wherever_it_stands(
    name: str, usual: Plan, validate: Validate
) -> None:
    seen = set[str]()
    for manifest in manifests(name, usual):
        if manifest["kind"] in seen:
            continue
        seen.add(manifest["kind"])
        for path in objects(manifest):
            worse = deepcopy(manifest)
            place: Any = worse
            for step in path:
                place = place[step]
            place["unheardOf"] = 1
            with pytest.raises(jsonschema.ValidationError):
                validate(worse)
    assert seen == KINDS[name]


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("argo", ("spec", "strategy", "canary", "steps", 0, "setWeight"), "5"),
        ("flagger", ("spec", "analysis", "interval"), "1h"),
        ("flagger", ("spec", "provider"), "none"),
        ("http-route", ("spec", "rules", 0, "backendRefs", 0, "weight"), 1_000_001),
        ("envoy-ai-gateway", ("spec", "rules", 0, "backendRefs", 0, "weight"), -1),
    ],
)
def test_a_value_the_schema_excludes_is_refused(
    name: str, path: tuple[str | int, ...], value: object, usual: Plan, validate: Validate
) -> None:
    manifest = manifests(name, usual)[0]
    place: Any = manifest
    for step in path[:-1]:
        place = place[step]
    assert path[-1] in place
    place[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validate(manifest)


@pytest.mark.parametrize("name", ["http-route", "envoy-ai-gateway"])
def test_the_commands_in_the_head_lead_through_all_stages(
    name: str, plan: Plan, validate: Validate
) -> None:
    text = ROLLOUT_EXPORTS[name](plan).text
    route = next(yaml.safe_load_all(text))
    shares = [_share(route)]
    for command in re.findall(r"--type=json -p '(.*)'$", text, flags=re.MULTILINE):
        for change in json.loads(command):
            place: Any = route
            *steps, last = change["path"].strip("/").split("/")
            for step in steps:
                place = place[int(step) if step.isdigit() else step]
            assert last in place
            if change["op"] == "remove":
                del place[last]
            else:
                place[last] = change["value"]
        validate(route)
        shares.append(_share(route))
    copies = [0.0] if plan.shadow and name == "http-route" else []
    expected = [*copies, *(stage.percent for stage in plan.stages)]
    assert shares == pytest.approx(expected, rel=1e-4)
    assert "filters" not in route["spec"]["rules"][0]


def _share(route: dict[str, Any]) -> float:
    backends = route["spec"]["rules"][0]["backendRefs"]
    weights = {item["name"]: item["weight"] for item in backends}
    return 100 * weights["llm-app-canary"] / sum(weights.values())


def test_argo_names_only_templates_that_are_there(plan: Plan) -> None:
    rollout, *templates = manifests("argo", plan)
    steps = rollout["spec"]["strategy"]["canary"]["steps"]
    named = [step["analysis"]["templates"][0]["templateName"] for step in steps[1:]
             if "analysis" in step]  # fmt: skip
    assert named == [item["metadata"]["name"] for item in templates]
    for template in templates:
        assert [item["name"] for item in template["spec"]["args"]] == ["stable", "canary"]
        asked = set(re.findall(r"\{\{args\.(\w+)\}\}", json.dumps(template["spec"]["metrics"])))
        assert "canary" in asked <= {"stable", "canary"}


def test_argo_waits_as_long_as_the_plan_and_steps_through_its_stages(plan: Plan) -> None:
    rollout, *templates = manifests("argo", plan)
    steps = rollout["spec"]["strategy"]["canary"]["steps"]
    shares = [step["setWeight"] for step in steps if "setWeight" in step]
    assert shares == [max(1, round(stage.percent)) for stage in plan.stages]
    early = [item for item in templates if item["metadata"]["name"].endswith("-early")]
    for template, stage in zip(early, plan.stages, strict=True):
        for metric in template["spec"]["metrics"]:
            windows = int(metric["interval"].removesuffix("m")) * metric["count"]
            assert metric["initialDelay"] == metric["interval"]
            # Minutes are rounded up, once in each window.
            assert 60 * windows >= stage.duration_s
            longest = stage.duration_high_s or stage.duration_s
            spare = 1 + max(0.1, 3 / math.sqrt(stage.canary_requests))
            assert 1.1 * stage.duration_s <= 60 * windows <= spare * longest + 60 * 9


def test_flagger_takes_its_metrics_from_templates_that_are_there(plan: Plan) -> None:
    canary, *templates = manifests("flagger", plan)
    analysis = canary["spec"]["analysis"]
    named = [item["templateRef"]["name"] for item in analysis["metrics"]]
    assert named == [item["metadata"]["name"] for item in templates]
    assert len(named) == len(measurable(plan))
    gates = {item["type"] for item in analysis["webhooks"]}
    assert gates == {"confirm-traffic-increase", "confirm-promotion", "rollback"}


@pytest.mark.parametrize("name", ["argo", "flagger"])
def test_a_difference_between_versions_is_not_taken_for_an_error_rate(
    name: str, usual: Plan
) -> None:
    """Its limits would send every version back that has errors at all."""
    found = read_manifest(ROLLOUT_EXPORTS[name](usual).text, source="rollout.yaml")
    assert {rule.guardrail for rule in found.rules} == {"quality", "latency", "errors"}
    assert all(rule.difference for rule in found.rules)
