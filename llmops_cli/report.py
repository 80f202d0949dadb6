"""What every question returns: a Report of measures, checks, tables, series and findings.

Plain frozen data with no opinion about looks: `views/` renders it, `cli/` exits by
its verdict, and its JSON form (schema ``llmops.report/1``) is a public contract to which
fields are only ever added.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from llmops_cli.errors import ExitCode, LlmopsError

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
    "Span",
    "Table",
    "Timeline",
    "Verdict",
    "fold",
]

SCHEMA = "llmops.report/1"

Scalar = str | int | float | bool | None
"""What a table cell or a parameter may hold."""

Unit = Literal["", "share", "usd", "tokens", "count", "s", "ratio", "points", "per_hour"]
"""How a number is to be read; views choose the decoration (1,234 · 80.3 % · $1.20 · 4.0x).

A ``share`` lies between 0 and 1; ``points`` are percentage points as they are (3.2 is "+3.2 pts").
"""

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

    def __post_init__(self) -> None:
        """Refuse a bound nothing can be held against; it would fail or pass every measure."""
        if not math.isfinite(self.bound):
            raise LlmopsError(
                "gate-not-a-number",
                f"the bound of '{self.name}' must be a finite number, not {self.bound}",
                exit_code=ExitCode.USAGE,
            )

    @classmethod
    def at_least(
        cls, name: str, measure: Measure, bound: float, *, strict: bool = False, needed: str = ""
    ) -> "Check":
        """The measure must reach ``bound``: decided on its interval where it has one.

        PASS when the low end satisfies it, FAIL when the high end does not, otherwise
        INCONCLUSIVE; without an interval the value decides. An interval with one end only
        is open at the other. ``strict`` asks for ``>``. ``needed`` says what would decide
        an inconclusive gate.

        Raises:
            LlmopsError: ``gate-not-a-number`` for a bound that is NaN or infinite.
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
        worst, best = _sides(measure, rising=op in {">", ">="})
        if _holds(_end(measure, worst), op, bound):
            verdict, on = Verdict.PASS, worst
        elif _misses(_end(measure, best), op, bound):
            verdict, on = Verdict.FAIL, best
        else:
            verdict, on = Verdict.INCONCLUSIVE, worst
        return cls(
            name=name,
            measure=measure,
            on=on,
            op=op,
            bound=bound,
            verdict=verdict,
            reason=_reason(verdict, measure, bound),
            needed=needed if verdict is Verdict.INCONCLUSIVE else "",
        )


def _sides(measure: Measure, *, rising: bool) -> tuple[Side, Side]:
    """The end that must hold for a pass, and the end whose miss is a failure."""
    if _end(measure, "low") is None and _end(measure, "high") is None:
        return "value", "value"
    return ("low", "high") if rising else ("high", "low")


def _end(measure: Measure, side: Side) -> float | None:
    """One side of a measure; NaN, which compares false with everything, counts as unknown."""
    end = {"value": measure.value, "low": measure.low, "high": measure.high}[side]
    return None if end is None or math.isnan(end) else end


def _holds(value: float | None, op: Operator, bound: float) -> bool:
    if value is None:
        return False
    return {
        ">": value > bound,
        ">=": value >= bound,
        "<": value < bound,
        "<=": value <= bound,
    }[op]


def _misses(value: float | None, op: Operator, bound: float) -> bool:
    return value is not None and not _holds(value, op, bound)


def _reason(verdict: Verdict, measure: Measure, bound: float) -> str:
    """Words only: the numbers stand beside them in the check, and views format those."""
    low, high = _end(measure, "low"), _end(measure, "high")
    if low is None and high is None:
        return {
            Verdict.PASS: "the value meets the bound",
            Verdict.FAIL: "the value misses the bound",
            Verdict.INCONCLUSIVE: "the value is unknown",
        }[verdict]
    interval = "interval" if measure.level is None else f"{100 * measure.level:.4g} % interval"
    inside = low is not None and high is not None and low <= bound <= high
    return {
        Verdict.PASS: f"the whole {interval} meets the bound",
        Verdict.FAIL: f"no part of the {interval} meets the bound",
        Verdict.INCONCLUSIVE: f"the bound lies inside the {interval}: the evidence does not decide"
        if inside
        else f"the {interval} is open on the side that decides",
    }[verdict]


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
    """A curve: ``y`` against ``x``, both of the same length; None is a gap in the curve.

    Curves of one ``chart`` are drawn on the same axes under that title, one after the other in
    the report; a curve without one stands alone under its own.
    """

    name: str
    title: str
    x_label: str
    y_label: str
    x: tuple[float | None, ...]
    y: tuple[float | None, ...]
    chart: str = ""

    def __post_init__(self) -> None:
        """Refuse lengths that differ: no view could draw the rest."""
        if len(self.x) != len(self.y):
            message = f"series {self.name}: {len(self.x)} x values for {len(self.y)} y values"
            raise ValueError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Span:
    """A stretch of time: its name, where it begins and ends, and what to say beside it."""

    label: str
    start: float
    end: float
    words: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeline:
    """Stretches of time in order, in the unit of their numbers."""

    name: str
    title: str
    spans: tuple[Span, ...]
    unit: Unit = "s"


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
    numbers: tuple[tuple[str, float | int | str | None], ...] = ()
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
    timelines: tuple[Timeline, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """All checks folded into one; a report without checks passes."""
        return fold(self.checks)
