"""Prompt content becomes blocks: a chained 128-bit hash, a size, a kind and a marker each.

Growing conversations send the same messages again and again, so every part of a prompt is
remembered by its bytes and its place: only what is new in a call is parsed and hashed. Where
parts come in runs, a run that continues a known one is remembered as a whole.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from llmops_cli.calls import HASH_BYTES, BlockKind, Marker
from llmops_cli.traffic.prompts import (
    BYTES_PER_TOKEN,
    NO_PROMPT,
    Block,
    Cutter,
    Part,
    Prompt,
    Run,
    Runs,
    joined,
)
from llmops_cli.traffic.quarantine import RowError

__all__ = [
    "BYTES_PER_TOKEN",
    "Block",
    "Cutter",
    "Part",
    "Prompt",
    "PromptReader",
    "apportion",
    "chained",
    "content_blocks",
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

MOST_PARTS = 100_000
"""No API takes more messages in one request; Anthropic's says so."""

_MEMORY_BYTES = 64_000_000
_PIECE = 1 << 20
_NODE_BYTES = 600
_BLOCK_BYTES = 80
"""What Python's objects for one part and for one block take beside its text."""

_BYTES = [bytes([kind]) for kind in range(256)]

_encode = msgspec.json.Encoder(order="deterministic").encode


class _Node(msgspec.Struct, gc=False, eq=False):
    """One part at one place in a prompt: its blocks, chained to everything before them."""

    last: bytes
    own: Prompt = NO_PROMPT
    after: "dict[Part | Run, _Node]" = {}
    """What came next in some prompt: a part, or a whole run and where it ended."""
    whole: Prompt | None = None
    """The prompt up to here, where a run ends here."""


class PromptReader:
    """Cuts prompts and chains their hashes.

    Args:
        hash_key: key of the hashes (RFC 7693 keyed mode); without it anyone who guesses a
            prompt can confirm the guess.
    """

    def __init__(self, hash_key: bytes | None = None) -> None:
        self._key = _key(hash_key)
        self._root = _Node(b"", whole=NO_PROMPT)
        self._remembered = 0

    def read(self, parts: Sequence[Part], *, chained: bool = True) -> Prompt:
        """Chain the blocks of all parts in prefix order: tools, system, messages.

        With ``chained`` off the hashes are of the blocks alone, to be chained later.

        Raises:
            RowError: ``calls-bad-content``.
        """
        if not parts:
            return NO_PROMPT
        if len(parts) > MOST_PARTS:
            raise RowError(
                "calls-bad-content", f"a prompt of more than {MOST_PARTS:,} messages", ""
            )
        if not chained:
            blocks = [block for cutter, raw in parts for block in cutter(raw)]
            return _prompt([block[0] for block in blocks], blocks)
        if self._remembered > _MEMORY_BYTES:
            self._root, self._remembered = _Node(b"", whole=NO_PROMPT), 0
        if isinstance(parts, Runs):
            return self._read_runs(parts.runs)
        return joined([node.own for node in self._path(self._root, parts)])

    def _read_runs(self, runs: Iterable[Run]) -> Prompt:
        node = self._root
        for run in runs:
            if run.size:
                node = node.after.get(run) or self._follow(node, run)
        return node.whole or NO_PROMPT

    def _follow(self, begin: _Node, run: Run) -> _Node:
        """Where a run ends that was not read from here before, though what it continues may be."""
        known = run.before
        while known is not None and known not in begin.after:
            known = known.before
        if known is None:
            end = self._through(begin, list(run))
        else:
            end = self._continued(begin.after[known], run.since(known))
        begin.after[run] = end
        return end

    def _through(self, begin: _Node, parts: list[Part]) -> _Node:
        """Part by part: what is equal to another prompt's beginning is not cut again."""
        path = self._path(begin, parts)
        end = path[-1]
        if end.whole is None:
            end.whole = joined([begin.whole or NO_PROMPT, *[node.own for node in path]])
            self._remembered += _NODE_BYTES + _BLOCK_BYTES * len(end.whole.sizes)
        return end

    def _continued(self, begin: _Node, runs: list[Run]) -> _Node:
        """All at once: what continues a prompt that came before is new."""
        blocks = [block for run in runs for cutter, raw in run.more for block in cutter(raw)]
        own = _prompt(_chain(begin.last, blocks, self._key), blocks)
        whole = (begin.whole or NO_PROMPT) + own
        self._remembered += _NODE_BYTES + _BLOCK_BYTES * len(whole.sizes)
        return _Node(whole.hashes[-HASH_BYTES:], whole=whole)

    def _path(self, node: _Node, parts: Iterable[Part]) -> list[_Node]:
        path = list[_Node]()
        for part in parts:
            node = node.after.get(part) or self._grow(node, part)
            path.append(node)
        return path

    def _grow(self, parent: _Node, part: Part) -> _Node:
        cutter, raw = part
        blocks = cutter(raw)
        own = _prompt(_chain(parent.last, blocks, self._key), blocks)
        last = own.hashes[-HASH_BYTES:] or parent.last
        node = parent.after[part] = _Node(last, own)
        self._remembered += len(raw) + _NODE_BYTES + _BLOCK_BYTES * len(blocks)
        return node


