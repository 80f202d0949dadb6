"""One pass over logs: chunks are read, alone or side by side, and what is staged is joined."""

# pyright: reportAttributeAccessIssue=false

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.calls import arrow_schema
from llmops_cli.engine import stream
from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.assembly import assemble
from llmops_cli.traffic.chunks import Chunk, ChunkRead, chunks, hand_over, keep, read_in_pieces
from llmops_cli.traffic.handed import Handed, moved
from llmops_cli.traffic.json_lines import JsonLinesReader, Options
from llmops_cli.traffic.narrow import narrowed
from llmops_cli.traffic.quarantine import Quarantine
from llmops_cli.traffic.sink import Batch
from llmops_cli.traffic.sources import Source, resolve
from llmops_cli.traffic.spool import Spool
from llmops_cli.traffic.workers import ready_to_read

__all__ = ["Reading", "given_sources", "no_calls"]


class Reading:
    """One pass over logs, table by table, for what is larger than memory.

    Args:
        paths: files, folders, globs, or ``-``.
        options: how logs are read.
        jobs: processes, this one among them.
        spool: folder where rows that still have to be joined may wait; None keeps them in
            memory.
        quarantine: where bad rows go, when several readings share a limit.
        advance: told how many bytes of the files have been read since it was last told.

    Raises:
        LlmopsError: ``traffic-not-found``, ``traffic-no-logs``, ``traffic-mixed-formats`` for
            raw logs beside calls Parquet (the same calls would count twice),
            ``traffic-unknown-format``.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        options: Options | None = None,
        *,
        jobs: int = 1,
        spool: Path | None = None,
        quarantine: Quarantine | None = None,
        advance: Callable[[int], None] | None = None,
    ) -> None:
        self.options = options or Options()
        self.quarantine = quarantine or Quarantine(self.options.max_bad_rows)
        self.sources = given_sources(paths, self.options)
        self.formats: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.joins: dict[str, int] = {}
        self.spans: list[pa.Table] = []
        self._jobs = jobs
        self._spool = spool
        self._advance = advance or (lambda _: None)

    def tables(self, *, required: bool = True) -> Iterator[pa.Table]:
        """Tables of the calls schema, ``content`` behind it where it is kept.

        Args:
            required: whether a reading without any call is an error.

        Raises:
            LlmopsError: what a file or the quarantine refuses; ``traffic-no-calls`` when
                nothing could be read at all.
        """
        rows = 0
        with Spool(self._spool) as staged:
            for table in self._chunks(staged):
                rows += table.num_rows
                if table.num_rows:
                    yield self._finished(table)
            for table in self._assembled(staged):
                rows += table.num_rows
                if table.num_rows:
                    yield self._finished(table)
        if required and rows == 0 and not self.spans:
            raise no_calls(self.quarantine, self.sources)

    def none(self) -> pa.Table:
        """A table without a call, as those that come."""
        return self._finished(arrow_schema().empty_table())

    def _finished(self, table: pa.Table) -> pa.Table:
        table = _named(table)
        names = arrow_schema().names
        if self.options.keep_content:
            names = [*names, "content"]
            if "content" not in table.schema.names:
                table = table.append_column("content", pa.nulls(table.num_rows, pa.string()))
        wanted = self.options.columns
        return table.select(names) if wanted is None else narrowed(table, wanted & set(names))

    def _assembled(self, staged: Spool) -> Iterator[pa.Table]:
        return assemble(staged, self.options.hash_key, self.joins, self._spool)

    def _chunks(self, staged: Spool) -> Iterator[pa.Table]:
        parts = [part for source in self.sources for part in chunks(source, self.options)]
        if self._jobs <= 1:
            yield from self._taken((piece for p in parts for piece in read_in_pieces(p)), staged)
            return
        with (
            TemporaryDirectory(dir=self._spool, prefix=".handed-") as folder,
            closing(self._side_by_side(parts, Path(folder))) as found,
        ):
            yield from self._taken(found, staged)

    def _side_by_side(self, parts: list[Chunk], folder: Path) -> Generator[ChunkRead, None, None]:
        # Calls of a few narrow columns may wait in memory; all there is of them may not.
        narrow = self.options.columns is not None
        return stream(
            partial(hand_over, folder),
            parts,
            jobs=self._jobs,
            here=_here,
            along=keep if narrow else partial(hand_over, folder),
            prepare=ready_to_read,
        )

    def _taken(self, found: Iterable[ChunkRead], staged: Spool) -> Iterator[pa.Table]:
        """Whole calls as they come; what is staged is put away."""
        offset, current = 0, ""
        for read in found:
            if read.chunk.source.name != current:
                offset, current = 0, read.chunk.source.name
            before = 0 if read.chunk.source.is_parquet else offset
            for batch in read.batches:
                if batch.kind == "staged":
                    _put_away(batch, before, staged)
                    continue
                table = moved(batch.table, before)
                if batch.kind == "spans":
                    self.spans.append(table)
                else:
                    yield table
            if read.last:
                self._count(read, offset)
                offset += read.lines
                self._advance(read.chunk.bytes)

    def _count(self, read: ChunkRead, offset: int) -> None:
        self.formats.update(read.formats)
        self.skipped.update(read.skipped)
        for row in read.bad:
            self.quarantine.add(replace(row, line=row.line + offset))


def _here(part: Chunk) -> Iterator[ChunkRead] | None:
    return None if part.portable else read_in_pieces(part)


def _put_away(batch: Batch | Handed, lines: int, staged: Spool) -> None:
    if isinstance(batch, Handed):
        staged.adopt(batch, lines)
    else:
        staged.add(moved(batch.table, lines))


def _named(table: pa.Table) -> pa.Table:
    """A table whose calls without an id have their place as one."""
    if "call_id" not in table.schema.names or not table["call_id"].null_count:
        return table
    file, line = (table[name].cast(pa.string()) for name in ("source_file", "source_line"))
    place = pc.binary_join_element_wise(file, line, ":")
    at = table.schema.get_field_index("call_id")
    return table.set_column(at, "call_id", pc.coalesce(table["call_id"], place))


def given_sources(paths: Iterable[str | Path], options: Options) -> tuple[Source, ...]:
    """The files to read, and the first look at whether they can be.

    Raises:
        LlmopsError: ``traffic-not-found``, ``traffic-no-logs``, ``traffic-mixed-formats``,
            ``traffic-unknown-format``.
    """
    if options.format != "otlp-protobuf":
        JsonLinesReader(options)  # an unknown format is refused before any work
    sources = resolve(paths, (".csv",) if options.mapping else ())
    if not options.mapping:
        _refuse_mixture(sources)
    return sources


def _refuse_mixture(sources: tuple[Source, ...]) -> None:
    parquet = [source for source in sources if source.is_parquet]
    if parquet and len(parquet) < len(sources):
        other = next(source for source in sources if not source.is_parquet)
        raise LlmopsError(
            "traffic-mixed-formats",
            f"raw logs ({other.name}) lie beside calls Parquet ({parquet[0].name}): "
            "the same calls could count twice",
            hint="name the one or the other",
            file=parquet[0].name,
        )


def no_calls(quarantine: Quarantine, sources: tuple[Source, ...]) -> LlmopsError:
    """Why there is nothing to answer from."""
    if not quarantine.rows:
        return LlmopsError("traffic-empty", "no calls in it", file=sources[0].name)
    return quarantine.nothing_read(
        "traffic-no-calls", "is it another format? --input-format names one"
    )
