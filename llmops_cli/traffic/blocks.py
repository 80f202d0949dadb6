"""Prompt content becomes blocks: a chained 128-bit hash, a size, a kind and a marker each."""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from llmops_cli.calls import HASH_BYTES, BlockKind, Marker
from llmops_cli.traffic.prompts import BYTES_PER_TOKEN, Block, Cutter, Part, Prompt
from llmops_cli.traffic.quarantine import RowError

__all__ = [
    "BYTES_PER_TOKEN",
    "Block",
    "Cutter",
    "Part",
    "Prompt",
    "apportion",
    "chained",
    "content_blocks",
    "key_of",
    "links",
    "marker_of",
    "object_block",
    "part_block",
    "text_block",
    "thinking_block",
    "tool_block",
    "tool_result_block",
    "tool_use_block",
]

IMAGE_BYTES = 6400
"""An image counts as the 1,600 tokens of a full-size one, whatever its encoded length."""

_PIECE = 1 << 20

_BYTES = [bytes([kind]) for kind in range(256)]

# Looking up a member of an enumeration takes longer than hashing a line of text.
_TOOL, _TOOL_USE, _TOOL_RESULT, _MEDIA, _THINKING = map(
    int,
    (
        BlockKind.TOOL,
        BlockKind.TOOL_USE,
        BlockKind.TOOL_RESULT,
        BlockKind.MEDIA,
        BlockKind.THINKING,
    ),
)
_UNMARKED = int(Marker.NONE)

_encode = msgspec.json.Encoder(order="deterministic").encode


def chained(blocks: Iterable[Block], hash_key: bytes | None) -> bytes:
    """The chained hashes of a prompt whose blocks came one by one, joined."""
    return b"".join(links(b"", blocks, key_of(hash_key)))


def key_of(hash_key: bytes | None) -> bytes:
    """The key of chained hashes; empty for none."""
    return blake2b(hash_key).digest() if hash_key else b""


def links(last: bytes, blocks: Iterable[Block], key: bytes) -> list[bytes]:
    """The chained hashes of blocks.

    Args:
        last: the hash of the block before them; empty where they are the first.
        blocks: digests and kinds of them are chained.
        key: as :func:`key_of`.
    """
    hashes = list[bytes]()
    for digest, _, kind, _ in blocks:
        data = last + _BYTES[kind] + digest
        last = blake2b(data, digest_size=HASH_BYTES, key=key).digest()
        hashes.append(last)
    return hashes


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
        return (text_block(content, text_kind, _UNMARKED),)
    if not isinstance(content, list):
        raise RowError("calls-bad-content", "content is neither text nor a list of blocks", "")
    return tuple(part_block(part, text_kind, kinds) for part in content)


def text_block(text: str, kind: int, marker: int) -> Block:
    """A block of text: equal text is an equal block, however the JSON spelled it."""
    if len(text) <= _PIECE:
        data = text.encode("utf-8", "surrogatepass")
        return blake2b(b"t" + data, digest_size=HASH_BYTES).digest(), len(data), kind, marker
    digest, size = blake2b(b"t", digest_size=HASH_BYTES), 0
    for at in range(0, len(text), _PIECE):  # texts run to tens of megabytes
        data = text[at : at + _PIECE].encode("utf-8", "surrogatepass")
        digest.update(data)
        size += len(data)
    return digest.digest(), size, kind, marker


def part_block(part: object, text_kind: BlockKind, kinds: dict[str, BlockKind]) -> Block:
    """A typed part of a message, its ``cache_control`` taken off and kept as the marker.

    Raises:
        RowError: ``calls-bad-content`` for a part that is neither text nor an object.
    """
    if isinstance(part, str):
        return text_block(part, text_kind, _UNMARKED)
    if not isinstance(part, dict):
        raise RowError("calls-bad-content", "a content block is not an object", "")
    fields: dict[str, Any] = {**part}
    marker = marker_of(fields.pop("cache_control", None))
    text, name = fields.get("text"), str(fields.get("type", ""))
    if isinstance(text, str) and name.endswith("text"):
        return text_block(text, text_kind, marker)
    kind = kinds.get(name, text_kind)
    if kind == _TOOL_USE:
        return tool_use_block(fields, marker)
    if kind == _TOOL_RESULT:
        return tool_result_block(fields, marker)
    if kind == _THINKING:
        return thinking_block(fields, marker)
    return object_block(fields, kind, marker)


