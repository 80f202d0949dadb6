"""Values of outcome columns: numbers where a whole column is numbers, else one by one.

What cannot be read is kept by row with its reason; what is not there is NaN.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.coded import coded
from llmops_cli.traffic.decision_labels import LABELS, NOTHING, spelled
from llmops_cli.traffic.decision_values import parsed
from llmops_cli.traffic.quarantine import RowError

__all__ = ["amounts", "keys", "qualities", "scores", "shares", "texts"]

Floats = npt.NDArray[np.float64]
Wrong = dict[int, RowError]

EMPTY = 0
"""The key of no text."""


def qualities(values: Sequence[Any], field: str, wrong: Wrong, span: tuple[float, float]) -> Floats:
    """Qualities brought to [0, 1] from the range of the file; true and false are 1 and 0.

    Args:
        values: of one column.
        field: its name, for the errors.
        wrong: rows that cannot be read; added to.
        span: worst and best value.
    """
    low, high = span

    def read(value: object, name: str) -> float:
        word = spelled(value)
        code = LABELS.get(word)
        if code is not None and word not in _NUMBERS:
            return math.nan if code == 2 else low + code * (high - low)  # noqa: PLR2004 - no label
        number = _number(word)
        if not low <= number <= high:
            message = f"not a quality between {low:g} and {high:g}: --quality-range names others"
            raise RowError("outcomes-bad-quality", message, name)
        return number

    found = _floats(values, field, wrong, read, lambda known: (known >= low) & (known <= high))
    return (found - low) / (high - low)


_NUMBERS = {"0", "1", "0.0", "1.0"}


def amounts(values: Sequence[Any], field: str, wrong: Wrong, *, kind: str) -> Floats:
    """Numbers of 0 or more; ``kind`` is cost, latency or tokens, for the slug."""
    article = "" if kind == "tokens" else "a "

    def read(value: object, name: str) -> float:
        word = spelled(value)
        number = math.nan if word in NOTHING else _number(word)
        if not 0 <= number <= _MOST and not math.isnan(number):
            message = f"not {article}{kind}: a number from 0 to {_MOST:g} is expected"
            raise RowError(f"outcomes-bad-{kind}", message, name)
        return number

    return _floats(values, field, wrong, read, lambda known: (known >= 0) & (known <= _MOST))


_MOST = 1e12
"""No request costs, takes or holds as much; sums of larger ones would overflow."""


def shares(values: Sequence[Any], field: str, wrong: Wrong) -> Floats:
    """Probabilities above 0."""

    def read(value: object, name: str) -> float:
        word = spelled(value)
        number = math.nan if word in NOTHING else _number(word)
        if number <= 0 or number > 1:
            message = "not a propensity: a probability above 0, at most 1"
            raise RowError("outcomes-bad-propensity", message, name)
        return number

    return _floats(values, field, wrong, read, lambda known: (known > 0) & (known <= 1))


def scores(values: Sequence[Any], field: str, wrong: Wrong) -> Floats:
    """Any finite numbers."""

    def read(value: object, name: str) -> float:
        word = spelled(value)
        number = math.nan if word in NOTHING else _number(word)
        if math.isinf(number):
            raise RowError("outcomes-bad-score", "not a finite number", name)
        return number

    return _floats(values, field, wrong, read, np.isfinite)


def texts(values: Sequence[Any]) -> list[str]:
    """Text without blanks around it; empty for none."""
    return ["" if value is None else str(value).strip() for value in values]


def keys(values: Sequence[Any]) -> npt.NDArray[np.uint64]:
    """A number for every text, the same for the same; :data:`EMPTY` for none."""
    import pyarrow as pa  # noqa: PLC0415 - slow to load

    return coded(pa.array([word or None for word in texts(values)], pa.string()))


def _number(word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        return -math.inf
    return number if math.isfinite(number) else -math.inf


def _floats(
    values: Sequence[Any],
    field: str,
    wrong: Wrong,
    read: Callable[[object, str], float],
    good: Callable[[Floats], npt.NDArray[np.bool_]],
) -> Floats:
    # Most columns are plain numbers: one pass of numpy instead of one call per value.
    try:
        known = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        known = None
    if known is not None and bool((good(known) | np.isnan(known)).all()):
        return known
    column = parsed(list(values), field, read, np.float64)
    for row, error in column.wrong.items():
        wrong.setdefault(row, error)
    return column.read
