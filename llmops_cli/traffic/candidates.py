"""Which rows may be joined at all: those of traces, and under keys, where something meets.

A call that did not fail, beside nothing but such calls, is told once and completely: in most
logs of single requests nearly every row is one. Their keys are not even made.
"""

# pyright: reportAttributeAccessIssue=false

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.traffic.coded import Codes
from llmops_cli.traffic.keys import codes, mixed, within
from llmops_cli.traffic.parted import Parted
from llmops_cli.traffic.table import Role

__all__ = ["CANDIDATE_COLUMNS", "Candidates"]

Mask = npt.NDArray[np.bool_]

CANDIDATE_COLUMNS = (
    "role",
    "trace_id",
    "span_id",
    "parent_span_id",
    "join_key",
    "error_type",
    "call_id",
    "evaluation_score",
)
"""What tells whether a row may be joined."""

_PARTS_BITS = 6
_SPANS = pa.schema([pa.field("span", pa.uint64()), pa.field("shared", pa.uint64())])


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Rows of a table.

    Attributes:
        shared: what a row has in common with those that it may be joined to, 0 for nothing.
        span: trace and span id.
        alone: whether it names nothing that another row could name.
        apart: whether it is no call.
        meeting: whether it makes its trace one where something is to be joined.
    """

    shared: Codes
    span: Codes
    alone: Mask
    apart: Mask
    meeting: Mask


class Candidates:
    """Rows that may be joined, found in two passes: see every table, then ask for each.

    Args:
        folder: where span ids may lie that memory should not hold; None is memory only.
    """

    def __init__(self, folder: Path | None) -> None:
        self._spans = Parted(folder, _SPANS)
        self._meeting: list[Codes] = []
        self._judged: list[Codes] = []
        self._apart = False
        self.shared = self.answers = np.zeros(0, np.uint64)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove the file, if there is one."""
        self._spans.__exit__(kind, error, trace)

    def see(self, table: pa.Table) -> None:
        """Take in the next table; of its columns those of ``CANDIDATE_COLUMNS`` are enough."""
        if not _told(table):
            return
        seen = _seen(table)
        self._apart |= bool(seen.apart.any())
        self._meeting.append(np.unique(seen.shared[seen.meeting & ~seen.alone]))
        # A repeated span is told by its id alone, in a trace that is not known yet.
        open_spans = np.flatnonzero((seen.span != 0) & ~seen.meeting)
        span = seen.span[open_spans]
        if len(span):
            pairs = pa.table([span, seen.shared[open_spans]], schema=_SPANS)
            numbers = mixed(span, span) >> np.uint64(64 - _PARTS_BITS)
            self._spans.add(pairs, numbers.astype(np.int64))
        if seen.apart.any():
            scored = table["evaluation_score"].is_valid().to_numpy()
            judging = scored & (table["role"].to_numpy() == Role.EVALUATION)
            self._judged.append(np.unique(codes(table["call_id"])[judging]))

    def finish(self) -> bool:
        """Whether there are any, now that every table was seen."""
        self.shared = _known([*self._meeting, *self._repeated()], absent=False)
        self.answers = _known(self._judged, absent=True)
        self._meeting, self._judged = [], []
        return self._apart or len(self.shared) > 0

    def among(self, table: pa.Table) -> Mask:
        """Which rows of a table are some."""
        seen = _seen(table)
        found = (_within(seen.shared, self.shared) & ~seen.alone) | seen.apart
        if len(self.answers):
            found |= _within(codes(table["call_id"]), self.answers)
        return found

    def _repeated(self) -> list[Codes]:
        """What rows share whose span has another row."""
        if not self._spans.spilled:
            return [_shared_by_some(self._spans.whole())]
        return [_shared_by_some(self._spans.part(n)) for n in range(1 << _PARTS_BITS)]


def _told(table: pa.Table) -> bool:
    """Whether any row names another or a span, is no call, or failed."""
    names = ("span_id", "parent_span_id", "join_key", "error_type")
    told = any(table[name].null_count < table.num_rows for name in names)
    return told or bool(table["role"].to_numpy().any())


def _seen(table: pa.Table) -> _Seen:
    trace = codes(table["trace_id"])
    span = within(trace, codes(table["span_id"]))
    joined = codes(table["join_key"])
    shared = np.where(joined != 0, joined, trace)
    nested = table["parent_span_id"].is_valid().to_numpy()
    apart = table["role"].to_numpy() != Role.CALL
    return _Seen(
        shared=shared,
        span=span,
        alone=(shared == 0) & (span == 0) & ~nested,
        apart=apart,
        meeting=apart | nested | (joined != 0) | table["error_type"].is_valid().to_numpy(),
    )


def _shared_by_some(spans: pa.Table) -> Codes:
    span, shared = spans["span"].to_numpy(), spans["shared"].to_numpy()
    order = np.argsort(span, kind="stable")
    same = span[order[1:]] == span[order[:-1]]
    return np.unique(shared[order[1:][same]])


def _known(parts: list[Codes], *, absent: bool) -> Codes:
    """All of them once, in order; ``absent`` leaves out the code of what is not there."""
    found = np.unique(np.concatenate([np.zeros(0, np.uint64), *parts]))
    return found[found != 0] if absent else found


def _within(values: Codes, known: Codes) -> Mask:
    """Which values are among known ones, which are in order."""
    if not len(known):
        return np.zeros(len(values), bool)
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return known[at] == values
