"""A log compiled once for every replay: calls in order of time, prefixes as dense numbers.

Two blocks are the same node exactly when isolation domain, model and the 128-bit chained
hash agree (rules R1 and R16), so a node is a prefix that a cache entry can stand for.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from llmops_cli.cache.model import CacheParameters
from llmops_cli.cache.rules import CacheRules
from llmops_cli.calls import BlockKind, BlockTrace, CallsTable, block_trace

__all__ = ["CacheTrace", "compile_trace", "first_true", "microseconds", "numbers", "texts"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class CacheTrace:
    """Calls and blocks as flat arrays; call ``i`` has the blocks ``offsets[i]:offsets[i+1]``.

    ``row`` is the call's row in the calls table; times are microseconds; ``depth_tokens`` is
    the length of the prompt up to and including a block; ``minimum`` the shortest prefix that
    the call's model caches; ``conversation`` and ``scope`` (domain and model) are codes.
    """

    row: Ints
    start_us: Ints
    begins_us: Ints
    minimum: Ints
    automatic: Bytes
    conversation: Ints
    scope: Ints
    offsets: Ints
    node: Ints
    depth_tokens: Ints
    kind: Bytes
    marker: Bytes

    @property
    def calls(self) -> int:
        """Number of calls."""
        return len(self.row)

    @property
    def call(self) -> Ints:
        """The call of each block."""
        return np.repeat(np.arange(self.calls), np.diff(self.offsets))

    @property
    def prompt_tokens(self) -> Ints:
        """Tokens of each call's whole prompt."""
        return self.depth_tokens[self.offsets[1:] - 1]

    @property
    def block_tokens(self) -> Ints:
        """Tokens of each block alone."""
        before = np.concatenate([np.zeros(1, np.int64), self.depth_tokens[:-1]])
        before[self.offsets[:-1]] = 0
        return self.depth_tokens - before

    @property
    def shard(self) -> Ints:
        """Calls that can ever share an entry: same domain, model and first block."""
        return self.node[self.offsets[:-1]]


def compile_trace(
    calls: CallsTable, rules: CacheRules, models: npt.NDArray[np.object_], given: CacheParameters
) -> CacheTrace:
    """Compile calls that have a start time and blocks.

    Args:
        calls: the calls to replay, their index the row numbers of the log.
        rules: minimum cacheable lengths.
        models: the model each call is replayed as.
        given: overrides of minimum and visibility.

    Raises:
        LlmopsError: ``cache-unknown-minimum``, ``calls-contradiction``.
    """
    start = microseconds(calls, "start_time")
    order = np.argsort(start, kind="stable")
    calls, models, start = calls.iloc[order], models[order], start[order]
    blocks = block_trace(calls)
    codes, names = pd.factorize(models)
    domain, _ = pd.factorize(texts(calls, "isolation_domain"))
    scope, _ = pd.factorize(domain.astype(np.int64) * len(names) + codes)
    return CacheTrace(
        row=calls.index.to_numpy(dtype=np.int64),
        start_us=start,
        begins_us=start + _wait(calls, given),
        minimum=rules.minimum_tokens(names, given.minimum_tokens)[codes],
        automatic=numbers(calls, "automatic_cache", 0).astype(np.uint8),
        conversation=_conversations(calls, blocks, scope),
        scope=scope.astype(np.int64),
        offsets=blocks.offsets,
        node=_nodes(blocks, scope),
        depth_tokens=_depths(blocks),
        kind=blocks.kinds,
        marker=blocks.markers,
    )


def microseconds(calls: CallsTable, name: str) -> Ints:
    """A timestamp column as integer microseconds; null is the smallest integer."""
    array = pa.array(calls[name], type=pa.timestamp("us", tz="UTC")).cast(pa.int64())
    return array.fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)


def numbers(calls: CallsTable, name: str, missing: float) -> npt.NDArray[np.float64]:
    """A numeric or boolean column with nulls replaced."""
    array = pa.array(calls[name]).cast(pa.float64())
    return array.fill_null(missing).to_numpy(zero_copy_only=False)


def texts(calls: CallsTable, name: str) -> npt.NDArray[np.object_]:
    """A text column with nulls as empty strings."""
    return calls[name].fillna("").to_numpy(dtype=object)


def first_true(mask: npt.NDArray[np.bool_], offsets: Ints) -> Ints:
    """Flat position of the first true block of each call, or -1."""
    at = np.flatnonzero(mask)
    found = np.searchsorted(at, offsets[:-1])
    inside = np.append(at, np.iinfo(np.int64).max)[found]
    return np.where(inside < offsets[1:], inside, -1)


def _wait(calls: CallsTable, given: CacheParameters) -> Ints:
    # The response begins at its first token; without that time, no later than its end.
    first, whole = (numbers(calls, name, np.nan) for name in ("ttft_s", "duration_s"))
    known = np.where(np.isnan(first), whole, first)
    return np.rint(np.where(np.isnan(known), given.visible_after_s, known) * 1e6).astype(np.int64)


def _nodes(blocks: BlockTrace, scope: npt.NDArray[np.intp]) -> Ints:
    code, names = pd.factorize(blocks.hashes[:, 0])
    half = np.zeros(len(names), np.uint64)
    half[code] = blocks.hashes[:, 1]
    if not np.array_equal(half[code], blocks.hashes[:, 1]):
        # Two prefixes share 64 of their 128 bits: count them apart, the slow way.
        code = np.unique(blocks.hashes, axis=0, return_inverse=True)[1].reshape(-1)
    if scope.size and scope.max() > 0:
        of_block = np.repeat(scope, np.diff(blocks.offsets)).astype(np.int64)
        code, _ = pd.factorize(of_block * (int(code.max()) + 1) + code)
    return code.astype(np.int64)


def _depths(blocks: BlockTrace) -> Ints:
    total = np.cumsum(blocks.tokens)
    before = np.concatenate([np.zeros(1, np.int64), total])[blocks.offsets[:-1]]
    return total - np.repeat(before, np.diff(blocks.offsets))


def _conversations(calls: CallsTable, blocks: BlockTrace, scope: npt.NDArray[np.intp]) -> Ints:
    # Without an id, calls with the same prompt up to the first user block are one conversation.
    named = texts(calls, "conversation_id")
    if (named != "").all():
        return pd.factorize(named)[0].astype(np.int64)
    user = first_true(blocks.kinds == BlockKind.USER, blocks.offsets)
    opening = np.where(user >= 0, user, blocks.offsets[1:] - 1)
    derived = [
        f"\0{domain}:{high:x}{low:x}"
        for domain, (high, low) in zip(scope.tolist(), blocks.hashes[opening].tolist(), strict=True)
    ]
    keys = np.where(named == "", np.array(derived, dtype=object), named)
    return pd.factorize(keys)[0].astype(np.int64)
