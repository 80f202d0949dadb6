"""Sums per window from a CSV of aggregates, as a metrics system or a warehouse exports them.

Columns ``window``, ``variant`` (canary or control), ``metric``, ``requests``, ``total`` and, for
graded scores, ``squares``. What ``total`` is depends on the metric: failed requests (errors),
requests as slow as the plan's threshold or slower (latency), the sum of scores (quality), of
US dollars (cost), and ``squares`` the sum of their squares;
metric ``users`` counts users first seen in the window.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.model import COST, QUALITY, Guardrail, Plan
from llmops_cli.rollout.observed import CANARY, CONTROL, USERS, Cell, Observed, Sums

__all__ = ["COLUMNS", "Place", "cell_of", "read_sums"]

Place = tuple[str, int | None]
"""File and line of a row; a document that has no lines has None."""

_MOST = 1e15
"""Of a window; beyond it sums of sums lose whole requests."""

COLUMNS = ("window", "variant", "metric", "requests", "total")


def read_sums(lines: Iterable[str], plan: Plan, *, source: str) -> Observed:
    """Read aggregates.

    Args:
        lines: of the CSV, its header first.
        plan: its guardrails are the metrics that are known.
        source: the file's name, for messages.

    Raises:
        LlmopsError: ``sums-no-header``, ``sums-bad-row``, ``rollout-unknown-variant``,
            ``rollout-unknown-metric``, with line and field.
    """
    reader = csv.DictReader(lines)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise LlmopsError(
            "sums-no-header",
            f"the header lacks {', '.join(missing)}",
            hint=f"the columns are {', '.join(COLUMNS)}",
            file=source,
            line=1,
        )
    cells = dict[Cell, Sums]()
    for row in reader:
        # DictReader keeps fields beyond the header under None.
        if any(row.get(None, ())):  # pyright: ignore[reportArgumentType,reportCallIssue]
            raise _bad("sums-bad-row", "more fields than the header", (source, reader.line_num), "")
        cell, sums = cell_of(row, plan, (source, reader.line_num))
        cells[cell] = max(sums, cells.get(cell, sums))
    return Observed(dict(sorted(cells.items())))


def cell_of(row: Mapping[str, str], plan: Plan, at: Place) -> tuple[Cell, Sums]:
    """One cell from its fields as text: those of the CSV, wherever they come from.

    Raises:
        LlmopsError: as :func:`read_sums`.
    """
    variant, metric = row["variant"], row["metric"]
    if variant not in {CANARY, CONTROL}:
        raise _bad(
            "rollout-unknown-variant", "the variant is neither canary nor control", at, "variant"
        )
    names = {guardrail.name: guardrail for guardrail in plan.guardrails}
    if metric != USERS and metric not in names:
        known = ", ".join((*names, USERS))
        raise _bad("rollout-unknown-metric", f"the plan guards {known} only", at, "metric")
    n, total = _number(row, "requests", at), 0.0 if metric == USERS else _number(row, "total", at)
    if total > n and metric != COST:
        raise _bad("sums-bad-row", "the total is more than the requests", at, "total")
    squares = _number(row, "squares", at) if row.get("squares") else None
    cell = (_window(row["window"], at), variant, metric)
    return cell, Sums(n) if metric == USERS else _sums(names[metric], n, total, squares)


def _sums(guardrail: Guardrail, n: float, total: float, squares: float | None) -> Sums:
    """Badness of the requests of a window, from what the metric counts."""
    if guardrail.name == COST:
        unit = guardrail.unit_usd or 1.0
        bad, known = total / unit, None if squares is None else squares / unit**2
    elif guardrail.name == QUALITY:
        # Badness is what a score lacks of 1.
        bad = n - total
        known = None if squares is None else max(0.0, n - 2 * total + squares)
    else:
        return Sums(n, total, total)
    if known is None:  # they vary as the plan says
        known = bad if guardrail.binary else bad**2 / max(n, 1) + n * guardrail.variance
    return Sums(n, bad, known)


def _window(text: str, at: Place) -> str:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).isoformat()
    except (TypeError, ValueError, OverflowError):
        raise _bad("sums-bad-row", "the window is not a moment", at, "window") from None


def _number(row: Mapping[str, str], field: str, at: Place) -> float:
    try:
        value = float(row[field])
    except (TypeError, ValueError):
        value = math.nan
    if not 0 <= value <= _MOST:
        raise _bad("sums-bad-row", f"this is not a number from 0 to {_MOST:g}", at, field)
    return value


def _bad(slug: str, message: str, at: Place, field: str) -> LlmopsError:
    return LlmopsError(slug, message, file=at[0], line=at[1], field=field)
