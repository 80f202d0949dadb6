"""The plan document: written, read back, refused where it is none."""

from datetime import date

import numpy as np
import pytest
import yaml
from jsonschema import Draft202012Validator, FormatChecker

from llmops_cli.errors import LlmopsError
from llmops_cli.exports import litellm_config, routing_table
from llmops_cli.synthetic import make
from llmops_cli.tiers import Outcomes, TierParameters, TierPlan, simulate
from llmops_cli.tiers.plan import plan_schema
from llmops_cli.tiers.plan_making import tier_plan
from llmops_cli.tiers.plan_yaml import from_yaml, to_yaml
from llmops_cli.traffic.outcomes import read_outcomes


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> TierPlan:
    """A plan with a split class."""
    path = tmp_path_factory.mktemp("plan") / "outcomes.csv"
    path.write_bytes(make("outcomes"))
    table = read_outcomes([path])
    outcomes = Outcomes(
        table.models, table.quality, table.cost_usd, table.latency_s, table.task, table.tasks,
        table.cluster,
    )  # fmt: skip
    given = TierParameters(floor=0.97, fractional=True)
    found = simulate(outcomes, given)
    return tier_plan(
        found.cells,
        found.plan,
        (found.own, found.expected),
        found.steady,
        given,
        (date(2026, 11, 25), 30),
    )


def test_a_plan_reads_back_as_it_was_written(plan: TierPlan) -> None:
    text = to_yaml(plan)
    assert from_yaml(text) == plan
    assert to_yaml(from_yaml(text)) == text
    # A date without quotes is a date as well.
    assert from_yaml(text.replace("'2026-11-25'", "2026-11-25")) == plan


def test_a_plan_obeys_its_schema(plan: TierPlan) -> None:
    schema = plan_schema()
    Draft202012Validator.check_schema(schema)
    found = yaml.safe_load(to_yaml(plan))
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(found)
    assert plan.expires_on == date(2026, 12, 25)


def test_a_split_class_is_weighted_in_the_exports(plan: TierPlan) -> None:
    split = next(item for item in plan.classes if len(item.models) > 1)
    assert sum(part.share for part in split.models) == pytest.approx(1)
    config = yaml.safe_load(litellm_config(plan))
    weights = {
        item["litellm_params"]["model"]: item["litellm_params"]["weight"]
        for item in config["model_list"]
        if item["model_name"] == f"tier/{split.task}"
    }
    assert weights == {part.model: part.share for part in split.models}
    names = {item["model_name"] for item in config["model_list"]}
    for rule in config["router_settings"]["fallbacks"]:
        assert {*rule, *rule.popitem()[1]} <= names
    assert str(split.models[0].share) in routing_table(plan)
    assert routing_table(plan).count("\n") == len(plan.classes) + 1


@pytest.mark.parametrize(
    ("change", "slug", "field"),
    [
        (
            ("schema: llmops.tier-plan/1", "schema: llmops.tier-plan/9"),
            "plan-schema-unknown",
            "schema",
        ),
        (("reference: acme/large", "reference: acme/large\nmood: good"), "plan-invalid", ""),
        (("requests: 2600", "requests: many"), "plan-invalid", "requests"),
        (("share: 1.0", "share: 0.4"), "plan-invalid", "classes[0].models"),
        (("share: 1.0", "share: .nan"), "plan-invalid", "classes[0].models"),
        (("alpha: 0.05", "alpha: 7.0"), "plan-invalid", "alpha"),
        (("  floor: 0.97", "  floor: .nan"), "plan-invalid", "limits.floor"),
        (("  floor: 0.97", "  floor: -1.0"), "plan-invalid", "limits.floor"),
        (("max_p95_s: null", "max_p95_s: 0.0"), "plan-invalid", "limits.max_p95_s"),
        (("capacity: {}", "capacity: {m: 2.0}"), "plan-invalid", "limits.capacity.m"),
        (("task: extract", "task: classify"), "plan-invalid", "classes[1].task"),
        (("saving:\n  value: ", "saving:\n  value: .inf #"), "plan-invalid", "saving.value"),
        (("schema: ", "schema: ["), "plan-not-yaml", ""),
    ],
)
def test_what_is_no_plan_is_refused(
    plan: TierPlan, change: tuple[str, str], slug: str, field: str
) -> None:
    text = to_yaml(plan)
    assert change[0] in text
    with pytest.raises(LlmopsError) as caught:
        from_yaml(text.replace(*change), source="p.yaml")
    assert (caught.value.slug, caught.value.file, caught.value.field) == (slug, "p.yaml", field)


def test_numbers_of_the_plan_are_finite(plan: TierPlan) -> None:
    assert np.isfinite([item.survives for item in plan.classes]).all()


def test_a_plan_without_a_class_or_with_a_model_twice_is_refused(plan: TierPlan) -> None:
    split = next(item for item in plan.classes if len(item.models) > 1)
    first = split.models[0].model
    text = to_yaml(plan)
    empty = text[: text.index("classes:")] + "classes: []\n"
    twice = text.replace(split.models[1].model + "\n    share", first + "\n    share")
    for wrong, field in ((empty, "classes"), (twice, "models")):
        with pytest.raises(LlmopsError) as caught:
            from_yaml(wrong)
        assert caught.value.slug == "plan-invalid"
        assert caught.value.field.endswith(field)


def test_a_task_called_reference_is_not_the_group_that_others_fall_back_to(plan: TierPlan) -> None:
    named = [item.task for item in plan.classes]
    renamed = from_yaml(to_yaml(plan).replace(f"task: {named[0]}\n", "task: reference\n"))
    groups = [item["model_name"] for item in yaml.safe_load(litellm_config(renamed))["model_list"]]
    assert groups.count("tier-reference") == 1
    assert groups.count("tier/reference") == len(renamed.classes[0].models)


def test_names_of_any_script_are_written_as_they_are(plan: TierPlan) -> None:
    text = to_yaml(from_yaml(to_yaml(plan).replace("task: extract", "task: 要約")))
    assert "task: 要約" in text
    assert from_yaml(text).classes[0].task == "要約"
