"""How many tokens a block has: the size with which lengths and hash lists agree.

Traces rarely say it, and a wrong guess makes every hit rate wrong: one tool printed 700 %.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from llmops_cli.errors import LlmopsError
from llmops_cli.traffic.quarantine import RowError

__all__ = ["Fit", "Usual", "fitting", "hash_length"]

Ints = npt.NDArray[np.int64]

_LARGEST = 1 << 40
"""Stands for any size: a list of one hash says only how small a block is not."""


@dataclass(frozen=True, slots=True)
class Usual:
    """What a format does where the lists themselves leave a choice.

    Attributes:
        tokens: in a block.
        partial: whether a block that is not full has a hash too (Mooncake), or none (vLLM).
    """

    tokens: int
    partial: bool


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Blocks that the hash lists agree with.

    Attributes:
        tokens: in a block.
        partial: as :class:`Usual`.
        agree: which requests have as many hashes as that makes.
    """

    tokens: int
    partial: bool
    agree: npt.NDArray[np.bool_]

    def count(self, length: int) -> int:
        """Hashes of a prompt."""
        return -(-length // self.tokens) if self.partial else length // self.tokens


@dataclass(frozen=True, slots=True)
class _Sizes:
    # The sizes that most requests allow under one rule, and how many requests those are.
    partial: bool
    first: int
    last: int
    requests: int


def fitting(lengths: Ints, counts: Ints, asked: int | None, usual: Usual) -> Fit | None:
    """The block size of a trace.

    Args:
        lengths: tokens of each prompt.
        counts: hashes of each.
        asked: the size the user or the file gives; None to tell it from the lists.
        usual: of the format.

    Returns:
        None where no request has a hash.

    Raises:
        LlmopsError: ``trace-block-size`` where most requests disagree with ``asked``, or with
            every size there is; ``trace-block-size-unknown`` where the lists leave a choice.
    """
    if not counts.any():
        return None
    both = [_allowed(lengths, counts, partial=rule) for rule in (usual.partial, not usual.partial)]
    best = max(both, key=lambda sizes: sizes.requests)
    if asked is not None:
        return _as_asked(lengths, counts, asked, best)
    if 2 * best.requests <= len(counts):
        raise _none_fits(best, len(counts))
    told = _one_of(best, usual.tokens)
    if told is not None:
        return _fit(lengths, counts, told, partial=best.partial)
    common = _fit(lengths, counts, usual.tokens, partial=usual.partial)
    if 2 * int(common.agree.sum()) <= len(counts):
        raise _several(best)
    return common


def hash_length(fit: Fit, length: int, count: int) -> RowError:
    """What is wrong with a request that disagrees."""
    return RowError(
        "trace-hash-length",
        f"{count:,} block hashes where {length:,} tokens in blocks of {fit.tokens:,} have "
        f"{fit.count(length):,}",
        "hash_ids",
    )


def _as_asked(lengths: Ints, counts: Ints, asked: int, best: _Sizes) -> Fit:
    fits = [_fit(lengths, counts, asked, partial=rule) for rule in (True, False)]
    fit = max(fits, key=lambda each: int(each.agree.sum()))
    if 2 * int(fit.agree.sum()) > len(counts):
        return fit
    row = int(np.argmin(fit.agree))
    length, count = int(lengths[row]), int(counts[row])
    several = "" if best.first == best.last else f" to {best.last:,}"
    raise LlmopsError(
        "trace-block-size",
        f"the hash lists are not of blocks of {asked:,} tokens: a prompt of {length:,} tokens has "
        f"{count:,} hashes where {fit.count(length):,} are due",
        hint=f"blocks of {best.first:,}{several} tokens fit {best.requests:,} of {len(counts):,} "
        "requests",
    )


def _none_fits(best: _Sizes, requests: int) -> LlmopsError:
    return LlmopsError(
        "trace-block-size",
        f"no block size explains the hash lists: the best, {best.first:,} tokens, fits "
        f"{best.requests:,} of {requests:,} requests",
        hint="are lengths counted in tokens, and do the hashes cover the whole prompt?",
    )


def _fit(lengths: Ints, counts: Ints, tokens: int, *, partial: bool) -> Fit:
    due = -(-lengths // tokens) if partial else lengths // tokens
    return Fit(tokens, partial, due == counts)


def _allowed(lengths: Ints, counts: Ints, *, partial: bool) -> _Sizes:
    low, high = _ranges(lengths, counts, partial=partial)
    good = low <= high
    if not good.any():
        return _Sizes(partial, 1, 1, 0)
    # A sweep over where the ranges begin and end finds what most of them have in common.
    places, which = np.unique(np.concatenate([low[good], high[good] + 1]), return_inverse=True)
    steps = np.repeat([1.0, -1.0], int(good.sum()))
    depth = np.cumsum(np.bincount(which, weights=steps))
    at = int(np.argmax(depth))
    return _Sizes(partial, int(places[at]), int(places[at + 1]) - 1, int(depth[at]))


def _ranges(lengths: Ints, counts: Ints, *, partial: bool) -> tuple[Ints, Ints]:
    """Smallest and largest size that each request allows; none where the one exceeds the other."""
    any_size = np.full(len(counts), _LARGEST)
    if not partial:
        full = np.where(counts > 0, lengths // np.maximum(counts, 1), any_size)
        return lengths // (counts + 1) + 1, full
    low = np.where(counts > 0, -(-lengths // np.maximum(counts, 1)), any_size)
    high = np.where(counts > 1, (lengths - 1) // np.maximum(counts - 1, 1), any_size)
    return low, np.where(counts > 0, high, 0)


def _one_of(sizes: _Sizes, usual: int) -> int | None:
    """The usual size where it is allowed, else the only one, else the only power of two."""
    if sizes.first <= usual <= sizes.last:
        return usual
    if sizes.first == sizes.last:
        return sizes.first
    power = 1 << (sizes.last.bit_length() - 1)
    if power // 2 < sizes.first <= power:
        return power
    return None


def _several(sizes: _Sizes) -> LlmopsError:
    most = "more" if sizes.last >= _LARGEST else f"{sizes.last:,}"
    return LlmopsError(
        "trace-block-size-unknown",
        f"the hash lists allow blocks of {sizes.first:,} to {most} tokens",
        hint="say which: --block-size N",
    )
