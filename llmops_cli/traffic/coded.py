"""Strings as 64 bits each, eight bytes of every one of them at a time."""

from hashlib import blake2b

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["Codes", "coded", "mixed"]

Codes = npt.NDArray[np.uint64]

_MIX = np.uint64(0x9E3779B97F4A7C15)
_WORD = 8
_LONG = 512
"""Longer strings are few, and would keep all others waiting."""

_WITHIN = np.array([(1 << 8 * size) - 1 for size in range(_WORD + 1)], np.uint64)
"""What of a word belongs to a string of which so many bytes are left."""


def mixed(one: Codes, other: Codes) -> Codes:
    """A code for each pair of codes."""
    found = (one ^ (one >> np.uint64(29))) * _MIX + other
    return (found ^ (found >> np.uint64(32))) * _MIX


def coded(array: pa.Array) -> Codes:
    """A code per string, 0 for null: the same for the same string whatever stands beside it."""
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int32)[array.offset :][: len(array) + 1].astype(np.int64)
    at, left = ends[:-1] - ends[0], np.diff(ends)
    text = np.zeros(int(ends[-1] - ends[0]) + _WORD, np.uint8)
    if data is not None:
        text[:-_WORD] = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    found = left.astype(np.uint64)
    rows = np.flatnonzero((left > 0) & (left <= _LONG))
    long = np.flatnonzero(left > _LONG)
    _take_in(found, text, rows, at[rows], left[rows])
    for row in long.tolist():
        whole = text[at[row] : at[row] + left[row]].tobytes()
        found[row] = int.from_bytes(blake2b(whole, digest_size=_WORD).digest(), "little")
    # Zero is taken: it says that there is none.
    found = np.maximum(found, 1)
    if array.null_count:
        found[array.is_null().to_numpy(zero_copy_only=False)] = 0
    return found


def _take_in(
    found: Codes,
    text: npt.NDArray[np.uint8],
    rows: npt.NDArray[np.int64],
    at: npt.NDArray[np.int64],
    left: npt.NDArray[np.int64],
) -> None:
    """Mix the bytes of some strings into their codes, word by word."""
    words = np.ndarray(len(text) - _WORD + 1, "<u8", text, strides=(1,))
    while len(rows):
        word = words[at] & _WITHIN[np.minimum(left, _WORD)]
        found[rows] = mixed(found[rows], word)
        more = left > _WORD
        if not more.all():
            rows, at, left = rows[more], at[more], left[more]
        at, left = at + _WORD, left - _WORD
