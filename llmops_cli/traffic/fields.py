"""Fields of a row by their name or a dotted path, and the one error for a field that is nowhere."""

import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.sources import Source

__all__ = ["ABSENT", "FieldRow", "missing_field", "paths_of", "value_at"]

ABSENT = object()
"""Stands for a field that a row does not have."""

FieldRow = dict[str, Any] | RowError
"""The values of a row by field, or why there are none."""

_SHOWN = 20
_NAME = re.compile(r"[\w.\-/:@ ()\[\]]{1,60}")


def paths_of(field: str) -> Iterator[tuple[str, str]]:
    """Every way to read a field: a name and the path inside it; names themselves may have dots."""
    yield field, ""
    for at, letter in enumerate(field):
        if letter == ".":
            yield field[:at], field[at + 1 :]


def value_at(row: object, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """What stands at a path in nested objects and lists, or :data:`ABSENT`."""
    if not path:
        return row
    for name, rest in paths_of(path):
        inner: object = ABSENT
        if isinstance(row, dict):
            inner = row.get(name, ABSENT)
        elif isinstance(row, list) and name.isdecimal() and int(name) < len(row):
            inner = row[int(name)]
        if inner is not ABSENT and (value := value_at(inner, rest)) is not ABSENT:
            return value
    return ABSENT


def missing_field(
    field: str, known: Iterable[str], source: Source, *, line: int | None = None
) -> LlmopsError:
    """The error that names the fields that are there; only what looks like a name is shown."""
    names = [name for name in dict.fromkeys(known) if _NAME.fullmatch(name)]
    near = get_close_matches(field, names, n=1)
    shown = ", ".join(names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return LlmopsError(
        "mapping-missing-field",
        f"no row has the field '{field}'",
        hint=(f"did you mean '{near[0]}'? " if near else "") + f"there are: {shown}{more}",
        file=source.name,
        line=line,
        field=field,
    )