def thinking_block(part: dict[str, Any], marker: int) -> Block:
    """Reasoning by its text: its signature only proves it, and telemetry leaves that out."""
    text = _either(part, "thinking", "content", "text")
    if isinstance(text, str):
        return text_block(text, _THINKING, marker)
    return object_block(part, _THINKING, marker)


def tool_block(tool: dict[str, Any], marker: int) -> Block:
    """A tool definition: the same name, description and parameters are the same block.

    Vendors nest them (``function``) and call the parameters ``input_schema`` or
    ``parameters``; whatever else a definition holds counts too.
    """
    fields = {**tool}
    inner = fields.pop("function", None)
    if isinstance(inner, dict):
        fields |= inner
    if fields.get("type") in ("function", "custom"):  # a log may have an object there
        del fields["type"]
    if "input_schema" in fields:
        fields["parameters"] = fields.pop("input_schema")
    fields["parameters"] = _parsed(fields.get("parameters"))
    # SDKs log what was not said as null.
    said = {name: value for name, value in fields.items() if value is not None}
    return object_block(said, _TOOL, marker)


def tool_use_block(call: dict[str, Any], marker: int) -> Block:
    """A tool call by its id, name and arguments, whichever of the vendors' shapes it has."""
    inner = call.get("function")
    inner = inner if isinstance(inner, dict) else call
    known = {
        "id": call.get("call_id") or call.get("id"),
        "name": inner.get("name"),
        "arguments": _parsed(_either(inner, "arguments", "input")),
    }
    return object_block(known, _TOOL_USE, marker)


def tool_result_block(result: dict[str, Any], marker: int) -> Block:
    """A tool's answer by the id of its call and its content, text or JSON."""
    known = {
        "id": _either(result, "tool_use_id", "tool_call_id", "call_id", "id"),
        "content": _plain(_either(result, "content", "output", "response", "result")),
    }
    return object_block(known, _TOOL_RESULT, marker)


def _either(fields: dict[str, Any], *names: str) -> object:
    for name in names:
        found = fields.get(name)
        if found is not None:
            return found
    return None


def _parsed(value: object) -> object:
    # Some vendors log arguments as JSON inside a string, others as the object itself.
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value


def _plain(content: object) -> object:
    """A list of one text is that text."""
    if isinstance(content, list) and len(content) == 1 and isinstance(content[0], dict):
        part: dict[str, Any] = content[0]
        if isinstance(part.get("text"), str) and str(part.get("type", "")).endswith("text"):
            return part["text"]
    return content


def object_block(part: dict[str, Any], kind: int, marker: int) -> Block:
    """A block of anything but text, hashed as JSON with sorted keys."""
    data = _encode(part)
    size = IMAGE_BYTES if kind == _MEDIA else len(data)
    if len(data) <= _PIECE:
        return blake2b(b"j" + data, digest_size=HASH_BYTES).digest(), size, kind, marker
    digest = blake2b(b"j", digest_size=HASH_BYTES)
    digest.update(data)  # no copy of what is long
    return digest.digest(), size, kind, marker


def marker_of(control: object) -> Marker:
    """The lifetime that a ``cache_control`` value asks for; five minutes unless it says 1h.

    Raises:
        RowError: ``calls-bad-content`` for an unknown lifetime.
    """
    if control is None:
        return Marker.NONE
    lifetime = control.get("ttl") or "5m" if isinstance(control, dict) else None
    if lifetime not in ("5m", "1h"):
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
    upper = np.rint((ends[1:] - np.repeat(base, counts)) * scale).astype(np.int64)
    # What comes before a block is what the one before it reaches up to, and nothing for the first.
    lower = np.zeros(len(upper), np.int64)
    lower[1:] = upper[:-1]
    lower[offsets[:-1][counts > 0]] = 0
    return upper - lower
