"""What each block of a prompt cost under a policy, and what errors of token counts do to savings.

By rule R6 a prompt is read, then written for long, then written, then fresh: a block's depth says
in which class it was billed.
"""

import numpy as np
import numpy.typing as npt

from llmops_cli.cache.trace import CacheTrace

__all__ = ["block_usd", "deviation", "read_usd"]

Ints = npt.NDArray[np.signedinteger]
Floats = npt.NDArray[np.float64]

_KINDS = 8


def block_usd(trace: CacheTrace, billed: Ints, per_token: Floats) -> Floats:
    """USD of each block in the class it was billed in.

    Args:
        trace: the compiled calls.
        billed: ``(calls, 4)`` or more tokens by class under the policy in question.
        per_token: ``(calls, 5)`` USD per token by class; a class without a price costs as
            fresh input.
    """
    call, depth = trace.call, trace.depth_tokens
    read = billed[:, 1]
    long = read + billed[:, 3]
    written = long + billed[:, 2]
    column = np.select(
        [depth <= read[call], depth <= long[call], depth <= written[call]], [1, 3, 2], default=0
    )
    return trace.block_tokens * _prices(per_token)[call, column]


def read_usd(trace: CacheTrace, per_token: Floats) -> Floats:
    """USD of each block if it were read from the cache."""
    return trace.block_tokens * _prices(per_token)[trace.call, 1]


def _prices(per_token: Floats) -> Floats:
    fresh = per_token[:, :1]
    return np.nan_to_num(np.where(np.isnan(per_token[:, :4]), fresh, per_token[:, :4]))


def deviation(
    kind: npt.NDArray[np.uint8],
    spends: tuple[Floats, Floats],
    spread: float,
    *,
    level: float = 0.9,
    seed: int = 0,
) -> tuple[float, float]:
    """How far a saving may be off because tokens per byte are.

    Each kind of block (tools, system, user text ...) is off by a factor of its own, log-normal
    with this spread; the saving is computed anew from the spend of each kind.

    Args:
        kind: of each block.
        spends: USD per block under the policy, and under what it is held against.
        spread: standard deviation of the logarithm of a token count.
        level: two-sided confidence.
        seed: seed of the generator.

    Returns:
        The ends of the deviation, at most and at least 0.
    """
    policy, baseline = (np.bincount(kind, weights=usd, minlength=_KINDS) for usd in spends)
    if not baseline.sum() > 0:
        return 0.0, 0.0
    generator = np.random.default_rng(seed)
    factors = np.exp(generator.normal(0.0, spread, (2000, _KINDS)))
    moved = policy.sum() / baseline.sum() - (factors @ policy) / (factors @ baseline)
    low, high = np.quantile(moved, [(1 - level) / 2, (1 + level) / 2])
    return min(float(low), 0.0), max(float(high), 0.0)
