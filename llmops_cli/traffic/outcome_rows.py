"""Rows of an outcome table, some thousand at a time and by column: CSV, JSON lines, Parquet.

A table of a million rows must not stand in memory as a million lists.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.csv_rows import csv_rows, misfit
from llmops_cli.traffic.quarantine import BadRow, Quarantine, RowError
from llmops_cli.traffic.refusals import bad_row
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import lines, open_bytes

__all__ = ["Chunk", "chunks"]

_ROWS = 20_000


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some rows of one file.

    Attributes:
        lines: where each row stands in the file.
        columns: its values by the file's own name; absent ones are None.
    """

    lines: list[int]
    columns: dict[str, list[Any]]


def chunks(source: Source, quarantine: Quarantine, *, rows: int = _ROWS) -> Iterator[Chunk]:
    """The rows of a file in order; CSV unless its name says otherwise.

    Args:
        source: the file.
        quarantine: where rows go that are no rows.
        rows: the most in one chunk.

    Raises:
        LlmopsError: ``outcomes-not-csv``, ``outcomes-repeated-column``, ``traffic-not-utf8``,
            ``traffic-not-parquet`` and what the source refuses.
    """
    name = source.name.lower().removesuffix(".gz")
    if name.endswith(".parquet"):
        return _of_parquet(source, rows)
    if name.endswith((".jsonl", ".ndjson", ".json")):
        return _of_json(source, quarantine, rows)
    return _of_csv(source, quarantine, rows)


def _of_csv(source: Source, quarantine: Quarantine, most: int) -> Iterator[Chunk]:
    found = csv_rows(source, "outcomes-not-csv")
    header = _header(next(found, None), source)
    while some := list(islice(found, most)):
        good: list[list[str]] = []
        numbers: list[int] = []
        for line, row in some:
            wrong = row if isinstance(row, RowError) else misfit(row, len(header), "outcomes")
            if wrong is not None:
                quarantine.add(BadRow(source.name, line, wrong.field, wrong.slug, wrong.message))
            elif not isinstance(row, RowError):
                good.append(row)
                numbers.append(line)
        columns = zip(*good, strict=False)  # empty fields beyond the header have no name
        yield Chunk(numbers, dict(zip(header, map(list, columns), strict=False)))


def _header(first: tuple[int, list[str] | RowError] | None, source: Source) -> list[str]:
    if first is None:
        raise LlmopsError("outcomes-empty", "there is no row in it", file=source.name)
    line, row = first
    if isinstance(row, RowError):
        raise LlmopsError(row.slug, row.message, file=source.name, line=line)
    names = [name.strip() for name in row]
    return _distinct(names, source)


def _distinct(names: Sequence[str], source: Source) -> list[str]:
    twice = next((name for name in names if name and names.count(name) > 1), "")
    if twice:
        raise LlmopsError(
            "outcomes-repeated-column",
            f"two of its columns are called '{twice}'",
            hint="rename the one that is not meant",
            file=source.name,
            line=1,
            field=twice,
        )
    return list(names)


def _of_json(source: Source, quarantine: Quarantine, most: int) -> Iterator[Chunk]:
    numbered = _objects(source, quarantine)
    while some := list(islice(numbered, most)):
        names = dict.fromkeys(name for _, row in some for name in row)
        columns = {name: [row.get(name) for _, row in some] for name in names}
        yield Chunk([number for number, _ in some], columns)


def _objects(source: Source, quarantine: Quarantine) -> Iterator[tuple[int, dict[str, Any]]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    for number, raw in lines(source):
        try:
            yield number, decode(raw)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            quarantine.add(bad_row(error, raw, source.name, number))


def _of_parquet(source: Source, most: int) -> Iterator[Chunk]:
    import pyarrow as pa  # noqa: PLC0415 - only where the input is Parquet
    import pyarrow.parquet as pq  # noqa: PLC0415

    number = 0
    try:
        with open_bytes(source) as stream:
            file = pq.ParquetFile(stream)
            _distinct(file.schema_arrow.names, source)
            for batch in _batches(file, most):
                columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
                yield Chunk(list(range(number + 1, number + batch.num_rows + 1)), columns)
                number += batch.num_rows
    except (pa.ArrowException, OSError) as error:
        raise LlmopsError(
            "traffic-not-parquet", "this is not a Parquet file, or it is damaged", file=source.name
        ) from error


def _batches(file: Any, most: int) -> Iterable[Any]:  # noqa: ANN401 - pyarrow has no types
    # Answers may be long, and nobody asks for them here.
    names = [name for name in file.schema_arrow.names if not name.endswith("|model_response")]
    return file.iter_batches(most, columns=names)
