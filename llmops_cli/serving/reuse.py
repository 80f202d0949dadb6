"""What a trace could reuse at all: with endless memory, by how much there is, and at best.

One cache for the whole fleet, visited in the order of arrival: what routing divides among
replicas, and what batching shifts in time, can only lose against it, up to that shift.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.request_trace import RequestTrace

__all__ = [
    "Reuse",
    "block_fill",
    "clairvoyant_hits",
    "lru_curve",
    "lru_hits",
    "measure_reuse",
    "token_share",
]

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Reuse:
    """What prompts of a trace have in common.

    Attributes:
        visits: blocks of all requests.
        distinct: different ones among them.
        tokens: of all prompts.
        repeated_tokens: in blocks that some earlier request had.
        requests: that have a block some earlier request had.
    """

    visits: int
    distinct: int
    tokens: int
    repeated_tokens: int
    requests: int

    @property
    def block_share(self) -> float:
        """Hit rate of an endless cache over block visits; 0 without blocks."""
        return (self.visits - self.distinct) / self.visits if self.visits else 0.0

    @property
    def token_share(self) -> float:
        """Hit rate of an endless cache over prompt tokens."""
        return self.repeated_tokens / self.tokens if self.tokens else 0.0


def measure_reuse(trace: RequestTrace) -> Reuse:
    """What an endless cache finds: every block but the first visit of each."""
    again = _again(trace.blocks)
    fill = block_fill(trace)
    row = np.repeat(np.arange(len(trace)), np.diff(trace.starts))
    return Reuse(
        visits=len(trace.blocks),
        distinct=len(trace.blocks) - int(again.sum()),
        tokens=int(trace.input_tokens.sum()),
        repeated_tokens=int(fill[again].sum()),
        requests=len(np.unique(row[again])),
    )


def token_share(trace: RequestTrace, hits: npt.NDArray[np.bool_]) -> float:
    """The share of prompt tokens that lie in blocks whose visits hit."""
    return float(block_fill(trace)[hits].sum() / trace.input_tokens.sum())


def lru_hits(trace: RequestTrace, capacity: int) -> npt.NDArray[np.bool_]:
    """Which visits one LRU cache of a capacity in blocks hits."""
    distance = _distances(trace)
    return (distance >= 0) & (distance < capacity)


def lru_curve(trace: RequestTrace, capacities: Ints) -> npt.NDArray[np.float64]:
    """Hit rate over block visits of one LRU cache, by its capacity in blocks.

    A visit hits where fewer other blocks than the capacity were visited since the last visit;
    blocks of a prompt are visited from its start, so what hits is always a prefix.
    """
    if not len(trace.blocks):
        return np.zeros(len(capacities))
    distance = _distances(trace)
    ranked = np.sort(distance[distance >= 0])
    return np.searchsorted(ranked, capacities) / len(distance)


def clairvoyant_hits(trace: RequestTrace, capacity: int) -> npt.NDArray[np.bool_]:
    """Which visits one cache hits that knows what comes; no rule hits more of them."""
    from llmops_cli.serving.replacement import play_ahead  # noqa: PLC0415 - compiles

    if not len(trace.blocks):
        return np.zeros(0, np.bool_)
    return play_ahead(trace.blocks, _following(trace.blocks), capacity)


def block_fill(trace: RequestTrace) -> Ints:
    """Tokens in every block of every request."""
    fill = np.full(len(trace.blocks), trace.block_tokens, np.int64)
    counts = np.diff(trace.starts)
    some = counts > 0
    rest = trace.input_tokens - (counts - 1) * trace.block_tokens
    fill[trace.starts[1:][some] - 1] = rest[some]
    return fill


def _distances(trace: RequestTrace) -> Ints:
    from llmops_cli.serving.replacement import stack_distances  # noqa: PLC0415 - compiles

    if not len(trace.blocks):
        return np.zeros(0, np.int64)
    return stack_distances(trace.blocks, int(trace.blocks.max()) + 1)


def _again(blocks: Ints) -> npt.NDArray[np.bool_]:
    """Which visits are not the first of their block."""
    if not len(blocks):
        return np.zeros(0, np.bool_)
    first = np.empty(int(blocks.max()) + 1, np.int64)
    first[blocks[::-1]] = np.arange(len(blocks))[::-1]
    return first[blocks] != np.arange(len(blocks))


def _following(blocks: Ints) -> Ints:
    """The next visit of the same block, or as many as there are visits."""
    order = np.argsort(blocks, kind="stable")
    following = np.full(len(blocks), len(blocks), np.int64)
    same = blocks[order[1:]] == blocks[order[:-1]]
    following[order[:-1][same]] = order[1:][same]
    return following
