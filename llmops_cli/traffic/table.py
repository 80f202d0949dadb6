"""Rows gathered one by one become batches: calls, and what still has to be joined to calls."""

from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.calls import COLUMNS, HASH_BYTES, Marker, arrow_schema
from llmops_cli.traffic.blocks import BYTES_PER_TOKEN, Prompt, apportion

__all__ = [
    "Role",
    "StagedRow",
    "TableBuilder",
    "block_tokens",
    "says",
    "staged_schema",
    "unsaid",
    "zeros",
]

BATCH_BLOCKS = 200_000
BATCH_ROWS = 16_000

_SLICE_ROWS = 1000
"""Rows that wait as Python objects: few enough to stay in the processor's cache."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**40)]
_Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e12)]
_Small = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Instant = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
_Marker = Annotated[int, msgspec.Meta(ge=0, le=int(max(Marker)))]
_Finite = Annotated[float, msgspec.Meta(ge=-1e300, le=1e300)]


class Role(IntEnum):
    """What a staged row is; only calls stay, the others are joined to them."""

    CALL = 0
    CONTEXT = 1
    """A span that is no call: agent, tool, or anything between them."""
    CONTENT = 2
    """Prompt parts logged apart from their call; the blocks are not chained yet."""
    EVALUATION = 3
    """A score of a call."""
    REQUEST = 4
    """The request of a call whose result is logged apart."""


class StagedRow(msgspec.Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One row before it is a row: the plain columns in the order of ``COLUMNS``, then joins.

    What is not of these types and in these bounds is no row, whichever reader made it.
    """

    call_id: str | None = None
    start_time: _Instant | None = None
    conversation_id: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    agent_name: str | None = None
    tool_name: str | None = None
    user_id: str | None = None
    isolation_domain: str | None = None
    task: str | None = None
    provider_name: str | None = None
    operation_name: str | None = "chat"
    request_model: str | None = None
    response_model: str | None = None
    service_tier: str | None = None
    input_tokens: _Count | None = None
    cache_read_tokens: _Count | None = None
    cache_write_5m_tokens: _Count | None = None
    cache_write_1h_tokens: _Count | None = None
    output_tokens: _Count | None = None
    reasoning_tokens: _Count | None = None
    tokens_estimated: bool = False
    duration_s: _Seconds | None = None
    ttft_s: _Seconds | None = None
    finish_reason: str | None = None
    error_type: str | None = None
    attempts: _Small | None = None
    evaluation_score: _Finite | None = None
    automatic_cache: _Marker = 0
    source_file: str = ""
    source_line: int = 0
    role: int = Role.CALL
    parent_span_id: str | None = None
    join_key: str | None = None
    evaluation_name: str | None = None
    counted_by: str | None = None
    cached_outside: bool | None = None
    content: str | None = None

    @property
    def empty(self) -> bool:
        """Whether nothing in it says that there was a call."""
        return (
            self.request_model is None
            and self.start_time is None
            and self.input_tokens is None
            and self.output_tokens is None
            and self.error_type is None
            and not self.role
        )


_PLAIN = StagedRow.__struct_fields__
_JOINS = (
    pa.field("role", pa.uint8()),
    pa.field("parent_span_id", pa.string()),
    pa.field("join_key", pa.string()),
    pa.field("evaluation_name", pa.string()),
    pa.field("counted_by", pa.string()),
    pa.field("cached_outside", pa.bool_()),
    pa.field("content", pa.string()),
)
_TYPES = {column.name: column.type for column in COLUMNS} | {
    field.name: field.type for field in _JOINS
}


_SCHEMA = pa.schema([*arrow_schema(), *_JOINS])


def staged_schema() -> pa.Schema:
    """The calls schema and the columns that joins need."""
    return _SCHEMA


