"""Judge decisions and their truth from tables and traces: one row per decision.

Only a verdict and a truth are needed, or the outcomes of two models; see
:data:`~llmops_cli.traffic.decision_columns.NAMES` for what else is used where it is there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.decision_columns import (
    LABEL_COLUMNS,
    OUTCOME_COLUMNS,
    TEXT_COLUMNS,
    Places,
    places,
)
from llmops_cli.traffic.decision_labels import BINARY, LABELS, LabelSet, label_set, spelled
from llmops_cli.traffic.decision_rows import rows
from llmops_cli.traffic.decision_values import (
    Column,
    Read,
    find_repeats,
    parsed,
    read_amount,
    read_instant,
    read_label,
    read_number,
    read_share,
    read_text,
)
from llmops_cli.traffic.quarantine import BadRow, Quarantine, RowError
from llmops_cli.traffic.sources import Source, resolve

__all__ = ["LABELS", "Decisions", "LabelSet", "read_decisions"]


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What was read.

    Attributes:
        frame: the columns that the files hold, by our names; labels as int8 codes of
            ``labels``, outcomes as int8 1, 0 or 2 for none, numbers as float64 with NaN for
            none, instants as float64 seconds since 1970, the others as text.
        bad_rows: rows that could not be read.
        files: every file, in order.
        labels: what the codes of ``judge`` and ``gold`` mean.
        copies: names of other columns that say in every row what the truth says.
        unparsable: verdicts that are none of the labels; their rows stay, without a verdict,
            so that a judge gains nothing by answers that nobody can read.
    """

    frame: pd.DataFrame
    bad_rows: tuple[BadRow, ...]
    files: tuple[str, ...]
    labels: LabelSet = BINARY
    copies: tuple[str, ...] = ()
    unparsable: tuple[BadRow, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """One file as it stands: where its columns are, its rows and their lines."""

    source: Source
    places: Places
    lines: list[int]
    rows: list[list[Any]]
    wrong: dict[int, RowError]

    def column(self, place: int) -> list[Any]:
        return [row[place] for row in self.rows]


def read_decisions(
    paths: Iterable[str | Path],
    *,
    names: Mapping[str, str] | None = None,
    tiers: Sequence[str] = (),
    max_bad_rows: int = 100,
) -> Decisions:
    """Read decisions; every file must hold the same columns.

    Args:
        paths: CSV (by default), ``.jsonl``/``.ndjson``/``.json`` (rows, or OTLP traces whose
            evaluations become columns) or ``.parquet`` files, folders, globs, or ``-`` for CSV
            on standard input.
        names: the files' own names of our columns, where they differ.
        tiers: the classes of verdicts, cheapest first; told from the labels where absent.
        max_bad_rows: how many unreadable rows are accepted.

    Raises:
        LlmopsError: ``decisions-missing-column``, ``decisions-ambiguous-column``,
            ``decisions-unordered-tiers``, ``decisions-empty``, ``decisions-different-columns``,
            ``traffic-too-many-bad-rows`` and what the sources refuse.
    """
    quarantine, sources = Quarantine(max_bad_rows), resolve(paths, (".csv",))
    tables: list[_Table] = []
    for source in sources:
        table = _read(source, names or {}, quarantine)
        if tables and list(table.places.at) != list(tables[0].places.at):
            raise _different(source, table, tables[0])
        tables.append(table)
    labels = _labels(tables, tiers)
    reading = _Reading(labels, quarantine)
    frames = [_frame(table, reading) for table in tables]
    whole = pd.concat(frames, ignore_index=True)
    if whole.empty:
        raise _empty(sources[0], quarantine)
    return Decisions(
        whole,
        tuple(quarantine.rows),
        tuple(source.name for source in sources),
        labels,
        _copies(tables, labels),
        tuple(reading.unparsable),
    )


@dataclass(slots=True)
class _Reading:
    """What is kept from one file to the next."""

    labels: LabelSet
    quarantine: Quarantine
    seen: dict[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])
    unparsable: list[BadRow] = field(default_factory=list[BadRow])


def _read(source: Source, names: Mapping[str, str], quarantine: Quarantine) -> _Table:
    found = rows(source, quarantine)
    header = next(found, None)
    if header is None:
        raise _empty(source, quarantine)
    columns = [str(name).strip() for name in header[1]]
    table = _Table(source, places(columns, names, source.name), [], [], {})
    for number, row in found:
        if len(row) < len(columns):
            message = f"{len(row)} fields where the header has {len(columns)}"
            table.wrong[len(table.rows)] = RowError("decisions-short-row", message, "")
            row = [*row, *[None] * (len(columns) - len(row))]  # noqa: PLW2901 - the same row, padded
        table.lines.append(number)
        table.rows.append(row)
    return table


