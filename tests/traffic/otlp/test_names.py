"""The table of names against the conventions' own registry."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from llmops_cli.traffic.otlp.names import CONTENT, KNOWN, PROVIDERS

Attribute = dict[str, Any]

# Reviewed: renamed attributes that no column and no rule of the joins needs.
NOT_NEEDED = {
    "gen_ai.openai.request.seed",
    "gen_ai.openai.request.response_format",
    "gen_ai.openai.response.system_fingerprint",
}


def attributes(folder: Path) -> list[Attribute]:
    """Every attribute that the registries of a version define, deprecated ones too."""
    found: list[Attribute] = []
    for path in (folder / "registry.yaml", folder / "deprecated" / "registry-deprecated.yaml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            found += [item for item in group.get("attributes", ()) if "id" in item]
    return found


@pytest.fixture(params=["v1.36.0", "v1.37.0", "v1.41.1"])
def registry(request: pytest.FixtureRequest, public_data: Path) -> list[Attribute]:
    return attributes(public_data / "semconv" / request.param)


def renamed(registry: list[Attribute]) -> dict[str, str]:
    # Before 1.37 some say so in words only.
    return {
        item["id"]: item["deprecated"]["renamed_to"]
        for item in registry
        if isinstance(item.get("deprecated"), dict) and "renamed_to" in item["deprecated"]
    }


def test_every_renamed_attribute_is_known_beside_its_successor(registry: list[Attribute]) -> None:
    pairs = {old: new for old, new in renamed(registry).items() if old not in NOT_NEEDED}
    assert pairs
    for old, new in pairs.items():
        assert KNOWN[old][0] == KNOWN[new][0], old
        assert KNOWN[new][2] < KNOWN[old][2], f"{new} must count before {old}"


def test_what_is_left_out_was_really_renamed(public_data: Path) -> None:
    newest = renamed(attributes(public_data / "semconv" / "v1.41.1"))
    assert set(newest) >= NOT_NEEDED


def test_every_provider_of_every_version_has_its_name_of_today(
    registry: list[Attribute], public_data: Path
) -> None:
    newest = attributes(public_data / "semconv" / "v1.41.1")
    members = [
        member
        for item in registry
        if item["id"] in {"gen_ai.system", "gen_ai.provider.name"}
        for member in item["type"]["members"]
    ]
    assert members
    for member in members:
        assert PROVIDERS.get(member["value"], member["value"]) in values(newest), member["value"]


def values(registry: list[Attribute]) -> set[str]:
    """The providers of today."""
    (provider,) = (item for item in registry if item["id"] == "gen_ai.provider.name")
    return {member["value"] for member in provider["type"]["members"]}


def test_usage_and_content_of_the_newest_conventions_are_known(public_data: Path) -> None:
    newest = attributes(public_data / "semconv" / "v1.41.1")
    usage = {item["id"] for item in newest if item["id"].startswith("gen_ai.usage.")}
    assert usage <= set(KNOWN)
    content = {"gen_ai.input.messages", "gen_ai.system_instructions", "gen_ai.tool.definitions"}
    assert content <= {item["id"] for item in newest}
    assert content <= CONTENT


def test_a_name_means_one_thing() -> None:
    assert not set(KNOWN) & CONTENT
    for column in {column for column, _, _ in KNOWN.values()}:
        places = sorted(place for known, _, place in KNOWN.values() if known == column)
        assert places == list(range(len(places)))
