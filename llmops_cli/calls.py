"""THE calls table: one row per LLM call, and the block trace cut from it.

Every reader produces these columns and every question consumes them; nothing is
implicit. Token classes are disjoint leaves: a cached token is never also an input token.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.errors import LlmopsError

if TYPE_CHECKING:
    # Worker processes read logs without it, and it takes as long to load as all the rest.
    import pandas as pd

__all__ = [
    "COLUMNS",
    "TOKEN_CLASSES",
    "BlockKind",
    "BlockTrace",
    "CallColumn",
    "CallsTable",
    "Marker",
    "arrow_schema",
    "block_trace",
    "fixed_width",
    "from_arrow",
    "require",
    "to_arrow",
    "validate",
]

Arrays = TypeVar("Arrays", pa.Array, pa.ChunkedArray)

CallsTable = Annotated["pd.DataFrame", "the calls table"]
"""A DataFrame with exactly the columns of :data:`COLUMNS`, Arrow-backed."""


class BlockKind(IntEnum):
    """What a prompt block is; the order tools, system, messages is the prefix order."""

    TOOL = 0
    SYSTEM = 1
    USER = 2
    ASSISTANT = 3
    TOOL_USE = 4
    TOOL_RESULT = 5
    MEDIA = 6
    THINKING = 7


class Marker(IntEnum):
    """The cache breakpoint a client put on a block (Anthropic ``cache_control``)."""

    NONE = 0
    FIVE_MINUTES = 1
    ONE_HOUR = 2


@dataclass(frozen=True, slots=True)
class CallColumn:
    """One column of the calls table.

    ``attribute`` is the OpenTelemetry GenAI attribute the column corresponds to, where the
    conventions have one; ``invariant`` is checked by :func:`validate`. A table written before
    an ``optional`` column existed is read with nulls in it.
    """

    name: str
    type: pa.DataType
    unit: str
    attribute: str
    doc: str
    invariant: Literal["", "unique", "non-negative"] = ""
    optional: bool = False


HASH_BYTES = 16
"""Length of a block hash."""

_HASH = pa.binary(HASH_BYTES)
_INSTANT = pa.timestamp("us", tz="UTC")

COLUMNS: tuple[CallColumn, ...] = (
    CallColumn(
        "call_id",
        pa.string(),
        "",
        "gen_ai.response.id",
        "identifies the call; the log's own id, else file:line",
    ),
    CallColumn("start_time", _INSTANT, "UTC", "", "when the request was sent"),
    CallColumn(
        "conversation_id", pa.string(), "", "gen_ai.conversation.id", "conversation or session"
    ),
    CallColumn("trace_id", pa.string(), "", "", "trace of the call, as logged", optional=True),
    CallColumn("span_id", pa.string(), "", "", "span of the call, as logged", optional=True),
    CallColumn(
        "agent_name",
        pa.string(),
        "",
        "gen_ai.agent.name",
        "agent or workflow on whose behalf the call was made",
        optional=True,
    ),
    CallColumn(
        "tool_name",
        pa.string(),
        "",
        "gen_ai.tool.name",
        "tool inside which the call was made",
        optional=True,
    ),
    CallColumn("user_id", pa.string(), "", "user.id", "end user, the unit of sticky assignment"),
    CallColumn(
        "isolation_domain",
        pa.string(),
        "",
        "",
        "workspace or organisation inside which a prompt cache is shared",
    ),
    CallColumn("task", pa.string(), "", "", "task class given by the log"),
    CallColumn("provider_name", pa.string(), "", "gen_ai.provider.name", "who served the call"),
    CallColumn(
        "operation_name",
        pa.string(),
        "",
        "gen_ai.operation.name",
        "chat, text_completion, embeddings …",
    ),
    CallColumn("request_model", pa.string(), "", "gen_ai.request.model", "model asked for"),
    CallColumn("response_model", pa.string(), "", "gen_ai.response.model", "model that answered"),
    CallColumn(
        "service_tier",
        pa.string(),
        "",
        "openai.response.service_tier",
        "standard, batch, priority, flex …",
    ),
    CallColumn(
        "input_tokens",
        pa.int64(),
        "tokens",
        "",
        "fresh input: neither read from nor written to a cache",
        "non-negative",
    ),
    CallColumn(
        "cache_read_tokens",
        pa.int64(),
        "tokens",
        "gen_ai.usage.cache_read.input_tokens",
        "input read from the prompt cache",
        "non-negative",
    ),
    CallColumn(
        "cache_write_5m_tokens",
        pa.int64(),
        "tokens",
        "",
        "input written to the cache at the default lifetime",
        "non-negative",
    ),
    CallColumn(
        "cache_write_1h_tokens",
        pa.int64(),
        "tokens",
        "",
        "input written to the cache for one hour",
        "non-negative",
    ),
    CallColumn(
        "output_tokens",
        pa.int64(),
        "tokens",
        "gen_ai.usage.output_tokens",
        "everything generated, reasoning included",
        "non-negative",
    ),
    CallColumn(
        "reasoning_tokens",
        pa.int64(),
        "tokens",
        "gen_ai.usage.reasoning.output_tokens",
        "the part of output_tokens spent on reasoning",
        "non-negative",
    ),
    CallColumn(
        "tokens_estimated",
        pa.bool_(),
        "",
        "",
        "true where the log carries no usage and counts come from a stated rule",
    ),
    CallColumn(
        "duration_s",
        pa.float64(),
        "s",
        "gen_ai.client.operation.duration",
        "request sent to last byte",
        "non-negative",
    ),
    CallColumn(
        "ttft_s",
        pa.float64(),
        "s",
        "gen_ai.response.time_to_first_chunk",
        "request sent to first token",
        "non-negative",
    ),
    CallColumn(
        "finish_reason", pa.string(), "", "gen_ai.response.finish_reasons", "why generation stopped"
    ),
    CallColumn("error_type", pa.string(), "", "error.type", "null for a call that succeeded"),
    CallColumn(
        "attempts",
        pa.int32(),
        "",
        "",
        "logged requests that this call took, retries and fallbacks included",
        optional=True,
    ),
    CallColumn(
        "evaluation_score",
        pa.float64(),
        "",
        "gen_ai.evaluation.score.value",
        "quality of the answer, 0 to 1 where known",
    ),
    CallColumn(
        "block_hashes",
        pa.list_(pa.binary()),
        "",
        "",
        "chained 128-bit hash of the prompt up to and including each block",
    ),
    CallColumn(
        "block_tokens",
        pa.list_(pa.int32()),
        "tokens",
        "",
        "tokens of each block; they add up to the call's input",
    ),
    CallColumn("block_kinds", pa.list_(pa.uint8()), "", "", "BlockKind of each block"),
    CallColumn(
        "block_markers", pa.list_(pa.uint8()), "", "", "Marker the client put on each block"
    ),
    CallColumn(
        "automatic_cache",
        pa.uint8(),
        "",
        "",
        "Marker of a request-level cache_control (automatic caching)",
    ),
    CallColumn("source_file", pa.string(), "", "", "file the call was read from"),
    CallColumn("source_line", pa.int64(), "", "", "1-based line or row in that file"),
)

TOKEN_CLASSES: tuple[str, ...] = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "output_tokens",
)
"""The disjoint classes a call is billed by; reasoning is inside ``output_tokens``."""


def arrow_schema() -> pa.Schema:
    """The Arrow schema of the calls table, in column order."""
    return pa.schema([(column.name, column.type) for column in COLUMNS])


def from_arrow(table: pa.Table) -> CallsTable:
    """An Arrow table of the calls schema as an Arrow-backed DataFrame, without a copy."""
    import pandas as pd  # noqa: PLC0415 - as above

    return table.to_pandas(types_mapper=pd.ArrowDtype)


def to_arrow(calls: CallsTable) -> pa.Table:
    """The calls as an Arrow table with the declared column types."""
    return pa.Table.from_pandas(calls, schema=arrow_schema(), preserve_index=False)


def require(calls: CallsTable, *columns: str, source: str = "the calls table") -> None:
    """Refuse a table in which one of ``columns`` is absent or has no value at all.

    Raises:
        LlmopsError: ``calls-missing-column``, naming the first such column.
    """
    for name in columns:
        if name not in calls.columns or (len(calls) > 0 and bool(calls[name].isna().all())):
            raise LlmopsError(
                "calls-missing-column",
                f"'{name}' is not in {source}",
                hint=f"this question needs {', '.join(columns)}; "
                "`llmops describe` shows what the log holds",
            )


def validate(calls: CallsTable, *, source: str = "the calls table") -> None:
    """Check the declared columns and invariants.

    Raises:
        LlmopsError: ``calls-missing-column`` for an absent column, ``calls-negative`` and
            ``calls-contradiction`` for values that break an invariant.
    """
    for column in COLUMNS:
        if column.name not in calls.columns:
            raise LlmopsError("calls-missing-column", f"'{column.name}' is not in {source}")
        if column.invariant == "non-negative":
            bad = (calls[column.name] < 0).fillna(value=False).to_numpy(dtype=bool)
            if bad.any():
                raise LlmopsError(
                    "calls-negative",
                    f"'{column.name}' is negative in {int(bad.sum())} rows",
                    file=source,
                    line=int(np.flatnonzero(bad)[0]) + 1,
                    field=column.name,
                )
    bad = (calls["reasoning_tokens"] > calls["output_tokens"]).fillna(value=False)
    if bool(bad.any()):
        raise LlmopsError(
            "calls-contradiction",
            "'reasoning_tokens' is larger than 'output_tokens', which includes it",
            file=source,
            line=int(np.flatnonzero(bad.to_numpy(dtype=bool))[0]) + 1,
            field="reasoning_tokens",
        )


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
