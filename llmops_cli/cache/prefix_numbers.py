"""Prefixes of many tables as numbers: hashes told apart by all their bits, in order of appearance.

A hash of 128 bits serves only to tell prefixes apart; it is kept once for all blocks of a table
that share it, and let go when the tables are put together.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.cache.visits import narrow
from llmops_cli.calls import HASH_BYTES, fixed_width
from llmops_cli.engine.memory import return_unused

__all__ = [
    "Codes",
    "Counts",
    "Words",
    "by_first_appearance",
    "joined",
    "running",
    "told_apart",
    "unified",
]

Ints = npt.NDArray[np.signedinteger]
Mask = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.int32]
Counts = npt.NDArray[Any]
"""Whole numbers from 0, in as few bytes as they take."""


def joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The parts in one piece; they themselves are let go, and the holes that they leave."""
    found = parts[0] if len(parts) == 1 else np.concatenate(parts)
    parts.clear()
    return_unused()
    return found


def running(counts: npt.NDArray[Any]) -> Ints:
    """Where each of them begins, and where the last one ends."""
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, dtype=np.int64, out=offsets[1:])
    return narrow(offsets)


def told_apart(hashes: pa.Array) -> tuple[Codes, Words]:
    """Hashes as numbers by first appearance, and the two halves of the hash of each number.

    Args:
        hashes: of 128 bits, or codes of such.
    """
    if not (pa.types.is_dictionary(hashes.type) and _by_first_appearance(hashes)):
        hashes = fixed_width(hashes).dictionary_encode(null_encoding="encode")
    words = hashes.dictionary
    raw = words.buffers()[1] if len(words) else b""
    halves = np.frombuffer(raw, np.uint64, 2 * len(words), words.offset * HASH_BYTES)
    return hashes.indices.to_numpy(), halves.reshape(-1, 2)


def _by_first_appearance(hashes: pa.DictionaryArray) -> bool:
    """Whether codes are what they would be if they were given now."""
    if hashes.null_count:
        return False
    codes = hashes.indices.to_numpy()
    highest = np.maximum.accumulate(codes)
    new = int(highest[-1]) + 1 if len(codes) else 0
    steps = np.diff(highest, prepend=codes.dtype.type(-1))
    return new == len(hashes.dictionary) and bool((steps <= 1).all())


def unified(prefixes: list[Counts], high: list[Words], low: list[Words]) -> Codes:
    """The numbers of several tables as numbers of all of them."""
    if len(prefixes) == 1:
        high.clear()
        low.clear()
        return prefixes.pop().astype(np.int32)
    begins = running(np.array([len(each) for each in high]))
    number = _numbered(joined(high), joined(low))
    for at, prefix in enumerate(prefixes):
        prefixes[at] = number[begins[at] :][prefix]
    del number
    return joined(prefixes)


def _numbered(high: Words, low: Words) -> Codes:
    # Sorting takes half the memory of a table of hashes.
    order = np.argsort(high).astype(np.int32)
    ordered = high[order]
    again = np.flatnonzero(ordered[1:] == ordered[:-1]) + 1
    new = np.ones(len(high), np.bool_)
    new[again] = False
    del ordered
    if (low[order[again]] != low[order[again - 1]]).any():
        return _numbered_slowly(np.column_stack([high, low]))
    return _ranked(order, new, again)


def _ranked(order: Codes, new: Mask, again: Ints) -> Codes:
    """Groups of equal values by the first place of each.

    Args:
        order: places, those of a group together.
        new: where a group begins in ``order``.
        again: where one goes on.
    """
    group = np.cumsum(new, dtype=np.int32)
    group -= 1
    first = order[new]
    np.minimum.at(first, group[again], order[again])
    appears = np.zeros(len(order), np.bool_)
    appears[first] = True
    rank = np.cumsum(appears, dtype=np.int32)[first]
    rank -= 1
    number = np.empty(len(order), np.int32)
    number[order] = rank[group]
    return number


def _numbered_slowly(hashes: Words) -> Codes:
    # Two prefixes share 64 of their 128 bits.
    _, first, code = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return rank[code.reshape(-1)]


def by_first_appearance(codes: npt.NDArray[np.signedinteger]) -> tuple[Codes, Mask]:
    """The same distinctions, numbered as they come, and where there is a new one.

    As pandas' ``factorize``, for whole numbers from 0 of which none is much larger than their
    count.
    """
    if not len(codes):
        return codes.astype(np.int32), np.zeros(0, np.bool_)
    first = np.empty(int(codes.max()) + 1, np.int32)
    # Of several values for one place the last one stays: backwards, that is the first.
    first[codes[::-1]] = np.arange(len(codes) - 1, -1, -1, dtype=np.int32)
    appears = np.zeros(len(codes), np.bool_)
    first = first[codes]
    appears[first] = True
    number = np.cumsum(appears, dtype=np.int32)
    number -= 1
    return number[first], appears
