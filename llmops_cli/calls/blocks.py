"""The prompts of a calls table as flat arrays: what every replay of a cache walks through."""

from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.calls.columns import HASH_BYTES
from llmops_cli.calls.table import CallsTable
from llmops_cli.errors import LlmopsError

__all__ = ["BlockTrace", "block_trace", "fixed_width"]

Arrays = TypeVar("Arrays", pa.Array, pa.ChunkedArray)

_HASH = pa.binary(HASH_BYTES)


@dataclass(frozen=True, slots=True, eq=False)
class BlockTrace:
    """The prompts of a calls table as flat arrays, shared by every replay.

    Blocks of row ``i`` are ``offsets[i]:offsets[i + 1]``. ``hashes`` is ``(n, 2)`` uint64:
    two blocks are the same prompt prefix exactly when their 128 bits agree.
    """

    offsets: npt.NDArray[np.int64]
    hashes: npt.NDArray[np.uint64]
    tokens: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.uint8]
    markers: npt.NDArray[np.uint8]

    @property
    def rows(self) -> int:
        """Number of calls."""
        return len(self.offsets) - 1


def block_trace(calls: CallsTable, *, first_row: int = 0) -> BlockTrace:
    """Cut the flat block arrays out of a calls table; a call without content has no blocks.

    Args:
        calls: the table.
        first_row: how many rows of a longer one stand before it, for what a refusal says.

    Raises:
        LlmopsError: ``calls-contradiction`` when the block lists of a row differ in length.
    """
    lists = {
        name: _lists(calls, name)
        for name in ("block_hashes", "block_tokens", "block_kinds", "block_markers")
    }
    lengths = {name: _lengths(chunks) for name, chunks in lists.items()}
    first = lengths["block_hashes"]
    for name, other in lengths.items():
        if not np.array_equal(first, other):
            row = int(np.flatnonzero(first != other)[0])
            raise LlmopsError(
                "calls-contradiction",
                f"'{name}' and 'block_hashes' have different lengths",
                file=str(calls["source_file"].iloc[row]),
                line=first_row + row + 1,
                field=name,
            )
    return BlockTrace(
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(first)]),
        hashes=_joined([_words(chunk.flatten()) for chunk in lists["block_hashes"]]),
        tokens=_values(lists["block_tokens"]).astype(np.int64),
        kinds=_values(lists["block_kinds"]).astype(np.uint8),
        markers=_values(lists["block_markers"]).astype(np.uint8),
    )


def _words(data: pa.Array) -> npt.NDArray[np.uint64]:
    data = fixed_width(data)
    raw = data.buffers()[1] if len(data) else b""
    return np.frombuffer(raw, np.uint64, 2 * len(data), data.offset * HASH_BYTES).reshape(-1, 2)


def _values(chunks: list[pa.ListArray]) -> npt.NDArray[Any]:
    return _joined([chunk.flatten().to_numpy(zero_copy_only=False) for chunk in chunks])


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def fixed_width(data: Arrays, kind: pa.DataType = _HASH) -> Arrays:
    """Block hashes, or lists of them, without the length of each.

    Raises:
        LlmopsError: ``calls-bad-column``.
    """
    # Variable width in the table, because pandas cannot print lists of fixed-width binary.
    try:
        return data.cast(kind)
    except pa.ArrowInvalid:
        raise LlmopsError(
            "calls-bad-column",
            f"'block_hashes' holds a value that is not {HASH_BYTES} bytes long",
            field="block_hashes",
        ) from None


def _lists(calls: CallsTable, name: str) -> list[pa.ListArray]:
    # Chunk by chunk: prompts are most of a table, and in one piece they would be there twice.
    array = pa.array(calls[name])
    return (
        (array.chunks or [pa.array([], array.type)])
        if isinstance(array, pa.ChunkedArray)
        else [array]
    )


def _lengths(chunks: list[pa.ListArray]) -> npt.NDArray[np.int64]:
    found = [chunk.value_lengths().fill_null(0) for chunk in chunks]
    return _joined([each.to_numpy(zero_copy_only=False) for each in found]).astype(np.int64)
