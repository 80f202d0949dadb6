"""The value of a team's own field as what a column holds; strictly, or not at all."""

import math
import re
from datetime import date
from decimal import Decimal

from llmops_cli.traffic.envelope import MOST_TOKENS, microseconds
from llmops_cli.traffic.quarantine import RowError

__all__ = [
    "UNREADABLE",
    "as_count",
    "as_error",
    "as_instant",
    "as_marker",
    "as_milliseconds",
    "as_score",
    "as_seconds",
    "as_text",
    "as_tokens",
    "read_number",
]

UNREADABLE = object()
"""Stands for a value that the file's own library cannot give."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_NUMBER = 40
_MOST_ATTEMPTS = 2**31 - 1
_SUCCESS = (100, 400)


def read_number(text: str) -> int | float | None:
    """The number that a text is, or None: digits as in JSON, no grouping, no NaN."""
    if text.isdecimal() and text.isascii() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _number(value: object, *, is_csv: bool) -> int | float | None:
    # Counts with gaps come out of data frames as floats, and out of warehouses as decimals.
    if isinstance(value, str) and is_csv:
        value = read_number(value)
    elif isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _bad(expected: str, field: str) -> RowError:
    return RowError("calls-bad-value", f"not {expected}", field)


def as_text(value: object, field: str, *, is_csv: bool) -> str | None:
    """Text as it is, whole numbers as text: identifiers may be numbers; empty text is nothing.

    Raises:
        RowError: ``calls-bad-value``.
    """
    if isinstance(value, str):
        return value if value.strip() else None
    number = _number(value, is_csv=is_csv)
    if not isinstance(number, int):
        raise _bad("text or a whole number", field)
    return str(number)


def as_error(value: object, field: str, *, is_csv: bool) -> str | None:
    """What went wrong; false, 0 and a status below 400 say that nothing did.

    Raises:
        RowError: ``calls-bad-value``.
    """
    if isinstance(value, bool):
        return "error" if value else None
    text = as_text(value, field, is_csv=is_csv)
    number = None if text is None else read_number(text)
    if number is not None:
        return None if number == 0 or _SUCCESS[0] <= number < _SUCCESS[1] else text
    word = (text or "").strip().lower()
    return {"true": "error", "false": None}.get(word, text)


def as_count(value: object, field: str, *, is_csv: bool) -> int:
    """A whole number of attempts, from 1.

    Raises:
        RowError: ``calls-bad-value``.
    """
    number = _number(value, is_csv=is_csv)
    if not isinstance(number, int) or not 1 <= number <= _MOST_ATTEMPTS:
        raise _bad("a whole number from 1", field)
    return number


def as_tokens(value: object, field: str, *, is_csv: bool) -> int:
    """A counter of tokens.

    Raises:
        RowError: ``calls-bad-value``.
    """
    number = _number(value, is_csv=is_csv)
    if not isinstance(number, int) or not 0 <= number <= MOST_TOKENS:
        raise _bad(f"a whole number of tokens from 0 to {MOST_TOKENS:,}", field)
    return number


def as_marker(value: object, field: str, *, is_csv: bool) -> int:
    """The lifetime that automatic caching asks for: 0 none, 1 five minutes, 2 one hour.

    Raises:
        RowError: ``calls-bad-value``.
    """
    number = _number(value, is_csv=is_csv)
    if number not in {0, 1, 2}:
        raise _bad("0 (none), 1 (five minutes) or 2 (one hour)", field)
    return int(number or 0)


def as_seconds(value: object, field: str, *, is_csv: bool) -> float:
    """A span of time that is not negative.

    Raises:
        RowError: ``calls-bad-value``, ``calls-negative-duration``.
    """
    number = _finite(value, field, is_csv=is_csv)
    if number < 0:
        raise RowError("calls-negative-duration", "a duration is not negative", field)
    return number


def as_milliseconds(value: object, field: str, *, is_csv: bool) -> float:
    """As :func:`as_seconds`, logged in milliseconds."""
    return as_seconds(value, field, is_csv=is_csv) / 1000


def as_score(value: object, field: str, *, is_csv: bool) -> float:
    """Any finite number.

    Raises:
        RowError: ``calls-bad-value``.
    """
    return _finite(value, field, is_csv=is_csv)


def _finite(value: object, field: str, *, is_csv: bool) -> float:
    number = _number(value, is_csv=is_csv)
    try:
        found = math.nan if number is None else float(number)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise _bad("a finite number", field)
    return found


def as_instant(value: object, field: str, *, is_csv: bool) -> int:
    """Microseconds since 1970.

    Raises:
        RowError: ``calls-bad-time``.
    """
    if isinstance(value, date):
        value = value.isoformat()
    number = _number(value, is_csv=is_csv)
    if number is None and not isinstance(value, str):
        number = math.nan
    return microseconds(str(value).strip() if number is None else number, field)
