"""What a row of an acceptance log says of its request: class, sampling, batch, times."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypedDict

from llmops_cli.hardware.capacity import MOST_SEQUENCES
from llmops_cli.traffic.quarantine import RowError

__all__ = ["Facts", "facts_of_row"]

_BATCHES = ("batch", "batch_size", "concurrency")
_TASKS = ("task", "category", "task_class")


class Facts(TypedDict):
    """Of one request; NaN and an empty name for what is unknown."""

    task: str
    temperature: float
    batch: float
    span: tuple[float, float]


def facts_of_row(row: Mapping[str, Any]) -> Facts:
    """Class, temperature, batch and times of a row.

    Args:
        row: parsed JSON; times are seconds or ISO 8601.

    Raises:
        RowError: ``acceptance-bad-task``, ``acceptance-bad-temperature``,
            ``acceptance-bad-batch``, ``acceptance-bad-time``.
    """
    return Facts(
        task=_task(row),
        temperature=_temperature(row),
        batch=_batch(row),
        span=_span(row),
    )


def _task(row: Mapping[str, Any]) -> str:
    field, value = _first(row, _TASKS)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowError("acceptance-bad-task", "a class is a name or a number", field)
    return str(value)


def _temperature(row: Mapping[str, Any]) -> float:
    for name in ("request", "body", "sampling_params"):
        inner = row.get(name)
        if isinstance(inner, dict) and inner.get("temperature") is not None:
            return _at_least(0.0, inner["temperature"], f"{name}.temperature", "temperature")
    return _at_least(0.0, row.get("temperature"), "temperature", "temperature")


def _batch(row: Mapping[str, Any]) -> float:
    field, value = _first(row, _BATCHES)
    found = _at_least(1.0, value, field, "batch")
    if found > MOST_SEQUENCES:
        raise RowError("acceptance-bad-batch", f"no engine decodes {found:,.0f} together", field)
    return found


def _span(row: Mapping[str, Any]) -> tuple[float, float]:
    began, ended = (_time(row.get(field), field) for field in ("started", "ended"))
    if ended < began:
        raise RowError("acceptance-bad-time", "the request ended before it began", "ended")
    return began, ended


def _time(value: object, field: str) -> float:
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            raise RowError("acceptance-bad-time", _NO_TIME, field) from None
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    number = _number(value)
    if value is not None and not math.isfinite(number):
        raise RowError("acceptance-bad-time", _NO_TIME, field)
    return number


_NO_TIME = "it is neither seconds nor a time as ISO 8601 writes it"


def _at_least(least: float, value: object, field: str, kind: str) -> float:
    number = _number(value)
    if value is not None and not least <= number < math.inf:
        raise RowError(f"acceptance-bad-{kind}", f"it is no number from {least:g} up", field)
    return number


def _first(row: Mapping[str, Any], names: tuple[str, ...]) -> tuple[str, Any]:
    return next(((name, row[name]) for name in names if row.get(name) is not None), ("", None))


def _number(value: object) -> float:
    """A JSON number; NaN for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
