"""What the commands that read logs share: the format option, the reading, its bad rows."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from llmops_cli.cli.options import Shared
from llmops_cli.cli.show import say
from llmops_cli.report import Finding

if TYPE_CHECKING:
    from llmops_cli.traffic import BadRow, Traffic

__all__ = ["HASH_KEY", "InputFormat", "bad_row_findings", "hash_key", "read_logs", "say_bad_rows"]

HASH_KEY = "LLMOPS_HASH_KEY"
"""The environment variable that keys the block hashes; never an option, to stay out of ps."""

InputFormat = Annotated[
    str,
    typer.Option(
        "--input-format",
        metavar="NAME",
        help="auto | anthropic-messages | openai-chat | openai-responses.",
    ),
]


def hash_key() -> bytes | None:
    """The key from the environment, or None."""
    return os.environ.get(HASH_KEY, "").encode() or None


def read_logs(paths: Sequence[str], input_format: str, shared: Shared) -> "Traffic":
    """Read logs with the shared options; rows that could not be read are said on stderr."""
    from llmops_cli.traffic import read_calls

    traffic = read_calls(
        paths, format=input_format, max_bad_rows=shared.max_bad_rows, hash_key=hash_key()
    )
    say_bad_rows(traffic.bad_rows, shared)
    return traffic


def say_bad_rows(rows: "Sequence[BadRow]", shared: Shared) -> None:
    """One line on stderr about rows that could not be read, if there are any."""
    if not rows:
        return
    first = rows[0]
    count = "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
    say(
        shared,
        f"llmops: warning[{first.slug}]: {count} could not be read and left out; "
        f"the first: {first.file}:{first.line}: {first.message}",
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
