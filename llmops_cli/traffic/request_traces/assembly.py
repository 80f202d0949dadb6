"""Staged rows become one trace: blocks of one size, prefixes numbered, times from 0."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.request_trace import RequestTrace
from llmops_cli.traffic.quarantine import BadRow, Quarantine
from llmops_cli.traffic.request_traces.block_size import Fit, Usual, fitting, hash_length
from llmops_cli.traffic.request_traces.prefixes import Prefixes, prefixes
from llmops_cli.traffic.request_traces.staging import Staged

__all__ = ["Assembled", "assembled"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Assembled:
    """A trace and what became of its hashes.

    Attributes:
        trace: the requests.
        split: as :class:`~llmops_cli.traffic.request_traces.prefixes.Prefixes`.
    """

    trace: RequestTrace
    split: int


def assembled(staged: Staged, asked: int | None, usual: Usual, quarantine: Quarantine) -> Assembled:
    """Put a trace together; rows whose hashes disagree with their length are left out.

    Args:
        staged: at least one row.
        asked: tokens in a block, where the user says.
        usual: of the format.
        quarantine: where rows go that disagree.

    Raises:
        LlmopsError: ``trace-unsorted``, those of
            :func:`~llmops_cli.traffic.request_traces.block_size.fitting` and of the quarantine.
    """
    _check_order(staged)
    counts = staged.counts
    fit = fitting(staged.input_tokens, counts, asked or staged.block_size, usual)
    keep = np.ones(len(staged), np.bool_)
    found = Prefixes(np.zeros(0, np.int64), 0)
    starts = np.zeros(len(staged) + 1, np.int64)
    if fit is not None:
        _put_aside(staged, fit, quarantine)
        keep = fit.agree
        ids, starts, fill = _blocks(staged, fit)
        found = prefixes(ids, starts, fill)
    times = staged.time_s[keep]
    return Assembled(
        RequestTrace(
            arrival_s=times - (times[0] if len(times) else 0.0),
            input_tokens=staged.input_tokens[keep].copy(),
            output_tokens=staged.output_tokens[keep].copy(),
            starts=starts if fit else np.zeros(int(keep.sum()) + 1, np.int64),
            blocks=found.blocks,
            block_tokens=fit.tokens if fit else 0,
            session=staged.session[keep].copy(),
            source=", ".join(staged.files),
            lines=staged.line[keep].copy() if len(staged.files) == 1 else None,
        ),
        found.split,
    )


def _check_order(staged: Staged) -> None:
    back = np.flatnonzero(np.diff(staged.time_s) < 0)
    if not len(back):
        return
    row = int(back[0]) + 1
    file, line = staged.place(row)
    early = staged.time_s[row - 1] - staged.time_s[row]
    raise LlmopsError(
        "trace-unsorted",
        f"the request came {early:,.6g} s before the one above it, and {len(back):,} do so: "
        "the trace is not in the order of its arrivals",
        hint="sort it by its time first; a replay in another order shares other prefixes",
        file=file,
        line=line,
    )


def _put_aside(staged: Staged, fit: Fit, quarantine: Quarantine) -> None:
    for row in np.flatnonzero(~fit.agree).tolist():
        wrong = hash_length(fit, int(staged.input_tokens[row]), int(staged.counts[row]))
        file, line = staged.place(row)
        quarantine.add(BadRow(file, line, wrong.field, wrong.slug, wrong.message))


def _blocks(staged: Staged, fit: Fit) -> tuple[Ints, Ints, Ints]:
    """Hashes of the rows that agree, where those of each begin, and the tokens of each block."""
    counts, lengths = staged.counts[fit.agree], staged.input_tokens[fit.agree]
    ids = staged.ids if fit.agree.all() else staged.ids[np.repeat(fit.agree, staged.counts)]
    if not fit.partial:
        ids, counts = _with_rests(ids, counts, lengths % fit.tokens > 0)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    fill = np.full(len(ids), fit.tokens)
    fill[starts[1:] - 1] = lengths - (counts - 1) * fit.tokens
    return ids, starts, fill


def _with_rests(ids: Ints, counts: Ints, rest: Mask) -> tuple[Ints, Ints]:
    """A block of its own behind each prompt that does not end with a full one."""
    ends = np.cumsum(counts)
    fresh = np.setdiff1d(np.arange(len(ids) + int(rest.sum())), ids)[: int(rest.sum())]
    return np.insert(ids, ends[rest], fresh), counts + rest
