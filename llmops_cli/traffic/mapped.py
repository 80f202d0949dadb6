"""A team's own log, CSV, JSON lines or Parquet: its fields are mapped to columns by name.

CSV and JSON are read row by row, Parquet batch by batch. A field is the name of a column or key,
or a dotted path into what is nested.
"""

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.coerced import read_number
from llmops_cli.traffic.csv_rows import csv_rows
from llmops_cli.traffic.fields import FieldRow, missing_field
from llmops_cli.traffic.json_fields import json_rows
from llmops_cli.traffic.json_lines import Options
from llmops_cli.traffic.mapping import FieldMap
from llmops_cli.traffic.parquet_fields import parquet_rows
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.refusals import REFUSALS, bad_row
from llmops_cli.traffic.sink import Batch, RowSink
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import lines

__all__ = ["NAME", "mapped_rows"]

NAME = "mapped"

# What can be wrong with a prompt once it is cut; the cutter does not know its field.
_INSIDE = ("calls-bad-value", "traffic-too-deep")
_JSON = (".jsonl", ".ndjson", ".json")


def mapped_rows(source: Source, options: Options, sink: RowSink) -> Iterator[Batch]:
    """The calls of one file.

    Raises:
        LlmopsError: ``mapping-unknown-column``, ``mapping-repeated-column``;
            ``mapping-missing-field`` for a field that no row of the file has;
            ``traffic-not-csv``, ``traffic-not-parquet`` and what the source refuses.
    """
    fields = FieldMap(options.mapping)
    rows, is_csv = _opened(source, fields)
    for number, values in rows:
        _read(values, fields, number, sink, is_csv=is_csv)
        if sink.ready:
            yield from sink.full()
        if sink.choked:
            break
    yield from sink.rest()


def _read(values: FieldRow, fields: FieldMap, number: int, sink: RowSink, *, is_csv: bool) -> None:
    try:
        if isinstance(values, RowError):
            raise values
        columns, parts = fields.row(values, is_csv=is_csv)
        if columns or parts:
            sink.add(columns, parts, number, NAME)
        else:
            sink.skipped["rows without any mapped value"] += 1
    except REFUSALS as error:
        found = bad_row(error, b"", sink.file, number, inside=True)
        if found.slug == "calls-bad-content" or (found.slug in _INSIDE and not found.field):
            found = replace(found, field=fields.content_field)
        sink.bad.append(found)


def _opened(source: Source, fields: FieldMap) -> tuple[Iterator[tuple[int, FieldRow]], bool]:
    """The rows, and whether they are text only; where the name is silent, the first line says."""
    if source.is_parquet:
        return parquet_rows(source, fields.fields, fields.content_field), False
    numbered = lines(source, blank=True)
    head = list[tuple[int, bytes]]()
    for number, line in numbered:
        head.append((number, line))
        if not line.isspace():
            break
    told = source.name.lower().removesuffix(".gz").removesuffix(".zst").endswith(_JSON)
    is_object = bool(head) and head[-1][1].lstrip()[:1] in {b"{", b"["}
    whole = chain(head, numbered)
    if source.is_csv or not (told or is_object):
        return _csv_rows(source, fields, whole), True
    return json_rows(source, fields.fields, fields.content_field, whole), False


def _csv_rows(
    source: Source, fields: FieldMap, numbered: Iterator[tuple[int, bytes]]
) -> Iterator[tuple[int, FieldRow]]:
    rows = csv_rows(source, "traffic-not-csv", numbered)
    line, header = next(rows)
    if isinstance(header, RowError):
        raise LlmopsError(header.slug, header.message, file=source.name, line=line)
    names = [name.strip() for name in header]
    at = {field: _place(field, names, source, line) for field in fields.fields}
    number = 0
    for number, row in rows:
        if isinstance(row, RowError):
            yield number, row
        elif len(row) != len(names):
            message = f"{len(row)} fields where the header has {len(names)}"
            yield number, RowError("traffic-ragged-row", message, "")
        else:
            yield number, {field: row[place] for field, place in at.items()}
    if not number:
        raise LlmopsError(
            "traffic-empty", "there is a header and nothing below it", file=source.name
        )


def _place(field: str, names: list[str], source: Source, line: int) -> int:
    if any(read_number(name) is not None for name in names):
        raise LlmopsError(
            "mapping-no-header",
            "the first line holds numbers, not the names of the columns",
            hint="put a line with the names before it",
            file=source.name,
            line=line,
        )
    if field not in names:
        raise missing_field(field, names, source, line=line)
    if names.count(field) > 1:
        raise LlmopsError(
            "mapping-repeated-field",
            f"{names.count(field)} columns are called '{field}'",
            hint="rename all but one",
            file=source.name,
            line=line,
            field=field,
        )
    return names.index(field)
