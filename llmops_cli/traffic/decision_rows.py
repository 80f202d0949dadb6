"""Rows of a table file as plain lists with their line numbers: CSV, JSON lines, Parquet.

OTLP exports, as JSON or as protobuf, become rows too: one per evaluated span.
"""

from collections.abc import Iterator
from typing import Any

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.csv_rows import csv_rows
from llmops_cli.traffic.quarantine import BadRow, Quarantine, RowError
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import lines

__all__ = ["is_table", "rows"]

_JSON = (".jsonl", ".ndjson", ".json")


def is_table(source: Source) -> bool:
    """Whether a file is read as CSV: unless its name says something else."""
    return not (source.is_protobuf or _bare(source).endswith((".parquet", *_JSON)))


def _bare(source: Source) -> str:
    return source.name.lower().removesuffix(".gz")


def rows(source: Source, quarantine: Quarantine) -> Iterator[tuple[int, list[Any]]]:
    """Line number and fields of every row, the header first.

    CSV unless the name says something else. A Parquet row's number is its position, a protobuf
    export's its place in the file.

    Raises:
        LlmopsError: ``decisions-not-csv``, ``traffic-not-utf8``, ``traffic-not-parquet`` and
            what the source refuses; JSON lines that cannot be read go to the quarantine.
    """
    name = _bare(source)
    if name.endswith(".parquet"):
        return _parquet_rows(source)
    if source.is_protobuf:
        return _exported_rows(source, quarantine)
    if name.endswith(_JSON):
        return _json_rows(source, quarantine)
    return _csv_rows(source)


def _csv_rows(source: Source) -> Iterator[tuple[int, list[Any]]]:
    for line, row in csv_rows(source, "decisions-not-csv"):
        if isinstance(row, RowError):
            latin, old = row.slug == "traffic-not-utf8", "new-line character" in row.message
            raise LlmopsError(
                row.slug,
                "its lines end in carriage returns alone" if old else row.message,
                hint="convert it first: iconv -f LATIN1 -t UTF-8"
                if latin
                else "write it with line feeds: tr '\\r' '\\n'"
                if old
                else "",
                file=source.name,
                line=line,
            )
        if any(row):
            yield line, row


def _json_rows(source: Source, quarantine: Quarantine) -> Iterator[tuple[int, list[Any]]]:
    import msgspec  # noqa: PLC0415 - only where the input is JSON

    from llmops_cli.traffic.evaluations import Evaluations, is_export  # noqa: PLC0415

    found: list[tuple[int, dict[str, Any]]] = []
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    scored, array, one = Evaluations(), bytearray(), _bare(source).endswith(".json")
    for number, raw in lines(source):
        if array or (one and not found and raw.lstrip()[:1] == b"["):
            array += raw
            continue
        try:
            row = decode(raw)
            found += [(number, one) for one in (scored.rows(raw) if is_export(row) else (row,))]
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            quarantine.add(_not_json(source, number, raw))
    if array:
        found += _in_array(source, bytes(array), quarantine)
    yield from _with_header(found)


def _in_array(
    source: Source, raw: bytes, quarantine: Quarantine
) -> list[tuple[int, dict[str, Any]]]:
    """Rows of one JSON array, numbered by their place in it."""
    import msgspec  # noqa: PLC0415 - only where the input is JSON

    try:
        rows = msgspec.json.decode(raw, type=list[Any])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        quarantine.add(BadRow(source.name, 1, "", "traffic-not-json", "the JSON array breaks off"))
        return []
    found: list[tuple[int, dict[str, Any]]] = []
    for number, row in enumerate(rows, 1):
        if isinstance(row, dict):
            found.append((number, row))  # pyright: ignore[reportUnknownArgumentType] - JSON has no other keys than text
        else:
            quarantine.add(_not_json(source, number, b"\n"))
    return found


def _exported_rows(source: Source, quarantine: Quarantine) -> Iterator[tuple[int, list[Any]]]:
    from llmops_cli.traffic.evaluations import Evaluations  # noqa: PLC0415 - only for telemetry
    from llmops_cli.traffic.otlp.protobuf import exports  # noqa: PLC0415

    found: list[tuple[int, dict[str, Any]]] = []
    scored = Evaluations()
    for number, export in exports(source):
        if export is None:
            bad = BadRow(source.name, number, "", "traffic-not-protobuf", "not an OTLP export")
            quarantine.add(bad)
        else:
            found += [(number, row) for row in scored.rows(export)]
    yield from _with_header(found)


def _with_header(found: list[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, list[Any]]]:
    # What is seldom known, such as the truth, need not be in the first row.
    header = list(dict.fromkeys(name for _, row in found for name in row))
    if header:
        yield 1, header
    for number, row in found:
        yield number, [row.get(name) for name in header]


def _not_json(source: Source, number: int, raw: bytes) -> BadRow:
    cut = not raw.endswith(b"\n")
    slug = "traffic-truncated-line" if cut else "traffic-not-json"
    message = "the last line is cut off" if cut else "the line is not a JSON object"
    return BadRow(source.name, number, "", slug, message)


def _parquet_rows(source: Source) -> Iterator[tuple[int, list[Any]]]:
    import pyarrow as pa  # noqa: PLC0415 - only where the input is Parquet
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        table = pq.read_table(source.name)
    except (pa.ArrowInvalid, OSError) as error:
        raise LlmopsError(
            "traffic-not-parquet", "this is not a Parquet file, or it is damaged", file=source.name
        ) from error
    yield 0, list(table.column_names)
    for number, row in enumerate(zip(*table.to_pydict().values(), strict=True), 1):
        yield number, list(row)
