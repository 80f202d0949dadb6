"""What is judged: spans, and the calls of logs that are no spans, as one set of flat columns."""

# pyright: reportAttributeAccessIssue=false

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.audit.stand_ins import stand_ins
from llmops_cli.calls import CallsTable
from llmops_cli.spans import SpansTable, spans_schema

__all__ = ["NEVER", "UNKNOWN", "Coded", "Mask", "Subjects", "subjects"]

Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

NEVER = np.iinfo(np.int64).min
"""An instant that was not logged."""
UNKNOWN = -1
"""A counter that was not logged."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """A column of few distinct words: what is found out per word holds for all its rows."""

    codes: npt.NDArray[np.int32]
    words: tuple[str, ...]

    def per_word(self, test: Callable[[str], bool], *, null: bool = False) -> Mask:
        """Rows whose word passes a test; ``null`` says what rows without a word do."""
        return np.array([*map(test, self.words), null], bool)[self.codes]

    def among(self, *words: str) -> Mask:
        """Rows with one of these words."""
        return self.per_word(lambda word: word in words)

    @property
    def present(self) -> Mask:
        """Rows that have a word."""
        return self.codes >= 0


@dataclass(frozen=True, slots=True, eq=False)
class Subjects:
    """Everything the rules look at, one row per span or call.

    Attributes:
        of_span: whether the row is a span; else it is a call of another log.
        kind: inference, embeddings, agent, workflow, tool, retrieval, evaluation, event,
            unknown (speaks a dialect, but says no operation), or other.
        coded: the columns of few words.
        numbers: start, end and the counters; ``NEVER`` and ``UNKNOWN`` where not logged.
        flags: has_content, streaming, ttft (whether it is there).
        ids: trace, span, parent and response as numbers, equal where the ids are; -1 for none.
        lines: line of each row in its file.
    """

    of_span: Mask
    kind: Coded
    coded: dict[str, Coded]
    numbers: dict[str, Integers]
    flags: dict[str, Mask]
    ids: dict[str, Integers]
    lines: Integers

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.lines)

    @property
    def failed(self) -> Mask:
        """Rows that ended in an error."""
        return self.coded["status"].among("error") | self.coded["error_type"].present


_CODED = (
    "role", "dialect", "name", "kind", "status", "service_name", "scope_name", "schema_url",
    "attributes", "events", "operation_name", "provider_name", "output_type", "error_type",
    "sensitive", "source_file", "request_model",
)  # fmt: skip
_COUNTERS = ("input", "output", "cache_read", "cache_write", "reasoning", "total")


def subjects(spans: SpansTable | None, calls: CallsTable, library: str) -> Subjects:
    """Put spans, and calls that come from no span, side by side.

    Args:
        spans: the spans table, where the log has spans.
        calls: the calls table.
        library: what to call the source of calls that come from no span.
    """
    schema = spans_schema()
    table = schema.empty_table() if spans is None else pa.Table.from_pandas(spans, schema)
    others = stand_ins(calls, table, library)
    of_span = np.arange(table.num_rows + others.num_rows) < table.num_rows
    whole = pa.concat_tables([table, others]).unify_dictionaries()
    coded = {name: _coded(whole[name]) for name in _CODED}
    return Subjects(
        of_span=of_span,
        kind=_kinds(coded),
        coded=coded,
        numbers={
            "start": _instants(whole["start_time"]),
            "end": _instants(whole["end_time"]),
            **{n: _integers(whole[f"logged_{n}_tokens"], UNKNOWN) for n in _COUNTERS},
        },
        flags={
            "has_content": _flags(whole["has_content"]),
            "streaming": _flags(whole["streaming"]),
            "ttft": whole["ttft_s"].is_valid().to_numpy(),
        },
        ids=_identities(whole),
        lines=_integers(whole["source_line"], 0),
    )


def _coded(column: pa.ChunkedArray) -> Coded:
    array = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    array = array.combine_chunks()
    whole = array.chunk(0) if isinstance(array, pa.ChunkedArray) and array.num_chunks else array
    if isinstance(whole, pa.ChunkedArray):
        return Coded(np.empty(0, np.int32), ())
    codes = pc.fill_null(whole.indices, -1).to_numpy(zero_copy_only=False).astype(np.int32)
    return Coded(codes, tuple(whole.dictionary.to_pylist()))


def _kinds(coded: dict[str, Coded]) -> Coded:
    role, operation = coded["role"], coded["operation_name"]
    words = (*role.words, "workflow", "unknown")
    codes = role.codes.copy()
    is_workflow = role.among("agent") & operation.among("invoke_workflow")
    codes[is_workflow] = len(role.words)
    speaks = role.among("other") & coded["dialect"].present
    codes[speaks] = len(role.words) + 1
    return Coded(codes, words)


def _instants(column: pa.ChunkedArray) -> Integers:
    return _integers(column.cast(pa.int64()), NEVER)


def _integers(column: pa.ChunkedArray, null: int) -> Integers:
    return pc.fill_null(column, null).to_numpy().astype(np.int64)


def _flags(column: pa.ChunkedArray) -> Mask:
    return pc.fill_null(column, False).to_numpy().astype(bool)


def _identities(table: pa.Table) -> dict[str, Integers]:
    spans = _same(table["span_id"], table["parent_span_id"])
    trace = _same(table["trace_id"])[0]
    # A span id is unique inside its trace only.
    width = int(max((part.max(initial=-1) for part in spans), default=-1)) + 2
    span, parent = (np.where(part < 0, -1, (trace + 1) * width + part) for part in spans)
    return {
        "trace": trace,
        "span": span,
        "parent": parent,
        "response": _same(table["response_id"])[0],
    }


def _same(*columns: pa.ChunkedArray) -> list[Integers]:
    chunks = [chunk for column in columns for chunk in column.chunks]
    both: Any = pa.chunked_array(chunks, columns[0].type).dictionary_encode().combine_chunks()
    coded = _coded(both if isinstance(both, pa.ChunkedArray) else pa.chunked_array([both]))
    return np.split(coded.codes.astype(np.int64), np.cumsum([len(c) for c in columns])[:-1])
