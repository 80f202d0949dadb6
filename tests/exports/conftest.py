"""Plans to export, and validators made of what each target publishes of its own format."""

from collections.abc import Callable
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pyarrow as pa
import pytest
import yaml

from llmops_cli.calls import COLUMNS, arrow_schema, from_arrow
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.boundary_choice import Boundaries
from llmops_cli.rollout.policy import Policy

Validate = Callable[[dict[str, Any]], None]

CRDS = {
    "Rollout": ("argo-rollout-crd.yaml", "argoproj.io/v1alpha1"),
    "AnalysisTemplate": ("argo-analysis-template-crd.yaml", "argoproj.io/v1alpha1"),
    "Canary": ("flagger-crd.yaml", "flagger.app/v1beta1"),
    "MetricTemplate": ("flagger-crd.yaml", "flagger.app/v1beta1"),
    "HTTPRoute": ("gateway-api-httproute-crd.yaml", "gateway.networking.k8s.io/v1"),
    "AIGatewayRoute": ("aigw-aigatewayroutes.yaml", "aigateway.envoyproxy.io/v1beta1"),
    "AIServiceBackend": ("aigw-aiservicebackends.yaml", "aigateway.envoyproxy.io/v1beta1"),
}


def make_plan(parameters: RolloutParameters, *, errors: float = 0.02, n: int = 8000) -> Plan:
    """Of a day of traffic with errors, latencies and scores that are sometimes between 0 and 1."""
    draw = np.random.default_rng(5)
    filled = {
        "call_id": [f"m{i}" for i in range(n)],
        "start_time": np.linspace(0, 86_400_000_000, n).astype(np.int64) + 1_788_249_600_000_000,
        "user_id": [f"u{i}" for i in draw.integers(0, 4000, n)],
        "error_type": np.where(draw.random(n) < errors, "overloaded_error", None),
        "duration_s": np.exp(draw.normal(0, 0.4, n)),
        "evaluation_score": np.round(draw.beta(9, 1, n), 1),
        "request_model": ["claude-haiku-4-5"] * n,
        "provider_name": ["anthropic"] * n,
        "input_tokens": draw.integers(500, 1500, n),
        "output_tokens": draw.integers(5, 50, n),
    }
    arrays = [
        pa.array(filled.get(column.name, [None] * n), type=column.type, from_pandas=True)
        for column in COLUMNS
    ]
    return draw_plan(from_arrow(pa.table(arrays, schema=arrow_schema())), parameters)


PLANS = {
    "usual": (RolloutParameters(), 0.02),
    "rare errors": (RolloutParameters(error_margin=0.005), 0.0005),
    "fractions": (RolloutParameters(stages=(0.5, 12.5, 33.333, 100)), 0.02),
    "all at once": (RolloutParameters(stages=(100,)), 0.02),
    "shadow and gain": (
        RolloutParameters(shadow=12.5, shadow_quality=True, ab_stage=50, ab_gain=0.03),
        0.02,
    ),
    "ratios and a policy": (
        RolloutParameters(
            error_ratio=1.5,
            cost_margin=1.2,
            max_stage_s=(30 * 86_400.0,),
            boundaries=Boundaries(harm="pocock", benefit="obrien-fleming"),
            policy=Policy(
                at_maximum="abort",
                no_data="rollback",
                consecutive_looks=2,
                on_harm="pause",
                watch_s=3 * 86_400.0,
            ),
        ),
        0.04,
    ),
}


@cache
def plan_of(name: str) -> Plan:
    parameters, errors = PLANS[name]
    return make_plan(parameters, errors=errors)


@pytest.fixture(params=list(PLANS))
def plan(request: pytest.FixtureRequest) -> Plan:
    """Plans of every kind."""
    return plan_of(request.param)


@pytest.fixture(scope="session")
def named_plan() -> Callable[[str], Plan]:
    """One of them."""
    return plan_of


@pytest.fixture(scope="session")
def usual() -> Plan:
    """The default plan."""
    return plan_of("usual")


@pytest.fixture(scope="session")
def validate(public_data: Path) -> Validate:
    """Hold a manifest against the schema of its kind, as a server that refuses unknown fields."""

    @cache
    def validator(kind: str, version: str) -> jsonschema.Draft4Validator:
        file, group_version = CRDS[kind]
        assert version == group_version, f"{version} is not the {group_version} we know"
        crd = _crd(public_data / "schemas" / file, kind)
        name = group_version.split("/")[1]
        found = next(item for item in crd["spec"]["versions"] if item["name"] == name)
        assert found["served"]
        assert not found.get("deprecated")
        return jsonschema.Draft4Validator(strict(found["schema"]["openAPIV3Schema"]))

    def check(manifest: dict[str, Any]) -> None:
        validator(manifest["kind"], manifest["apiVersion"]).validate(manifest)

    return check


@cache
def _documents(path: Path) -> list[Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return list(yaml.load_all(path.read_text("utf-8"), Loader=loader))


def _crd(path: Path, kind: str) -> dict[str, Any]:
    return next(
        item
        for item in _documents(path)
        if item and item["kind"] == "CustomResourceDefinition"
        and item["spec"]["names"]["kind"] == kind
    )  # fmt: skip


def strict(schema: dict[str, Any]) -> dict[str, Any]:
    """A structural schema as JSON Schema in which what the server would prune is an error."""
    found = deepcopy(schema)
    _tighten(found)
    return found


def _tighten(schema: dict[str, Any]) -> None:
    free = schema.get("x-kubernetes-preserve-unknown-fields", False)
    if schema.pop("x-kubernetes-int-or-string", False):
        schema.pop("type", None)
        schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    # Formats and defaults are no demands on what is written.
    for name in [key for key in schema if key.startswith("x-kubernetes-")]:
        del schema[name]
    schema.pop("format", None)
    schema.pop("default", None)
    if "properties" in schema and not free:
        schema.setdefault("additionalProperties", False)
    inner = list(schema.get("properties", {}).values())
    inner += [schema[key] for key in ("items", "additionalProperties")
              if isinstance(schema.get(key), dict)]  # fmt: skip
    for item in inner:
        _tighten(item)
