"""Staged rows become calls: the plan of the joins is applied table by table."""

# pyright: reportAttributeAccessIssue=false

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.calls import arrow_schema
from llmops_cli.traffic.apart import one_array
from llmops_cli.traffic.blocks import chained
from llmops_cli.traffic.candidates import CANDIDATE_COLUMNS, Candidates
from llmops_cli.traffic.corrections import Corrections
from llmops_cli.traffic.doubtful import DOUBT_COLUMNS, Doubts
from llmops_cli.traffic.homes import HOME_COLUMNS, Homes
from llmops_cli.traffic.joins import plan
from llmops_cli.traffic.judged import Scores
from llmops_cli.traffic.kept import together
from llmops_cli.traffic.keys import CONTEXT_COLUMNS
from llmops_cli.traffic.nesting import Mask
from llmops_cli.traffic.spool import Spool
from llmops_cli.traffic.table import block_tokens

__all__ = ["assemble"]

_INPUT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_ASKED = ("request_model", "user_id", "operation_name", "automatic_cache")
_HASH = 16

Rows = npt.NDArray[np.int64]


def assemble(
    staged: Spool, hash_key: bytes | None, counts: dict[str, int], folder: Path | None = None
) -> Iterator[pa.Table]:
    """Join staged tables into calls, in the order of the log.

    Args:
        staged: the tables; they are read several times.
        hash_key: key of the block hashes.
        counts: receives how often each thing worth saying was found, by slug.
        folder: where keys and corrections may lie that memory should not hold.

    Yields:
        Tables of the calls schema, with ``content`` behind it where it was kept.
    """
    with Corrections(folder) as corrections, Candidates(folder) as candidates:
        doubts, rows = Doubts(), 0
        for table in staged.tables({*CANDIDATE_COLUMNS, *DOUBT_COLUMNS}):
            rows += table.num_rows
            candidates.see(table)
            doubts.see(table)
        keep, scores = np.ones(rows, bool), (np.zeros(0, np.int64), np.zeros(0))
        if candidates.finish():
            with Homes(folder) as homes:
                _see_candidates(homes, staged, candidates)
                scores = _plan(homes, Scores(candidates.answers), keep, corrections, counts)
        patch = _Patch(corrections, scores, hash_key)
        begin = 0
        for table in staged.tables():
            kept = keep[begin : begin + table.num_rows]
            calls = patch.applied(table, begin, doubts.settled(table, kept, counts))
            yield calls if kept.all() else calls.filter(pa.array(kept))
            begin += table.num_rows


def _see_candidates(homes: Homes, staged: Spool, candidates: Candidates) -> None:
    begin = 0
    for table in staged.tables({*CANDIDATE_COLUMNS, *HOME_COLUMNS}):
        among = candidates.among(table)
        rows = np.flatnonzero(among)
        if len(rows):
            some = table if len(rows) == len(among) else table.filter(pa.array(among))
            homes.see(some, begin + rows)
        begin += table.num_rows


def _plan(
    homes: Homes, scores: Scores, keep: Mask, corrections: Corrections, counts: dict[str, int]
) -> tuple[Rows, npt.NDArray[np.float64]]:
    """Note which rows stay as calls and what changes of them; the scores that they get."""
    for home in homes:
        joins = plan(home.keys)
        keep[home.rows] = joins.keep
        scores.see(home, joins)
        corrections.add(home, joins)
        for slug, count in joins.counts.items():
            counts[slug] = counts.get(slug, 0) + count
    return scores.finish(counts)


