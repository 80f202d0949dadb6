"""The prompts of many lines of one template: hashes, tokens, kinds and markers of their blocks.

The hashes are those of :mod:`blocks`: of each text, chained to what stands before it.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.calls import COLUMNS, HASH_BYTES
from llmops_cli.traffic.prompts import Block
from llmops_cli.traffic.table import block_tokens

__all__ = ["Blocks", "prompt_columns", "prompts_of"]

_FEW = 4
"""So many times fewer texts than lines, and each is chained once."""

_TYPES = {column.name: column.type for column in COLUMNS}


class Blocks:
    """Blocks of some lines, as many in each.

    Attributes:
        hashes: ``(lines, blocks, 16)`` bytes.
        sizes: ``(lines, blocks)`` bytes of content.
        kinds: of the blocks of a line.
        markers: of the blocks of a line.
    """

    def __init__(
        self, hashes: bytes, sizes: npt.NDArray[np.int64], blocks: Sequence[Block]
    ) -> None:
        self.hashes = hashes
        self.sizes = sizes
        self.kinds = bytes(block[2] for block in blocks)
        self.markers = bytes(block[3] for block in blocks)


def prompts_of(
    blocks: Sequence[tuple[bytes | int, Block]],
    texts: Mapping[int, list[bytes]],
    lines: int,
    key: bytes,
) -> Blocks:
    """Chain the blocks of some lines.

    Args:
        blocks: with a digest each, or the number of the text that makes it.
        texts: of each line, by that number.
        lines: how many.
        key: as ``key_of`` of :mod:`blocks`.
    """
    chain, hashes = _Chain(key), list[list[bytes]]()
    before: list[bytes] | bytes = b""
    sizes = np.empty((lines, len(blocks)), np.int64)
    for at, (made, block) in enumerate(blocks):
        kind = bytes([block[2]])
        if isinstance(made, bytes):
            before = chain.onto(before, kind, made)
            sizes[:, at] = block[1]
        else:
            before = chain.texts(before, kind, texts[made])
            sizes[:, at] = np.fromiter(map(len, texts[made]), np.int64, lines)
        hashes.append([before] * lines if isinstance(before, bytes) else before)
    return Blocks(_side_by_side(hashes, lines), sizes, [block for _, block in blocks])


def _side_by_side(hashes: list[list[bytes]], lines: int) -> bytes:
    if not hashes:
        return b""
    found = [np.frombuffer(b"".join(each), np.uint8).reshape(lines, HASH_BYTES) for each in hashes]
    return np.stack(found, axis=1).tobytes()


class _Chain:
    # A hash object that is copied costs half of one that is made.
    def __init__(self, key: bytes) -> None:
        self._start = blake2b(digest_size=HASH_BYTES, key=key)
        self._text = blake2b(b"t", digest_size=HASH_BYTES)

    def onto(self, before: list[bytes] | bytes, kind: bytes, digest: bytes) -> list[bytes] | bytes:
        """The same block behind each prompt."""
        if isinstance(before, bytes):
            return self._next(before + kind + digest)
        known = {each: self._next(each + kind + digest) for each in set(before)}
        return [known[each] for each in before]

    def texts(self, before: list[bytes] | bytes, kind: bytes, texts: list[bytes]) -> list[bytes]:
        """A text behind each prompt."""
        if isinstance(before, bytes):
            distinct = set(texts)
            if len(distinct) * _FEW < len(texts):
                one = dict(zip(distinct, self._each(before, kind, list(distinct)), strict=True))
                return list(map(one.__getitem__, texts))
        return self._each(before, kind, texts)

    def _each(self, before: list[bytes] | bytes, kind: bytes, texts: list[bytes]) -> list[bytes]:
        if isinstance(before, bytes):
            opened = repeat(self._opened(before, kind), len(texts))
        else:
            known = {each: self._opened(each, kind) for each in set(before)}
            opened = map(known.__getitem__, before)
        found, text_copy = list[bytes](), self._text.copy
        for begun, text in zip(opened, texts, strict=True):
            of_text, chained = text_copy(), begun.copy()
            of_text.update(text)
            chained.update(of_text.digest())
            found.append(chained.digest())
        return found

    def _opened(self, before: bytes, kind: bytes) -> "blake2b":
        found = self._start.copy()
        found.update(before + kind)
        return found

    def _next(self, data: bytes) -> bytes:
        found = self._start.copy()
        found.update(data)
        return found.digest()


def prompt_columns(blocks: Blocks, counted: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
    """The four block columns of the calls table.

    Args:
        blocks: of all lines.
        counted: the token columns and ``tokens_estimated``.
    """
    lines, each = blocks.sizes.shape
    offsets = np.arange(lines + 1, dtype=np.int64) * each
    total = lines * each
    ends = np.arange(total + 1, dtype=np.int32) * HASH_BYTES
    tokens = block_tokens(dict(counted), blocks.sizes.reshape(-1), offsets)
    flat = {
        "block_hashes": pa.BinaryArray.from_buffers(
            pa.binary(), total, [None, pa.py_buffer(ends), pa.py_buffer(blocks.hashes)]
        ),
        "block_tokens": pa.array(tokens, pa.int32()),
        "block_kinds": pa.array(np.frombuffer(blocks.kinds * lines, np.uint8)),
        "block_markers": pa.array(np.frombuffer(blocks.markers * lines, np.uint8)),
    }
    where = pa.array(offsets, pa.int32())
    return {
        name: pa.ListArray.from_arrays(where, values, type=_TYPES[name])
        for name, values in flat.items()
    }
