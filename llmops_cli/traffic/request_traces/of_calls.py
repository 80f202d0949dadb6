"""A log of calls as a request trace: content blocks cut into blocks of tokens, usage as lengths.

A block of tokens is told by the chained hash of the content block that its last token lies in,
so two calls share it only where their prompts agree to the end of that content block: texts
that begin alike and part within one content block share nothing of it here.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from llmops_cli.calls import BlockTrace, CallsTable, block_trace
from llmops_cli.errors import LlmopsError
from llmops_cli.request_trace import RequestTrace
from llmops_cli.traffic.request_traces.prefixes import dense, prefixes

__all__ = ["CallsTrace", "trace_of_calls"]

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

BLOCK_TOKENS = 16
"""Where the user does not say: vLLM's block."""

_INPUT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


@dataclass(frozen=True, slots=True, eq=False)
class CallsTrace:
    """The requests of a log.

    Attributes:
        trace: in the order of their start.
        skipped: calls that are left out, by what they are.
        without_content: requests of the trace whose prompt is not in the log: they share nothing.
        models: how many models answered them; all are replayed as one.
        estimated: requests whose tokens are estimated.
    """

    trace: RequestTrace
    skipped: tuple[tuple[str, int], ...]
    without_content: int
    models: int
    estimated: int


def trace_of_calls(
    calls: CallsTable, *, block_tokens: int = BLOCK_TOKENS, source: str = ""
) -> CallsTrace:
    """The requests of a calls table.

    Args:
        calls: the log.
        block_tokens: tokens in a block of KV cache.
        source: what a report names as its input.

    Raises:
        LlmopsError: ``trace-empty`` where no call succeeded with a start time and lengths.
    """
    start, tokens, output = _start(calls), _input(calls), _numbers(calls, "output_tokens")
    kept, skipped = _usable(calls, start, tokens, output)
    if not kept.any():
        reasons = ", ".join(f"{count:,} {what}" for what, count in skipped)
        raise LlmopsError(
            "trace-empty", f"no call can be replayed: {reasons or 'there is none'}", file=source
        )
    rows = np.flatnonzero(kept)
    rows = rows[np.argsort(start[rows], kind="stable")]
    ordered = calls.iloc[rows]
    starts, blocks, without = _blocks(block_trace(ordered), tokens[rows], block_tokens)
    seconds = start[rows] / 1e6
    return CallsTrace(
        trace=RequestTrace(
            arrival_s=seconds - seconds[0],
            input_tokens=tokens[rows],
            output_tokens=output[rows],
            starts=starts,
            blocks=blocks,
            block_tokens=block_tokens if len(blocks) else 0,
            session=_sessions(ordered),
            source=source,
        ),
        skipped=skipped,
        without_content=without,
        models=int(ordered["request_model"].nunique()),
        estimated=int(_numbers(ordered, "tokens_estimated").sum()),
    )


def _usable(
    calls: CallsTable, start: Ints, tokens: Ints, output: Ints
) -> tuple[Mask, tuple[tuple[str, int], ...]]:
    failed = calls["error_type"].notna().to_numpy(dtype=bool)
    kept, skipped = np.ones(len(calls), np.bool_), list[tuple[str, int]]()
    for what, mask in (
        ("failed", failed),
        ("without a start time", start == np.iinfo(np.int64).min),
        ("without input tokens", tokens < 1),
        ("without output tokens", output < 1),
    ):
        count = int((kept & mask).sum())
        kept &= ~mask
        if count:
            skipped.append((what, count))
    return kept, tuple(skipped)


def _start(calls: CallsTable) -> Ints:
    array = pa.array(calls["start_time"], type=pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return array.fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)


def _numbers(calls: CallsTable, name: str) -> Ints:
    array = pa.array(calls[name]).cast(pa.int64())
    return array.fill_null(0).to_numpy(zero_copy_only=False)


def _input(calls: CallsTable) -> Ints:
    return np.stack([_numbers(calls, name) for name in _INPUT]).sum(axis=0)


def _sessions(calls: CallsTable) -> Ints:
    return pd.factorize(calls["conversation_id"].astype(object))[0].astype(np.int64)


def _blocks(content: BlockTrace, tokens: Ints, size: int) -> tuple[Ints, Ints, int]:
    """Where the blocks of each request begin, their numbers, and how many had no content."""
    if not len(content.hashes):
        return np.zeros(len(tokens) + 1, np.int64), np.zeros(0, np.int64), len(tokens)
    counts = -(-tokens // size)
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    depth = np.arange(starts[-1]) - np.repeat(starts[:-1], counts)
    ends = np.minimum((depth + 1) * size, np.repeat(tokens, counts))
    known = content.offsets[1:] > content.offsets[:-1]
    hashes = _last_content(content, np.repeat(np.arange(len(tokens)), counts), ends)
    # A request without content is like no other: its blocks get numbers of their own.
    unknown = ~np.repeat(known, counts)
    hashes[unknown] = hashes.max(initial=0) + 1 + np.flatnonzero(unknown)
    numbers = dense(hashes * (int(depth.max()) + 1) + depth)
    fill = ends - depth * size
    return starts, prefixes(numbers, starts, fill).blocks, int((~known).sum())


def _last_content(content: BlockTrace, rows: Ints, ends: Ints) -> Ints:
    """The content block that the last token of each block lies in, as a number of its prefix."""
    prefix = dense(content.hashes[:, 0].view(np.int64))
    reach = np.cumsum(content.tokens)
    before = np.concatenate([np.zeros(1, np.int64), reach])[content.offsets[:-1]]
    at = np.searchsorted(reach, before[rows] + ends)
    last = np.maximum(content.offsets[1:] - 1, 0)[rows]
    return prefix[np.minimum(np.minimum(at, last), len(prefix) - 1)]
