"""Measured steps of a serving engine from a CSV: ``batch``, ``tokens``, ``context``, ``ms``.

One row is one timed step: how many sequences, how many new tokens each brought (1 in decode),
how many tokens stood before them, and how long it took.
"""

import csv
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from llmops_cli.errors import LlmopsError
from llmops_cli.hardware.capacity import MOST_SEQUENCES

if TYPE_CHECKING:
    from llmops_cli.hardware.fit import Measured

__all__ = ["COLUMNS", "read_step_times"]

COLUMNS = ("batch", "tokens", "context", "ms")

_RANGES = {
    "batch": (1.0, MOST_SEQUENCES),
    "tokens": (1.0, 1e7),
    "context": (0.0, 1e8),
    "ms": (0.001, 3.6e6),
}
"""What a step can be; beyond them a column was mistaken for another, or its unit."""


def read_step_times(lines: Iterable[str], *, source: str) -> "Measured":
    """Read measured steps.

    Args:
        lines: of the CSV, its header first; more columns than ours do not matter.
        source: the file's name, for messages and reports.

    Raises:
        LlmopsError: ``steps-no-header``, ``steps-bad-row`` with line and field, ``steps-none``.
    """
    import numpy as np  # noqa: PLC0415 - the reader of every command imports this room

    from llmops_cli.hardware.fit import Measured  # noqa: PLC0415 - as above

    reader = csv.DictReader(lines)
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise LlmopsError(
            "steps-no-header",
            f"the header lacks {', '.join(missing)}",
            hint=f"the columns are {', '.join(COLUMNS)}",
            file=source,
            line=1,
        )
    rows = [_row(row, source, reader.line_num) for row in reader]
    if not rows:
        raise LlmopsError("steps-none", "it holds no measured step", file=source)
    batch, tokens, context, ms = np.array(rows, np.float64).T
    return Measured(batch=batch, tokens=tokens, context=context, seconds=ms / 1e3, source=source)


def _row(row: Mapping[str, str], source: str, line: int) -> list[float]:
    found: list[float] = []
    # DictReader keeps fields beyond the header under None: a comma inside a number moves the rest.
    if any(row.get(None, ())):  # pyright: ignore[reportArgumentType, reportCallIssue]
        message = "it has more fields than the header"
        raise LlmopsError("steps-bad-row", message, file=source, line=line)
    for name in COLUMNS:
        try:
            number = float(row[name])
        except (TypeError, ValueError):
            number = math.nan
        least, most = _RANGES[name]
        if not least <= number <= most:
            raise LlmopsError(
                "steps-bad-row",
                f"{name} must be a number from {least:g} to {most:,.0f}",
                file=source,
                line=line,
                field=name,
            )
        found.append(number)
    return found