class TableBuilder:
    """Collects rows and their prompts until a batch is worth building."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._prompts: list[Prompt] = []
        self._blocks = 0
        self._parts: list[dict[str, pa.Array]] = []
        self._done = 0

    def add(self, row: StagedRow, prompt: Prompt) -> None:
        """Append one row; counts of tokens that the log lacks are estimated from the prompt."""
        if row.input_tokens is None and len(prompt) and row.error_type is None and not row.role:
            row.input_tokens = prompt.estimated_tokens
            row.tokens_estimated = True
        self.add_whole(msgspec.structs.astuple(row), prompt)

    def add_whole(self, row: tuple[Any, ...], prompt: Prompt) -> None:
        """Append one row that needs no second look: the values of a ``StagedRow`` in order."""
        self._rows.append(row)
        self._prompts.append(prompt)
        self._blocks += len(prompt.kinds)
        if len(self._rows) >= _SLICE_ROWS:
            self._slice()

    def extend(self, columns: dict[str, pa.Array]) -> None:
        """Append rows that are columns already; a column that is not given says nothing.

        Their place among rows added one by one is told by ``source_line``.
        """
        if self._rows:
            self._slice()
        self._parts.append(columns)
        self._done += len(columns["source_line"])

    def __len__(self) -> int:
        """How many rows wait."""
        return len(self._rows) + self._done

    @property
    def full(self) -> bool:
        """Whether the batch should be taken now."""
        return self._done >= BATCH_ROWS or self._blocks >= BATCH_BLOCKS

    def take(self) -> pa.Table:
        """The rows since the last take, as a table of the staged schema."""
        if self._rows or not self._parts:
            self._slice()
        table = _joined(self._parts)
        self._parts, self._done, self._blocks = [], 0, 0
        return _in_order(table)

    def _slice(self) -> None:
        values = zip(*self._rows, strict=True) if self._rows else ((),) * len(_PLAIN)
        columns = {
            name: pa.array(column, type=_TYPES[name])
            for name, column in zip(_PLAIN, values, strict=True)
        }
        columns |= _block_columns(self._prompts, columns)
        self._parts.append({name: each for name, each in columns.items() if _needed(name, each)})
        self._done += len(self._rows)
        self._rows, self._prompts = [], []


def _joined(parts: list[dict[str, pa.Array]]) -> pa.Table:
    """Parts of a table, one behind the other; each has only the columns that say something."""
    lengths = [len(part["source_line"]) for part in parts]
    said = {name for part in parts for name in part}
    columns = [
        pa.concat_arrays(
            [
                part[name] if name in part else unsaid(name, length)
                for part, length in zip(parts, lengths, strict=True)
            ]
        )
        if name in said
        else unsaid(name, sum(lengths))
        for name in _SCHEMA.names
    ]
    return pa.table(columns, schema=_SCHEMA)


def _needed(name: str, column: pa.Array) -> bool:
    return name == "source_line" or says(column)


def says(column: pa.Array) -> bool:
    """Whether there is anything in a column: in most logs there is nothing in half of them."""
    if pa.types.is_list(column.type):
        return len(column.flatten()) > 0
    return column.null_count < len(column)


def unsaid(name: str, rows: int) -> pa.Array:
    """A column of rows that say nothing: nulls, zeros or empty lists, in next to no memory."""
    kind, nothing = _TYPES[name], zeros(rows)
    if pa.types.is_list(kind):
        offsets = pa.Array.from_buffers(pa.int32(), rows + 1, [None, nothing])
        return pa.ListArray.from_arrays(offsets, pa.array([], kind.value_type))
    known = None if name in _NEVER_NULL else nothing
    texts = [nothing] if pa.types.is_string(kind) else []
    return pa.Array.from_buffers(kind, rows, [known, nothing, *texts])


_NEVER_NULL = {"tokens_estimated", "automatic_cache", "role"}


def zeros(rows: int) -> pa.Buffer:
    """Eight bytes of zeros for each of some rows and one more; all of them are the same memory."""
    return _zeros(1 << rows.bit_length())


@lru_cache(maxsize=2)
def _zeros(rows: int) -> pa.Buffer:
    return pa.py_buffer(bytes(8 * (rows + 1)))


def _in_order(table: pa.Table) -> pa.Table:
    """Rows in the order of their lines; those of one line as they came."""
    lines = table["source_line"].to_numpy()
    if (lines[1:] >= lines[:-1]).all():
        return table
    return table.take(pa.array(np.argsort(lines, kind="stable")))


def _block_columns(prompts: list[Prompt], plain: dict[str, pa.Array]) -> dict[str, pa.Array]:
    counts = np.array([len(item.kinds) for item in prompts], np.int64)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    sizes = np.frombuffer(b"".join([item.weights for item in prompts]), np.int64)
    flat = {
        "block_hashes": pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(HASH_BYTES),
            len(sizes),
            [None, pa.py_buffer(b"".join([item.hashes for item in prompts]))],
        ),
        "block_tokens": pa.array(_tokens(plain, sizes, offsets), pa.int32()),
        "block_kinds": _bytes(b"".join([item.kinds for item in prompts])),
        "block_markers": _bytes(b"".join([item.markers for item in prompts])),
    }
    where = pa.array(offsets, pa.int32())
    return {
        name: pa.ListArray.from_arrays(where, values).cast(_TYPES[name])
        for name, values in flat.items()
    }


def _tokens(
    plain: dict[str, pa.Array], sizes: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    tokens = block_tokens(plain, sizes, offsets)
    # Blocks logged apart keep their bytes: what they weigh shows once they are joined.
    apart = np.isin(plain["role"].to_numpy(), (Role.CONTENT, Role.REQUEST))
    return np.where(np.repeat(apart, np.diff(offsets)), sizes, tokens)


def block_tokens(
    plain: dict[str, Any], sizes: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The tokens of each block: the call's input in proportion to bytes, else by rule.

    Args:
        plain: the token columns and ``tokens_estimated`` as Arrow arrays, one value per call.
        sizes: ``(blocks,)`` bytes.
        offsets: ``(calls + 1,)`` first block of each call.
    """
    total = np.zeros(len(offsets) - 1, np.int64)
    for name in (
        "input_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
    ):
        counted = plain[name]
        if counted.null_count < len(counted):
            counted = counted.fill_null(0) if counted.null_count else counted
            total += counted.to_numpy(zero_copy_only=False)
    known = apportion(total, sizes, offsets)
    # Where nothing was counted (an error, say), or block by block by the stated rule.
    guess = plain["tokens_estimated"].to_numpy(zero_copy_only=False) | (total == 0)
    if not guess.any():
        return known
    by_rule = -(-sizes // BYTES_PER_TOKEN)
    return np.where(np.repeat(guess, np.diff(offsets)), by_rule, known)


def _bytes(data: bytes) -> pa.Array:
    return pa.array(np.frombuffer(data, np.uint8), pa.uint8())
