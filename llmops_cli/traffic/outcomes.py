"""Outcome tables: what each model's answer to a request was worth, cost and took.

Wide (a row per request) and long (a row per answer) tables of any mix of files become one
:class:`OutcomeTable`; :mod:`llmops_cli.traffic.outcome_columns` says which columns are read.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.outcome_answers import Answers, OutcomeColumns, answers_of
from llmops_cli.traffic.outcome_columns import is_outcome_table, layout, missing_column
from llmops_cli.traffic.outcome_matrices import OutcomeTable, matrices
from llmops_cli.traffic.outcome_rows import chunks
from llmops_cli.traffic.quarantine import Quarantine
from llmops_cli.traffic.sources import resolve

__all__ = ["OutcomeColumns", "OutcomeTable", "looks_like_outcomes", "read_outcomes"]


def looks_like_outcomes(paths: Sequence[str | Path], columns: OutcomeColumns | None = None) -> bool:
    """Whether the first file is an outcome table and not a log; standard input is a table.

    Args:
        paths: as :func:`read_outcomes`.
        columns: what the user says of the columns; who names models means a table.
    """
    if columns is not None and columns.models:
        return True
    if not paths or str(paths[0]) == "-":
        return True
    try:
        source = resolve(paths[:1], (".csv",))[0]
    except LlmopsError:
        return False
    if source.is_csv:
        # What is CSV can only be a table, and its own reader says best what is wrong.
        return True
    try:
        first = next(chunks(source, Quarantine(10**9), rows=100), None)
    except LlmopsError:
        return False
    named = (columns or OutcomeColumns()).names
    return first is not None and is_outcome_table(first.columns, named)


def read_outcomes(
    paths: Iterable[str | Path],
    columns: OutcomeColumns | None = None,
    *,
    max_bad_rows: int = 100,
) -> OutcomeTable:
    """Read outcomes; wide and long tables may stand side by side.

    Args:
        paths: CSV (by default), ``.jsonl``/``.ndjson``/``.json`` or ``.parquet`` files, folders,
            globs, or ``-`` for CSV on standard input.
        columns: what the user says of them.
        max_bad_rows: how many unreadable rows are accepted.

    Raises:
        LlmopsError: ``outcomes-missing-column``, ``outcomes-ambiguous-column``,
            ``outcomes-no-models``, ``outcomes-empty``, ``traffic-too-many-bad-rows`` and what
            :func:`llmops_cli.traffic.outcome_rows.chunks` raises.
    """
    asked, quarantine = columns or OutcomeColumns(), Quarantine(max_bad_rows)
    sources = resolve(paths, (".csv",))
    read: list[Answers] = []
    known = set[str]()
    absent = dict.fromkeys(asked.scores)
    for number, source in enumerate(sources):
        known, places = set[str](), None
        for chunk in chunks(source, quarantine):
            absent = {name: None for name in absent if name not in chunk.columns}
            # JSON lines may name a model for the first time far down the file.
            if places is None or not chunk.columns.keys() <= known:
                places = layout(chunk.columns, asked.names, asked.models, source.name)
                known = set(chunk.columns)
            read.append(answers_of(chunk, places, asked, number, (source.name, quarantine)))
    if not any(len(piece.line) for piece in read):
        raise _empty(sources[0].name, quarantine)
    if absent:
        raise missing_column(next(iter(absent)), sorted(known), sources[-1].name)
    return matrices(read, tuple(source.name for source in sources), quarantine)


def _empty(file: str, quarantine: Quarantine) -> LlmopsError:
    if quarantine.rows:
        return quarantine.nothing_read("outcomes-empty")
    return LlmopsError(
        "outcomes-empty",
        "there is no outcome in it",
        hint="one row per request with a column per model, or one row per answer",
        file=file,
    )
