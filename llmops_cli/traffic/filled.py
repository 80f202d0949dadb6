"""The columns of many lines of one template: every value once for all of them.

A line whose values are not what the row reader takes without a second thought is left to it.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.calls import COLUMNS
from llmops_cli.traffic.alike import Found, Marked
from llmops_cli.traffic.chains import prompt_columns, prompts_of
from llmops_cli.traffic.envelope import MOST_TOKENS, Moment, instants, microseconds
from llmops_cli.traffic.layouts import Layout, Use
from llmops_cli.traffic.prompts import BYTES_PER_TOKEN
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.templates import Template, Value
from llmops_cli.traffic.values import Each, Values, repeated

__all__ = ["Columns", "alike", "filled"]

Columns = dict[str, pa.Array]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_TYPES = {column.name: column.type for column in COLUMNS}
_INPUT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_MOST_SECONDS = 1e12
_ZULU = ord("Z")


def filled(
    layout: Layout, template: Template, marked: Marked, found: Found, whole: bytes, key: bytes
) -> tuple[Columns, Mask]:
    """The columns of some lines of a template.

    Args:
        layout: of the format.
        template: theirs.
        marked: the slab that they are in.
        found: where their values are.
        whole: the bytes of the slab.
        key: of the chained hashes.

    Returns:
        The columns that they fill, with a value for every line, and which lines are simple.
    """
    lines = Values(marked, found, whole, np.ones(len(found.rows), np.bool_))
    columns, texts = _constant(template, len(lines)), dict[int, tuple[Each, Ints]]()
    for at, value in enumerate(template.values):
        if value.use == Use.PROMPT:
            said = lines.said(at)
            texts[at] = said, lines.sizes(at, said)
        elif value.use != Use.COUNT:
            columns |= _column(lines, at, value)
    counted = _counted(layout, template, lines)
    if counted is None:
        return columns, np.zeros(len(lines), np.bool_)
    columns |= counted
    if template.blocks:
        blocks = prompts_of(template.blocks, texts, len(lines), key)
        _estimate(columns, blocks.sizes)
        columns |= prompt_columns(blocks, _input(columns, len(lines)))
    return columns, lines.simple


def alike(template: Template, marked: Marked, found: Found, whole: bytes) -> frozenset[int]:
    """The numbers of texts and of what nobody reads that are the same in all lines.

    Args:
        template: theirs.
        marked: the slab that they are in.
        found: where their values are.
        whole: the bytes of the slab.
    """
    lines = Values(marked, found, whole, np.ones(len(found.rows), np.bool_))
    plain = {Use.TEXT, Use.NOTHING}
    return frozenset(
        at for at, value in enumerate(template.values) if value.use in plain and lines.same(at)
    )


def _constant(template: Template, lines: int) -> Columns:
    """What every line says; what none says is left out."""
    return {name: repeated(value, _TYPES[name], lines) for name, value in template.said.items()}


def _column(lines: Values, at: int, value: Value) -> Columns:
    # A value that fills no column may still be one that the row reader refuses.
    if value.use == Use.TIME:
        array = _times(lines, at, value)
    elif value.use == Use.SECONDS:
        array = _seconds(lines, at, value.divisor)
    elif value.columns:
        array = lines.strings(at)
    else:
        lines.check(at, is_text=value.place.is_text)
        return {}
    return dict.fromkeys(value.columns, array)


def _times(lines: Values, at: int, value: Value) -> pa.Array:
    if not value.place.is_text:
        found, known = instants(lines.seconds(at).tolist())
    else:
        found, known = _written_times(lines, at)
    lines.simple &= known
    return pa.array(found).view(_TYPES["start_time"])


def _written_times(lines: Values, at: int) -> tuple[Ints, Mask]:
    texts = lines.strings(at)
    if (lines.marked.data[lines.found.ends[at] - 1] == _ZULU).all():
        try:
            found = texts.cast(_TYPES["start_time"]).cast(pa.int64()).to_numpy()
        except pa.ArrowInvalid:
            pass
        else:
            ends = (found.argmin(), found.argmax())
            if all(_instant(texts[int(each)].as_py()) >= 0 for each in ends):
                return found, np.ones(len(found), np.bool_)
    told = np.array([_instant(text) for text in texts.to_pylist()], np.int64)
    return told, told >= 0


def _instant(value: Moment) -> int:
    try:
        return -1 if value is None else microseconds(value, "")
    except RowError:
        return -1


def _seconds(lines: Values, at: int, divisor: int) -> pa.Array:
    found = lines.seconds(at)
    lines.simple &= (found >= 0) & (found <= _MOST_SECONDS)
    return pa.array(found if divisor == 1 else found / divisor)


def _counted(layout: Layout, template: Template, lines: Values) -> Columns | None:
    counts = {path: lines.counts(at, MOST_TOKENS) for path, at in template.counts.items()}
    made = layout.counted(template.line, counts)
    if made is None:
        return None
    columns, sound = made
    lines.simple &= sound
    return {name: pa.array(values) for name, values in columns.items()}


def _estimate(columns: Columns, sizes: Ints) -> None:
    """Tokens by the rule of four bytes where nothing was counted and nothing failed."""
    if "input_tokens" in columns or "error_type" in columns or not sizes.size:
        return
    columns["input_tokens"] = pa.array((-(-sizes // BYTES_PER_TOKEN)).sum(axis=1))
    columns["tokens_estimated"] = repeated(True, pa.bool_(), len(sizes))


def _input(columns: Columns, lines: int) -> Columns:
    none = repeated(0, pa.int64(), lines)
    found = {name: columns.get(name, none) for name in _INPUT}
    estimated = columns.get("tokens_estimated")
    if estimated is None:
        estimated = repeated(False, pa.bool_(), lines)
    return found | {"tokens_estimated": estimated}
