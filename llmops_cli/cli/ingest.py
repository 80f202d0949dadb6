"""``llmops ingest``: logs in, the calls table as Parquet out, one file or a growing dataset."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_cli.cli.logs import Logs
from llmops_cli.cli.options import PathsArgument, Shared, check_writable, command
from llmops_cli.cli.progress import progress
from llmops_cli.cli.show import STDOUT, atomic_path, counted, say, write_stdout
from llmops_cli.errors import ExitCode, LlmopsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from llmops_cli.traffic import BadRow, Options, Reading

__all__ = ["ingest", "register"]

_LINES = (".jsonl", ".ndjson", ".json", ".log")


def ingest(
    paths: PathsArgument,
    *,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH",
            help="A file to write (- is stdout), or a folder: a dataset to add to.",
        ),
    ],
    to_otlp: Annotated[
        bool,
        typer.Option("--to-otlp", help="Write OTLP JSON lines by the current conventions."),
    ] = False,
    keep_content: Annotated[
        bool, typer.Option("--keep-content", help="Keep prompts beside their hashes.")
    ] = False,
    logs: Logs,
    shared: Shared,
) -> None:
    """Write logs as one table, without prompts.

    Disjoint token classes, and chained hashes in the place of prompt blocks.

    A folder as output is a dataset, partitioned by day, provider and model. A file that is in
    it already adds nothing, one that has grown replaces what it gave before, and a run that
    was cut off goes on where it stood.

    Set LLMOPS_HASH_KEY or --hash-key to key the hashes, so that nobody without the key can
    confirm a guess.
    """
    if not output.is_dir():
        _check_ending(output, lines=to_otlp)
    options = logs.options(shared, keep_content=keep_content)
    if to_otlp:
        bad = _otlp(paths, output, options, shared)
    elif _is_dataset(output):
        bad = _add(paths, output, options, shared)
    else:
        bad = _single(paths, output, options, shared)
    for row in bad if shared.verbose else bad[:1]:
        say(shared, f"llmops: warning[{row.slug}]: {row.file}:{row.line}: {row.message}")


def _check_ending(output: Path, *, lines: bool) -> None:
    """Refuse a name by which what is written would be read as something else.

    Raises:
        LlmopsError: ``ingest-wrong-ending``.
    """
    from llmops_cli.traffic.sources import COMPRESSED, Source

    named, name = Source(str(output)), output.name.lower()
    other = named.is_csv or named.is_protobuf or name.endswith(COMPRESSED)
    wrong = other or (named.is_parquet if lines else name.endswith(_LINES))
    if wrong:
        what, hint = ("JSON lines", "calls.jsonl") if lines else ("Parquet", "calls.parquet")
        raise LlmopsError(
            "ingest-wrong-ending",
            f"{what} would be written, and {output} would be read as something else",
            hint=f"-o {hint}" if lines else f"-o {hint}; --to-otlp writes JSON lines",
            exit_code=ExitCode.USAGE,
        )


def _otlp(paths: list[str], output: Path, options: "Options", shared: Shared) -> "list[BadRow]":
    from llmops_cli.traffic.quarantine import Quarantine
    from llmops_cli.traffic.to_otlp import otlp_lines

    if output != STDOUT:
        check_writable(output)
    quarantine = Quarantine(options.max_bad_rows)
    with TemporaryDirectory() as folder, progress(shared, paths):
        spool = Path(folder)
        given = [_kept(spool) if path == str(STDOUT) else path for path in paths]
        found = otlp_lines(given, options, quarantine, jobs=shared.jobs, spool=spool)
        lines = _print_lines(found) if output == STDOUT else _write_lines(found, output)
    name = "stdout" if output == STDOUT else output
    _said(shared, f"{counted(lines, 'line')} of OTLP JSON written to {name}", quarantine.rows)
    return quarantine.rows


def _kept(folder: Path) -> str:
    """Standard input as a file, because telemetry is read twice."""
    from shutil import copyfileobj

    from llmops_cli.traffic.sources import STDIN, Source
    from llmops_cli.traffic.streams import open_packed

    path = folder / "stdin.jsonl"
    with open_packed(Source(STDIN)) as stream, path.open("wb") as file:
        copyfileobj(stream, file)
    return str(path)


def _write_lines(lines: "Iterator[bytes]", output: Path) -> int:
    count = 0
    with atomic_path(output) as temporary, temporary.open("wb") as file:
        for line in lines:
            file.write(line)
            count += 1
    return count


def _print_lines(lines: "Iterator[bytes]") -> int:
    with TemporaryDirectory() as folder:
        whole = Path(folder) / "calls.jsonl"
        count = _write_lines(lines, whole)
        write_stdout(whole.read_bytes())
    return count


def _is_dataset(output: Path) -> bool:
    return output.is_dir() or not (output == STDOUT or output.suffix or output.exists())


def _add(paths: list[str], output: Path, options: "Options", shared: Shared) -> "list[BadRow]":
    from llmops_cli.traffic.ingestion import ingest_into

    with progress(shared, paths) as advance:
        done = ingest_into(output, paths, options, jobs=shared.jobs, advance=advance)
    bad = done.quarantine.rows
    files = counted(len(done.read) + len(done.known), "file")
    known = f"; {len(done.known):,} of them there already" if done.known else ""
    _said(shared, f"{counted(done.rows, 'call')} of {files} added to {output}{known}", bad)
    return bad


def _single(paths: list[str], output: Path, options: "Options", shared: Shared) -> "list[BadRow]":
    from llmops_cli.traffic import Reading

    if output != STDOUT:
        check_writable(output)
    with TemporaryDirectory() as spool, progress(shared, paths) as advance:
        reading = Reading(paths, options, jobs=shared.jobs, spool=Path(spool), advance=advance)
        rows = _print(reading) if output == STDOUT else _write(reading, output)
    bad = reading.quarantine.rows
    name = "stdout" if output == STDOUT else output
    _said(shared, f"{counted(rows, 'call')} written to {name}", bad)
    return bad


def _write(reading: "Reading", output: Path) -> int:
    from llmops_cli.traffic.calls_parquet import writer

    rows = 0
    content = reading.options.keep_content
    with atomic_path(output) as temporary, writer(str(temporary), content=content) as file:
        for table in reading.tables():
            file.write_table(table)
            rows += table.num_rows
    return rows


def _print(reading: "Reading") -> int:
    # Parquet is written whole or not at all, to a pipe as well.
    with TemporaryDirectory() as folder:
        whole = Path(folder) / "calls.parquet"
        rows = _write(reading, whole)
        write_stdout(whole.read_bytes())
    return rows


def _said(shared: Shared, text: str, bad: "list[BadRow]") -> None:
    say(shared, f"{text}; {counted(len(bad), 'row')} could not be read")


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    examples = (
        "llmops ingest logs/ -o calls.parquet",
        "llmops ingest logs/2026-11-*.jsonl.gz -o calls/   # a dataset, added to every night",
        "llmops ingest traces.jsonl --to-otlp -o current.jsonl",
        "zcat logs.jsonl.gz | llmops ingest - -o calls.parquet",
    )
    command(app, "ingest", examples=examples)(ingest)
