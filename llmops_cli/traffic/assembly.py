"""Staged rows become calls: the plan of the joins is applied table by table."""

# pyright: reportAttributeAccessIssue=false

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc  # its functions are made at import, unseen by type checkers

from llmops_cli.calls import arrow_schema
from llmops_cli.traffic.apart import Apart, Texts, one_array
from llmops_cli.traffic.blocks import chained
from llmops_cli.traffic.joins import Plan, plan
from llmops_cli.traffic.kept import together
from llmops_cli.traffic.keys import CONTEXT_COLUMNS, Keys, combined, gather
from llmops_cli.traffic.table import block_tokens

__all__ = ["assemble"]

_INPUT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_ASKED = ("request_model", "user_id", "operation_name", "automatic_cache")
_HASH = 16

Rows = npt.NDArray[np.int64]
Tables = Callable[[], Iterable[pa.Table]]


def assemble(tables: Tables, hash_key: bytes | None, counts: dict[str, int]) -> Iterator[pa.Table]:
    """Join staged tables into calls, in the order of the log.

    Args:
        tables: gives the staged tables; it is called twice, and must give the same again.
        hash_key: key of the block hashes.
        counts: receives how often each thing worth saying was found, by slug.

    Yields:
        Tables of the calls schema, with ``content`` behind it where it was kept.
    """
    keys_of, apart, texts = list[Keys](), Apart(), Texts()
    for table in tables():
        keys_of.append(gather(table))
        apart.see(table)
        texts.see(table)
    if not keys_of:
        return
    apart.finish()
    keys = combined(keys_of)
    keys_of.clear()  # millions of rows: once is enough
    joins = plan(keys)
    counts.update(joins.counts)
    patch = _Patch(keys, joins, apart, texts, hash_key)
    begin = 0
    for table in tables():
        end = begin + table.num_rows
        yield patch.applied(table, begin, end)
        begin = end


