"""The prompts of many lines of one template: hashes, tokens, kinds and markers of their blocks.

The hashes are those of :mod:`blocks`: of each text, chained to what stands before it.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from llmops_cli.calls import COLUMNS, HASH_BYTES
from llmops_cli.traffic.prompts import Block
from llmops_cli.traffic.table import block_tokens
from llmops_cli.traffic.values import Each

__all__ = ["Blocks", "prompt_columns", "prompts_of"]

Bytes = npt.NDArray[np.uint8]

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
    texts: Mapping[int, tuple[Each, npt.NDArray[np.int64]]],
    lines: int,
    key: bytes,
) -> Blocks:
    """Chain the blocks of some lines.

    Args:
        blocks: with a digest each, or the number of the text that makes it.
        texts: of each line, and how long they are, by that number.
        lines: how many.
        key: as ``key_of`` of :mod:`blocks`.
    """
    chain, hashes = _Chain(key), list[Bytes]()
    before = Each(np.zeros(lines, np.int64), [b""])
    sizes = np.empty((lines, len(blocks)), np.int64)
    for at, (made, block) in enumerate(blocks):
        kind = bytes([block[2]])
        if isinstance(made, bytes):
            before = chain.onto(before, kind, made)
            sizes[:, at] = block[1]
        else:
            said, sizes[:, at] = texts[made]
            before = chain.texts(before, kind, said)
        hashes.append(_of_lines(before))
    together = np.stack(hashes, axis=1).tobytes() if hashes else b""
    return Blocks(together, sizes, [block for _, block in blocks])


def _of_lines(hashes: Each) -> Bytes:
    found = np.frombuffer(b"".join(hashes.texts), np.uint8).reshape(-1, HASH_BYTES)
    return found if hashes.which is None else found[hashes.which]


class _Chain:
    # A hash object that is copied costs half of one that is made.
    def __init__(self, key: bytes) -> None:
        self._start = blake2b(digest_size=HASH_BYTES, key=key)
        self._text = blake2b(b"t", digest_size=HASH_BYTES)

    def onto(self, before: Each, kind: bytes, digest: bytes) -> Each:
        """The same block behind each prompt."""
        hashes = [self._opened(each, kind + digest).digest() for each in before.texts]
        return Each(before.which, hashes)

    def texts(self, before: Each, kind: bytes, texts: Each) -> Each:
        """A text behind each prompt."""
        opened = [self._opened(each, kind) for each in before.texts]
        if len(opened) == 1:
            return Each(texts.which, self._each(repeat(opened[0], len(texts.texts)), texts.texts))
        return Each(None, self._each(before.spread(opened), texts.spread(texts.texts)))

    def _each(self, opened: "Iterable[blake2b]", texts: Iterable[bytes]) -> list[bytes]:
        found, text_copy = list[bytes](), self._text.copy
        add = found.append
        for begun, text in zip(opened, texts, strict=True):
            of_text, chained = text_copy(), begun.copy()
            of_text.update(text)
            chained.update(of_text.digest())
            add(chained.digest())
        return found

    def _opened(self, before: bytes, kind: bytes) -> "blake2b":
        found = self._start.copy()
        found.update(before + kind)
        return found


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
