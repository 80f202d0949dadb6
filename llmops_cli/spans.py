"""THE spans table: one row per span as it was logged, for judging the telemetry itself.

Nothing is translated here: names, types and counters stand as the instrumentation wrote
them. Content never enters it, only the names of what was seen in content.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import pyarrow as pa

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SPAN_COLUMNS", "SpanColumn", "SpansTable", "spans_from_arrow", "spans_schema"]

SpansTable = Annotated["pd.DataFrame", "the spans table"]
"""A DataFrame with exactly the columns of :data:`SPAN_COLUMNS`, Arrow-backed."""


@dataclass(frozen=True, slots=True)
class SpanColumn:
    """One column of the spans table."""

    name: str
    type: pa.DataType
    doc: str


_NAMES = pa.dictionary(pa.int32(), pa.string())
"""Few distinct values, many rows."""

_INSTANT = pa.timestamp("us", tz="UTC")

SPAN_COLUMNS: tuple[SpanColumn, ...] = (
    SpanColumn("trace_id", pa.string(), "hexadecimal, as logged"),
    SpanColumn("span_id", pa.string(), "hexadecimal, as logged; of an event, its span's"),
    SpanColumn("parent_span_id", pa.string(), "null for a root span"),
    SpanColumn("name", pa.string(), "span name, or the name of an event"),
    SpanColumn("kind", _NAMES, "internal, server, client, producer, consumer, or null"),
    SpanColumn(
        "role",
        _NAMES,
        "inference, embeddings, agent, tool, retrieval, evaluation (an event), event (any other "
        "of the GenAI conventions that was logged by itself), or other",
    ),
    SpanColumn(
        "dialect",
        _NAMES,
        "gen_ai (any version), openinference, openllmetry, or null where none speaks",
    ),
    SpanColumn("start_time", _INSTANT, "UTC"),
    SpanColumn("end_time", _INSTANT, "UTC"),
    SpanColumn("status", _NAMES, "unset, ok or error"),
    SpanColumn("service_name", _NAMES, "resource attribute service.name"),
    SpanColumn("scope_name", _NAMES, "instrumentation library"),
    SpanColumn("scope_version", _NAMES, "its version"),
    SpanColumn("schema_url", _NAMES, "of the scope, else of the resource"),
    SpanColumn(
        "attributes",
        _NAMES,
        "every attribute as name:type, sorted, separated by blanks; type is one of string, "
        "int, double, boolean, string[], int[], double[], boolean[], any[], map, bytes; the "
        "index of a flattened list is written N, as in llm.input_messages.N.message.role",
    ),
    SpanColumn("events", _NAMES, "names of the span's events, sorted, separated by blanks"),
    SpanColumn("operation_name", _NAMES, "gen_ai.operation.name as logged"),
    SpanColumn("provider_name", _NAMES, "gen_ai.provider.name, else gen_ai.system, as logged"),
    SpanColumn("request_model", _NAMES, "model asked for, as logged"),
    SpanColumn("output_type", _NAMES, "gen_ai.output.type as logged"),
    SpanColumn("finish_reasons", _NAMES, "separated by commas"),
    SpanColumn("response_id", pa.string(), "gen_ai.response.id"),
    SpanColumn("conversation_id", pa.string(), "gen_ai.conversation.id"),
    SpanColumn("error_type", _NAMES, "error.type"),
    SpanColumn("streaming", pa.bool_(), "gen_ai.request.stream, or told by a time to first token"),
    SpanColumn("ttft_s", pa.float64(), "time to first chunk or token, in s"),
    SpanColumn("logged_input_tokens", pa.int64(), "input counter as logged"),
    SpanColumn("logged_output_tokens", pa.int64(), "output counter as logged"),
    SpanColumn("logged_cache_read_tokens", pa.int64(), "cache read counter as logged"),
    SpanColumn("logged_cache_write_tokens", pa.int64(), "cache creation counter as logged"),
    SpanColumn("logged_reasoning_tokens", pa.int64(), "reasoning counter as logged"),
    SpanColumn("logged_total_tokens", pa.int64(), "total as logged"),
    SpanColumn("has_content", pa.bool_(), "prompt or answer text is in the attributes or events"),
    SpanColumn(
        "sensitive",
        _NAMES,
        "names of the patterns found in attributes, sorted, separated by blanks: api-key, "
        "private-key, bearer-token, email, phone-number, payment-card, iban, us-ssn",
    ),
    SpanColumn("source_file", _NAMES, "file the span was read from"),
    SpanColumn("source_line", pa.int64(), "1-based line or record in that file"),
)


def spans_schema() -> pa.Schema:
    """The Arrow schema of the spans table, in column order."""
    return pa.schema([(column.name, column.type) for column in SPAN_COLUMNS])


def spans_from_arrow(table: pa.Table) -> SpansTable:
    """An Arrow table of the spans schema as an Arrow-backed DataFrame, without a copy."""
    import pandas as pd  # noqa: PLC0415 - loaded where a frame is made

    return table.to_pandas(types_mapper=pd.ArrowDtype)