def _labels(tables: Sequence[_Table], tiers: Sequence[str]) -> LabelSet:
    spellings: dict[str, set[str]] = {"judge": set(), "gold": set()}
    for table in tables:
        for name, found in spellings.items():
            place = table.places.at.get(name)
            if place is not None:
                found |= {spelled(value) for value in _distinct(table.column(place))}
    swapped = any("judge_swapped" in table.places.at for table in tables)
    file = tables[0].source.name
    return label_set(spellings["judge"], spellings["gold"], tiers=tiers, swapped=swapped, file=file)


def _distinct(values: list[Any]) -> Iterable[Any]:
    try:
        return set(values)
    except TypeError:  # a list or an object, from JSON
        return values


def _reader(name: str, labels: LabelSet) -> tuple[Read, Any]:
    if name in LABEL_COLUMNS or name.removeprefix("judge_").isdecimal():
        return read_label(labels), np.int8
    return _READERS.get(name, (read_amount, np.float64))


_READERS: Mapping[str, tuple[Read, Any]] = {
    **dict.fromkeys(TEXT_COLUMNS, (read_text, np.object_)),
    **dict.fromkeys(OUTCOME_COLUMNS, (read_label(BINARY), np.int8)),
    "confidence": (read_share, np.float64),
    "score": (read_number, np.float64),
    "timestamp": (read_instant, np.float64),
}


def _frame(table: _Table, reading: _Reading) -> pd.DataFrame:
    columns: dict[str, Column] = {}
    wrong, silent = dict(table.wrong), dict[int, RowError]()
    for name, place in table.places.at.items():
        columns[name] = parsed(table.column(place), name, *_reader(name, reading.labels))
        for row, error in columns[name].wrong.items():
            (silent if _is_verdict(name) else wrong).setdefault(row, error)
    find_repeats(columns, wrong, reading.seen)
    for row in sorted(wrong):
        reading.quarantine.add(_bad_row(table, row, wrong[row]))
    _keep_silent(table, {row: silent[row] for row in silent if row not in wrong}, reading)
    keep = np.ones(len(table.rows), dtype=bool)
    keep[list(wrong)] = False
    return pd.DataFrame(
        {
            name: pd.Series(column.read[keep], dtype="str" if name in TEXT_COLUMNS else None)
            for name, column in columns.items()
        }
    )


def _is_verdict(name: str) -> bool:
    return name in {"judge", "judge_swapped", "score"} or name.removeprefix("judge_").isdecimal()


def _bad_row(table: _Table, row: int, error: RowError) -> BadRow:
    return BadRow(table.source.name, table.lines[row], error.field, error.slug, error.message)


def _keep_silent(table: _Table, silent: dict[int, RowError], reading: _Reading) -> None:
    """Rows whose verdict cannot be read stay; a column of them is the wrong column.

    Raises:
        LlmopsError: ``decisions-bad-label`` where that is most rows of a file.
    """
    found = [_bad_row(table, row, silent[row]) for row in sorted(silent)]
    if 2 * len(found) > len(table.rows):
        raise LlmopsError(
            found[0].slug,
            f"{len(found):,} of {len(table.rows):,} verdicts cannot be read; the first is "
            f"{found[0].message}",
            hint="is it the right column? name the classes with --tiers",
            file=found[0].file,
            line=found[0].line,
            field=found[0].field,
        )
    reading.unparsable += found


def _copies(tables: Sequence[_Table], labels: LabelSet) -> tuple[str, ...]:
    """Other columns that hold the truth: a judge that sees one of them is told the answer."""
    others = tables[0].places.others
    return tuple(name for name in others if all(_is_copy(t, name, labels) for t in tables))


def _is_copy(table: _Table, name: str, labels: LabelSet) -> bool:
    gold, other = table.places.at.get("gold"), table.places.others.get(name)
    if gold is None or other is None:
        return False
    classes: set[int] = set()
    for row in table.rows:
        truth = labels.codes.get(spelled(row[gold]), labels.missing)
        if truth == labels.missing:
            continue
        if labels.codes.get(spelled(row[other])) != truth:
            return False
        classes.add(truth)
    return len(classes) > 1


def _different(source: Source, table: _Table, first: _Table) -> LlmopsError:
    return LlmopsError(
        "decisions-different-columns",
        f"it holds {', '.join(table.places.at)}; the first file {', '.join(first.places.at)}",
        hint="give files of one kind",
        file=source.name,
    )


def _empty(source: Source, quarantine: Quarantine) -> LlmopsError:
    if quarantine.rows:
        first = quarantine.rows[0]
        return LlmopsError(
            "decisions-empty",
            f"none of {len(quarantine.rows)} rows can be read; the first: {first.message} "
            f"[{first.slug}]",
            file=first.file,
            line=first.line,
            field=first.field,
        )
    return LlmopsError(
        "decisions-empty",
        "there is no decision in it",
        hint="one row per decision, with the columns judge and gold",
        file=source.name,
    )
