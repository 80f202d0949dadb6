"""Prompts of Amazon Bedrock's Converse API, cut as the same prompt of Anthropic's API is.

Field meanings: Amazon Bedrock API reference, Converse.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from llmops_cli.calls import BlockKind, Marker
from llmops_cli.traffic import resent
from llmops_cli.traffic.blocks import Block, Part, marker_of, part_block, tool_block
from llmops_cli.traffic.prompts import Runs
from llmops_cli.traffic.quarantine import RowError

__all__ = ["parts"]

_ROLES = {"user": BlockKind.USER, "assistant": BlockKind.ASSISTANT}
_KINDS = {
    "tool_use": BlockKind.TOOL_USE,
    "tool_result": BlockKind.TOOL_RESULT,
    "thinking": BlockKind.THINKING,
    "redacted_thinking": BlockKind.THINKING,
    "image": BlockKind.MEDIA,
    "document": BlockKind.MEDIA,
    "video": BlockKind.MEDIA,
    "audio": BlockKind.MEDIA,
}


def parts(
    messages: msgspec.Raw, system: msgspec.Raw, tools: msgspec.Raw, field: str
) -> Sequence[Part]:
    """The prompt in prefix order: tools, system, messages; absent ones are empty.

    Args:
        messages: a list.
        system: all of the system prompt.
        tools: all of them.
        field: where the body is in the line.

    Raises:
        msgspec.ValidationError: messages are no list.
    """
    return Runs(
        resent.value(tools, _tools),
        resent.value(system, _system),
        resent.messages(messages, _message, f"{field}.messages"),
    )


def _tools(raw: bytes) -> tuple[Block, ...]:
    return _marked(msgspec.json.decode(raw), _tool)


def _system(raw: bytes) -> tuple[Block, ...]:
    return _marked(msgspec.json.decode(raw), lambda item: _block(item, BlockKind.SYSTEM))


def _message(raw: bytes) -> tuple[Block, ...]:
    message = msgspec.json.decode(raw, type=dict[str, Any])
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        raise RowError(
            "calls-bad-content", "a message's role is user or assistant", "messages.role"
        )
    return _marked(message.get("content"), lambda item: _block(item, role))


def _marked(items: object, cut: Callable[[dict[str, Any]], Block]) -> tuple[Block, ...]:
    """Cut each item; a cache point is a marker on the block before it."""
    blocks = list[Block]()
    for item in _objects(items):
        if "cachePoint" not in item:
            blocks.append(cut(item))
        elif blocks:
            point = item["cachePoint"]
            blocks[-1] = (*blocks[-1][:3], marker_of(point if point is not None else {}))
    return tuple(blocks)


def _objects(items: object) -> list[dict[str, Any]]:
    if items is None:
        return []
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise RowError("calls-bad-content", "content is not a list of objects", "")
    return items


def _tool(item: dict[str, Any]) -> Block:
    spec = item.get("toolSpec")
    if not isinstance(spec, dict):
        return tool_block(item, Marker.NONE)
    fields: dict[str, Any] = {**spec}
    if isinstance(schema := fields.pop("inputSchema", None), dict):
        fields["input_schema"] = schema.get("json")
    return tool_block(fields, Marker.NONE)


def _block(item: dict[str, Any], kind: BlockKind) -> Block:
    return part_block(_as_anthropic(item), kind, _KINDS)


def _as_anthropic(item: dict[str, Any]) -> dict[str, Any]:
    """A content block as Anthropic's own API spells it, so that equal content is equal."""
    name, inner = next(iter(item.items()), ("", None))
    if name == "text" and isinstance(inner, str):
        return {"type": "text", **item}
    spell = _SPELLINGS.get(name)
    if spell is not None and isinstance(inner, dict):
        return spell(inner)
    return {"type": name, **item} if name in _KINDS else item


def _tool_use(use: dict[str, Any]) -> dict[str, Any]:
    known = {"id": use.get("toolUseId"), "name": use.get("name"), "input": use.get("input")}
    return {"type": "tool_use", **known}


def _tool_result(result: dict[str, Any]) -> dict[str, Any]:
    content = [_as_anthropic(item) for item in _objects(result.get("content"))]
    is_json = len(content) == 1 and "json" in content[0]
    return {
        "type": "tool_result",
        "tool_use_id": result.get("toolUseId"),
        "content": content[0]["json"] if is_json else content,
    }


def _thinking(thought: dict[str, Any]) -> dict[str, Any]:
    said = thought.get("reasoningText")
    if not isinstance(said, dict):
        return {"type": "redacted_thinking", "data": thought.get("redactedContent")}
    known = {"thinking": said.get("text"), "signature": said.get("signature")}
    return {"type": "thinking", **{name: value for name, value in known.items() if value}}


def _image(image: dict[str, Any]) -> dict[str, Any]:
    source = image.get("source")
    data = source.get("bytes") if isinstance(source, dict) else None
    if data is None:
        return {"type": "image", **image}
    kind = f"image/{image.get('format')}"
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": data}}


_SPELLINGS = {
    "toolUse": _tool_use,
    "toolResult": _tool_result,
    "reasoningContent": _thinking,
    "image": _image,
}
