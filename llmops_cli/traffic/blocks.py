"""Prompt content becomes blocks: a chained 128-bit hash, a size, a kind and a marker each.

Growing conversations send the same messages again and again, so every part of a prompt is
remembered by its bytes and its place: only what is new in a call is parsed and hashed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from llmops_cli.calls import HASH_BYTES, BlockKind, Marker
from llmops_cli.traffic.envelope import RowError

__all__ = ["Block", "Cutter", "Prompt", "PromptReader", "apportion", "content_blocks", "marker_of"]

BYTES_PER_TOKEN = 4
"""Without usage in the log a block counts one token per four bytes of UTF-8 text."""
IMAGE_BYTES = 6400
"""An image counts as the 1,600 tokens of a full-size one, whatever its encoded length."""

_MEMORY_BYTES = 64_000_000

Block = tuple[bytes, int, int, int]
"""Digest of the content, size in bytes, BlockKind, Marker."""

Cutter = Callable[[bytes], tuple[Block, ...]]
"""Cuts one raw JSON value (a message, a tool, a system prompt) into its blocks."""

_encode = msgspec.json.Encoder(order="deterministic").encode


@dataclass(frozen=True, slots=True)
class Prompt:
    """The blocks of one call, as bytes ready for the flat arrays of the calls table."""

    hashes: bytes
    sizes: tuple[int, ...]
    kinds: bytes
    markers: bytes

    @property
    def estimated_tokens(self) -> int:
        """Tokens by the four-bytes rule, each block rounded up."""
        return sum(-(-size // BYTES_PER_TOKEN) for size in self.sizes)


class _Node:
    """One part at one place in a prompt: its blocks, chained to everything before them."""

    __slots__ = ("children", "hashes", "kinds", "last", "markers", "sizes")

    def __init__(self, last: bytes, hashes: bytes, blocks: tuple[Block, ...]) -> None:
        self.last = last
        self.hashes = hashes
        self.sizes = tuple(block[1] for block in blocks)
        self.kinds = bytes(block[2] for block in blocks)
        self.markers = bytes(block[3] for block in blocks)
        self.children: dict[tuple[Cutter, bytes], _Node] = {}


class PromptReader:
    """Cuts prompts and chains their hashes.

    Args:
        hash_key: key of the hashes (RFC 7693 keyed mode); without it anyone who guesses a
            prompt can confirm the guess.
    """

    def __init__(self, hash_key: bytes | None = None) -> None:
        self._key = blake2b(hash_key).digest() if hash_key else b""
        self._root = _Node(b"", b"", ())
        self._remembered = 0

    def read(self, parts: Iterable[tuple[Cutter, bytes]]) -> Prompt:
        """Chain the blocks of all parts in prefix order: tools, system, messages."""
        node, path = self._root, list[_Node]()
        for part in parts:
            node = node.children.get(part) or self._grow(node, part)
            path.append(node)
        if self._remembered > _MEMORY_BYTES:
            self._root, self._remembered = _Node(b"", b"", ()), 0
        return Prompt(
            b"".join([node.hashes for node in path]),
            tuple(chain.from_iterable([node.sizes for node in path])),
            b"".join([node.kinds for node in path]),
            b"".join([node.markers for node in path]),
        )

    def _grow(self, parent: _Node, part: tuple[Cutter, bytes]) -> _Node:
        cutter, raw = part
        blocks = cutter(raw)
        last, hashes = parent.last, list[bytes]()
        for digest, _, kind, _ in blocks:
            last = blake2b(
                b"%b%c%b" % (last, kind, digest), digest_size=HASH_BYTES, key=self._key
            ).digest()
            hashes.append(last)
        node = parent.children[part] = _Node(last, b"".join(hashes), blocks)
        self._remembered += len(raw)
        return node


def content_blocks(
    content: object, text_kind: BlockKind, kinds: dict[str, BlockKind]
) -> tuple[Block, ...]:
    """The blocks of message content: a string, or a list of typed parts.

    Args:
        content: the decoded ``content`` value; None and empty text give no block.
        text_kind: kind of text parts.
        kinds: kind of every other part by its ``type``; unknown types count as ``text_kind``.

    Raises:
        RowError: ``calls-bad-content`` for a shape that no API sends.
    """
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (text_block(content, text_kind, Marker.NONE),)
    if not isinstance(content, list):
        raise RowError("calls-bad-content", "content is neither text nor a list of blocks", "")
    return tuple(part_block(part, text_kind, kinds) for part in content)


def text_block(text: str, kind: BlockKind, marker: Marker) -> Block:
    """A block of text: equal text is an equal block, however the JSON spelled it."""
    data = text.encode("utf-8", "surrogatepass")
    return blake2b(b"t" + data, digest_size=HASH_BYTES).digest(), len(data), kind, marker


def part_block(part: object, text_kind: BlockKind, kinds: dict[str, BlockKind]) -> Block:
    """A typed part of a message, its ``cache_control`` taken off and kept as the marker.

    Raises:
        RowError: ``calls-bad-content`` for a part that is neither text nor an object.
    """
    if isinstance(part, str):
        return text_block(part, text_kind, Marker.NONE)
    if not isinstance(part, dict):
        raise RowError("calls-bad-content", "a content block is not an object", "")
    fields: dict[str, Any] = {**part}
    marker = marker_of(fields.pop("cache_control", None))
    text, name = fields.get("text"), str(fields.get("type", ""))
    if isinstance(text, str) and name.endswith("text"):
        return text_block(text, text_kind, marker)
    return object_block(fields, kinds.get(name, text_kind), marker)


def object_block(part: dict[str, Any], kind: BlockKind, marker: Marker) -> Block:
    """A block of anything but text, hashed as JSON with sorted keys."""
    data = _encode(part)
    size = IMAGE_BYTES if kind is BlockKind.MEDIA else len(data)
    return blake2b(b"j" + data, digest_size=HASH_BYTES).digest(), size, kind, marker


def marker_of(control: object) -> Marker:
    """The lifetime that a ``cache_control`` value asks for; five minutes unless it says 1h.

    Raises:
        RowError: ``calls-bad-content`` for an unknown lifetime.
    """
    if control is None:
        return Marker.NONE
    lifetime = control.get("ttl") or "5m" if isinstance(control, dict) else None
    if lifetime not in {"5m", "1h"}:
        raise RowError(
            "calls-bad-content", "the lifetime of a cache breakpoint is '5m' or '1h'",
            "request.cache_control.ttl",
        )  # fmt: skip
    return Marker.ONE_HOUR if lifetime == "1h" else Marker.FIVE_MINUTES


def apportion(
    totals: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Share each call's input tokens out among its blocks in proportion to their bytes.

    Rounds the running sums, so that the blocks of a call add up to its total exactly.

    Args:
        totals: ``(calls,)`` input tokens, every class together.
        sizes: ``(blocks,)`` bytes.
        offsets: ``(calls + 1,)`` first block of each call.

    Returns:
        ``(blocks,)`` tokens.
    """
    counts = np.diff(offsets)
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes)])
    base, whole = ends[offsets[:-1]], ends[offsets[1:]] - ends[offsets[:-1]]
    scale = np.repeat(totals / np.maximum(whole, 1), counts)
    before = np.repeat(base, counts)
    upper = np.rint((ends[1:] - before) * scale).astype(np.int64)
    lower = np.rint((ends[:-1] - before) * scale).astype(np.int64)
    return upper - lower
