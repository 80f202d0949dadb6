"""The keys of staged rows as flat numbers, so that millions of rows join in memory."""

# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.calls import HASH_BYTES, BlockKind
from llmops_cli.traffic.coded import Codes, coded, mixed
from llmops_cli.traffic.table import Role

__all__ = [
    "CONTEXT_COLUMNS",
    "KEY_COLUMNS",
    "NEVER",
    "Codes",
    "Keys",
    "codes",
    "gather",
    "mixed",
    "once",
    "within",
]

Times = npt.NDArray[np.int64]

CONTEXT_COLUMNS = ("conversation_id", "user_id", "task", "agent_name", "tool_name")
"""What a call takes from the spans around it where it does not say so itself."""

KEY_COLUMNS = (
    "role",
    "trace_id",
    "span_id",
    "parent_span_id",
    "join_key",
    "call_id",
    "conversation_id",
    "request_model",
    "operation_name",
    "start_time",
    "duration_s",
    "input_tokens",
    "output_tokens",
    "tokens_estimated",
    "error_type",
    "evaluation_score",
    "block_hashes",
    "block_kinds",
)
"""What the keys are made of."""

NEVER = np.iinfo(np.int64).min
"""An unknown time."""

_HOPELESS = (
    r"(?i)^4(0[0-7]|1\d|2[0-46-8]|[3-9]\d)$|bad.?request|invalid|authenticat|permission|not.?found"
    r"|context.?(length|window)|content.?(filter|policy)|unprocessable|too.?large"
)
"""Errors of the request itself: what follows one of them is another request."""


@dataclass(frozen=True, slots=True, eq=False)
class Keys:
    """One entry per row; 0 stands for an absent key.

    Attributes:
        role: a ``Role``.
        trace: trace id.
        span: trace and span id.
        parent: trace and parent span id.
        joined: the key that halves or repeats of a call share.
        half: whether ``joined`` pairs a request with its result.
        answer: the call id.
        conversation: the conversation that the row itself names.
        prompt: what was asked: the last chained block hash, or of content logged apart all of it.
        bare: whether of a prompt there is no message, at most tools and instructions.
        model: request model.
        start: start in microseconds, or ``NEVER``.
        end: end in microseconds, or ``NEVER``.
        output: output tokens.
        failed: whether the call has an error.
        hopeless: whether the error is one that no repetition mends.
        counted: whether the call's input was counted, not estimated.
        embeds: whether the call makes embeddings.
        score: whether an evaluation has a score.
    """

    role: npt.NDArray[np.uint8]
    trace: Codes
    span: Codes
    parent: Codes
    joined: Codes
    half: npt.NDArray[np.bool_]
    answer: Codes
    conversation: Codes
    prompt: Codes
    bare: npt.NDArray[np.bool_]
    model: Codes
    start: Times
    end: Times
    output: npt.NDArray[np.int64]
    failed: npt.NDArray[np.bool_]
    hopeless: npt.NDArray[np.bool_]
    counted: npt.NDArray[np.bool_]
    embeds: npt.NDArray[np.bool_]
    score: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """How many rows."""
        return len(self.role)


def once(array: Any) -> Any:  # noqa: ANN401 - an array of any type
    """An array that is one value throughout, as most keys of most logs are, without its memory."""
    if len(array) and bool((array == array[0]).all()):
        return np.broadcast_to(array[:1].copy(), len(array))
    return array


def gather(table: pa.Table) -> Keys:
    """The keys of one staged table."""
    start = _integers(table["start_time"].cast(pa.int64()), NEVER)
    duration = pc.fill_null(table["duration_s"], 0.0).to_numpy()
    trace = codes(table["trace_id"])
    role = table["role"].to_numpy().astype(np.uint8)
    counted = pc.and_not(pc.is_valid(table["input_tokens"]), table["tokens_estimated"])
    prompt, bare = _prompts(table, role)
    found = Keys(
        role=role,
        trace=trace,
        span=within(trace, codes(table["span_id"])),
        parent=within(trace, codes(table["parent_span_id"])),
        joined=codes(table["join_key"]),
        half=_mask(pc.starts_with(table["join_key"], "batch:")),
        answer=codes(table["call_id"]),
        conversation=codes(table["conversation_id"]),
        prompt=prompt,
        bare=bare,
        model=codes(table["request_model"]),
        start=start,
        end=np.where(start == NEVER, NEVER, start + np.rint(duration * 1e6).astype(np.int64)),
        output=_integers(table["output_tokens"], 0),
        failed=pc.is_valid(table["error_type"]).to_numpy() & (role == Role.CALL),
        hopeless=_mask(pc.match_substring_regex(table["error_type"], _HOPELESS)),
        counted=_mask(counted),
        embeds=_mask(pc.equal(table["operation_name"], "embeddings")),
        score=pc.is_valid(table["evaluation_score"]).to_numpy(),
    )
    return Keys(**{field.name: once(getattr(found, field.name)) for field in fields(Keys)})


def codes(column: pa.ChunkedArray) -> Codes:
    """64 bits per string, 0 for null: the same for the same string whatever stands beside it."""
    if column.null_count == len(column):
        return np.zeros(len(column), np.uint64)
    return coded(_one(column))


def _one(column: pa.ChunkedArray) -> pa.Array:
    if column.num_chunks == 1:
        return column.chunk(0)  # combining would copy it
    array = column.combine_chunks()
    return array.chunk(0) if isinstance(array, pa.ChunkedArray) else array


def _mask(column: pa.ChunkedArray) -> npt.NDArray[np.bool_]:
    return pc.fill_null(column, False).to_numpy().astype(bool)


def _integers(column: pa.ChunkedArray, absent: int) -> npt.NDArray[np.int64]:
    return pc.fill_null(column, absent).to_numpy().astype(np.int64)


def within(trace: Codes, span: Codes) -> Codes:
    """Codes of spans, 0 for none: their ids are only unique inside their trace."""
    return np.where(span == 0, np.uint64(0), mixed(trace, span))


def _prompts(table: pa.Table, role: npt.NDArray[np.uint8]) -> tuple[Codes, npt.NDArray[np.bool_]]:
    lists = _one(table["block_hashes"])
    offsets = lists.offsets.to_numpy().astype(np.int64)
    filled = np.flatnonzero(np.diff(offsets) > 0)
    found, bare = np.zeros(len(lists), np.uint64), np.ones(len(lists), bool)
    if not len(filled):
        return found, bare
    kinds = _one(table["block_kinds"])
    last_kind = kinds.values.to_numpy()[kinds.offsets.to_numpy()[filled + 1] - 1]
    bare[filled] = np.isin(last_kind, (BlockKind.TOOL, BlockKind.SYSTEM))
    words = _first_words(lists.values)
    found[filled] = words[offsets[filled + 1] - 1]
    apart = filled[role[filled] == Role.CONTENT]
    for row in apart.tolist():
        # These blocks are not chained: the last of them does not stand for the others.
        whole = words[offsets[row] : offsets[row + 1]]
        place = np.arange(1, 1 + len(whole), dtype=np.uint64)
        found[row] = mixed(whole, place).sum(dtype=np.uint64)
    return found, bare


def _first_words(hashes: pa.Array) -> Codes:
    """The first half of each hash."""
    fixed = hashes.cast(pa.binary(HASH_BYTES))
    data = np.frombuffer(fixed.buffers()[1], np.uint64)
    begin = 2 * fixed.offset
    return data[begin : begin + 2 * len(fixed) : 2]
