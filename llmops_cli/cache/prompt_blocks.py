"""The prompts of a log in small numbers, taken out of its tables one by one while they come.

Once a table has come, each of its prefixes is a number, and every count as few bytes as it takes.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.cache.prefix_numbers import (
    Codes,
    Counts,
    Words,
    by_first_appearance,
    joined,
    running,
    told_apart,
    unified,
)
from llmops_cli.calls import CallsTable
from llmops_cli.engine.memory import return_unused
from llmops_cli.errors import LlmopsError

__all__ = ["PROMPT", "CompactCalls", "PromptBlocks", "PromptCollector"]

Ints = npt.NDArray[np.signedinteger]
Bytes = npt.NDArray[np.uint8]

PROMPT = ("block_hashes", "block_tokens", "block_kinds", "block_markers")
"""The columns of the calls table that a prompt is in."""

_FILE = "source_file"
_ROWS = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class PromptBlocks:
    """The blocks of all calls; call ``i`` has those at ``offsets[i]:offsets[i + 1]``.

    ``prefix`` is the same number exactly where the 128-bit chained hash is the same; numbers are in
    order of first appearance. ``tokens``, ``kinds`` and ``markers`` are as in the calls table.
    """

    offsets: Ints
    prefix: Codes
    tokens: Counts
    kinds: Bytes
    markers: Bytes

    @classmethod
    def of(cls, calls: CallsTable) -> "PromptBlocks":
        """Those of a whole table.

        Raises:
            LlmopsError: ``calls-contradiction``, ``calls-bad-column``.
        """
        found, size = PromptCollector(), max(len(calls), 1)
        prompts = calls[[*PROMPT, _FILE]]
        for begin in range(0, size, _ROWS):
            part = prompts.iloc[begin : begin + _ROWS]
            found.take(pa.Table.from_pandas(part, preserve_index=False))
        return found.finish()

    @property
    def rows(self) -> int:
        """Number of calls."""
        return len(self.offsets) - 1

    def of_rows(self, rows: Ints) -> "PromptBlocks":
        """Those of some calls in another order, numbered by first appearance in that order."""
        if len(rows) == self.rows and bool((rows == np.arange(self.rows)).all()):
            return self
        counts = np.diff(self.offsets)[rows]
        offsets = running(counts)
        block = np.arange(int(offsets[-1])) + np.repeat(self.offsets[rows] - offsets[:-1], counts)
        prefix, _ = by_first_appearance(self.prefix[block])
        return PromptBlocks(
            offsets, prefix, self.tokens[block], self.kinds[block], self.markers[block]
        )


class PromptCollector:
    """Takes in the prompts of one table after the other."""

    def __init__(self) -> None:
        self._lengths = list[Counts]()
        self._prefixes = list[Counts]()
        self._high = list[Words]()
        self._low = list[Words]()
        self._tokens = list[Counts]()
        self._kinds = list[Bytes]()
        self._markers = list[Bytes]()
        self._rows = 0

    def take(self, table: pa.Table) -> pa.Table:
        """Take in the prompts of a table.

        Returns:
            What is left of it.

        Raises:
            LlmopsError: ``calls-contradiction``, ``calls-bad-column``.
        """
        prompts = table.select([*PROMPT, _FILE])
        for batch in prompts.to_batches() or [_none(prompts.schema)]:
            self._add(batch)
        return table.drop_columns(list(PROMPT))

    def _add(self, batch: pa.RecordBatch) -> None:
        prefix, halves = told_apart(batch["block_hashes"].flatten())
        tokens, kinds, markers = (
            batch[name].flatten().to_numpy(zero_copy_only=False) for name in PROMPT[1:]
        )
        self._lengths.append(_least(_lengths(batch, self._rows)))
        self._prefixes.append(_least(prefix))
        self._high.append(halves[:, 0].copy())
        self._low.append(halves[:, 1].copy())
        # Copies, so that nothing holds on to the table that they come from.
        self._tokens.append(_least(tokens))
        self._kinds.append(kinds.astype(np.uint8))
        self._markers.append(markers.astype(np.uint8))
        self._rows += batch.num_rows

    def compact(self, calls: CallsTable) -> "CompactCalls":
        """The calls that are left of all tables, with the prompts that were taken out of them."""
        return CompactCalls(calls, self.finish())

    def finish(self) -> PromptBlocks:
        """The blocks of all tables; the collector holds nothing any more."""
        return_unused()
        return PromptBlocks(
            offsets=running(joined(self._lengths)),
            prefix=unified(self._prefixes, self._high, self._low),
            tokens=joined(self._tokens),
            kinds=joined(self._kinds),
            markers=joined(self._markers),
        )


@dataclass(frozen=True, slots=True, eq=False)
class CompactCalls:
    """A calls table and its prompts; the table need not have them any more."""

    calls: CallsTable
    prompts: PromptBlocks

    @classmethod
    def of(cls, calls: "CallsTable | CompactCalls") -> "CompactCalls":
        """A whole table, or what is compact already."""
        if isinstance(calls, CompactCalls):
            return calls
        return cls(calls, PromptBlocks.of(calls))


def _none(schema: pa.Schema) -> pa.RecordBatch:
    return pa.record_batch([pa.array([], field.type) for field in schema], schema=schema)


def _lengths(batch: pa.RecordBatch, before: int) -> Counts:
    """Blocks of each call, of which every column must hold as many."""
    counts = {
        name: batch[name].value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        for name in PROMPT
    }
    first = counts["block_hashes"]
    for name, other in counts.items():
        if not np.array_equal(first, other):
            row = int(np.flatnonzero(first != other)[0])
            raise LlmopsError(
                "calls-contradiction",
                f"'{name}' and 'block_hashes' have different lengths",
                file=str(batch[_FILE][row]),
                line=before + row + 1,
                field=name,
            )
    return first


def _least(values: Counts) -> Counts:
    """A copy in no more bytes than its values need."""
    low, high = values.min(initial=0), values.max(initial=0)
    for kind in (np.uint8, np.uint16):
        if low >= 0 and high <= np.iinfo(kind).max:
            return values.astype(kind)
    return values.astype(np.int32)
