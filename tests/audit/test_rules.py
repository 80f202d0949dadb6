"""The reviewed data: every rule is complete, and says what the conventions' own files say."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmops_cli.audit.kernel import CHECKS
from llmops_cli.audit.model import WEIGHTS
from llmops_cli.audit.names import attributes, renames
from llmops_cli.audit.rules import LATEST, Rule, load, questions, rules, version_key

WEAVER = {
    "missing_attribute", "deprecated", "type_mismatch", "undefined_enum_variant",
    "missing_namespace", "required_attribute_not_present", "recommended_attribute_not_present",
    "conditionally_required_attribute_not_present",
}  # fmt: skip
KINDS = {
    "inference", "embeddings", "agent", "workflow", "tool", "retrieval", "evaluation", "event",
    "unknown",
}  # fmt: skip


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_a_rule_names_version_section_level_and_fix(rule: Rule) -> None:
    assert version_key("1.26") <= version_key(rule.version) <= version_key(LATEST)
    assert len(rule.section) > 5
    assert rule.level in WEIGHTS
    assert rule.severity in {"violation", "improvement", "information"}
    assert rule.of in {"spans", "calls", "both"}
    assert rule.check in CHECKS
    assert rule.advice in WEAVER | {""}
    assert set(rule.kinds) <= KINDS
    assert set(rule.blocks) <= {question.command for question in questions()}
    assert rule.fix
    assert not rule.fix.endswith(".")
    assert not rule.says.endswith(".")
    assert rule.cap is None or 0 <= rule.cap < 100


def test_ids_are_unique_and_every_check_is_used() -> None:
    ids = [rule.id for rule in rules()]
    assert len(ids) == len(set(ids))
    assert {rule.check for rule in rules()} == set(CHECKS)


def test_older_conventions_ask_for_less() -> None:
    counts = [len(rules(version)) for version in ("1.26", "1.36", "1.37", "1.40", LATEST)]
    assert counts == sorted(counts)
    assert "cache-read-tokens-absent" not in {rule.id for rule in rules("1.37")}


# The conventions' own files.

VERSIONS = ("1.36.0", "1.37.0", "1.41.1")
SPANS = {
    "inference": ("span.gen_ai.inference.client", "span.openai.inference.client"),
    "embeddings": ("span.gen_ai.embeddings.client",),
    "agent": ("span.gen_ai.create_agent.client", "span.gen_ai.invoke_agent.client"),
    "workflow": ("span.gen_ai.invoke_workflow.internal",),
    "tool": ("span.gen_ai.execute_tool.internal",),
    "retrieval": ("span.gen_ai.retrieval.client",),
    "evaluation": ("event.gen_ai.evaluation.result",),
}
OUTSIDE = {"user.id"}
"""Attributes of rules that are no part of the GenAI conventions."""


@cache
def groups(folder: Path, version: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path in sorted((folder / "semconv" / f"v{version}").rglob("*.yaml")):
        found |= {group["id"]: group for group in yaml.safe_load(path.read_text())["groups"]}
    return found


def resolved(folder: Path, version: str, group_id: str) -> dict[str, str]:
    """Attribute to requirement level, with what a group inherits."""
    every = groups(folder, version)
    group = every.get(group_id, {})
    found = resolved(folder, version, group["extends"]) if "extends" in group else {}
    for item in group.get("attributes", ()):
        level = item.get("requirement_level")
        if level is not None:
            word = level if isinstance(level, str) else next(iter(level))
            found[item["ref"]] = word.replace("_", " ").replace("opt in", "opt-in")
        else:
            found.setdefault(item["ref"], "recommended")
    return found


def levels(folder: Path, version: str, kind: str) -> dict[str, set[str]]:
    """Attribute to requirement levels over the groups that are spans of a kind."""
    found: dict[str, set[str]] = {}
    for group_id in SPANS[kind]:
        for name, level in resolved(folder, version, group_id).items():
            found.setdefault(name, set()).add(level)
    return found


ABSENCES = [rule for rule in rules() if rule.check in {"absent", "first-chunk"}]
NEVER_IN_THE_MODEL = {"user-id-absent"}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("rule", ABSENCES, ids=lambda rule: rule.id)
def test_a_rule_says_what_the_model_says(public_data: Path, rule: Rule, version: str) -> None:
    asked = {
        kind: levels(public_data, version, kind).get(rule.attribute, set())
        for kind in rule.kinds
        if kind in SPANS
    }
    alternative = {"gen_ai.provider.name": "gen_ai.system"}.get(rule.attribute)
    if alternative and version == "1.36.0":
        asked = {k: levels(public_data, version, k).get(alternative, set()) for k in asked}
    if rule.id in NEVER_IN_THE_MODEL:
        assert not any(asked.values())
    elif version_key(rule.version) > version_key(version):
        # Asked for since a later version: an older model asks no span for it, or less firmly.
        assert not any(rule.level in found for found in asked.values())
    elif version == VERSIONS[-1]:
        assert all(rule.level in found for found in asked.values()), asked
    else:
        assert any(rule.level in found for found in asked.values()), asked


@pytest.mark.parametrize("kind", sorted(SPANS))
def test_every_attribute_of_the_model_is_judged_or_said_not_to_be(
    public_data: Path, kind: str
) -> None:
    judged = {rule.attribute for rule in rules() if rule.check != "undefined"}
    aside = {name for names in load("rules.yaml")["not_judged"].values() for name in names}
    asked = levels(public_data, VERSIONS[-1], kind)
    for name, found in asked.items():
        if found != {"opt-in"}:
            assert name in judged | aside, f"{name} of {kind}"


def registry(folder: Path, version: str) -> dict[str, Any]:
    group = groups(folder, version)["registry.gen_ai"]
    return {item["id"]: item["type"] for item in group["attributes"]}


def test_types_and_enums_are_those_of_the_registry(public_data: Path) -> None:
    facts = attributes()
    found = registry(public_data, VERSIONS[-1])
    assert set(facts.types) == set(found)
    for name, kind in found.items():
        assert facts.types[name] == ("string" if isinstance(kind, dict) else kind), name
    for name, values in facts.enums.items():
        assert sorted(item["value"] for item in found[name]["members"]) == sorted(values)


def test_the_installed_constants_name_the_same_attributes() -> None:
    from opentelemetry.semconv._incubating.attributes import gen_ai_attributes  # noqa: PLC0415

    names = {
        value
        for key, value in vars(gen_ai_attributes).items()
        if key.startswith("GEN_AI_") and isinstance(value, str)
    }
    old = {item.old for item in renames() if item.of == "gen_ai"}
    assert names == set(attributes().types) | old


def test_a_name_was_introduced_between_the_versions_that_lack_and_have_it(
    public_data: Path,
) -> None:
    for name, since in attributes().introduced.items():
        for version in VERSIONS:
            there = name in registry(public_data, version)
            assert there == (version_key(since) <= version_key(version)), (name, version)


def deprecated(folder: Path, version: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for group in groups(folder, version).values():
        for item in group.get("attributes", ()):
            if "deprecated" in item and "id" in item:
                found[item["id"]] = item["deprecated"].get("renamed_to", "")
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_every_deprecated_attribute_has_its_successor(public_data: Path, version: str) -> None:
    ours = {item.old: item for item in renames() if item.of == "gen_ai"}
    found = deprecated(public_data, version)
    assert found
    for old, new in found.items():
        # Prompts and answers had no successor when they went; 1.37 gave them one.
        assert ours[old].new == new or not new
        assert version_key(ours[old].since) <= version_key(version)
    live = {item.old for item in ours.values() if version_key(item.since) <= version_key(version)}
    assert live == set(found)


def test_every_deprecated_event_is_there(public_data: Path) -> None:
    names = {
        group["name"]
        for group in groups(public_data, VERSIONS[-1]).values()
        if group["type"] == "event" and "deprecated" in group
    }
    ours = {item.old for item in renames("1.37") if item.of == "event" and item.since == "1.37"}
    assert ours == names


def test_every_renamed_provider_is_there(public_data: Path) -> None:
    group = groups(public_data, VERSIONS[-1])["registry.gen_ai.deprecated"]
    system = next(item for item in group["attributes"] if item["id"] == "gen_ai.system")
    members = system["type"]["members"]
    renamed = {m["value"]: m["deprecated"]["renamed_to"] for m in members if "deprecated" in m}
    # xai is marked in 1.37 and no more in 1.41, where only the new enum tells.
    assert renamed | {"xai": "x_ai"} == attributes().old_providers


def test_what_a_name_becomes_is_a_name_of_the_conventions() -> None:
    known = set(attributes().types) | {"user.id", "server.address", "gen_ai.request.*", ""}
    for item in renames():
        for new in item.new.split(" or "):
            assert new in known or new.startswith("openai."), item.old
        assert item.old not in attributes().types
