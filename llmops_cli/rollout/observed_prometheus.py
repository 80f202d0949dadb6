"""Sums per window from the JSON of a Prometheus range query.

Each series carries the labels ``variant`` (canary or control), ``metric`` and ``field``
(requests, total or squares, as the columns of the CSV); each sample is the increase over one
step, as ``increase(...[1h])`` with a step of an hour gives it. A sample that is NaN was no data.
"""

import math
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.rollout.model import COST, QUALITY, Plan
from llmops_cli.rollout.observed import USERS, Observed
from llmops_cli.rollout.observed_csv import cell_of

__all__ = ["looks_like_prometheus", "read_query"]

LABELS = ("variant", "metric", "field")
FIELDS = ("requests", "total", "squares")

_NEVER_ZERO = (QUALITY, COST)
"""Metrics whose totals are never absent because nothing happened."""

_LATEST = 253_402_300_799
"""The last second of the year 9999."""


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]] = []
    value: tuple[float, str] | None = None


class _Data(msgspec.Struct):
    result: list[_Series]


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None


_Cell = tuple[float, str, str]


def looks_like_prometheus(text: str) -> bool:
    """Whether a text is JSON rather than a table."""
    return text.lstrip().startswith("{")


def read_query(text: str, plan: Plan, *, source: str) -> Observed:
    """Read the answer to a range query (``matrix``) or an instant one (``vector``).

    Raises:
        LlmopsError: ``prometheus-not-an-answer``, ``prometheus-failed``,
            ``prometheus-no-label``, ``prometheus-unknown-field``, ``prometheus-not-summed``,
            ``prometheus-unaligned``, ``prometheus-no-total``, and those of
            :func:`llmops_cli.rollout.observed_csv.cell_of`.
    """
    every = _answer(text, source)
    _refuse_unclear(every, source)
    rows = dict[_Cell, dict[str, float]]()
    for series in every:
        labels = series.metric
        for moment, value in _samples(series, source):
            row = rows.setdefault((moment, labels["variant"], labels["metric"]), {})
            row[labels["field"]] = value
    _refuse_unaligned({moment for moment, _, _ in rows}, source)
    # Requests that never came are no data, nor are those whose scores are not there.
    seen = {
        cell: row
        for cell, row in rows.items()
        if row.get("requests", 0) > 0 and (cell[2] not in _NEVER_ZERO or "total" in row)
    }
    cells = dict(cell_of(_as_text(cell, row), plan, (source, None)) for cell, row in seen.items())
    _refuse_no_total(every, source)
    return Observed(dict(sorted(cells.items())))


def _answer(text: str, source: str) -> list[_Series]:
    try:
        answer = msgspec.json.decode(text, type=_Answer)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise _bad("not-an-answer", "this is not an answer of Prometheus", source) from error
    if answer.status != "success" or answer.data is None:
        raise _bad("failed", "the query failed", source)
    return answer.data.result


def _refuse_unclear(every: Iterable[_Series], source: str) -> None:
    seen = Counter[tuple[str, ...]]()
    for series in every:
        for name in LABELS:
            if name not in series.metric:
                raise _bad("no-label", f"a series has no label '{name}'", source, name)
        if series.metric["field"] not in FIELDS:
            known = ", ".join(FIELDS)
            raise _bad("unknown-field", f"a label 'field' is none of {known}", source, "field")
        seen[tuple(series.metric[name] for name in LABELS)] += 1
    if seen and max(seen.values()) > 1:
        raise LlmopsError(
            "prometheus-not-summed",
            "several series have the same variant, metric and field",
            hint="sum by (variant, metric, field) (…)",
            file=source,
        )


def _samples(series: _Series, source: str) -> Iterable[tuple[float, float]]:
    for moment, text in (*series.values, *([series.value] if series.value else [])):
        try:
            value = float(text)
        except ValueError:
            raise _bad("not-an-answer", "a sample is not a number", source, "value") from None
        if not 0 <= moment <= _LATEST:
            raise _bad("not-an-answer", "a sample has no possible time", source, "value")
        if not math.isnan(value):
            yield moment, value


def _refuse_unaligned(moments: set[float], source: str) -> None:
    """Looks that begin at any second would cut time into windows that overlap."""
    ordered = sorted(moments)
    steps = [after - before for before, after in pairwise(ordered)]
    if steps and any(moment % min(steps) for moment in ordered):
        raise LlmopsError(
            "prometheus-unaligned",
            "the query does not start at a multiple of its step",
            hint="start it there, so that the windows of all looks are the same",
            file=source,
        )


def _refuse_no_total(every: Iterable[_Series], source: str) -> None:
    """An error that never came has no series; one that is never counted has none either.

    So totals may be absent in one version only, and those of scores and costs in none.
    """
    has = {tuple(series.metric[name] for name in LABELS) for series in every}
    totals = {metric for _, metric, field in has if field == "total"}
    for variant, metric, field in sorted(has):
        there = (variant, metric, "total") in has if metric in _NEVER_ZERO else metric in totals
        if field == "requests" and metric != USERS and not there:
            raise LlmopsError(
                "prometheus-no-total",
                f"there are requests of {metric} and no totals",
                hint=f"query its totals too, with the labels metric='{metric}', field='total'",
                file=source,
                field="field",
            )


def _as_text(cell: _Cell, row: dict[str, float]) -> dict[str, str]:
    moment, variant, metric = cell
    # increase() extrapolates each series on its own: by a request they may disagree.
    total = row.get("total", 0.0)
    if metric != COST and row["requests"] < total <= row["requests"] + 1:
        total = row["requests"]
    values = {**row, "total": total}
    window = datetime.fromtimestamp(moment, tz=UTC).isoformat()
    texts = {name: repr(value) for name, value in values.items()}
    return {"window": window, "variant": variant, "metric": metric, **texts}


def _bad(what: str, message: str, source: str, field: str = "") -> LlmopsError:
    return LlmopsError(
        f"prometheus-{what}",
        message,
        hint="series need the labels variant, metric and field (requests, total, squares); "
        "a log needs --canary COLUMN=VALUE",
        file=source,
        field=field,
    )
