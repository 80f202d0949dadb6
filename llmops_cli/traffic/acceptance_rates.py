"""Acceptance rates by class of task: all that is left where nobody logged steps."""

import csv
import math
from collections.abc import Mapping
from typing import Any

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.acceptance_facts import facts_of_row
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import lines

__all__ = ["Rate", "rate_of_row", "read_rates"]

_MOST_STEPS = 1e15
"""Beyond this a float no longer counts by ones."""

Rate = tuple[str, float, float]
"""Class, acceptance and steps."""


def read_rates(source: Source) -> list[Rate]:
    """Read a CSV of ``task``, ``acceptance`` and, where known, ``steps``.

    Raises:
        LlmopsError: ``acceptance-bad-rate`` and ``acceptance-empty-steps`` with their line.
    """
    text = [line.decode("utf-8-sig", "replace") for _, line in lines(source)]
    reader = csv.DictReader(text)
    if "acceptance" not in (reader.fieldnames or ()):
        raise LlmopsError(
            "acceptance-bad-rate",
            "the header lacks acceptance",
            hint="the columns are task, acceptance and, where known, steps",
            file=source.name,
            line=1,
        )
    found: list[Rate] = []
    for row in reader:
        try:
            found.append(rate_of_row(row))
        except RowError as error:
            raise LlmopsError(
                error.slug, error.message, file=source.name, line=reader.line_num, field=error.field
            ) from None
    return found


def rate_of_row(row: Mapping[str, Any]) -> Rate:
    """Class, acceptance and steps of a row.

    A rate of 0 or 1 is none: no log of finite length can show that nothing or everything is
    accepted.

    Raises:
        RowError: ``acceptance-bad-rate``, ``acceptance-empty-steps``.
    """
    acceptance = _float(row.get("acceptance"), absent=math.nan)
    steps = _float(row.get("steps"), absent=1.0)
    if not 0 < acceptance < 1:
        raise RowError("acceptance-bad-rate", "a rate lies between 0 and 1", "acceptance")
    if not 0 < steps < _MOST_STEPS:
        raise RowError("acceptance-empty-steps", "steps are a number above 0", "steps")
    return facts_of_row({"task": row.get("task")})["task"], acceptance, steps


def _float(value: Any, *, absent: float) -> float:  # noqa: ANN401 - a cell or a JSON value
    if value is None or value == "":
        return absent
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan
