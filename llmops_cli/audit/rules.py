"""The rules of the audit as reviewed data (``rules.yaml``), read once."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from llmops_cli.yaml_text import shipped_yaml

__all__ = ["LATEST", "Question", "Rule", "load", "questions", "rules", "version_key"]

LATEST = "1.41"
"""The newest conventions the rules know; GenAI left the common repository with 1.42."""

Severity = Literal["violation", "improvement", "information"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; the fields are explained at the head of ``rules.yaml``."""

    id: str
    says: str
    level: str
    version: str
    section: str
    severity: Severity
    of: Literal["spans", "calls", "both"]
    kinds: tuple[str, ...]
    check: str
    blocks: tuple[str, ...]
    fix: str
    advice: str = ""
    attribute: str = ""
    column: str = ""
    when: str = ""
    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    join: str = ""
    cap: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a command needs of each call, and what makes its answer sharper."""

    command: str
    needs: tuple[str, ...]
    sharper: tuple[str, ...] = ()


def load(name: str) -> Any:  # noqa: ANN401 - YAML
    """The content of one of this room's YAML files."""
    return shipped_yaml("audit", name)


@cache
def _all() -> tuple[Rule, ...]:
    return tuple(Rule(**_frozen(item)) for item in load("rules.yaml")["rules"])


def rules(conventions: str = LATEST) -> tuple[Rule, ...]:
    """The rules that conventions of this version ask for, in file order."""
    upto = version_key(conventions)
    return tuple(rule for rule in _all() if version_key(rule.version) <= upto)


@cache
def questions() -> tuple[Question, ...]:
    """What each command needs, in file order."""
    return tuple(Question(**_frozen(item)) for item in load("questions.yaml"))


def _frozen(item: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in _pairs(item)}


def _pairs(item: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    return item.items()


def version_key(version: str) -> tuple[int, int]:
    """``1.37`` or ``1.37.0`` so that it can be compared.

    Raises:
        ValueError: it is no version.
    """
    major, minor, *_ = (int(part) for part in version.split("."))
    return major, minor
