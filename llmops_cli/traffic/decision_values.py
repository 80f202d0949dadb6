"""The values of a decisions column, and which rows hold something else.

A column is read once per distinct value: logs of verdicts repeat themselves.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from llmops_cli.traffic.decision_labels import LABELS, NOTHING, LabelSet, spelled
from llmops_cli.traffic.quarantine import RowError

__all__ = [
    "Column",
    "Read",
    "find_repeats",
    "parsed",
    "read_amount",
    "read_instant",
    "read_label",
    "read_number",
    "read_outcome",
    "read_propensity",
    "read_share",
    "read_text",
]

Read = Callable[[object, str], Any]
"""A value and the name of its column to what it says, or a RowError."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column.

    Attributes:
        read: one per row; of no meaning where the row is wrong.
        wrong: why a row's value cannot be read, by position.
    """

    read: npt.NDArray[Any]
    wrong: dict[int, RowError]


def parsed(
    values: Sequence[Any],
    name: str,
    read: Read,
    dtype: Any,  # noqa: ANN401 - numpy's own word for a type
    *,
    texts: bool = False,
) -> Column:
    """Read every value of a column.

    Args:
        values: one per row.
        name: of the column, for what is wrong.
        read: reads one value.
        dtype: of what it reads.
        texts: whether every value is known to be text.
    """
    texts = texts or not set(map(type, values)) - {str}
    if read is read_text and texts:
        return Column(np.array(list(map(str.strip, values)), dtype=dtype), {})
    # 1, 1.0 and True are one key of a dictionary, and may be different values.
    keys = values if texts else [
        value if isinstance(value, str) or value is None else str(value) for value in values
    ]  # fmt: skip
    first = {key: key for key in set(keys)} if texts else dict(zip(keys, values, strict=True))
    known = {key: _attempt(value, name, read) for key, value in first.items()}
    bad = {key: result for key, result in known.items() if isinstance(result, RowError)}
    wrong = {row: bad[key] for row, key in enumerate(keys) if key in bad} if bad else {}
    known |= dict.fromkeys(bad, read(None, name))
    found = map(known.__getitem__, keys)
    if dtype is np.object_:
        return Column(np.array(list(found), dtype=dtype), wrong)
    return Column(np.fromiter(found, dtype, len(keys)), wrong)


def _attempt(value: object, name: str, read: Read) -> object:
    try:
        return read(value, name)
    except RowError as error:
        return error


def read_label(labels: LabelSet) -> Read:
    """A reader of labels of one set."""

    def read(value: object, name: str) -> int:
        code = labels.codes.get(spelled(value))
        if code is None:
            raise RowError("decisions-bad-label", f"not a label: {labels.expected}", name)
        return code

    return read


def read_number(value: object, name: str) -> float:
    """Any finite number; NaN for none."""
    if spelled(value) in NOTHING:
        return math.nan
    try:
        number = float(str(value))
    except ValueError:
        number = math.inf
    if not math.isfinite(number):
        raise RowError("decisions-bad-number", "not a finite number", name)
    return number


def read_amount(value: object, name: str) -> float:
    """A number of 0 or more; NaN for none."""
    try:
        number = read_number(value, name)
    except RowError:
        number = -1.0
    if number < 0:
        what = "of USD" if name.endswith("_usd") else "of its unit"
        raise RowError(
            "decisions-bad-number",
            f"not an amount {what}: a number of 0 or more is expected",
            name,
        )
    return number


def read_share(value: object, name: str) -> float:
    """A probability; NaN for none."""
    return _within(value, name, "a confidence: a probability")


def read_propensity(value: object, name: str) -> float:
    """The chance with which a row's truth came to be known; NaN for none."""
    return _within(value, name, "a propensity: a probability")


def read_outcome(value: object, name: str) -> float:
    """Right (1), wrong (0) or a grade between; NaN for none."""
    word = LABELS.get(spelled(value))
    if word is not None:
        return float(word) if word < 2 else math.nan  # noqa: PLR2004 - the code of no label
    return _within(value, name, "an outcome: true, false or a grade")


def _within(value: object, name: str, what: str) -> float:
    try:
        number = read_number(value, name)
    except RowError:
        number = -1.0
    if number < 0 or number > 1:
        kind = what.partition(":")[0].split()[-1]
        raise RowError(f"decisions-bad-{kind}", f"not {what} between 0 and 1 is expected", name)
    return number


def read_instant(value: object, name: str) -> float:
    """Seconds since 1970; NaN for none."""
    from llmops_cli.traffic.envelope import microseconds  # noqa: PLC0415 - loads what reads calls

    text = spelled(value)
    if text in NOTHING:
        return math.nan
    try:
        number: str | float = float(text)
    except ValueError:
        number = str(value).strip()
    return microseconds(number, name) / 1e6


def read_text(value: object, name: str) -> str:
    """Text without blanks around it; empty for none."""
    del name
    return "" if value is None else str(value).strip()


def find_repeats(
    columns: dict[str, Column],
    wrong: dict[int, RowError],
    seen: dict[str, tuple[Any, ...]],
    *,
    only: bool = False,
) -> None:
    """Mark rows whose id came before, and say whether verdict and truth did too.

    Args:
        columns: those of one file, by name.
        wrong: rows that are wrong already; repeated ones are added.
        seen: verdict and truth of every id so far, from earlier files too.
        only: whether this is the only file.
    """
    if "id" not in columns:
        return
    names = columns["id"].read.tolist()
    if only and len(set(names)) == len(names):
        return
    said = [columns[name].read.tolist() for name in ("judge", "gold") if name in columns]
    for row, (name, *answer) in enumerate(zip(names, *said, strict=True)):
        if not name or row in wrong:
            continue
        if name not in seen:
            seen[name] = tuple(answer)
            continue
        same = seen[name] == tuple(answer)
        slug, message = (
            ("decisions-duplicate-id", "the id came before")
            if same
            else ("decisions-conflicting-id", "the id came before with another verdict or truth")
        )
        wrong[row] = RowError(slug, message, "id")
