"""How each rule looks at one row: attributes, values and counters. What joins rows is in links."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from llmops_cli.audit.names import Rename, attributes, renames
from llmops_cli.audit.rules import Rule, version_key
from llmops_cli.audit.shapes import Shapes
from llmops_cli.audit.subjects import NEVER, UNKNOWN, Mask, Subjects

__all__ = ["ROW_CHECKS", "Case", "Check", "Found", "event_uses", "streaming"]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One rule before the rows it may speak about.

    Attributes:
        rule: the rule.
        rows: all rows.
        shapes: their attributes.
        base: rows of the right origin and kind, under the rule's condition.
        conventions: version of the conventions that are asked for.
    """

    rule: Rule
    rows: Subjects
    shapes: Shapes
    base: Mask
    conventions: str


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a check found: rows it could judge, those that break the rule, and by what."""

    applies: Mask
    broken: Mask
    details: dict[str, Mask] = field(default_factory=dict[str, Mask])


Check = Callable[[Case], Found]

_FIRST_CHUNK = {
    "First Token Stream Event",
    "gen_ai.content.completion.chunk",
    "llm.content.completion.chunk",
}
_SCHEMA = re.compile(r"/schemas/(\d+\.\d+)(?:\.\d+)?$")
_PRESENTABLE = re.compile(r"[\w.@/ \[\]-]{1,80}")


def _chunk_event(rows: Subjects) -> Mask:
    return rows.coded["events"].per_word(lambda names: any(n in names for n in _FIRST_CHUNK))


def streaming(rows: Subjects) -> Mask:
    """Calls known to stream."""
    return rows.flags["streaming"] | _chunk_event(rows)


def _absent(case: Case) -> Found:
    there = case.shapes.carrying(case.rule.attribute, under_any_name=True)
    return Found(case.base, case.base & ~there)


def _first_chunk(case: Case) -> Found:
    return Found(case.base, case.base & ~(case.rows.flags["ttft"] | _chunk_event(case.rows)))


def _never(case: Case) -> Found:
    there = case.shapes.carrying(case.rule.attribute)
    return Found(case.base, case.base & ~(case.base & there).any())


def _column_absent(case: Case) -> Found:
    # An SDK without a name calls itself unknown_service.
    there = case.rows.coded[case.rule.column].per_word(
        lambda word: bool(word) and not word.startswith("unknown_service")
    )
    return Found(case.base, case.base & ~there)


def _any(case: Case, details: dict[str, Mask]) -> Found:
    rows = {name: case.base & mask for name, mask in details.items()}
    broken = np.logical_or.reduce([np.zeros_like(case.base), *rows.values()])
    shown = {name: mask for name, mask in rows.items() if mask.any() and _fit_to_show(name)}
    return Found(case.base, broken, shown)


def _fit_to_show(word: str) -> bool:
    # A name is short and plain; what is not might be a text that got into the wrong place.
    return _PRESENTABLE.fullmatch(word) is not None


def _renamed(case: Case) -> Found:
    live = [item for item in renames(case.conventions) if item.of in case.rule.names]
    return _any(case, {item.old: case.shapes.naming(item) for item in live})


def event_uses(rows: Subjects, rename: Rename) -> Mask:
    """Rows that have, or are, an event with an old name."""
    inside = rows.coded["events"].per_word(lambda names: rename.old in names.split())
    return inside | (rows.kind.among("event") & rows.coded["name"].among(rename.old))


def _renamed_event(case: Case) -> Found:
    live = [item for item in renames(case.conventions) if item.of == "event"]
    return _any(case, {item.old: event_uses(case.rows, item) for item in live})


def _old_provider(case: Case) -> Found:
    names = case.rows.coded["provider_name"]
    return _any(case, {old: names.among(old) for old in attributes().old_providers})


def _undefined(case: Case) -> Found:
    facts, column = attributes(), case.rows.coded[case.rule.column]
    fine = {*facts.enums[case.rule.attribute], *facts.old_providers}
    strange = {word: column.among(word) for word in column.words if word not in fine}
    found = _any(case, strange)
    return Found(case.base & column.present, found.broken, found.details)


def _wrong_type(case: Case) -> Found:
    return _any(case, case.shapes.mistyped())


def _unknown_name(case: Case) -> Found:
    return _any(case, case.shapes.unknown())


def _bare_name(case: Case) -> Found:
    return _any(case, case.shapes.bare())


def _newer_than_schema(case: Case) -> Found:
    column = case.rows.coded["schema_url"]
    claims = [_SCHEMA.search(word) for word in column.words]
    claimed = np.array([_number(found[1] if found else "") for found in claims] + [0])[column.codes]
    newest = np.array([*map(_number, case.shapes.newest()), 0])
    used = newest[case.rows.coded["attributes"].codes]
    applies = case.base & (claimed > 0)
    return Found(applies, applies & (used > claimed))


def _number(version: str) -> int:
    if not version:
        return 0
    major, minor = version_key(version)
    return 1000 * major + minor


def _zero_input(case: Case) -> Found:
    given = case.rows.numbers["input"]
    applies = case.base & (given != UNKNOWN)
    return Found(applies, applies & (given == 0))


def _cached(rows: Subjects) -> np.ndarray:
    numbers = rows.numbers
    return np.maximum(numbers["cache_read"], 0) + np.maximum(numbers["cache_write"], 0)


def _cached_outside(case: Case) -> Found:
    numbers, cached = case.rows.numbers, _cached(case.rows)
    given, output, total = numbers["input"], numbers["output"], numbers["total"]
    applies = case.base & (given != UNKNOWN) & (cached > 0)
    beside = (total != UNKNOWN) & (total == given + cached + np.maximum(output, 0))
    return Found(applies, applies & ((cached > given) | beside))


def _wrong_total(case: Case) -> Found:
    numbers = case.rows.numbers
    given, output, total = numbers["input"], numbers["output"], numbers["total"]
    applies = case.base & (total != UNKNOWN) & (given != UNKNOWN)
    plain = given + np.maximum(output, 0)
    # Beside the input cached tokens are another rule's business.
    return Found(applies, applies & (total != plain) & (total != plain + _cached(case.rows)))


def _reasoning_outside(case: Case) -> Found:
    reasoning, output = case.rows.numbers["reasoning"], case.rows.numbers["output"]
    applies = case.base & (reasoning != UNKNOWN) & (output != UNKNOWN)
    return Found(applies, applies & (reasoning > output))


def _no_start(case: Case) -> Found:
    return Found(case.base, case.base & (case.rows.numbers["start"] == NEVER))


def _no_end(case: Case) -> Found:
    return Found(case.base, case.base & (case.rows.numbers["end"] == NEVER))


def _ends_early(case: Case) -> Found:
    start, end = case.rows.numbers["start"], case.rows.numbers["end"]
    applies = case.base & (start != NEVER) & (end != NEVER)
    return Found(applies, applies & (end < start))


def _unexpected_kind(case: Case) -> Found:
    return Found(case.base, case.base & ~case.rows.coded["kind"].among("client", "internal"))


def _content(case: Case) -> Found:
    return Found(case.base, case.base & case.rows.flags["has_content"])


def _sensitive(case: Case) -> Found:
    column = case.rows.coded["sensitive"]

    def holding(pattern: str) -> Mask:
        return column.per_word(lambda names: pattern in names.split())

    return _any(case, {pattern: holding(pattern) for pattern in case.rule.patterns})


ROW_CHECKS: dict[str, Check] = {
    "absent": _absent,
    "bare-name": _bare_name,
    "cached-outside": _cached_outside,
    "column-absent": _column_absent,
    "content": _content,
    "ends-early": _ends_early,
    "first-chunk": _first_chunk,
    "never": _never,
    "newer-than-schema": _newer_than_schema,
    "no-end": _no_end,
    "no-start": _no_start,
    "old-provider": _old_provider,
    "reasoning-outside": _reasoning_outside,
    "renamed": _renamed,
    "renamed-event": _renamed_event,
    "sensitive": _sensitive,
    "undefined": _undefined,
    "unexpected-kind": _unexpected_kind,
    "unknown-name": _unknown_name,
    "wrong-total": _wrong_total,
    "wrong-type": _wrong_type,
    "zero-input": _zero_input,
}
"""Every check of single rows, by the name that rules use."""