class _Patch:
    def __init__(
        self, keys: Keys, joins: Plan, apart: Apart, texts: Texts, hash_key: bytes | None
    ) -> None:
        self._keys, self._joins, self._texts = keys, joins, texts
        self._hash_key = hash_key
        self._apart = apart
        self._context = {name: _inherited(texts.codes(name), joins) for name in CONTEXT_COLUMNS}
        self._under_agent = self._context["agent_name"] >= 0
        self._scored = _scored(joins.evaluations, apart)
        self._requests = _by_call(joins.requests)
        self._content = _by_call(np.concatenate([joins.contents, joins.requests]))

    def applied(self, table: pa.Table, begin: int, end: int) -> pa.Table:
        columns = {name: one_array(table[name]) for name in table.schema.names}
        rows = slice(begin, end)
        self._fill_context(columns, rows)
        self._fill_attempts(columns, rows)
        self._fill_scores(columns, rows)
        self._fill_requests(columns, rows)
        reread = self._joins.reread[rows]
        if reread.any():
            whole = pa.array(_whole_input(columns))
            columns["input_tokens"] = pc.if_else(pa.array(reread), whole, columns["input_tokens"])
        self._fill_blocks(columns, rows)
        self._fill_content(columns, rows)
        keep = pa.array(self._joins.keep[rows])
        names = [*arrow_schema().names, "content"]
        return pa.table({name: columns[name] for name in names}).filter(keep)

    def _fill_context(self, columns: dict[str, Any], rows: slice) -> None:
        for name in CONTEXT_COLUMNS:
            columns[name] = self._texts.column(name, self._context[name][rows])
        # Calls of one agent's run belong together even where nobody named a conversation.
        run = pc.if_else(pa.array(self._under_agent[rows]), columns["trace_id"], None)
        columns["conversation_id"] = pc.coalesce(columns["conversation_id"], run)

    def _fill_attempts(self, columns: dict[str, Any], rows: slice) -> None:
        attempts = self._joins.attempts[rows]
        columns["attempts"] = pc.coalesce(columns["attempts"], pa.array(attempts))
        first = self._joins.first[rows]
        again = first != np.arange(rows.start, rows.stop)
        if not again.any():
            return
        begun = self._keys.start[first]
        waited = np.where(again, self._keys.start[rows] - begun, 0) / 1e6
        start = pa.array(begun).cast(pa.timestamp("us", tz="UTC"))
        columns["start_time"] = pc.if_else(pa.array(again), start, columns["start_time"])
        for name in ("duration_s", "ttft_s"):
            columns[name] = pc.add(columns[name], pa.array(waited))

    def _fill_scores(self, columns: dict[str, Any], rows: slice) -> None:
        pairs = _between(self._scored, rows)
        if len(pairs):
            scores = self._apart.take(pairs[:, 0], "evaluation_score")
            at = pairs[:, 1] - rows.start
            columns["evaluation_score"] = _replaced(columns["evaluation_score"], at, scores)

    def _fill_requests(self, columns: dict[str, Any], rows: slice) -> None:
        pairs = _between(self._requests, rows)
        if not len(pairs):
            return
        at = pairs[:, 1] - rows.start
        for name in _ASKED:
            # What was asked for, the request says best: an answer may be another model's.
            answered = columns[name].take(pa.array(at))
            asked = pc.coalesce(self._apart.take(pairs[:, 0], name), answered)
            columns[name] = _replaced(columns[name], at, asked)

    def _fill_content(self, columns: dict[str, Any], rows: slice) -> None:
        pairs = _between(self._content, rows)
        pieces = dict[int, list[str]]()
        contents = self._apart.take(pairs[:, 0], "content").to_pylist()
        for call, content in zip(pairs[:, 1].tolist(), contents, strict=True):
            if content is not None:
                pieces.setdefault(call - rows.start, []).append(content)
        if pieces:
            whole = pa.array([together(found) for found in pieces.values()], pa.string())
            at = np.array(list(pieces), np.int64)
            columns["content"] = _replaced(columns["content"], at, whole)

    def _fill_blocks(self, columns: dict[str, Any], rows: slice) -> None:
        pairs = _between(self._content, rows)
        if not len(pairs):
            return
        calls, first = np.unique(pairs[:, 1], return_index=True)
        lists = {
            name: self._apart.take(pairs[:, 0], name)
            for name in ("block_hashes", "block_tokens", "block_kinds", "block_markers")
        }
        ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(_lengths(lists["block_kinds"]))])
        offsets = ends[np.append(first, len(pairs))]
        flat = {name: array.flatten() for name, array in lists.items()}
        apart = np.isin(calls, self._joins.contents[:, 1])
        flat["block_hashes"] = self._chained(flat, offsets, apart)
        at = calls - rows.start
        sizes = flat["block_tokens"].to_numpy(zero_copy_only=False).astype(np.int64)
        self._estimate(columns, at, sizes, offsets)
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

    def _estimate(self, columns: dict[str, Any], at: Rows, sizes: Rows, offsets: Rows) -> None:
        """Count by rule where the log counted nothing, as for a prompt that came with its call."""
        uncounted = pc.is_null(columns["input_tokens"].take(pa.array(at))).to_numpy(
            zero_copy_only=False
        )
        failed = pc.is_valid(columns["error_type"].take(pa.array(at))).to_numpy(
            zero_copy_only=False
        )
        guess = uncounted & ~failed & (np.diff(offsets) > 0)
        if not guess.any():
            return
        none = {name: pa.nulls(len(at), pa.int64()) for name in _INPUT}
        none["tokens_estimated"] = pa.array(np.ones(len(at), bool))
        running = np.concatenate(
            [np.zeros(1, np.int64), np.cumsum(block_tokens(none, sizes, offsets))]
        )
        guessed = running[offsets[1:]] - running[offsets[:-1]]
        chosen = at[guess]
        columns["input_tokens"] = _replaced(
            columns["input_tokens"], chosen, pa.array(guessed[guess])
        )
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


def _by_call(pairs: Rows) -> Rows:
    """Pairs of a row and its call, in the order of calls; those of one call stay in theirs."""
    return pairs[np.argsort(pairs[:, 1], kind="stable")]


def _between(pairs: Rows, rows: slice) -> Rows:
    begin, end = np.searchsorted(pairs[:, 1], (rows.start, rows.stop))
    return pairs[begin:end]


def _inherited(codes: npt.NDArray[np.int32], joins: Plan) -> npt.NDArray[np.int32]:
    """Each row's own code, else that of the nearest span around it that has one."""
    found = codes.copy()
    rows = np.flatnonzero(joins.keep & (codes < 0) & (joins.parent >= 0))
    above = joins.parent[rows]
    while len(rows):
        found[rows] = codes[above]
        missing = codes[above] < 0
        rows, above = rows[missing], joins.parent[above[missing]]
        rows, above = rows[above >= 0], above[above >= 0]
    return found


def _scored(pairs: Rows, apart: Apart) -> Rows:
    """One evaluation for each call: of several evaluators the one that judged most, its last."""
    names = apart.take(pairs[:, 0], "evaluation_name").to_pylist()
    judged = Counter(name or "" for name in names)
    most = min(judged, key=lambda name: (-judged[name], name), default="")
    chosen = _by_call(pairs[[(name or "") == most for name in names]].reshape(-1, 2))
    last = np.append(chosen[1:, 1] != chosen[:-1, 1], np.ones(min(len(chosen), 1), bool))
    return chosen[last]
