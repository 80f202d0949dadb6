"""Parts of files that can be read side by side; how they are cut never depends on how many do."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from llmops_cli.traffic import calls_parquet
from llmops_cli.traffic.frames import framed
from llmops_cli.traffic.handed import Handed, hand
from llmops_cli.traffic.json_lines import JsonLinesReader, Options
from llmops_cli.traffic.mapped import mapped_rows
from llmops_cli.traffic.narrow import narrowed
from llmops_cli.traffic.otlp.protobuf import export_requests
from llmops_cli.traffic.quarantine import BadRow
from llmops_cli.traffic.sink import Batch, RowSink
from llmops_cli.traffic.sources import Source
from llmops_cli.traffic.streams import Slab, pieces

__all__ = ["Chunk", "ChunkRead", "chunks", "hand_over", "keep", "read_in_pieces"]

CHUNK_BYTES = 16 << 20
_PLACE = {"source_file", "source_line"}
_PACKED = 4
"""How much longer a compressed log is than its file, at the least."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of one file.

    Attributes:
        source: the file.
        options: how it is read.
        start: where its first line may begin.
        end: where no further line begins; None is the end of the file.
        messages: of a file of messages, not of lines, how many lie between the two places.
    """

    source: Source
    options: Options
    start: int = 0
    end: int | None = None
    messages: int = 0

    @property
    def bytes(self) -> int:
        """How long it is in the file; 0 where that is not known."""
        return self.source.bytes - self.start if self.end is None else self.end - self.start

    @property
    def portable(self) -> bool:
        """Whether another process can read it and hand over all of it at once.

        A pipe belongs to this process, and a long file that cannot be cut would fill memory.
        """
        if self.end is not None:
            return True
        plain = self.source.is_plain_file and not self.source.is_parquet
        return 0 < self.bytes <= (CHUNK_BYTES if plain else CHUNK_BYTES // _PACKED)


@dataclass(slots=True)
class ChunkRead:
    """What a chunk gave: batches, and counts with line numbers relative to its start."""

    chunk: Chunk
    batches: list[Batch | Handed] = field(default_factory=list[Batch | Handed])
    bad: list[BadRow] = field(default_factory=list[BadRow])
    formats: Counter[str] = field(default_factory=Counter[str])
    skipped: Counter[str] = field(default_factory=Counter[str])
    lines: int = 0
    last: bool = True


def chunks(source: Source, options: Options) -> list[Chunk]:
    """Cut one source; only an uncompressed file of lines or messages is cut at all."""
    size = source.bytes
    if options.mapping or not source.is_plain_file or size <= CHUNK_BYTES:
        return [Chunk(source, options)]
    if source.is_protobuf or options.format == "otlp-protobuf":
        parts = framed(source, CHUNK_BYTES)
        return [Chunk(source, options, *part) for part in parts] or [Chunk(source, options)]
    if source.is_parquet or source.is_csv:
        return [Chunk(source, options)]
    return [
        Chunk(source, options, start, min(start + CHUNK_BYTES, size))
        for start in range(0, size, CHUNK_BYTES)
    ]


def hand_over(folder: Path, chunk: Chunk) -> ChunkRead:
    """Everything in a chunk at once, its batches in files of a folder, for another process.

    Raises:
        LlmopsError: what the source refuses.
    """
    whole = ChunkRead(chunk)
    for piece in read_in_pieces(chunk):
        _join(whole, piece)
        whole.batches += [hand(each, folder) for each in piece.batches if isinstance(each, Batch)]
    return whole


def keep(chunk: Chunk) -> ChunkRead:
    """As :func:`hand_over`, for this process itself: the batches stay in memory.

    Raises:
        LlmopsError: what the source refuses.
    """
    whole = ChunkRead(chunk)
    for piece in read_in_pieces(chunk):
        _join(whole, piece)
        whole.batches += piece.batches
    return whole


def _join(whole: ChunkRead, piece: ChunkRead) -> None:
    whole.bad, whole.formats, whole.skipped = piece.bad, piece.formats, piece.skipped
    whole.lines = piece.lines


def read_in_pieces(chunk: Chunk) -> Iterator[ChunkRead]:
    """A chunk batch by batch; the counts are in the last piece.

    Raises:
        LlmopsError: what the source refuses.
    """
    columns = chunk.options.columns
    if columns is None:
        yield from _pieces(chunk)
        return
    for piece in _pieces(chunk):
        # A call without an id will be named by its place.
        piece.batches = [_narrow(each, columns | _PLACE) for each in piece.batches]
        yield piece


def _narrow(batch: Batch | Handed, columns: Collection[str]) -> Batch | Handed:
    if batch.kind != "calls":
        return batch
    return Batch("calls", narrowed(batch.table, columns))


def _pieces(chunk: Chunk) -> Iterator[ChunkRead]:
    seen = 0

    def counted(reader: JsonLinesReader) -> Iterator[tuple[int, bytes | Slab]]:
        nonlocal seen
        # Blank lines count too: the numbers of the next chunk begin behind them.
        for number, piece in pieces(chunk.source, chunk.start, chunk.end, reader.takes_slabs):
            if isinstance(piece, Slab):
                seen = number + len(piece) - 1
                yield number, piece
                continue
            seen = number
            if not piece.isspace():
                yield number, piece

    source, options = chunk.source, chunk.options
    sink = RowSink(options, source.name)
    if source.is_parquet and not options.mapping:
        for table in calls_parquet.tables(source):
            sink.formats[calls_parquet.NAME] += table.num_rows
            yield ChunkRead(chunk, [Batch("calls", table)], last=False)
    else:
        if options.mapping:
            batches = mapped_rows(source, options, sink)
        elif source.is_protobuf or options.format == "otlp-protobuf":
            seen = chunk.messages
            batches = export_requests(source.part(chunk.start, chunk.end), sink)
        else:
            reader = JsonLinesReader(options)
            batches = reader.batches(counted(reader), sink)
        for batch in batches:
            yield ChunkRead(chunk, [batch], last=False)
    yield ChunkRead(chunk, [], sink.bad, sink.formats, sink.skipped, seen)
