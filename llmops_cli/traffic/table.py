"""Calls gathered row by row become batches of the calls table."""

from itertools import chain
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa

from llmops_cli.calls import COLUMNS, HASH_BYTES, arrow_schema
from llmops_cli.traffic.blocks import Prompt, apportion

__all__ = ["Call", "TableBuilder"]

BATCH_BLOCKS = 500_000
BATCH_CALLS = 50_000


class Call(msgspec.Struct, kw_only=True, gc=False):
    """One row before it is a row: the plain columns in the order of ``COLUMNS``."""

    call_id: str
    start_time: int | None = None
    conversation_id: str | None = None
    user_id: str | None = None
    isolation_domain: str | None = None
    task: str | None = None
    provider_name: str | None = None
    operation_name: str | None = "chat"
    request_model: str | None = None
    response_model: str | None = None
    service_tier: str | None = None
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_5m_tokens: int | None = None
    cache_write_1h_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    tokens_estimated: bool = False
    duration_s: float | None = None
    ttft_s: float | None = None
    finish_reason: str | None = None
    error_type: str | None = None
    evaluation_score: float | None = None
    automatic_cache: int = 0
    source_file: str
    source_line: int


_PLAIN = Call.__struct_fields__
_TYPES = {column.name: column.type for column in COLUMNS}


class TableBuilder:
    """Collects calls and their prompts until a batch is worth building."""

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._prompts: list[Prompt] = []
        self._blocks = 0

    def add(self, call: Call, prompt: Prompt) -> None:
        """Append one call; counts of tokens that the log lacks are estimated from the prompt."""
        if call.input_tokens is None and call.error_type is None and prompt.sizes:
            call.input_tokens = prompt.estimated_tokens
            call.tokens_estimated = True
        self._rows.append(msgspec.structs.astuple(call))
        self._prompts.append(prompt)
        self._blocks += len(prompt.sizes)

    @property
    def full(self) -> bool:
        """Whether the batch should be taken now."""
        return self._blocks >= BATCH_BLOCKS or len(self._rows) >= BATCH_CALLS

    def take(self) -> pa.Table:
        """The calls since the last take, as a table of the calls schema."""
        values = zip(*self._rows, strict=True) if self._rows else ((),) * len(_PLAIN)
        columns = {
            name: pa.array(column, type=_TYPES[name])
            for name, column in zip(_PLAIN, values, strict=True)
        }
        columns |= self._block_columns(columns)
        self._rows, self._prompts, self._blocks = [], [], 0
        return pa.table([columns[column.name] for column in COLUMNS], schema=arrow_schema())

    def _block_columns(self, plain: dict[str, pa.Array]) -> dict[str, pa.Array]:
        prompts = self._prompts
        counts = np.fromiter((len(item.sizes) for item in prompts), np.int64, len(prompts))
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        sizes = np.fromiter(
            chain.from_iterable(item.sizes for item in prompts), np.int64, int(offsets[-1])
        )
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


def _tokens(plain: dict[str, pa.Array], sizes: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    total = np.zeros(len(offsets) - 1, np.int64)
    for name in (
        "input_tokens",
        "cache_read_tokens",
        "cache_write_5m_tokens",
        "cache_write_1h_tokens",
    ):
        total += plain[name].fill_null(0).to_numpy(zero_copy_only=False)
    known = apportion(total, sizes, offsets)
    # Where nothing was counted (an error, say), or block by block by the stated rule.
    guess = plain["tokens_estimated"].to_numpy(zero_copy_only=False) | (total == 0)
    by_rule = -(-sizes // 4)
    return np.where(np.repeat(guess, np.diff(offsets)), by_rule, known)


def _bytes(data: bytes) -> pa.Array:
    return pa.array(np.frombuffer(data, np.uint8), pa.uint8())
