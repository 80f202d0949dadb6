"""Evaluations in OTLP traces as rows: one per evaluated span, one column per evaluation.

An event ``gen_ai.evaluation.result`` says what one evaluator found: its name becomes a column,
its label (else its score) the value. So the judge's evaluation and a person's stand side by
side, and are named like the columns of any table.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from llmops_cli.traffic.otlp.json_format import SIGNATURES, decode_leniently
from llmops_cli.traffic.otlp.messages import ExportRequest
from llmops_cli.traffic.otlp.spans import EVALUATION
from llmops_cli.traffic.otlp.values import plain_map

__all__ = ["Evaluations", "is_export"]

_DECODE = msgspec.json.Decoder(ExportRequest).decode
_CLUSTER, _TASK = "gen_ai.conversation.id", "gen_ai.prompt.name"
_ANSWER = "gen_ai.response.id"


def is_export(row: Mapping[str, Any]) -> bool:
    """Whether a line is an OTLP export and no row of a table."""
    return any(keys <= row.keys() for keys in SIGNATURES)


class Evaluations:
    """Gathers the evaluations of a file by span, as they may be logged apart from it."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}

    def rows(self, export: bytes | ExportRequest) -> Iterator[dict[str, Any]]:
        """One row for each span that this export is the first to evaluate.

        A later export adds to the row, so nothing is to be read from it before the last one.

        Raises:
            msgspec.DecodeError: the export is not what OTLP says.
        """
        read = _decoded(export) if isinstance(export, bytes) else export
        for span, facts in _evaluations(read):
            first = span not in self._rows
            row = self._rows.setdefault(span, {"id": span})
            row.update(facts)
            if first:
                yield row


def _decoded(raw: bytes) -> ExportRequest:
    try:
        return _DECODE(raw)
    except msgspec.DecodeError:
        return decode_leniently(raw)


def _evaluations(export: ExportRequest) -> Iterator[tuple[str, dict[str, Any]]]:
    for resource in export.resource_spans or ():
        for scope in resource.scope_spans:
            for span in scope.spans:
                known = plain_map(span.attributes)
                for event in span.events:
                    if event.name == EVALUATION:
                        yield span.span_id, _row(plain_map(event.attributes), known)
    for logs in export.resource_logs or ():
        for scope_logs in logs.scope_logs:
            for record in scope_logs.log_records:
                facts = plain_map(record.attributes)
                if EVALUATION in (record.event_name, facts.get("event.name")):
                    yield record.span_id or str(facts.get(_ANSWER, "")), _row(facts, facts)


def _row(facts: dict[str, Any], around: dict[str, Any]) -> dict[str, Any]:
    name = str(facts.get("gen_ai.evaluation.name") or "evaluation")
    label = facts.get("gen_ai.evaluation.score.label")
    row = {name: facts.get("gen_ai.evaluation.score.value") if label is None else label}
    for ours, theirs in (("cluster", _CLUSTER), ("task", _TASK)):
        if around.get(theirs) is not None:
            row[ours] = around[theirs]
    return row
