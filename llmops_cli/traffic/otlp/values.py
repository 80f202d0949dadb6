"""Attribute values as plain Python values, whichever of the typed fields carries them."""

import math
from contextlib import suppress
from typing import Any

import msgspec

from llmops_cli.traffic.envelope import microseconds
from llmops_cli.traffic.otlp.messages import AnyValue, KeyValue
from llmops_cli.traffic.quarantine import RowError

__all__ = [
    "MOST_TOKENS",
    "count",
    "flag",
    "identifier",
    "identifiers",
    "instants",
    "micros",
    "model_inside",
    "number",
    "plain",
    "plain_map",
    "raw_json",
    "text",
    "texts",
]

MOST_TOKENS = 500_000_000
_EARLIEST, _LATEST = 10**17, 7 * 10**18
"""Instants between these are nanoseconds, whatever else exporters write."""


def text(value: AnyValue) -> str | None:
    """A string; numbers and truth values as their text."""
    if value.string_value is not None:
        return value.string_value
    found = plain(value)
    return None if found is None or isinstance(found, dict | list) else str(found)


class _Parameters(msgspec.Struct):
    model: str | None = None


def model_inside(value: AnyValue) -> str | None:
    """The model among request parameters that were logged as JSON text."""
    with suppress(msgspec.DecodeError):
        return msgspec.json.decode(raw_json(value), type=_Parameters).model
    return None


def texts(value: AnyValue) -> str | None:
    """The first of a list of strings, or the string that stands in its place."""
    if value.array_value is not None:
        return text(value.array_value.values[0]) if value.array_value.values else None
    found = text(value)
    if found is not None and found[:1] == "[":
        # Some exporters have no lists, and write them as JSON.
        with suppress(msgspec.DecodeError):
            return next(iter(msgspec.json.decode(found, type=list[str])), None)
    return found


def flag(value: AnyValue) -> bool | None:
    """A truth value."""
    if value.bool_value is not None:
        return value.bool_value
    return None if value.string_value is None else value.string_value.lower() == "true"


def number(value: AnyValue) -> float | None:
    """A finite number; None for anything else."""
    found = plain(value)
    try:
        as_float = float(found) if isinstance(found, int | float | str) else math.nan
    except (ValueError, OverflowError):
        return None
    return as_float if math.isfinite(as_float) else None


def count(value: AnyValue) -> int:
    """A counter of tokens, also where it was logged as text or as a double.

    Raises:
        RowError: ``calls-bad-value`` for what is no count, or beyond reason.
    """
    found = value.int_value
    try:
        whole = _whole(value) if found is None else int(found)
    except (ValueError, OverflowError):
        whole = -1
    if not 0 <= whole <= MOST_TOKENS:
        raise RowError("calls-bad-value", "a counter of tokens is expected", "attributes")
    return whole


def _whole(value: AnyValue) -> int:
    found = value.string_value if value.double_value is None else value.double_value
    if found is None:
        return -1
    if isinstance(found, str) and "." not in found:
        return int(found)
    as_float = float(found)
    return int(as_float) if as_float.is_integer() else -1


def plain(value: AnyValue | None) -> Any:  # noqa: ANN401 - JSON
    """The value as JSON would have it."""
    if value is None:
        return None
    if value.int_value is not None:
        return _integer(value.int_value)
    if value.array_value is not None:
        return [plain(item) for item in value.array_value.values]
    if value.kvlist_value is not None:
        return plain_map(value.kvlist_value.values)
    scalars = (value.string_value, value.bool_value, value.double_value, value.bytes_value)
    return next((found for found in scalars if found is not None), None)


def _integer(value: int | str) -> int | str:
    try:
        return int(value)
    except ValueError:
        return value


def plain_map(pairs: list[KeyValue]) -> dict[str, Any]:
    """Attributes as a dictionary of plain values."""
    return {pair.key: plain(pair.value) for pair in pairs}


def raw_json(value: AnyValue) -> bytes:
    """Structured content as JSON text: it is logged as a string of JSON, or as a structure."""
    if value.string_value is not None:
        return value.string_value.encode("utf-8", "surrogatepass")
    return msgspec.json.encode(plain(value))


def micros(nanoseconds: str | int, field: str) -> int | None:
    """An OTLP instant in microseconds; None for 0, which OTLP means as unknown.

    Exporters that write milliseconds or seconds are understood by magnitude.

    Raises:
        RowError: ``calls-bad-time``.
    """
    try:
        found = int(nanoseconds)
    except ValueError:
        raise RowError("calls-bad-time", "not a time in nanoseconds", field) from None
    if _EARLIEST <= found < _LATEST:
        return found // 1000
    return None if found == 0 else microseconds(float(found) if found < 10**30 else -1.0, field)


def instants(nanoseconds: list[str | int]) -> list[int]:
    """As :func:`micros`, of nanoseconds only.

    Raises:
        ValueError: one of them is none.
    """
    found = list(map(int, nanoseconds))
    if min(found) < _EARLIEST or max(found) >= _LATEST:
        raise ValueError
    return [each // 1000 for each in found]


def identifier(value: str, length: int) -> str | None:
    """A trace or span id in hexadecimal, also where an exporter wrote base64.

    Args:
        value: as logged.
        length: of the id in hexadecimal digits.
    """
    if not value.strip("0"):
        # All zeros mean no id.
        return None
    # Digits of either case are the same id.
    return value.lower() if len(value) == length else _from_base64(value, length)


def identifiers(values: list[str], length: int) -> list[str | None]:
    """As :func:`identifier`, of many; empty ones are no ids."""
    lengths, joined = set(map(len, values)), "".join(values)
    if not joined:
        return [None] * len(values)
    if lengths == {length} and joined == joined.lower() and "0" * length not in values:
        return [*values]
    return [identifier(value, length) for value in values]


def _from_base64(value: str, length: int) -> str:
    import base64  # noqa: PLC0415 - rare
    import binascii  # noqa: PLC0415

    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return value
    return data.hex() if 2 * len(data) == length else value
