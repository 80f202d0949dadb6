"""Judge decisions and their truth from CSV, JSON lines or Parquet: one row per decision.

Only `judge` and `gold` are needed; see COLUMNS for what else is used where it is there.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pandas as pd

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.decision_rows import rows
from llmops_cli.traffic.quarantine import BadRow, Quarantine, RowError
from llmops_cli.traffic.sources import Source, resolve

__all__ = ["COLUMNS", "LABELS", "Decisions", "read_decisions"]

LABEL_COLUMNS = ("judge", "gold", "weak_correct", "strong_correct")
TEXT_COLUMNS = ("id", "cluster", "task")
COST_COLUMNS = ("weak_cost_usd", "strong_cost_usd", "judge_cost_usd")

COLUMNS: tuple[str, ...] = (*TEXT_COLUMNS, *LABEL_COLUMNS, *COST_COLUMNS)
"""judge: the judge says that the weak model's answer will do. gold: it really will.
weak_correct, strong_correct: whether each model's answer was right."""

LABELS: Mapping[str, int] = {
    **dict.fromkeys(("1", "1.0", "true", "t", "yes", "y", "accept", "pass", "correct"), 1),
    **dict.fromkeys(("0", "0.0", "false", "f", "no", "n", "reject", "fail", "incorrect"), 0),
    **dict.fromkeys(("", "null", "none", "nan", "na"), 2),
}
"""Spellings of a label, in lower case; 2 is no label."""

