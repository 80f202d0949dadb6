"""``llmops ingest``: logs in, the calls table as Parquet out."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_cli.cli.logs import InputFormat, hash_key
from llmops_cli.cli.options import PathsArgument, Shared, check_writable, command
from llmops_cli.cli.show import STDOUT, atomic_path, say, write_stdout

if TYPE_CHECKING:
    from llmops_cli.traffic import Reading

__all__ = ["ingest", "register"]


def ingest(
    paths: PathsArgument,
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PATH", help="Parquet file to write; - is stdout."),
    ],
    input_format: InputFormat = "auto",
    shared: Shared,
) -> None:
    """Write logs as one table, without prompts.

    Disjoint token classes, and chained hashes in the place of prompt blocks.

    Set LLMOPS_HASH_KEY to key the hashes, so that nobody without the key can confirm a guess.
    """
    from llmops_cli.traffic import Reading

    if output != STDOUT:
        check_writable(output)
    reading = Reading(
        paths, format=input_format, max_bad_rows=shared.max_bad_rows, hash_key=hash_key()
    )
    rows = _print(reading) if output == STDOUT else _write(reading, output)
    bad = len(reading.quarantine.rows)
    name = "stdout" if output == STDOUT else output
    say(shared, f"{rows:,} calls written to {name}; {bad:,} rows could not be read")
    for row in reading.quarantine.rows if shared.verbose else reading.quarantine.rows[:1]:
        say(shared, f"llmops: warning[{row.slug}]: {row.file}:{row.line}: {row.message}")


def _write(reading: "Reading", output: Path) -> int:
    from llmops_cli.traffic.calls_parquet import writer

    rows = 0
    with atomic_path(output) as temporary, writer(str(temporary)) as file:
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


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    examples = (
        "llmops ingest logs/ -o calls.parquet",
        "zcat logs.jsonl.gz | llmops ingest - -o calls.parquet",
    )
    command(app, "ingest", examples=examples)(ingest)
