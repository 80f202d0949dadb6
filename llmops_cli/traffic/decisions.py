"""Judge decisions and their truth from tables and traces: one row per decision.

Only a verdict and a truth are needed, or the outcomes of two models; see
:data:`~llmops_cli.traffic.decision_columns.NAMES` for what else is used where it is there.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.csv_rows import misfit
from llmops_cli.traffic.decision_columns import (
    LABEL_COLUMNS,
    OUTCOME_COLUMNS,
    TEXT_COLUMNS,
    Places,
    places,
    tier_places,
)
from llmops_cli.traffic.decision_labels import BINARY, LABELS, LabelSet, label_set, spelled
from llmops_cli.traffic.decision_plain import plain_columns
from llmops_cli.traffic.decision_rows import is_table, rows
from llmops_cli.traffic.decision_values import (
    Column,
    Read,
    find_repeats,
    parsed,
    read_amount,
    read_instant,
    read_label,
    read_number,
    read_outcome,
    read_propensity,
    read_share,
    read_text,
)
from llmops_cli.traffic.quarantine import BadRow, Quarantine, RowError
from llmops_cli.traffic.sources import Source, resolve

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LABELS", "Decisions", "LabelSet", "read_decisions"]


@dataclass(frozen=True, eq=False)
class Decisions:
    """What was read.

    Attributes:
        columns: what the files hold, by our names; labels as int8 codes of ``labels``, outcomes
            as int8 1, 0 or 2 for none, numbers as float64 with NaN for none, instants as
            float64 seconds since 1970, the others as text.
        bad_rows: rows that could not be read.
        files: every file, in order.
        labels: what the codes of ``judge`` and ``gold`` mean.
        copies: names of other columns that say in every row what the truth says.
        unparsable: verdicts that are none of the labels; their rows stay, without a verdict,
            so that a judge gains nothing by answers that nobody can read.
    """

    columns: Mapping[str, npt.NDArray[Any]]
    bad_rows: tuple[BadRow, ...]
    files: tuple[str, ...]
    labels: LabelSet = BINARY
    copies: tuple[str, ...] = ()
    unparsable: tuple[BadRow, ...] = ()

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """The same columns as a data frame."""
        import pandas as pd  # noqa: PLC0415 - takes longer to load than most logs to read

        texts = set(TEXT_COLUMNS)
        return pd.DataFrame(
            {
                name: pd.Series(values, dtype="str" if name in texts else None)
                for name, values in self.columns.items()
            }
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """One file as it stands: where its columns are, their values, and the lines of its rows.

    All values are text where ``texts`` says so; elsewhere they may be.
    """

    source: Source
    places: Places
    lines: Sequence[int]
    columns: Sequence[Sequence[Any]]
    wrong: dict[int, RowError]
    texts: bool = False


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
    if labels.kind == "tiers":
        for table in tables:
            table.places.at.update(tier_places(table.places.others, labels.names))
    reading = _Reading(labels, quarantine, only=len(tables) == 1)
    parts = [_parsed(table, reading) for table in tables]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if not max(map(len, whole.values())):
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
    only: bool = False
    seen: dict[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])
    unparsable: list[BadRow] = field(default_factory=list[BadRow])


def _read(source: Source, names: Mapping[str, str], quarantine: Quarantine) -> _Table:
    plain = plain_columns(source) if is_table(source) else None
    if plain is None:
        return _by_row(source, names, quarantine)
    header, columns = plain
    found = places([name.strip() for name in header], names, source.name)
    return _Table(source, found, range(2, len(columns[0]) + 2), columns, {}, texts=True)


def _by_row(source: Source, names: Mapping[str, str], quarantine: Quarantine) -> _Table:
    found = rows(source, quarantine)
    header = next(found, None)
    if header is None:
        raise _empty(source, quarantine)
    names_of = [str(name).strip() for name in header[1]]
    where, lines, read = places(names_of, names, source.name), list[int](), list[list[Any]]()
    wrong = dict[int, RowError]()
    for number, row in found:
        unfit = misfit(row, len(names_of), "decisions")
        if unfit is not None:
            wrong[len(read)] = unfit
            row = [*row, *[None] * (len(names_of) - len(row))]  # noqa: PLW2901 - the same row, padded
        lines.append(number)
        read.append(row)
    # Empty fields beyond the header have no name and are left out.
    columns: list[Sequence[Any]] = [*zip(*read, strict=False)] or [()] * len(names_of)
    return _Table(source, where, lines, columns[: len(names_of)], wrong)


def _labels(tables: Sequence[_Table], tiers: Sequence[str]) -> LabelSet:
    spellings: dict[str, set[str]] = {"judge": set(), "gold": set()}
    for table in tables:
        for name, found in spellings.items():
            place = table.places.at.get(name)
            if place is not None:
                found |= {spelled(value) for value in _distinct(table.columns[place])}
    swapped = any("judge_swapped" in table.places.at for table in tables)
    file = tables[0].source.name
    return label_set(spellings["judge"], spellings["gold"], tiers=tiers, swapped=swapped, file=file)


def _distinct(values: Sequence[Any]) -> Iterable[Any]:
    try:
        return set(values)
    except TypeError:  # a list or an object, from JSON
        return values


def _reader(name: str, labels: LabelSet) -> tuple[Read, Any]:
    if name in LABEL_COLUMNS or name.removeprefix("judge_").isdecimal():
        return read_label(labels), np.int8
    if name.startswith("tier_") and name.endswith("_correct"):
        return read_outcome, np.float64
    return _READERS.get(name, (read_amount, np.float64))


_READERS: Mapping[str, tuple[Read, Any]] = {
    **dict.fromkeys(TEXT_COLUMNS, (read_text, np.object_)),
    **dict.fromkeys(OUTCOME_COLUMNS, (read_label(BINARY), np.int8)),
    "confidence": (read_share, np.float64),
    "propensity": (read_propensity, np.float64),
    "score": (read_number, np.float64),
    "timestamp": (read_instant, np.float64),
}


def _parsed(table: _Table, reading: _Reading) -> dict[str, npt.NDArray[Any]]:
    columns: dict[str, Column] = {}
    wrong, silent = dict(table.wrong), dict[int, RowError]()
    for name, place in table.places.at.items():
        reader = _reader(name, reading.labels)
        columns[name] = parsed(table.columns[place], name, *reader, texts=table.texts)
        for row, error in columns[name].wrong.items():
            (silent if _is_verdict(name) else wrong).setdefault(row, error)
    find_repeats(columns, wrong, reading.seen, only=reading.only)
    for row in sorted(wrong):
        reading.quarantine.add(_bad_row(table, row, wrong[row]))
    _keep_silent(table, {row: silent[row] for row in silent if row not in wrong}, reading)
    keep = np.ones(len(table.lines), dtype=bool)
    keep[list(wrong)] = False
    return {name: column.read[keep] if wrong else column.read for name, column in columns.items()}


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
    if 2 * len(found) > len(table.lines):
        raise LlmopsError(
            found[0].slug,
            f"{len(found):,} of {len(table.lines):,} verdicts cannot be read; the first is "
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
    for truth, said in zip(table.columns[gold], table.columns[other], strict=True):
        code = labels.codes.get(spelled(truth), labels.missing)
        if code == labels.missing:
            continue
        if labels.codes.get(spelled(said)) != code:
            return False
        classes.add(code)
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
        return quarantine.nothing_read("decisions-empty")
    return LlmopsError(
        "decisions-empty",
        "there is no decision in it",
        hint="one row per decision, with the columns judge and gold",
        file=source.name,
    )