MISSING = 2


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What was read.

    Attributes:
        frame: the columns that the files hold, of ``COLUMNS``; labels as int8 1, 0 or 2 for
            none, costs as float64 in USD, the others as text.
        bad_rows: rows that could not be read.
        files: every file, in order.
    """

    frame: pd.DataFrame
    bad_rows: tuple[BadRow, ...]
    files: tuple[str, ...]


def read_decisions(
    paths: Iterable[str | Path],
    *,
    names: Mapping[str, str] | None = None,
    max_bad_rows: int = 100,
) -> Decisions:
    """Read decisions; every file must hold the same columns.

    Args:
        paths: CSV (by default), ``.jsonl``/``.ndjson``/``.json`` or ``.parquet`` files,
            folders, globs, or ``-`` for CSV on standard input.
        names: the files' own names of our columns, where they differ.
        max_bad_rows: how many unreadable rows are accepted.

    Raises:
        LlmopsError: ``decisions-missing-column``, ``decisions-empty``,
            ``decisions-different-columns``, ``traffic-too-many-bad-rows`` and what
            the sources refuse.
    """
    quarantine, sources = Quarantine(max_bad_rows), resolve(paths, (".csv",))
    frames: list[pd.DataFrame] = []
    seen: set[str] = set()
    for source in sources:
        frame = _read(source, dict(names or {}), quarantine, seen)
        if frames and list(frame.columns) != list(frames[0].columns):
            raise LlmopsError(
                "decisions-different-columns",
                f"it holds {', '.join(frame.columns)}; the first file "
                f"{', '.join(frames[0].columns)}",
                hint="give files of one kind",
                file=source.name,
            )
        frames.append(frame)
    whole = pd.concat(frames, ignore_index=True)
    if whole.empty:
        raise _empty(sources[0], quarantine)
    return Decisions(whole, tuple(quarantine.rows), tuple(source.name for source in sources))


def _read(
    source: Source, names: dict[str, str], quarantine: Quarantine, seen: set[str]
) -> pd.DataFrame:
    found = rows(source, quarantine)
    header = next(found, None)
    if header is None:
        raise _empty(source, quarantine)
    at = _places(source, [str(name).strip() for name in header[1]], names)
    columns: dict[str, list[Any]] = {name: [] for name in at}
    for number, row in found:
        try:
            parsed = _parsed(row, at, len(header[1]), seen)
        except RowError as error:
            quarantine.add(BadRow(source.name, number, error.field, error.slug, error.message))
            continue
        for name, value in zip(at, parsed, strict=True):
            columns[name].append(value)
    return _frame(columns)


def _parsed(row: list[Any], at: dict[str, int], width: int, seen: set[str]) -> list[Any]:
    if len(row) < width:
        raise RowError("decisions-short-row", f"{len(row)} fields where the header has {width}", "")
    parsed = [_PARSERS[name](row[place], name) for name, place in at.items()]
    if "id" in at and parsed[0]:
        if parsed[0] in seen:
            raise RowError("decisions-duplicate-id", "the id came before", "id")
        seen.add(parsed[0])
    return parsed


def _places(source: Source, header: list[str], names: dict[str, str]) -> dict[str, int]:
    for ours, theirs in names.items():
        if theirs not in header:
            near = get_close_matches(theirs, header, n=1)
            raise LlmopsError(
                "decisions-missing-column",
                f"'{theirs}' is not among its columns",
                hint=f"did you mean '{near[0]}'?" if near else f"it has {', '.join(header)}",
                file=source.name,
                line=1,
                field=ours,
            )
    _refuse_repeated(source, header, names)
    at = {
        name: header.index(names.get(name, name))
        for name in COLUMNS
        if names.get(name, name) in header
    }
    judged, paired = {"judge", "gold"} <= at.keys(), {"weak_correct", "strong_correct"} <= at.keys()
    if judged or paired or {"judge", "weak_correct"} <= at.keys():
        return at
    absent = "gold" if "judge" in at else "judge"
    raise LlmopsError(
        "decisions-missing-column",
        f"'{absent}' is not among its columns",
        hint=_where_is(absent, header),
        file=source.name,
        line=1,
        field=absent,
    )


def _where_is(absent: str, header: list[str]) -> str:
    near = get_close_matches(absent, header, n=1, cutoff=0.5)
    if len(header) == 1 and any(mark in header[0] for mark in ";\t|"):
        return "its fields are not separated by commas; write it as CSV"
    if near:
        return f"name it: --{absent} {near[0]}"
    return f"name the column that holds it with --{absent}; it has {', '.join(header)}"


def _refuse_repeated(source: Source, header: list[str], names: dict[str, str]) -> None:
    for ours in COLUMNS:
        theirs = names.get(ours, ours)
        if header.count(theirs) > 1:
            raise LlmopsError(
                "decisions-repeated-column",
                f"two of its columns are called '{theirs}'",
                hint="rename the one that is not meant",
                file=source.name,
                line=1,
                field=ours,
            )


def _label(value: object, name: str) -> int:
    if value is None:
        return MISSING
    # Most files spell plainly; the second look is for the others.
    found = LABELS.get(value) if isinstance(value, str) else None
    if found is None:
        found = LABELS.get(str(value).strip().lower())
    if found is None:
        raise RowError(
            "decisions-bad-label",
            "not a label: 1/0, true/false, yes/no, accept/reject or pass/fail is expected",
            name,
        )
    return found


def _cost(value: object, name: str) -> float:
    if value is None or value == "":
        return math.nan
    try:
        amount = float(str(value))
    except ValueError:
        amount = math.nan
    if not (math.isfinite(amount) and amount >= 0):
        raise RowError(
            "decisions-bad-number", "not an amount of USD: a number of 0 or more is expected", name
        )
    return amount


def _plain(value: object, name: str) -> str:
    del name
    return "" if value is None else str(value).strip()


_PARSERS: dict[str, Callable[[object, str], Any]] = {
    **dict.fromkeys(TEXT_COLUMNS, _plain),
    **dict.fromkeys(LABEL_COLUMNS, _label),
    **dict.fromkeys(COST_COLUMNS, _cost),
}


def _frame(columns: dict[str, list[Any]]) -> pd.DataFrame:
    types = {
        **dict.fromkeys(TEXT_COLUMNS, "str"),
        **dict.fromkeys(LABEL_COLUMNS, "int8"),
        **dict.fromkeys(COST_COLUMNS, "float64"),
    }
    return pd.DataFrame(
        {name: pd.Series(values, dtype=types[name]) for name, values in columns.items()}
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
