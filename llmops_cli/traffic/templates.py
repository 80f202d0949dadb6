"""A line that was read becomes the template of all that are alike: their columns, all at once.

What each of the values that may differ becomes is not written down here. The row reader is asked:
it reads the line once more with a mark in place of each value, and the marks show where they go.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import ModuleType
from typing import Any

import msgspec

from llmops_cli.calls import COLUMNS, HASH_BYTES
from llmops_cli.traffic.alike import Shape
from llmops_cli.traffic.envelope import microseconds
from llmops_cli.traffic.layouts import Layout, Use
from llmops_cli.traffic.places import Path, Place, places
from llmops_cli.traffic.prompts import Block, Part
from llmops_cli.traffic.refusals import REFUSALS
from llmops_cli.traffic.sniff import FORMATS, sniff
from llmops_cli.traffic.table import StagedRow

__all__ = ["Template", "Value", "template"]

_LAST_OF_NUMBERS = 60
_MOST_VALUES = 400
_MARK = b"<value "
_SILENT = {"tokens_estimated": False, "automatic_cache": 0, "source_file": "", "source_line": 0}


@dataclass(frozen=True, slots=True)
class Value:
    """A value that may differ.

    Attributes:
        place: where it stands in the line that was read.
        use: what the row reader does with it.
        columns: those that it fills.
        divisor: of seconds, where the log counts in thousandths.
    """

    place: Place
    use: Use
    columns: tuple[str, ...] = ()
    divisor: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """What lines of one shape say.

    Attributes:
        shape: theirs.
        values: those that may differ, in the order of the shape.
        line: the one that was read.
        said: what all of them say, by column.
        blocks: of the prompt; the number of a value stands for the digest of its text.
    """

    shape: Shape
    values: tuple[Value, ...]
    line: Any
    said: Mapping[str, Any]
    blocks: tuple[tuple[bytes | int, Block], ...]

    @property
    def counts(self) -> dict[Path, int]:
        """Which values are counters, by path."""
        return {v.place.path: at for at, v in enumerate(self.values) if v.use == Use.COUNT}


def template(layout: Layout, raw: bytes, same: Collection[int] = ()) -> Template | None:
    """The template of a line; None where others like it are to be read one by one.

    Args:
        layout: of the format.
        raw: the line.
        same: numbers of values that do not differ although they may.
    """
    try:
        line = _decode(layout, raw)
        found = places(raw)
        if found is None or not line.fits() or _holds_marks(raw):
            return None
        values = [Value(place, use) for place in found if (use := layout.use(place))]
        values = [value for at, value in enumerate(values) if at not in same]
        if len(values) > _MOST_VALUES:
            return None
        shape = Shape(raw, [value.place for value in values])
        return _read(layout, raw, line, shape, values)
    except (*REFUSALS, ValueError):
        return None


def _decode(layout: Layout, raw: bytes) -> Any:  # noqa: ANN401 - as typed by the format
    return msgspec.json.decode(raw, type=layout.module.Line)


def _read(
    layout: Layout,
    raw: bytes,
    line: Any,  # noqa: ANN401 - as typed by the format
    shape: Shape,
    values: Sequence[Value],
) -> Template | None:
    plain = _row(layout, line)
    marks = [_mark(value, number) for number, value in enumerate(values)]
    probe = _replaced(raw, values, marks)
    marked = _row(layout, _decode(layout, probe))
    if plain is None or marked is None or not (_sure(layout, raw) and _sure(layout, probe)):
        return None
    columns, parts = marked
    known = [_traced(value, mark, columns) for value, mark in zip(values, marks, strict=True)]
    blocks = _blocks(parts, values, marks)
    if blocks is None:
        return None
    row = msgspec.convert(plain[0], StagedRow)
    return Template(shape, tuple(known), line, _said(row), blocks)


def _sure(layout: Layout, raw: bytes) -> bool:
    """Whether a line is of this format whatever the lines before it were."""
    own = layout.module.NAME
    return sniff(raw) == own and not any(
        _fits(raw, module) for name, module in FORMATS.items() if name != own
    )


def _fits(raw: bytes, module: ModuleType) -> bool:
    try:
        return msgspec.json.decode(raw, type=module.Line).fits()
    except msgspec.DecodeError:
        return False


def _said(row: StagedRow) -> dict[str, Any]:
    """The columns of a row that are not what they are where nothing is said."""
    told = {column.name: getattr(row, column.name, None) for column in COLUMNS}
    return {name: value for name, value in told.items() if value != _SILENT.get(name)}


def _row(layout: Layout, line: Any) -> tuple[dict[str, Any], Sequence[Part]] | None:  # noqa: ANN401
    (found,) = layout.module.rows(line)
    return found if isinstance(found, tuple) else None


def _mark(value: Value, number: int) -> bytes:
    """Something that may stand in the place of a value, and nowhere else."""
    if value.use == Use.TIME and value.place.is_text:
        return b"2001-01-01T%02d:%02d:00Z" % divmod(number, _LAST_OF_NUMBERS)
    if value.use == Use.TIME:
        return b"%d" % (1_000_000_000 + number)
    if value.use == Use.SECONDS:
        return b"%d" % (1_000_003 + number)
    return _MARK + b"%d>" % number if value.place.is_text else b""


def _holds_marks(raw: bytes) -> bool:
    """Whether a line says what a mark would, however its JSON spells it."""
    return _MARK in msgspec.json.encode(msgspec.json.decode(raw))


def _replaced(raw: bytes, values: Sequence[Value], marks: Sequence[bytes]) -> bytes:
    pieces, at = list[bytes](), 0
    for value, mark in zip(values, marks, strict=True):
        if mark:
            pieces += [raw[at : value.place.begin], mark]
            at = value.place.end
    return b"".join([*pieces, raw[at:]])


def _traced(value: Value, mark: bytes, columns: dict[str, Any]) -> Value:
    """A value with the columns in which its mark was found."""
    if value.use == Use.TEXT:
        return Value(value.place, value.use, _holding(columns, mark.decode()))
    if value.use == Use.TIME:
        told: Any = mark.decode() if value.place.is_text else int(mark)
        return Value(value.place, value.use, _holding(columns, microseconds(told, "")))
    if value.use == Use.SECONDS:
        for divisor in (1, 1000):
            if names := _holding(columns, int(mark) / divisor):
                return Value(value.place, value.use, names, divisor)
    return value


def _holding(columns: dict[str, Any], value: object) -> tuple[str, ...]:
    return tuple(
        name for name, found in columns.items() if type(found) is type(value) and found == value
    )


def _blocks(
    parts: Sequence[Part], values: Sequence[Value], marks: Sequence[bytes]
) -> tuple[tuple[bytes | int, Block], ...] | None:
    """The blocks, each with its own digest or the value that makes it.

    None where a text of the prompt is no block by itself.
    """
    made = {
        blake2b(b"t" + mark, digest_size=HASH_BYTES).digest(): number
        for number, (value, mark) in enumerate(zip(values, marks, strict=True))
        if value.use == Use.PROMPT
    }
    blocks = [block for cutter, raw in parts for block in cutter(raw)]
    found = tuple((made.get(block[0], block[0]), block) for block in blocks)
    told = sorted(key for key, _ in found if isinstance(key, int))
    return found if told == sorted(made.values()) else None
