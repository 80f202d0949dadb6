"""The prompts of a log in small numbers, taken out of its tables one by one while they come.

A hash of 128 bits serves only to tell prefixes apart: once a table has come, each of its prefixes
is a number, and the hash is kept once for all blocks that share it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from llmops_cli.calls import BlockTrace, CallsTable, block_trace, from_arrow
from llmops_cli.engine.memory import return_unused

__all__ = ["PROMPT", "CompactCalls", "PromptBlocks", "PromptCollector", "by_first_appearance"]

Ints = npt.NDArray[np.signedinteger]
Codes = npt.NDArray[np.int32]
Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]

PROMPT = ("block_hashes", "block_tokens", "block_kinds", "block_markers")
"""The columns of the calls table that a prompt is in."""

_ROWS = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class PromptBlocks:
    """The blocks of all calls; call ``i`` has those at ``offsets[i]:offsets[i + 1]``.

    ``prefix`` is the same number exactly where the 128-bit chained hash is the same; numbers are in
    order of first appearance. ``tokens``, ``kinds`` and ``markers`` are as in the calls table.
    """

    offsets: Ints
    prefix: Codes
    tokens: Codes
    kinds: Bytes
    markers: Bytes

    @classmethod
    def of(cls, calls: CallsTable) -> "PromptBlocks":
        """Those of a whole table.

        Raises:
            LlmopsError: ``calls-contradiction``, ``calls-bad-column``.
        """
        found = PromptCollector()
        for begin in range(0, max(len(calls), 1), _ROWS):
            found.add(calls.iloc[begin : begin + _ROWS])
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
        offsets = _running(counts)
        block = np.arange(int(offsets[-1])) + np.repeat(self.offsets[rows] - offsets[:-1], counts)
        prefix, _ = by_first_appearance(self.prefix[block])
        return PromptBlocks(
            offsets, prefix, self.tokens[block], self.kinds[block], self.markers[block]
        )


class PromptCollector:
    """Takes in the prompts of one table after the other."""

    def __init__(self) -> None:
        self._lengths = list[npt.NDArray[Any]]()
        self._prefixes = list[Codes]()
        self._hashes = list[Words]()
        self._rest = list[tuple[Codes, Bytes, Bytes]]()
        self._rows = 0

    def take(self, table: pa.Table) -> pa.Table:
        """What is left of a table of calls without its prompts."""
        self.add(from_arrow(table.select([*PROMPT, "source_file"])))
        return table.drop_columns(list(PROMPT))

    def add(self, calls: CallsTable) -> None:
        """Take in the prompts of a table.

        Raises:
            LlmopsError: ``calls-contradiction``, ``calls-bad-column``.
        """
        blocks = block_trace(calls, first_row=self._rows)
        prefix, hashes = _told_apart(blocks.hashes)
        self._lengths.append(np.diff(blocks.offsets).astype(np.int32))
        self._prefixes.append(prefix)
        self._hashes.append(hashes)
        self._rest.append(_narrow(blocks))
        self._rows += blocks.rows

    def compact(self, calls: CallsTable) -> "CompactCalls":
        """The calls that are left of all tables, with the prompts that were taken out of them."""
        return CompactCalls(calls, self.finish())

    def finish(self) -> PromptBlocks:
        """The blocks of all tables; the collector holds nothing any more."""
        return_unused()  # the holes that many tables have left
        rest, self._rest = list(zip(*self._rest, strict=True)), []
        tokens, kinds, markers = (_joined(each) for each in rest)
        lengths, self._lengths = _joined(self._lengths), []
        hashes, self._hashes = self._hashes, []
        prefixes, self._prefixes = self._prefixes, []
        return PromptBlocks(_running(lengths), _unified(prefixes, hashes), tokens, kinds, markers)


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


def _narrow(blocks: BlockTrace) -> tuple[Codes, Bytes, Bytes]:
    # Copies, so that nothing holds on to the table that they come from.
    return blocks.tokens.astype(np.int32), blocks.kinds.copy(), blocks.markers.copy()


def _joined(parts: Iterable[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    found = list(parts)
    return found[0] if len(found) == 1 else np.concatenate(found)


def _running(counts: npt.NDArray[Any]) -> Ints:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _told_apart(hashes: Words) -> tuple[Codes, Words]:
    """Hashes as numbers by first appearance, and the hash of each number."""
    code, names = pd.factorize(hashes[:, 0])
    half = np.zeros(len(names), np.uint64)
    half[code] = hashes[:, 1]
    if not (half[code] == hashes[:, 1]).all():
        return _told_apart_slowly(hashes)
    return code.astype(np.int32), np.column_stack([names, half])


def _told_apart_slowly(hashes: Words) -> tuple[Codes, Words]:
    # Two prefixes share 64 of their 128 bits.
    names, first, code = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int32)
    rank[order] = np.arange(len(order), dtype=np.int32)
    return rank[code.reshape(-1)], names[order]


def _unified(prefixes: list[Codes], hashes: list[Words]) -> Codes:
    """The numbers of several tables as numbers of all of them."""
    if len(hashes) == 1:
        return prefixes[0]
    begins = _running(np.array([len(each) for each in hashes]))
    number = _numbered(hashes)
    for at, prefix in enumerate(prefixes):
        prefixes[at] = number[begins[at] :][prefix]
    return np.concatenate(prefixes)


def _numbered(hashes: list[Words]) -> Codes:
    # As _told_apart. Sorting takes half the memory of a table of hashes.
    high, low = (np.concatenate([each[:, half] for each in hashes]) for half in (0, 1))
    hashes.clear()
    order = np.argsort(high).astype(np.int32)
    high = high[order]
    new = np.ones(len(high), np.bool_)
    np.not_equal(high[1:], high[:-1], out=new[1:])
    other = low[order]
    if (~new[1:] & (other[1:] != other[:-1])).any():
        whole = np.empty((len(high), 2), np.uint64)
        whole[order, 0], whole[:, 1] = high, low
        return _told_apart_slowly(whole)[0]
    del high, low, other
    first = np.minimum.reduceat(order, np.flatnonzero(new)) if len(order) else order
    appears = np.zeros(len(order), np.bool_)
    appears[first] = True
    rank = np.cumsum(appears, dtype=np.int32)[first]
    rank -= 1
    group = np.cumsum(new, dtype=np.int32)
    group -= 1
    number = np.empty(len(order), np.int32)
    number[order] = rank[group]
    return number


def by_first_appearance(codes: npt.NDArray[np.signedinteger]) -> tuple[Codes, Ints]:
    """The same distinctions, numbered as they come, and where each number comes first.

    As pandas' ``factorize``, for whole numbers from 0 of which none is much larger than their
    count.
    """
    if not len(codes):
        return codes.astype(np.int32), np.zeros(0, np.int64)
    first = np.empty(int(codes.max()) + 1, np.int32)
    # Of several values for one place the last one stays: backwards, that is the first.
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1, dtype=np.int32)
    appears = np.zeros(len(codes), np.bool_)
    first = first[codes]
    appears[first] = True
    number = np.cumsum(appears, dtype=np.int32)
    number -= 1
    return number[first], np.flatnonzero(appears)
