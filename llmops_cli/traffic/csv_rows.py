"""Comma-separated values, row by row, each with the line of the file it begins on."""

import csv
from collections.abc import Iterator, Sequence

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import LINE_LIMIT, TOO_LONG, lines

__all__ = ["csv_rows", "misfit"]

# Prompts and answers stand in fields and are longer than the parser's default allows.
csv.field_size_limit(2**31 - 1)

_QUOTE = "look for a quote that is never closed"


def csv_rows(
    source: Source, slug: str, numbered: Iterator[tuple[int, bytes]] | None = None
) -> Iterator[tuple[int, list[str] | RowError]]:
    """Line number and fields of every row, the header first, or why they cannot be read.

    Lines are those of the file: a quoted field may run over several. Blank lines are no rows.

    Args:
        source: the file.
        slug: of the error for what is no CSV.
        numbered: its lines, blank ones too, where somebody has looked at them already.

    Raises:
        LlmopsError: ``slug`` where a quoted field never ends, and what the source refuses.
    """
    text = _Text(source, slug, numbered or lines(source, blank=True))
    reader = csv.reader(text, strict=True)
    while True:
        text.begin()
        try:
            row: list[str] | RowError = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if text.ended:
                raise text.broken(f"the CSV breaks off: {error}") from error
            row = RowError(slug, f"not CSV: {error}", "")
        row = text.wrong or row
        if row:
            yield text.first, row


def misfit(row: Sequence[object], width: int, kind: str) -> RowError | None:
    """What is wrong with a row of another length than its header; None where nothing is.

    A comma that should be quoted moves every later value into its neighbour's column. Empty
    fields beyond the header have no name and mean nothing.

    Args:
        row: its fields.
        width: of the header.
        kind: begins the slugs, ``-short-row`` and ``-long-row``.
    """
    if len(row) == width or (len(row) > width and not any(row[width:])):
        return None
    slug = f"{kind}-short-row" if len(row) < width else f"{kind}-long-row"
    return RowError(slug, f"{len(row)} fields where the header has {width}", "")


class _Text:
    """The lines of a file as the CSV parser takes them, and what was wrong with them."""

    def __init__(self, source: Source, slug: str, numbered: Iterator[tuple[int, bytes]]) -> None:
        self.ended = False
        self.first = 1
        self.wrong: RowError | None = None
        self._source, self._slug = source, slug
        self._lines = numbered
        self._number, self._size = 0, 0

    def __iter__(self) -> "_Text":
        return self

    def begin(self) -> None:
        """A new row begins on the next line."""
        self.first, self.wrong, self._size = self._number + 1, None, 0

    def __next__(self) -> str:
        found = next(self._lines, None)
        if found is None:
            self.ended = True
            raise StopIteration
        self._number, raw = found
        if raw is TOO_LONG:
            self.wrong = RowError(
                "traffic-line-too-long", f"longer than {LINE_LIMIT >> 20} MiB: not read", ""
            )
        self._size += len(raw)
        if self._size > LINE_LIMIT:
            raise self.broken(f"a row is longer than {LINE_LIMIT >> 20} MiB")
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.wrong = RowError("traffic-not-utf8", "the line is not UTF-8", "")
            return raw.decode(errors="replace")

    def broken(self, message: str) -> LlmopsError:
        """What ends the reading of the file: no later row can be told from this one."""
        return LlmopsError(
            self._slug, message, hint=_QUOTE, file=self._source.name, line=self.first
        )
