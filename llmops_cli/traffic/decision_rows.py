"""Rows of a table file as plain lists with their line numbers: CSV, JSON lines, Parquet."""

import csv
from collections.abc import Iterator
from typing import Any

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.quarantine import BadRow, Quarantine
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import lines

__all__ = ["rows"]

# Logged answers stand beside the decisions and are longer than the parser's default allows.
csv.field_size_limit(2**31 - 1)


def rows(source: Source, quarantine: Quarantine) -> Iterator[tuple[int, list[Any]]]:
    """Line number and fields of every row, the header first.

    CSV unless the name says JSON lines or Parquet; a Parquet row's number is its position.

    Raises:
        LlmopsError: ``decisions-not-csv``, ``traffic-not-utf8``, ``traffic-not-parquet`` and
            what the source refuses; JSON lines that cannot be read go to the quarantine.
    """
    name = source.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        return _parquet_rows(source)
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return _json_rows(source, quarantine)
    return _csv_rows(source)


def _csv_rows(source: Source) -> Iterator[tuple[int, list[Any]]]:
    texts = (_text(raw, number, source) for number, raw in lines(source, blank=True))
    reader = csv.reader(texts, strict=True)
    line = 1
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise LlmopsError(
                "decisions-not-csv",
                f"the CSV breaks off: {error}",
                hint="look for a quote that is never closed",
                file=source.name,
                line=line,
            ) from error
        if any(row):
            yield line, row
        line = reader.line_num + 1


def _text(raw: bytes, number: int, source: Source) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise LlmopsError(
            "traffic-not-utf8",
            "the line is not UTF-8",
            hint="convert it first: iconv -f LATIN1 -t UTF-8",
            file=source.name,
            line=number,
        ) from None


def _json_rows(source: Source, quarantine: Quarantine) -> Iterator[tuple[int, list[Any]]]:
    header: list[str] = []
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for number, raw in lines(source):
        try:
            row = decode(raw)
        except (msgspec.DecodeError, UnicodeError):
            cut = not raw.endswith(b"\n")
            quarantine.add(
                BadRow(
                    source.name,
                    number,
                    "",
                    "traffic-truncated-line" if cut else "traffic-not-json",
                    "the last line is cut off" if cut else "the line is not a JSON object",
                )
            )
            continue
        if not header:
            header = list(row)
            yield number, header
        yield number, [row.get(name) for name in header]


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
