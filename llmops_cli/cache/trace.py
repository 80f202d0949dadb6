"""A log compiled once for every replay: calls in order of time, prefixes as dense numbers.

Two blocks are the same node exactly when isolation domain, model and the 128-bit chained
hash agree (rules R1 and R16), so a node is a prefix that a cache entry can stand for.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from llmops_cli.cache.columns import coded, marks, microseconds, numbers, of_each, same, told_apart
from llmops_cli.cache.model import CacheParameters
from llmops_cli.cache.prefix_numbers import by_first_appearance
from llmops_cli.cache.prompt_blocks import PROMPT, PromptBlocks
from llmops_cli.cache.rules import CacheRules
from llmops_cli.cache.visits import Visits, counted, narrow, order_visits
from llmops_cli.calls import TOKEN_CLASSES, BlockKind, CallsTable
from llmops_cli.engine.memory import return_unused

__all__ = [
    "NEEDED",
    "CacheTrace",
    "compile_trace",
    "first_true",
]

Ints = npt.NDArray[np.signedinteger]
Mask = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


_TIMES = ("ttft_s", "duration_s")
_COMPILED = (
    *("start_time", "isolation_domain", "conversation_id", "automatic_cache"),
    *(*_TIMES, "source_file"),
)
NEEDED = (
    *("call_id", "provider_name", "request_model", "response_model", "service_tier"),
    *(*TOKEN_CLASSES, "tokens_estimated", "error_type", "content", "source_line"),
    *_COMPILED,
    *PROMPT,
)
"""The columns of the calls table that the replay and its evidence read, ``content`` if kept."""


@dataclass(frozen=True, slots=True, eq=False)
class CacheTrace:
    """Calls and blocks as flat arrays; call ``i`` has the blocks ``offsets[i]:offsets[i+1]``.

    ``row`` is the call's row in the calls table; times are microseconds; ``depth_tokens`` is
    the length of the prompt up to and including a block; ``minimum`` the shortest prefix that
    the call's model caches; ``conversation``, ``domain`` and ``scope`` (domain and model) are
    codes. ``prefix`` is the node by its content alone, whoever sent it. Arrays are not to be
    changed: what is the same for all calls is one value in memory.
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
    calls: CallsTable,
    rules: CacheRules,
    models: npt.NDArray[np.object_],
    given: CacheParameters,
    prompts: PromptBlocks | None = None,
) -> CacheTrace:
    """Compile calls that have a start time and blocks.

    Args:
        calls: the calls to replay, their index the row numbers of the log.
        rules: minimum cacheable lengths.
        models: the model each call is replayed as.
        given: overrides of minimum and visibility.
        prompts: of the whole log, where they are not in ``calls``.

    Raises:
        LlmopsError: ``cache-unknown-minimum``, ``calls-contradiction``.
    """
    start = microseconds(calls, "start_time")
    row = _rows(calls.index)
    if prompts is None:
        prompts, at = PromptBlocks.of(calls), np.arange(len(row))
    else:
        at = row
    if (start[1:] < start[:-1]).any():
        order = np.argsort(start, kind="stable")
        calls, models, start = calls[list(_COMPILED)].iloc[order], models[order], start[order]
        row, at = row[order], at[order]
    blocks = prompts.of_rows(at)
    depth_tokens = _depths(blocks)
    return_unused()
    codes, names = told_apart(models)
    domain, _ = coded(calls, "isolation_domain")
    scope = _pairs(domain, codes, len(names))
    node = _scoped(blocks.prefix, scope, blocks.offsets)
    conversation = narrow(_conversations(calls, blocks, node))
    return_unused()
    return CacheTrace(
        row=row,
        start_us=start,
        begins_us=_begins(start, calls, given),
        minimum=of_each(narrow(rules.minimum_tokens(names, given.minimum_tokens)), codes),
        automatic=marks(calls, "automatic_cache"),
        conversation=conversation,
        scope=scope,
        domain=narrow(domain),
        offsets=blocks.offsets,
        node=node,
        prefix=blocks.prefix,
        depth_tokens=depth_tokens,
        kind=blocks.kinds,
        marker=blocks.markers,
    )


def first_true(mask: npt.NDArray[np.bool_], offsets: Ints) -> Ints:
    """Flat position of the first true block of each call, or -1."""
    at = narrow(np.append(np.flatnonzero(mask), len(mask)))
    found = at[counted(mask)[offsets[:-1]]]
    found[found >= offsets[1:]] = -1
    return found


def _rows(index: pd.Index) -> Ints:
    if isinstance(index, pd.RangeIndex):
        return narrow(np.arange(index.start, index.stop, index.step))
    return narrow(index.to_numpy(dtype=np.int64))


def _pairs(domain: Ints, model: Ints, models: int) -> Ints:
    """A number for each pair of domain and model."""
    if len(domain) and domain.strides == model.strides == (0,):
        return same(0, len(domain))
    return narrow(pd.factorize(domain.astype(np.int64) * models + model)[0])


def _begins(start: Ints, calls: CallsTable, given: CacheParameters) -> Ints:
    # The response begins at its first token; without that time, no later than its end.
    if all(calls[name].isna().all() for name in _TIMES):
        wait_us = int(np.rint(given.visible_after_s * 1e6))
        return start + wait_us if wait_us else start
    first, whole = (numbers(calls, name, np.nan) for name in _TIMES)
    known = np.where(np.isnan(first), whole, first)
    wait = np.rint(np.where(np.isnan(known), given.visible_after_s, known) * 1e6).astype(np.int64)
    return start + wait


def _scoped(prefix: Ints, scope: Ints, offsets: Ints) -> Ints:
    if not scope.size or scope.max() == 0:
        return prefix
    of_block = np.repeat(scope, np.diff(offsets)).astype(np.int64)
    code, _ = pd.factorize(of_block * (int(prefix.max()) + 1) + prefix)
    return code.astype(np.int32)


def _depths(blocks: PromptBlocks) -> Ints:
    begins = blocks.offsets[:-1]
    longest = int(np.diff(blocks.offsets).max(initial=0)) * int(blocks.tokens.max(initial=0))
    # Running sums of 32 bits may run over; what lies between two of them is right even so.
    fits = longest <= np.iinfo(np.int32).max
    depth: Ints = np.cumsum(blocks.tokens, dtype=np.int32 if fits else np.int64)
    before = np.where(begins > 0, depth[begins - 1], 0) if len(depth) else depth
    depth -= np.repeat(before, np.diff(blocks.offsets))
    return depth


def _conversations(calls: CallsTable, blocks: PromptBlocks, node: Ints) -> Ints:
    # Without an id, calls with the same prompt up to the first user block are one conversation.
    code, names = coded(calls, "conversation_id")
    empty = names.index("").as_py()
    if empty < 0:
        return code
    opening = first_true(blocks.kinds == BlockKind.USER, blocks.offsets)
    other = np.flatnonzero(opening < 0)
    opening[other] = blocks.offsets[other + 1] - 1
    keys = node[opening]
    keys += len(names)
    if code.strides != (0,):
        keys = np.where(code == empty, keys, code)
    return by_first_appearance(keys)[0]
