"""Prompts that attributes hold piece by piece, as OpenInference and OpenLLMetry write them.

``llm.input_messages.0.message.content`` and ``gen_ai.prompt.0.content`` are a message each; the
numbers are places in lists.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

__all__ = ["maybe_json", "unflattened"]


def unflattened(pairs: Iterable[tuple[str, Any]]) -> tuple[list[bytes], list[bytes]]:
    """Tools and messages in the shape of the chat API, each as JSON."""
    tree = dict[str, Any]()
    for key, value in pairs:
        _insert(tree, key, value)
    llm, gen = _inner(tree, "llm"), _inner(tree, "gen_ai")
    tools = [_tool_json(item) for item in _ordered(_inner(llm, "tools"))]
    tools += _ordered(_inner(_inner(llm, "request"), "functions"))
    messages = [_inner(item, "message") for item in _ordered(_inner(llm, "input_messages"))]
    messages += _ordered(_inner(gen, "prompt"))
    encode = msgspec.json.encode
    return [encode(tool) for tool in tools], [encode(_chat(message)) for message in messages]


def _insert(tree: dict[str, Any], key: str, value: object) -> None:
    *path, last = key.split(".")
    for step in path:
        below = tree.get(step)
        if not isinstance(below, dict):
            below = tree[step] = {}
        tree = below
    tree[last] = value


def _inner(tree: Any, name: str) -> dict[str, Any]:  # noqa: ANN401 - a tree of plain values
    below = tree.get(name) if isinstance(tree, dict) else None
    return below if isinstance(below, dict) else {}


def _ordered(tree: dict[str, Any]) -> list[dict[str, Any]]:
    numbered = [(int(key), item) for key, item in tree.items() if key.isdecimal()]
    return [
        item for _, item in sorted(numbered, key=lambda pair: pair[0]) if isinstance(item, dict)
    ]


def _tool_json(item: dict[str, Any]) -> dict[str, Any]:
    schema = _inner(item, "tool").get("json_schema")
    decoded = maybe_json(schema)
    return decoded if isinstance(decoded, dict) else {"name": schema}


def _chat(message: dict[str, Any]) -> dict[str, Any]:
    """A flattened message in the shape of the chat API."""
    calls = [_inner(item, "tool_call") or item for item in _ordered(_inner(message, "tool_calls"))]
    found: dict[str, Any] = {
        "role": message.get("role"),
        "content": _content(message),
        "tool_call_id": message.get("tool_call_id"),
    }
    if calls:
        found["tool_calls"] = [_call(call) for call in calls]
    return found


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = _inner(call, "function") or call
    return {
        "id": call.get("id"),
        "name": function.get("name"),
        "arguments": function.get("arguments"),
    }


def _content(message: dict[str, Any]) -> object:
    parts = _ordered(_inner(message, "contents"))
    if parts:
        # A tool call stands here again, where it was among the parts.
        kept = [_inner(part, "message_content") for part in parts if "tool_call" not in part]
        return [_content_part(part) for part in kept]
    content = message.get("content")
    # OpenLLMetry writes a list of typed parts as JSON text.
    return maybe_json(content) if str(content).startswith('[{"type"') else content


def _content_part(part: dict[str, Any]) -> dict[str, Any]:
    if part.get("type") == "reasoning":
        return part | {"type": "thinking"}
    return {"type": "text", "text": part["text"]} if isinstance(part.get("text"), str) else part


def maybe_json(value: object) -> object:
    """What JSON text says, where it is that; else the value itself."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(value)
    return value
