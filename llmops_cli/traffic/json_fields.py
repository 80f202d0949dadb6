"""Fields of JSON lines; only those that are asked for are decoded."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from llmops_cli.traffic.fields import ABSENT, FieldRow, missing_field, paths_of, value_at
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.refusals import unreadable
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import LINE_LIMIT, TOO_LONG

__all__ = ["json_rows"]

_KNOWN = 500
_LOOKED_INTO = 20

_decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def json_rows(
    source: Source, fields: tuple[str, ...], content: str, numbered: Iterable[tuple[int, bytes]]
) -> Iterator[tuple[int, FieldRow]]:
    """The fields of every line.

    Args:
        source: the file.
        fields: what is wanted of each line.
        content: the field that may stay JSON, because it is cut into blocks.
        numbered: the lines; blank ones are no rows.

    Raises:
        LlmopsError: ``mapping-missing-field`` after the last line, where none has a field.
    """
    seen = _Seen(fields)
    for number, raw in numbered:
        if raw is not TOO_LONG and raw.isspace():
            continue
        try:
            row = _object(raw)
            values = {field: _value(row, field, keep=field == content) for field in fields}
        except RowError as error:
            yield number, error
            continue
        values = {field: value for field, value in values.items() if value is not ABSENT}
        seen.see(row, values)
        yield number, values
    seen.check(source)


def _object(raw: bytes) -> dict[str, msgspec.Raw]:
    if raw is TOO_LONG:
        raise RowError("traffic-line-too-long", f"longer than {LINE_LIMIT >> 20} MiB: not read", "")
    try:
        if not raw.isascii():
            # The decoder skips over what is not asked for without looking at its bytes.
            raw.decode()
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        slug, message = unreadable(error, raw)
        raise RowError(slug, message, "") from None


def _value(row: dict[str, msgspec.Raw], field: str, *, keep: bool) -> Any:  # noqa: ANN401 - JSON
    for name, rest in paths_of(field):
        if name not in row:
            continue
        raw = row[name]
        if keep and not rest and bytes(raw)[:1] in {b"[", b"{"}:
            return raw
        try:
            value = value_at(msgspec.json.decode(raw), rest)
        except RecursionError:
            raise RowError("traffic-too-deep", "objects are nested too deeply", field) from None
        if value is not ABSENT:
            return value
    return ABSENT


class _Seen:
    """Which fields have not been seen yet, and which there are to choose from."""

    def __init__(self, fields: tuple[str, ...]) -> None:
        self._pending = set(fields)
        self._known = dict[str, None]()
        self._rows = 0

    def see(self, row: dict[str, msgspec.Raw], values: dict[str, Any]) -> None:
        self._rows += 1
        if not self._pending:
            return
        self._pending -= values.keys()
        if len(self._known) > _KNOWN:
            return
        for name, raw in row.items():
            self._known[name] = None
            if self._rows <= _LOOKED_INTO and bytes(raw)[:1] == b"{":
                self._known |= {f"{name}.{inner}": None for inner in _decode(raw)}

    def check(self, source: Source) -> None:
        if self._rows and self._pending:
            raise missing_field(min(self._pending), self._known, source)
