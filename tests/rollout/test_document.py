"""The plan as a document: round trip, schema, and documents that are none."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jsonschema
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.rollout import Plan, RolloutParameters, draw_plan
from llmops_cli.rollout.document import from_yaml, plan_schema, to_yaml

Make = Callable[..., pd.DataFrame]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def plan(calls: Make) -> Plan:
    return draw_plan(calls())


def test_a_plan_survives_its_document(calls: Make, plan: Plan) -> None:
    text = to_yaml(plan)
    assert from_yaml(text) == plan
    assert to_yaml(draw_plan(calls())) == text


shares = st.floats(1e-9, 1.0, exclude_max=True)


@pytest.mark.slow
@settings(deadline=None)
@given(shares, shares, st.floats(1e-9, 1e15), st.integers(1, 2**53))
def test_any_number_survives_the_document(
    plan: Plan, alpha: float, power: float, rate: float, requests: int
) -> None:
    stage = replace(plan.stages[0], requests=requests, duration_high_s=None)
    changed = replace(
        plan, alpha=alpha, power=power, requests_per_hour=rate, stages=(stage, *plan.stages[1:])
    )
    assert from_yaml(to_yaml(changed)) == changed


def validate(document: object) -> None:
    jsonschema.validate(document, plan_schema(), cls=jsonschema.Draft202012Validator)


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(plan_schema())


@pytest.mark.parametrize(
    "given_",
    [
        RolloutParameters(),
        RolloutParameters(stages=(100,)),
        RolloutParameters(stages=(0.5, 12.5, 100), error_margin=0.2, minimum_stage_s=0),
    ],
)
def test_documents_obey_the_schema(calls: Make, given_: RolloutParameters) -> None:
    table = calls(evaluation_score=[None] * 4000) if len(given_.stages) == 1 else calls()
    document = yaml.safe_load(to_yaml(draw_plan(table, given_)))
    assert next(iter(document)) == "schema"
    validate(document)


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it["stages"][0].pop("requests"),
        lambda it: it.update(schema="llmops.rollout-plan/2"),
        lambda it: it.update(alpha=1.5),
        lambda it: it.update(extra=1),
        lambda it: it["stages"].clear(),
        lambda it: it["guardrails"][0].update(name="colour"),
        lambda it: it["stages"][0].update(percent=101),
    ],
)
def test_other_documents_do_not(plan: Plan, change: Change) -> None:
    document = yaml.safe_load(to_yaml(plan))
    change(document)
    with pytest.raises(jsonschema.ValidationError):
        validate(document)


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("a: [", "plan-not-yaml"),
        ("", "plan-schema-unknown"),
        ("schema: other/1", "plan-schema-unknown"),
        ("- 1", "plan-schema-unknown"),
        ("schema: llmops.rollout-plan/1", "plan-invalid"),
        ("schema: llmops.rollout-plan/1\nguardrails: [{name: x}]", "plan-invalid"),
    ],
)
def test_texts_that_are_no_plan_are_refused(text: str, slug: str) -> None:
    with pytest.raises(LlmopsError) as caught:
        from_yaml(text, source="plan.yaml")
    assert (caught.value.slug, caught.value.file) == (slug, "plan.yaml")
    assert caught.value.exit_code is ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda it: it["stages"][1].update(requests="many"), "stages[1].requests"),
        (lambda it: it["stages"][0]["decisions"][1].pop("guardrail"), "stages[0].decisions[1]"),
        (lambda it: it["stages"][2].update(color="red"), "stages[2].color"),
        (lambda it: it.update(margin=1), "margin"),
        (lambda it: it.update(guardrails=7), "guardrails"),
    ],
)
def test_the_place_of_a_fault_is_named(plan: Plan, change: Change, field: str) -> None:
    document = yaml.safe_load(to_yaml(plan))
    change(document)
    with pytest.raises(LlmopsError) as caught:
        from_yaml(yaml.safe_dump(document))
    assert (caught.value.slug, caught.value.field) == ("plan-invalid", field)
