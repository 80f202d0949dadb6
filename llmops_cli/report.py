"""What every question returns: a Report of measures, checks, tables, series and findings.

Plain frozen data with no opinion about looks: `views/` renders it, `cli/` exits by
its verdict, and its JSON form (schema ``llmops.report/1``) is a public contract to which
fields are only ever added.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

__all__ = [
    "SCHEMA",
    "Check",
    "Column",
    "Explanation",
    "Finding",
    "Measure",
    "Report",
    "Scalar",
    "Series",
    "Table",
    "Verdict",
    "fold",
]

SCHEMA = "llmops.report/1"

Scalar = str | int | float | bool | None
"""What a table cell or a parameter may hold."""

Unit = Literal["", "share", "usd", "tokens", "count", "s", "ratio", "points", "per_hour"]
"""How a number is to be read; views choose the decoration (1,234 · 80.3 % · $1.20 · 4.0x)."""

Side = Literal["value", "low", "high"]
Operator = Literal[">", ">=", "<", "<="]


class Verdict(StrEnum):
    """The three states of a gate."""

    PASS = "pass"  # noqa: S105 - a verdict, not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """One number with what is needed to trust it.

    ``low`` and ``high`` are None for a count or a sum over the whole input, which has no
    sampling error; ``level`` is the two-sided confidence of the interval where there is one.
    """

    name: str
    value: float | None
    unit: Unit = ""
    low: float | None = None
    high: float | None = None
    level: float | None = None
    n: int | None = None
    method: str = ""
    label: str = ""

    @property
    def title(self) -> str:
        """The words a person reads: the label, else the name with spaces."""
        return self.label or self.name.replace("_", " ")


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A gate as data: which side of which measure was held against which bound.

    ``on`` names the side that must satisfy ``op bound`` for a pass, so a reader of the
    JSON can repeat the decision. Build it with :meth:`at_least` or :meth:`at_most`.
    """

    name: str
    measure: Measure
    on: Side
    op: Operator
    bound: float
    verdict: Verdict
    reason: str
    needed: str = ""

    @classmethod
    def at_least(
        cls, name: str, measure: Measure, bound: float, *, strict: bool = False, needed: str = ""
    ) -> "Check":
        """The measure must reach ``bound``: decided on its interval where it has one.

        PASS when the low end satisfies it, FAIL when the high end does not, otherwise
        INCONCLUSIVE; without an interval the value decides. ``strict`` asks for ``>``.
        ``needed`` says what would decide an inconclusive gate.
        """
        return cls._decide(name, measure, ">" if strict else ">=", bound, needed)

    @classmethod
    def at_most(
        cls, name: str, measure: Measure, bound: float, *, strict: bool = False, needed: str = ""
    ) -> "Check":
        """The measure must stay at or below ``bound``; the mirror of :meth:`at_least`."""
        return cls._decide(name, measure, "<" if strict else "<=", bound, needed)

    @classmethod
    def _decide(
        cls, name: str, measure: Measure, op: Operator, bound: float, needed: str
    ) -> "Check":
        rising = op in {">", ">="}
        has_interval = measure.low is not None and measure.high is not None
        good: Side = ("low" if rising else "high") if has_interval else "value"
        best: Side = ("high" if rising else "low") if has_interval else "value"
        ends = {"value": measure.value, "low": measure.low, "high": measure.high}
        if _holds(ends[good], op, bound):
            verdict, side = Verdict.PASS, good
        elif ends[best] is not None and not _holds(ends[best], op, bound):
            verdict, side = Verdict.FAIL, best
        else:
            verdict, side = Verdict.INCONCLUSIVE, good
        word = {"value": "value", "low": "lower bound", "high": "upper bound"}[side]
        seen = "unknown" if ends[side] is None else f"{ends[side]:.4g}"
        reason = {
            Verdict.PASS: f"the {word} {seen} is {op} {bound:.4g}",
            Verdict.FAIL: f"even the {word} {seen} is not {op} {bound:.4g}",
            Verdict.INCONCLUSIVE: f"the {word} {seen} is not {op} {bound:.4g}, "
            "and the other end of the interval is: the evidence does not decide",
        }[verdict]
        if not has_interval and verdict is Verdict.FAIL:
            reason = f"the value {seen} is not {op} {bound:.4g}"
        return cls(
            name=name,
            measure=measure,
            on=side,
            op=op,
            bound=bound,
            verdict=verdict,
            reason=reason,
            needed=needed if verdict is Verdict.INCONCLUSIVE else "",
        )


def _holds(value: float | None, op: Operator, bound: float) -> bool:
    if value is None:
        return False
    return {
        ">": value > bound,
        ">=": value >= bound,
        "<": value < bound,
        "<=": value <= bound,
    }[op]


def fold(checks: Iterable[Check]) -> Verdict:
    """One verdict for many checks: any failure fails, else any doubt is inconclusive."""
    verdicts = {check.verdict for check in checks}
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A table column: a stable name, the words above it, and the unit of its numbers."""

    name: str
    label: str
    unit: Unit = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of scalars under named columns; every row has one cell per column."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Scalar, ...], ...]
    note: str = ""

    def __post_init__(self) -> None:
        """Refuse ragged rows: a table is data for machines too."""
        for row in self.rows:
            if len(row) != len(self.columns):
                message = f"table {self.name}: {len(row)} cells for {len(self.columns)} columns"
                raise ValueError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """A curve: ``y`` against ``x``, both of the same length."""

    name: str
    title: str
    x_label: str
    y_label: str
    x: tuple[float, ...]
    y: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something the reader must know about the input or the result."""

    slug: str
    severity: Literal["error", "warning", "note"]
    message: str
    hint: str = ""
    file: str = ""
    line: int | None = None
    field: str = ""
    count: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Explanation:
    """Where a number comes from: shown by ``--explain``.

    ``numbers`` are the reader's own values of the formula's symbols, in order.
    """

    of: str
    formula: str
    numbers: tuple[tuple[str, float | int | str], ...] = ()
    assumptions: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The answer to one question about one input."""

    command: str
    title: str
    headline: str
    schema: Literal["llmops.report/1"] = SCHEMA
    version: str = ""
    inputs: tuple[str, ...] = ()
    parameters: Mapping[str, Scalar] = field(default_factory=dict[str, Scalar])
    measures: tuple[Measure, ...] = ()
    checks: tuple[Check, ...] = ()
    tables: tuple[Table, ...] = ()
    series: tuple[Series, ...] = ()
    findings: tuple[Finding, ...] = ()
    explanations: tuple[Explanation, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """All checks folded into one; a report without checks passes."""
        return fold(self.checks)
