"""Rules against rows: how often each applies and is broken, by service and library."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.audit.checks import ROW_CHECKS, Case, Check, Found, streaming
from llmops_cli.audit.links import LINK_CHECKS
from llmops_cli.audit.rules import Rule, rules
from llmops_cli.audit.shapes import Shapes
from llmops_cli.audit.subjects import Mask, Subjects

__all__ = ["CHECKS", "Group", "Judgement", "Tally", "group_names", "judge"]

CHECKS: dict[str, Check] = ROW_CHECKS | LINK_CHECKS


@dataclass(frozen=True, slots=True)
class Group:
    """Spans of one instrumentation library in one service; empty where nobody says."""

    service: str
    library: str
    spans: int


def group_names(group: Group) -> str:
    """Service and library in a few words."""
    return " / ".join(name for name in (group.service, group.library) if name) or "unnamed"


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """What became of one rule.

    Attributes:
        rule: the rule.
        applies: rows it could judge, by group.
        broken: rows that break it, by group.
        file: where the first of those is, if there is one.
        line: its line.
        details: what breaks it (names, values, patterns), most frequent first.
    """

    rule: Rule
    applies: npt.NDArray[np.int64]
    broken: npt.NDArray[np.int64]
    file: str = ""
    line: int | None = None
    details: tuple[tuple[str, int], ...] = ()

    @property
    def count(self) -> int:
        """Rows that break the rule."""
        return int(self.broken.sum())

    @property
    def total(self) -> int:
        """Rows that the rule could judge."""
        return int(self.applies.sum())


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """All tallies, in the order of the rules, the groups they count by, and each row's."""

    groups: tuple[Group, ...]
    group: npt.NDArray[np.int64]
    tallies: tuple[Tally, ...]

    def tally(self, rule_id: str) -> Tally | None:
        """The tally of a rule; None where the conventions do not ask for it."""
        return next((item for item in self.tallies if item.rule.id == rule_id), None)


def judge(rows: Subjects, conventions: str, joins: Mapping[str, int]) -> Judgement:
    """Hold every rule of these conventions against every row.

    Args:
        rows: what is judged.
        conventions: version of the conventions.
        joins: what the reading of a log without spans found when it joined rows, by slug.
    """
    shapes = Shapes(rows.coded["attributes"], conventions)
    groups, group = _groups(rows)
    tallies = list[Tally]()
    for rule in rules(conventions):
        if rule.join and not rows.of_span.any():
            tallies.append(_from_joins(rule, joins.get(rule.join, 0), groups))
            continue
        case = Case(rule, rows, shapes, _base(rule, rows, shapes), conventions)
        tallies.append(_tally(rule, CHECKS[rule.check](case), rows, group, len(groups)))
    return Judgement(groups, group, tuple(tallies))


def _base(rule: Rule, rows: Subjects, shapes: Shapes) -> Mask:
    base = rows.kind.among(*rule.kinds)
    if rule.of != "both":
        base &= rows.of_span if rule.of == "spans" else ~rows.of_span
    for condition in filter(None, rule.when.split(" and ")):
        base &= _condition(condition, rows, shapes)
    return base


def _condition(text: str, rows: Subjects, shapes: Shapes) -> Mask:
    word, _, argument = text.partition(" ")
    conditions: dict[str, Callable[[], Mask]] = {
        "succeeded": lambda: ~rows.failed,
        "failed": lambda: rows.failed,
        "streaming": lambda: streaming(rows),
        "beside": lambda: shapes.carrying(argument),
        "by": lambda: rows.coded["provider_name"].among(argument),
    }
    return conditions[word]()


def _groups(rows: Subjects) -> tuple[tuple[Group, ...], npt.NDArray[np.int64]]:
    service, library = rows.coded["service_name"], rows.coded["scope_name"]
    judged = ~rows.kind.among("other")
    key = (service.codes.astype(np.int64) + 1) * (len(library.words) + 1) + library.codes + 1
    found, inverse = np.unique(key, return_inverse=True)
    sizes = np.bincount(inverse[judged], minlength=len(found))
    one, other = ("", *service.words), ("", *library.words)
    groups = tuple(
        Group(one[at // len(other)], other[at % len(other)], int(size))
        for at, size in zip(found.tolist(), sizes, strict=True)
    )
    return groups, inverse


def _tally(
    rule: Rule, found: Found, rows: Subjects, group: npt.NDArray[np.int64], groups: int
) -> Tally:
    applies = np.bincount(group[found.applies], minlength=groups)
    if not found.broken.any():
        return Tally(rule, applies, np.zeros(groups, np.int64))
    first = int(np.argmax(found.broken))
    files = rows.coded["source_file"]
    code = int(files.codes[first])
    details = {name: int(mask.sum()) for name, mask in found.details.items()}
    return Tally(
        rule,
        applies,
        np.bincount(group[found.broken], minlength=groups),
        file=files.words[code] if code >= 0 else "",
        line=int(rows.lines[first]) or None,
        details=tuple(sorted(details.items(), key=lambda item: (-item[1], item[0]))),
    )


def _from_joins(rule: Rule, count: int, groups: tuple[Group, ...]) -> Tally:
    # Formats that are no spans join by their own ids: only how often is known, not where.
    sizes = np.array([group.spans if count else 0 for group in groups], np.int64)
    broken = np.zeros(len(groups), np.int64)
    broken[0] = min(count, int(sizes[0]))
    return Tally(rule, sizes, broken)
