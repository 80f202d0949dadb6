"""Fields of a manifest by what they are for: mappings, lists, numbers, durations; or a refusal."""

import math
import re
from typing import Any, TypeVar

__all__ = ["NotWhatItIsForError", "at", "each", "number", "seconds"]

_Absent = TypeVar("_Absent", float, None)

_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_DURATION = re.compile(rf"(?:{_PART.pattern})+")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class NotWhatItIsForError(Exception):
    """A field that holds something else than its controller takes."""

    def __init__(self, field: str, wanted: str) -> None:
        """Name the field and what it should hold."""
        super().__init__(field)
        self.field = field
        self.wanted = wanted


def at(document: dict[str, Any], *path: str) -> dict[str, Any]:
    """The mapping at a path, empty where there is none.

    Raises:
        NotWhatItIsForError: something that is no mapping stands on the way.
    """
    for key in path:
        inner: Any = document.get(key) or {}
        if not isinstance(inner, dict):
            raise NotWhatItIsForError(key, "a mapping")
        document = inner
    return document


def each(document: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The mappings of a list, none where it is absent.

    Raises:
        NotWhatItIsForError: it is no list of mappings.
    """
    items: Any = document.get(key) or []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise NotWhatItIsForError(key, "a list of mappings")
    return items


def number(document: dict[str, Any], key: str, absent: _Absent) -> float | _Absent:
    """A finite number, or what stands for its absence.

    Raises:
        NotWhatItIsForError: it is no number.
    """
    value = document.get(key)
    if value is None:
        return absent
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not math.isfinite(found):
        raise NotWhatItIsForError(key, "a number")
    return found


def seconds(document: dict[str, Any], key: str) -> float:
    """A duration in seconds, 0 where there is none.

    Raises:
        NotWhatItIsForError: it is no duration.
    """
    value = document.get(key)
    if value is None or isinstance(value, int | float):
        return max(0.0, number(document, key, 0))
    if not _DURATION.fullmatch(str(value)):
        if str(value).isdigit():
            return float(value)
        raise NotWhatItIsForError(key, "a duration, as 10m")
    return sum(float(count) * _SECONDS[unit] for count, unit in _PART.findall(str(value)))
