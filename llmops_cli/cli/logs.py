"""What the commands that read logs share: their options, the reading, its bad rows."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from llmops_cli.cli.options import GROUPS, Group, Shared
from llmops_cli.cli.progress import progress
from llmops_cli.cli.show import counted, say
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.report import Finding

if TYPE_CHECKING:
    import pyarrow as pa

    from llmops_cli.traffic import BadRow, Options, Traffic

__all__ = ["HASH_KEY", "Logs", "bad_row_findings", "read_logs", "say_bad_rows"]

HASH_KEY = "LLMOPS_HASH_KEY"
"""The environment variable that keys the block hashes; the key itself is never an option, to
stay out of the list of processes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Logs:
    """How the logs of one invocation are read."""

    input_format: str = "auto"
    mapping: tuple[tuple[str, str], ...] = ()
    hash_key: bytes | None = None

    def options(self, shared: Shared, *, keep_content: bool = False) -> "Options":
        """As the readers want it."""
        from llmops_cli.traffic import Options

        return Options(
            format=self.input_format,
            max_bad_rows=shared.max_bad_rows,
            hash_key=self.hash_key,
            keep_content=keep_content,
            mapping=self.mapping,
        )


_OPTIONS: dict[str, tuple[Any, Any]] = {
    "input_format": (
        Annotated[
            str,
            typer.Option(
                "--input-format",
                metavar="NAME",
                help="Format of the logs, where it is not told from them.",
            ),
        ],
        "auto",
    ),
    "map": (
        Annotated[
            list[str] | None,
            typer.Option(
                "--map",
                metavar="COLUMN=FIELD",
                help="Where a column is in a log of your own (CSV, JSON lines, Parquet); repeat.",
                show_default=False,
            ),
        ],
        None,
    ),
    "hash_key": (
        Annotated[
            Path | None,
            typer.Option(
                "--hash-key",
                metavar="FILE",
                help=f"File with the key of the prompt hashes (also: {HASH_KEY}).",
                allow_from_autoenv=False,
                show_default=False,
            ),
        ],
        None,
    ),
}


def _parse(raw: dict[str, Any]) -> Logs:
    return Logs(
        input_format=raw["input_format"],
        mapping=tuple(_pair(item) for item in raw["map"] or ()),
        hash_key=_key(raw["hash_key"]),
    )


GROUPS["logs"] = Group(_OPTIONS, _parse)


def _pair(text: str) -> tuple[str, str]:
    column, _, field = text.partition("=")
    if not column or not field:
        raise LlmopsError(
            "map-not-a-pair",
            f"'{text}' is not COLUMN=FIELD",
            hint="--map input_tokens_including_cache=prompt_tokens, once for each column",
            exit_code=ExitCode.USAGE,
        )
    return column, field


def _key(path: Path | None) -> bytes | None:
    if path is None:
        return os.environ.get(HASH_KEY, "").encode() or None
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        raise LlmopsError(
            "hash-key-unreadable",
            f"the key cannot be read: {error.strerror}",
            file=str(path),
            exit_code=ExitCode.USAGE,
        ) from error
    if not key:
        raise LlmopsError(
            "hash-key-empty",
            "there is no key in it",
            hint="head -c 32 /dev/urandom | base64 > key",
            file=str(path),
            exit_code=ExitCode.USAGE,
        )
    return key


def read_logs(
    paths: Sequence[str],
    logs: Logs,
    shared: Shared,
    *,
    keep_content: bool = False,
    columns: Collection[str] | None = None,
    each: "Callable[[pa.Table], pa.Table] | None" = None,
) -> "Traffic":
    """Read logs into calls, or some columns of them; rows that cannot be read are said on stderr.

    Where ``columns`` are named, their texts may be codes, as :func:`read_traffic` says.
    """
    from llmops_cli.engine.memory import return_memory
    from llmops_cli.traffic import read_traffic

    return_memory()
    options = logs.options(shared, keep_content=keep_content)
    with progress(shared, paths) as advance:
        traffic = read_traffic(
            paths, options, jobs=shared.jobs, advance=advance, columns=columns, each=each
        )
    say_bad_rows(traffic.bad_rows, shared)
    return traffic


def say_bad_rows(rows: "Sequence[BadRow]", shared: Shared) -> None:
    """One line on stderr about rows that could not be read, if there are any."""
    if not rows:
        return
    first = rows[0]
    say(
        shared,
        f"llmops: warning[{first.slug}]: {counted(len(rows), 'row')} could not be read and left "
        f"out; the first: {first.file}:{first.line}: {first.message}",
    )


def bad_row_findings(rows: "Iterable[BadRow]") -> tuple[Finding, ...]:
    """One finding per kind of bad row, at the place of its first."""
    rows = list(rows)
    counts = Counter(row.slug for row in rows)
    first = {row.slug: row for row in reversed(rows)}
    return tuple(
        Finding(
            slug=slug,
            severity="warning",
            message=f"{row.message}; rows like it are left out",
            hint="mend the log, or set --max-bad-rows 0 to stop at the first",
            file=row.file,
            line=row.line,
            field=row.field,
            count=counts[slug],
        )
        for slug, row in sorted(first.items())
    )