def _prompt(hashes: list[bytes], blocks: Sequence[Block]) -> Prompt:
    if len(blocks) == 1:  # as in nearly every message
        _, size, kind, marker = blocks[0]
        return Prompt(hashes[0], (size,), _BYTES[kind], _BYTES[marker])
    return Prompt(
        b"".join(hashes),
        tuple([block[1] for block in blocks]),
        bytes([block[2] for block in blocks]),
        bytes([block[3] for block in blocks]),
    )


def chained(blocks: Iterable[Block], hash_key: bytes | None) -> bytes:
    """The chained hashes of a prompt whose blocks came one by one, joined."""
    return b"".join(_chain(b"", blocks, _key(hash_key)))


def _key(hash_key: bytes | None) -> bytes:
    return blake2b(hash_key).digest() if hash_key else b""


def _chain(last: bytes, blocks: Iterable[Block], key: bytes) -> list[bytes]:
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
        return (text_block(content, text_kind, Marker.NONE),)
    if not isinstance(content, list):
        raise RowError("calls-bad-content", "content is neither text nor a list of blocks", "")
    return tuple(part_block(part, text_kind, kinds) for part in content)


def text_block(text: str, kind: BlockKind, marker: Marker) -> Block:
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
        return text_block(part, text_kind, Marker.NONE)
    if not isinstance(part, dict):
        raise RowError("calls-bad-content", "a content block is not an object", "")
    fields: dict[str, Any] = {**part}
    marker = marker_of(fields.pop("cache_control", None))
    text, name = fields.get("text"), str(fields.get("type", ""))
    if isinstance(text, str) and name.endswith("text"):
        return text_block(text, text_kind, marker)
    kind = kinds.get(name, text_kind)
    if kind is BlockKind.TOOL_USE:
        return tool_use_block(fields, marker)
    if kind is BlockKind.TOOL_RESULT:
        return tool_result_block(fields, marker)
    if kind is BlockKind.THINKING:
        return thinking_block(fields, marker)
    return object_block(fields, kind, marker)


def thinking_block(part: dict[str, Any], marker: Marker) -> Block:
    """Reasoning by its text: its signature only proves it, and telemetry leaves that out."""
    text = _either(part, "thinking", "content", "text")
    if isinstance(text, str):
        return text_block(text, BlockKind.THINKING, marker)
    return object_block(part, BlockKind.THINKING, marker)


def tool_block(tool: dict[str, Any], marker: Marker) -> Block:
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
    return object_block(said, BlockKind.TOOL, marker)


def tool_use_block(call: dict[str, Any], marker: Marker) -> Block:
    """A tool call by its id, name and arguments, whichever of the vendors' shapes it has."""
    inner = call.get("function")
    inner = inner if isinstance(inner, dict) else call
    known = {
        "id": call.get("call_id") or call.get("id"),
        "name": inner.get("name"),
        "arguments": _parsed(_either(inner, "arguments", "input")),
    }
    return object_block(known, BlockKind.TOOL_USE, marker)


def tool_result_block(result: dict[str, Any], marker: Marker) -> Block:
    """A tool's answer by the id of its call and its content, text or JSON."""
    known = {
        "id": _either(result, "tool_use_id", "tool_call_id", "call_id", "id"),
        "content": _plain(_either(result, "content", "output", "response", "result")),
    }
    return object_block(known, BlockKind.TOOL_RESULT, marker)


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


def object_block(part: dict[str, Any], kind: BlockKind, marker: Marker) -> Block:
    """A block of anything but text, hashed as JSON with sorted keys."""
    data = _encode(part)
    size = IMAGE_BYTES if kind is BlockKind.MEDIA else len(data)
    digest = blake2b(b"j", digest_size=HASH_BYTES)
    digest.update(data)  # it may be long: no copy of it
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
    before = np.repeat(base, counts)
    upper = np.rint((ends[1:] - before) * scale).astype(np.int64)
    lower = np.rint((ends[:-1] - before) * scale).astype(np.int64)
    return upper - lower
