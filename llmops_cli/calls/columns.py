"""What a calls table holds: its columns, and the kinds and markers of prompt blocks."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import pyarrow as pa

__all__ = [
    "COLUMNS",
    "HASH_BYTES",
    "TOKEN_CLASSES",
    "BlockKind",
    "CallColumn",
    "Marker",
    "arrow_schema",
]


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
    conventions have one; ``invariant`` is checked by :func:`llmops_cli.calls.validate`. A table
    written before an ``optional`` column existed is read with nulls in it.
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