class _Patch:
    def __init__(
        self,
        corrections: Corrections,
        scores: tuple[Rows, npt.NDArray[np.float64]],
        hash_key: bytes | None,
    ) -> None:
        self._corrections, self._scores = corrections, scores
        self._hash_key = hash_key

    def applied(self, table: pa.Table, begin: int, reread: Mask) -> pa.Table:
        columns = {name: one_array(table[name]) for name in table.schema.names}
        end = begin + table.num_rows
        changes, pieces = self._corrections.between(begin, end)
        _fill_changes(columns, changes, begin)
        self._fill_scores(columns, begin, end)
        if pieces.num_rows:
            _fill_requests(columns, pieces, begin)
        _fill_reread(columns, np.flatnonzero(reread))
        if pieces.num_rows:
            self._fill_blocks(columns, pieces, begin)
            _fill_content(columns, pieces, begin)
        names = [*arrow_schema().names, "content"]
        return pa.table({name: columns[name] for name in names})

    def _fill_scores(self, columns: dict[str, Any], begin: int, end: int) -> None:
        calls, scores = self._scores
        first, last = np.searchsorted(calls, (begin, end))
        if first < last:
            values = pa.array(scores[first:last])
            column = columns["evaluation_score"]
            columns["evaluation_score"] = _replaced(column, calls[first:last] - begin, values)

    def _fill_blocks(self, columns: dict[str, Any], pieces: pa.Table, begin: int) -> None:
        calls, first = np.unique(pieces["row"].to_numpy(), return_index=True)
        lists = {
            name: one_array(pieces[name])
            for name in ("block_hashes", "block_tokens", "block_kinds", "block_markers")
        }
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(_lengths(lists["block_kinds"]))])
        offsets = ends[np.append(first, pieces.num_rows)]
        flat = {name: array.flatten() for name, array in lists.items()}
        apart = np.logical_or.reduceat(~_mask(pieces["whole"]), first)
        flat["block_hashes"] = self._chained(flat, offsets, apart)
        at = calls - begin
        sizes = flat["block_tokens"].to_numpy(zero_copy_only=False).astype(np.int64)
        _estimate(columns, at, sizes, offsets)
        counted = {name: columns[name].take(pa.array(at)) for name in (*_INPUT, "tokens_estimated")}
        flat["block_tokens"] = pa.array(block_tokens(counted, sizes, offsets), pa.int32())
        for name, values in flat.items():
            made = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values)
            columns[name] = _replaced(columns[name], at, made.cast(columns[name].type))

    def _chained(
        self, flat: dict[str, pa.Array], offsets: Rows, apart: npt.NDArray[np.bool_]
    ) -> pa.Array:
        """The hashes of content that came in pieces, chained; whole prompts are so already."""
        hashes, kinds = flat["block_hashes"].to_pylist(), flat["block_kinds"].to_pylist()
        for call in np.flatnonzero(apart).tolist():
            begin, end = int(offsets[call]), int(offsets[call + 1])
            loose = [(hashes[block], 0, kinds[block], 0) for block in range(begin, end)]
            whole = chained(loose, self._hash_key)
            hashes[begin:end] = [whole[at : at + _HASH] for at in range(0, len(whole), _HASH)]
        return pa.array(hashes, flat["block_hashes"].type)


def _fill_changes(columns: dict[str, Any], changes: pa.Table, begin: int) -> None:
    """What spans around a call say of it, and attempts before it."""
    at = changes["row"].to_numpy() - begin
    for name in (*CONTEXT_COLUMNS, "attempts"):
        if changes[name].null_count < len(at):
            spread = _spread(one_array(changes[name]), at, len(columns[name]))
            columns[name] = pc.coalesce(columns[name], spread)
    columns["attempts"] = pc.fill_null(columns["attempts"], 1)
    if columns["agent_name"].null_count < len(columns["agent_name"]):
        # Calls of one agent's run belong together even where nobody named a conversation.
        run = pc.if_else(pc.is_valid(columns["agent_name"]), columns["trace_id"], None)
        columns["conversation_id"] = pc.coalesce(columns["conversation_id"], run)
    if changes["begun"].null_count < len(at):
        _fill_begun(columns, _spread(one_array(changes["begun"]), at, len(columns["start_time"])))


