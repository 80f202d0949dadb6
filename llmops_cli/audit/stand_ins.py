"""Calls of logs that are no spans stand in as spans, so that one set of rules judges both."""

# pyright: reportAttributeAccessIssue=false

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.calls import CallsTable, to_arrow
from llmops_cli.spans import spans_schema

__all__ = ["stand_ins"]

_NAMES = (
    ("provider_name", "gen_ai.provider.name:string"),
    ("operation_name", "gen_ai.operation.name:string"),
    ("request_model", "gen_ai.request.model:string"),
    ("response_model", "gen_ai.response.model:string"),
    ("conversation_id", "gen_ai.conversation.id:string"),
    ("user_id", "user.id:string"),
    ("error_type", "error.type:string"),
    ("finish_reason", "gen_ai.response.finish_reasons:string[]"),
    ("ttft_s", "gen_ai.response.time_to_first_chunk:double"),
    ("response_id", "gen_ai.response.id:string"),
    ("logged_input_tokens", "gen_ai.usage.input_tokens:int"),
    ("logged_output_tokens", "gen_ai.usage.output_tokens:int"),
)
_INPUT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_SAME = (
    "start_time", "operation_name", "provider_name", "request_model", "conversation_id",
    "error_type", "ttft_s", "source_file", "source_line",
)  # fmt: skip


def stand_ins(calls: CallsTable, spans: pa.Table, library: str) -> pa.Table:
    """Rows of the spans table for the calls that no span tells of.

    Args:
        calls: the calls table.
        spans: the spans table.
        library: what to call the source of the calls.
    """
    schema = spans_schema()
    table = to_arrow(calls)
    table = table.filter(pa.array(~_told(table, spans))) if spans.num_rows else table
    found = {name: table[name] for name in table.schema.names} | _derived(table)
    columns = {name: found[name] for name in _SAME}
    columns |= {name: found[name] for name in found if name.startswith(("logged_", "response_id"))}
    columns |= {
        "role": pc.if_else(_is(table["operation_name"], "embeddings"), "embeddings", "inference"),
        "end_time": _end(table),
        "status": pc.if_else(table["error_type"].is_valid(), "error", "unset"),
        "scope_name": pa.array([library] * table.num_rows, pa.string()),
        "attributes": _shapes(found, table.num_rows),
    }
    return pa.table(
        {
            field.name: columns[field.name].cast(field.type)
            if field.name in columns
            else pa.nulls(table.num_rows, field.type)
            for field in schema
        },
        schema=schema,
    )


def _told(table: pa.Table, spans: pa.Table) -> npt.NDArray[np.bool_]:
    """Calls that were read from a line that holds spans."""
    words = pc.unique(pa.chunked_array([*table["source_file"].chunks, *_text(spans).chunks]))
    keys = [
        pc.index_in(files, words).to_numpy().astype(np.int64) << 40 | lines.to_numpy()
        for files, lines in (
            (table["source_file"], table["source_line"]),
            (_text(spans), spans["source_line"]),
        )
    ]
    return np.isin(keys[0], np.unique(keys[1]))


def _text(spans: pa.Table) -> pa.ChunkedArray:
    return spans["source_file"].cast(pa.string())


def _derived(table: pa.Table) -> dict[str, Any]:
    place = pc.binary_join_element_wise(
        table["source_file"], table["source_line"].cast(pa.string()), ":"
    )
    own = pc.not_equal(table["call_id"], place)
    whole = table[_INPUT[0]]
    for name in _INPUT[1:]:
        whole = pc.add(whole, pc.fill_null(table[name], 0))
    guessed = pc.fill_null(table["tokens_estimated"], False)
    none = pa.scalar(None, pa.int64())
    return {
        "response_id": pc.if_else(own, table["call_id"], pa.scalar(None, pa.string())),
        "logged_input_tokens": pc.if_else(guessed, none, whole),
        "logged_output_tokens": table["output_tokens"],
    }


def _is(column: pa.ChunkedArray, word: str) -> pa.ChunkedArray:
    return pc.fill_null(pc.equal(column, word), False)


def _end(table: pa.Table) -> pa.ChunkedArray:
    took = pc.multiply(table["duration_s"], 1e6).cast(pa.int64(), safe=False)
    # How long a call took is known even where nobody logged when it began.
    end = pc.add(pc.fill_null(table["start_time"].cast(pa.int64()), 0), took)
    return end.cast(pa.timestamp("us", tz="UTC"))


def _shapes(found: dict[str, Any], rows: int) -> pa.Array:
    """What each call has, in the words of a span's attributes; few distinct, made once each."""
    bits = np.zeros(rows, np.int64)
    for at, (name, _) in enumerate(_NAMES):
        bits |= found[name].is_valid().to_numpy().astype(np.int64) << at
    distinct, codes = np.unique(bits, return_inverse=True)
    words = [
        " ".join(sorted(word for at, (_, word) in enumerate(_NAMES) if mask >> at & 1))
        for mask in distinct.tolist()
    ]
    return pa.array(words, pa.string()).take(pa.array(codes))
