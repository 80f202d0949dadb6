"""Attribute names and types: what the conventions call things, and what others call them."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from llmops_cli.audit.rules import load, version_key

__all__ = ["Attributes", "Rename", "attributes", "known_as", "parsed", "renames"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rename:
    """A name to leave behind; the fields are explained at the head of ``names.yaml``."""

    old: str
    new: str
    since: str
    of: str
    beside: str = ""

    def named(self, name: str) -> bool:
        """Whether an attribute is the one, or one of those, meant by ``old``."""
        stem = self.old.removesuffix("*")
        return name == self.old if stem == self.old else name.startswith(stem)

    def used_in(self, names: Collection[str]) -> bool:
        """Whether a span with these attributes uses the old name."""
        return (not self.beside or self.beside in names) and any(map(self.named, names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Attributes:
    """The registry's types and enum values, and the values that were renamed."""

    types: dict[str, str]
    also: dict[str, list[str]]
    enums: dict[str, list[str]]
    old_providers: dict[str, str]
    tolerated: list[str]
    introduced: dict[str, str]
    heirs: dict[str, str]

    def accepts(self, name: str, kind: str) -> bool:
        """Whether an attribute may have this type; one that is not in the registry may."""
        due = self.types.get(name, "any")
        return due in {"any", kind} or kind in self.also.get(due, ())


@cache
def attributes() -> Attributes:
    """The registry's facts."""
    data = load("attributes.yaml")
    types = {name: kind for kind, names in data["types"].items() for name in names}
    kept = ("also", "enums", "heirs", "introduced", "old_providers", "tolerated")
    return Attributes(types=types, **{name: data[name] for name in kept})


@cache
def renames(upto: str = "") -> tuple[Rename, ...]:
    """Every rename, or those that conventions of this version have made already."""
    found = tuple(Rename(**item) for item in load("names.yaml"))
    if not upto:
        return found
    return tuple(item for item in found if version_key(item.since) <= version_key(upto))


@cache
def known_as(name: str) -> tuple[Rename, ...]:
    """The other names of an attribute: what is called by one of them is not absent."""
    return tuple(item for item in renames() if name in item.new.split(" or "))


def parsed(shape: str) -> dict[str, str]:
    """Attribute names and their types from a word of the spans table's ``attributes``."""
    pairs = (item.rpartition(":") for item in shape.split())
    return {name: kind for name, _, kind in pairs}
