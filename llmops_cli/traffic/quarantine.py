"""Rows that cannot be read: counted and kept by place, never dropped in silence."""

from dataclasses import dataclass

from llmops_cli.errors import LlmopsError

__all__ = ["BadRow", "Quarantine", "RowError"]


class RowError(Exception):
    """A row that parses but cannot be a call.

    Args:
        slug: as :class:`~llmops_cli.errors.LlmopsError`.
        message: one sentence without any of the row's text.
        field: dotted path.
    """

    def __init__(self, slug: str, message: str, field: str) -> None:
        super().__init__(message)
        self.slug = slug
        self.message = message
        self.field = field


@dataclass(frozen=True, slots=True)
class BadRow:
    """One unreadable row: where it is and what is wrong, without any of its text."""

    file: str
    line: int
    field: str
    slug: str
    message: str


class Quarantine:
    """Collects bad rows up to a limit.

    Args:
        limit: how many bad rows a run accepts; one more stops it.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.rows: list[BadRow] = []

    def add(self, row: BadRow) -> None:
        """Keep the row.

        Raises:
            LlmopsError: ``traffic-too-many-bad-rows`` past the limit, at the first bad row;
                with a limit of 0 the row's own error.
        """
        self.rows.append(row)
        if len(self.rows) <= self.limit:
            return
        first = self.rows[0]
        if self.limit == 0:
            raise LlmopsError(
                first.slug, first.message, file=first.file, line=first.line, field=first.field
            )
        raise LlmopsError(
            "traffic-too-many-bad-rows",
            f"more than {self.limit} rows cannot be read; the first: {first.message} "
            f"[{first.slug}]",
            hint="mend the log, or accept more with --max-bad-rows",
            file=first.file,
            line=first.line,
            field=first.field,
        )

    def nothing_read(self, slug: str, hint: str = "") -> LlmopsError:
        """Why an input gave nothing: all of its rows are here, and there is at least one."""
        first = self.rows[0]
        return LlmopsError(
            slug,
            f"none of {len(self.rows)} rows can be read; the first: {first.message} [{first.slug}]",
            hint=hint,
            file=first.file,
            line=first.line,
            field=first.field,
        )