def _fill_begun(columns: dict[str, Any], begun: pa.Array) -> None:
    """A call begins with its first attempt."""
    start = columns["start_time"].cast(pa.int64())
    waited = pc.divide(pc.fill_null(pc.subtract(start, begun), 0).cast(pa.float64()), 1e6)
    columns["start_time"] = pc.coalesce(begun, start).cast(columns["start_time"].type)
    for name in ("duration_s", "ttft_s"):
        columns[name] = pc.add(columns[name], waited)


def _fill_reread(columns: dict[str, Any], at: Rows) -> None:
    if len(at):
        whole = pa.array(_whole_input(columns)[at])
        columns["input_tokens"] = _replaced(columns["input_tokens"], at, whole)


def _fill_requests(columns: dict[str, Any], pieces: pa.Table, begin: int) -> None:
    pieces = pieces.filter(pieces["whole"])
    at = pieces["row"].to_numpy() - begin
    for name in _ASKED if len(at) else ():
        # What was asked for, the request says best: an answer may be another model's.
        asked = pc.coalesce(one_array(pieces[name]), columns[name].take(pa.array(at)))
        columns[name] = _replaced(columns[name], at, asked)


def _fill_content(columns: dict[str, Any], pieces: pa.Table, begin: int) -> None:
    found = dict[int, list[str]]()
    for call, content in zip(pieces["row"].to_pylist(), pieces["content"].to_pylist(), strict=True):
        if content is not None:
            found.setdefault(call - begin, []).append(content)
    if found:
        whole = pa.array([together(each) for each in found.values()], pa.string())
        columns["content"] = _replaced(columns["content"], np.array(list(found), np.int64), whole)


def _estimate(columns: dict[str, Any], at: Rows, sizes: Rows, offsets: Rows) -> None:
    """Count by rule where the log counted nothing, as for a prompt that came with its call."""
    uncounted = pc.is_null(columns["input_tokens"].take(pa.array(at))).to_numpy(
        zero_copy_only=False
    )
    failed = pc.is_valid(columns["error_type"].take(pa.array(at))).to_numpy(zero_copy_only=False)
    guess = uncounted & ~failed & (np.diff(offsets) > 0)
    if not guess.any():
        return
    none = {name: pa.nulls(len(at), pa.int64()) for name in _INPUT}
    none["tokens_estimated"] = pa.array(np.ones(len(at), bool))
    running = np.concatenate([np.zeros(1, np.int64), np.cumsum(block_tokens(none, sizes, offsets))])
    guessed = running[offsets[1:]] - running[offsets[:-1]]
    chosen = at[guess]
    columns["input_tokens"] = _replaced(columns["input_tokens"], chosen, pa.array(guessed[guess]))
    columns["tokens_estimated"] = _replaced(
        columns["tokens_estimated"], chosen, pa.array(np.ones(len(chosen), bool))
    )


def _replaced(column: pa.Array, at: Rows, values: pa.Array) -> pa.Array:
    """A column with other values in some places."""
    order = np.arange(len(column))
    order[at] = len(column) + np.arange(len(at))
    return pa.concat_arrays([column, values]).take(pa.array(order))


def _lengths(lists: pa.Array) -> Rows:
    return lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)


def _whole_input(columns: dict[str, Any]) -> Rows:
    whole = np.zeros(len(columns["input_tokens"]), np.int64)
    for name in _INPUT:
        whole += pc.fill_null(columns[name], 0).to_numpy(zero_copy_only=False)
    return whole


def _spread(values: pa.Array, at: Rows, length: int) -> pa.Array:
    """Values in their places, null in all others."""
    if not len(at):
        return pa.nulls(length, values.type)
    order, absent = np.zeros(length, np.int64), np.ones(length, bool)
    order[at], absent[at] = np.arange(len(at)), False
    return values.take(pa.array(order, mask=absent))


def _mask(column: pa.ChunkedArray) -> Mask:
    return column.to_numpy().astype(bool)
