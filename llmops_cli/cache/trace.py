"""A log compiled once for every replay: calls in order of time, prefixes as dense numbers.

Two blocks are the same node exactly when isolation domain, model and the 128-bit chained
hash agree (rules R1 and R16), so a node is a prefix that a cache entry can stand for.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from llmops_cli.cache.model import CacheParameters
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.visits import Visits, order_visits
from llmops_cli.calls import BlockKind, BlockTrace, CallsTable, block_trace

__all__ = ["CacheTrace", "compile_trace", "first_true", "microseconds", "numbers", "texts"]

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class CacheTrace:
    """Calls and blocks as flat arrays; call ``i`` has the blocks ``offsets[i]:offsets[i+1]``.

    ``row`` is the call's row in the calls table; times are microseconds; ``depth_tokens`` is
    the length of the prompt up to and including a block; ``minimum`` the shortest prefix that
    the call's model caches; ``conversation``, ``domain`` and ``scope`` (domain and model) are
    codes. ``prefix`` is the node by its content alone, whoever sent it.
    """

    row: Ints
    start_us: Ints
    begins_us: Ints
    minimum: Ints
    automatic: Bytes
    conversation: Ints
    scope: Ints
    domain: Ints
    offsets: Ints
    node: Ints
    prefix: Ints
    depth_tokens: Ints
    kind: Bytes
    marker: Bytes
    _sorted: dict[str, Visits] = field(default_factory=dict[str, Visits], repr=False)

    @property
    def visits(self) -> Visits:
        """The visits in the orders of the replay, sorted once."""
        if "visits" not in self._sorted:
            self._sorted["visits"] = order_visits(self.node, self.offsets)
        return self._sorted["visits"]

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

    def shared_by(self, who: Ints, minimum: int) -> "CacheTrace":
        """The same traffic where entries are shared by calls with the same code in ``who``."""
        node = _scoped(self.prefix, who, self.offsets)
        same = len(node) == 0 or bool((node == self.node).all())
        return replace(
            self,
            minimum=np.full(self.calls, minimum, np.int64),
            scope=who,
            node=node,
            _sorted=self._sorted if same else {},
        )


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
    prefix = _prefixes(blocks)
    node = _scoped(prefix, scope.astype(np.int64), blocks.offsets)
    return CacheTrace(
        row=calls.index.to_numpy(dtype=np.int64),
        start_us=start,
        begins_us=start + _wait(calls, given),
        minimum=rules.minimum_tokens(names, given.minimum_tokens)[codes],
        automatic=numbers(calls, "automatic_cache", 0).astype(np.uint8),
        conversation=_conversations(calls, blocks, node),
        scope=scope.astype(np.int64),
        domain=domain.astype(np.int64),
        offsets=blocks.offsets,
        node=node,
        prefix=prefix,
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


def _prefixes(blocks: BlockTrace) -> Ints:
    code, names = pd.factorize(blocks.hashes[:, 0])
    half = np.zeros(len(names), np.uint64)
    half[code] = blocks.hashes[:, 1]
    if not np.array_equal(half[code], blocks.hashes[:, 1]):
        # Two prefixes share 64 of their 128 bits: count them apart, the slow way.
        code = np.unique(blocks.hashes, axis=0, return_inverse=True)[1].reshape(-1)
    return code.astype(np.int64)


def _scoped(prefix: Ints, scope: Ints, offsets: Ints) -> Ints:
    if not scope.size or scope.max() == 0:
        return prefix
    of_block = np.repeat(scope, np.diff(offsets))
    code, _ = pd.factorize(of_block * (int(prefix.max()) + 1) + prefix)
    return code.astype(np.int64)


def _depths(blocks: BlockTrace) -> Ints:
    total = np.cumsum(blocks.tokens)
    before = np.concatenate([np.zeros(1, np.int64), total])[blocks.offsets[:-1]]
    return total - np.repeat(before, np.diff(blocks.offsets))


def _conversations(calls: CallsTable, blocks: BlockTrace, node: Ints) -> Ints:
    # Without an id, calls with the same prompt up to the first user block are one conversation.
    named = texts(calls, "conversation_id")
    code, names = pd.factorize(named)
    if (named != "").all():
        return code.astype(np.int64)
    user = first_true(blocks.kinds == BlockKind.USER, blocks.offsets)
    opening = np.where(user >= 0, user, blocks.offsets[1:] - 1)
    keys = np.where(named == "", len(names) + node[opening], code)
    return pd.factorize(keys)[0].astype(np.int64)
