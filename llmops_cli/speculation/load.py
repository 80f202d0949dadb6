"""How decoding divides over batch sizes: given, or counted from when requests ran."""

import csv
import math
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.hardware.capacity import MOST_SEQUENCES
from llmops_cli.speculation.model import Load

__all__ = ["load_of_batches", "load_of_rows", "load_of_spans", "load_of_text"]

Floats = npt.NDArray[np.float64]

_MOST_SHARE = 1e15
"""In whatever unit the time is."""


def load_of_text(text: str) -> Load:
    """A load as ``1:0.2,8:0.5,32:0.3``: batch and share of the time; shares need not add to 1.

    Raises:
        LlmopsError: ``load-not-pairs``, ``load-bad-batch``, ``load-bad-share``.
    """
    try:
        pairs = [part.split(":") for part in text.split(",")]
        weights = [(float(batch), float(share)) for batch, share in pairs]
    except ValueError:
        raise LlmopsError(
            "load-not-pairs",
            f"'{text}' is no load",
            hint="--load 1:0.2,8:0.5,32:0.3, a CSV with batch and share, or events.parquet:POLICY",
            exit_code=ExitCode.USAGE,
        ) from None
    return _load(weights, text, [None] * len(weights), ExitCode.USAGE)


def load_of_rows(lines: Iterable[str], *, source: str) -> Load:
    """A load from a CSV with the columns ``batch`` and ``share`` (of the time, in any unit).

    Raises:
        LlmopsError: ``load-no-header``, ``load-bad-row``, ``load-bad-batch``,
            ``load-bad-share``, with their line.
    """
    reader = csv.DictReader(lines)
    missing = [name for name in ("batch", "share") if name not in (reader.fieldnames or ())]
    if missing:
        raise LlmopsError(
            "load-no-header", f"the header lacks {', '.join(missing)}", file=source, line=1
        )
    rows: list[tuple[float, float]] = []
    places: list[int | None] = []
    for row in reader:
        # DictReader keeps fields beyond the header under None.
        if any(row.get(None, ())):  # pyright: ignore[reportArgumentType, reportCallIssue]
            message, line = "it has more fields than the header", reader.line_num
            raise LlmopsError("load-bad-row", message, file=source, line=line)
        rows.append((_number(row, "batch"), _number(row, "share")))
        places.append(reader.line_num)
    return _load(rows, source, places, ExitCode.BAD_INPUT)


def load_of_batches(batch: Floats, weight: Floats, source: str) -> Load | None:
    """The batches that a log names for its requests; None where it names none."""
    known = np.isfinite(batch) & (batch >= 1) & (weight > 0)
    if not known.any():
        return None
    sizes = np.maximum(np.rint(batch[known]), 1)
    return _summed(dict(_totals(sizes, weight[known])), source)


def load_of_spans(spans: Floats, source: str) -> Load | None:
    """How many requests ran at once, by time, from when each began and ended.

    Args:
        spans: (G, 2) seconds; requests without both are left out.
        source: of them.

    Raises:
        LlmopsError: ``load-bad-batch`` for more at once than an engine decodes.
    """
    known = spans[np.isfinite(spans).all(axis=1) & (spans[:, 1] > spans[:, 0])]
    if not len(known):
        return None
    times = np.concatenate([known[:, 0], known[:, 1]])
    change = np.concatenate([np.ones(len(known)), -np.ones(len(known))])
    order = np.argsort(times, kind="stable")
    running = np.cumsum(change[order])[:-1]
    return _summed(dict(_totals(running, np.diff(times[order]))), source)


def _totals(sizes: Floats, weight: Floats) -> list[tuple[int, float]]:
    batches, codes = np.unique(sizes.astype(np.int64), return_inverse=True)
    sums = np.bincount(codes, weights=weight)
    return [(int(size), float(total)) for size, total in zip(batches, sums, strict=True)]


def _summed(totals: Mapping[int, float], source: str) -> Load | None:
    kept = {size: total for size, total in sorted(totals.items()) if size >= 1 and total > 0}
    whole = sum(kept.values())
    if not whole:
        return None
    if max(kept) > MOST_SEQUENCES:
        raise LlmopsError(
            "load-bad-batch",
            f"{max(kept):,} requests at once are of no one engine ({source})",
            hint="--load names what one replica decodes together",
        )
    return Load(
        batches=tuple(kept),
        shares=tuple(total / whole for total in kept.values()),
        source=source,
    )


def _load(
    weights: list[tuple[float, float]], source: str, places: list[int | None], code: ExitCode
) -> Load:
    totals: dict[int, float] = {}
    for (batch, share), line in zip(weights, places, strict=True):
        if not (1 <= batch <= MOST_SEQUENCES and batch == batch // 1):
            reason = f"a batch is a whole number of sequences from 1 to {MOST_SEQUENCES:,}"
            raise _bad("batch", reason, source, line, code)
        if not 0 <= share < _MOST_SHARE:
            raise _bad("share", "a share of the time is a number from 0 up", source, line, code)
        totals[int(batch)] = totals.get(int(batch), 0.0) + share
    found = _summed(totals, source)
    if found is None:
        raise _bad("share", "no batch has a share of the time", source, None, code)
    return found


def _bad(field: str, message: str, source: str, line: int | None, code: ExitCode) -> LlmopsError:
    file = source if code is ExitCode.BAD_INPUT else ""
    return LlmopsError(
        f"load-bad-{field}", message, file=file, line=line, field=field, exit_code=code
    )


def _number(row: Mapping[str, str | None], name: str) -> float:
    try:
        return float(row[name] or "")
    except ValueError:
        return math.nan
