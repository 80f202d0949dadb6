"""The rows of a trace in a CSV file, by the names of its header."""

from collections.abc import Iterator, Mapping

from llmops_cli.traffic.csv_rows import csv_rows, misfit
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.sources import Source

__all__ = ["Columns", "count", "rows"]

Columns = Mapping[str, str]
"""A row: field by the name above it."""


def rows(
    source: Source, numbered: Iterator[tuple[int, bytes]] | None = None
) -> Iterator[tuple[int, Columns | RowError]]:
    """Line number and fields of every row below the header, or why it cannot be read.

    Raises:
        LlmopsError: ``trace-not-csv`` and what the source refuses.
    """
    header: list[str] | None = None
    for number, row in csv_rows(source, "trace-not-csv", numbered):
        if isinstance(row, RowError):
            yield number, row
        elif header is None:
            header = [name.strip() for name in row]
        else:
            unfit = misfit(row, len(header), "trace")
            yield number, unfit or dict(zip(header, row, strict=False))


def count(row: Columns, name: str) -> int:
    """A whole number of tokens, perhaps written as a decimal fraction.

    Raises:
        RowError: ``trace-bad-length``.
    """
    try:
        return int(row[name])
    except ValueError:
        pass
    try:
        value = float(row[name])
        if value.is_integer():
            return int(value)
    except ValueError:
        pass
    raise RowError("trace-bad-length", "not a whole number of tokens", name)
