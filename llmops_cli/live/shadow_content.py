"""What was asked, as OpenTelemetry writes messages: roles, and parts of a type each."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

__all__ = ["asked_for"]

Part = Mapping[str, Any]


def asked_for(body: Mapping[str, Any]) -> dict[str, str]:
    """Attributes of the input of a span.

    Args:
        body: of a request, in the words of either API.

    Source:
        OpenTelemetry GenAI conventions 1.41, input messages and system instructions: text, tool
        calls and their responses have parts of their own; other parts may be of any type.
    """
    messages = [
        {"role": item["role"], "parts": _parts_of(item)} for item in body.get("messages", ())
    ]
    found = {gen_ai.GEN_AI_INPUT_MESSAGES: msgspec.json.encode(messages).decode()}
    if body.get("system"):
        system = msgspec.json.encode(_parts(body["system"])).decode()
        found[gen_ai.GEN_AI_SYSTEM_INSTRUCTIONS] = system
    return found


def _parts_of(message: Mapping[str, Any]) -> Sequence[Part]:
    content = message.get("content")
    if message["role"] == "tool":
        about = {"id": message.get("tool_call_id"), "response": content}
        return [{"type": "tool_call_response", **about}]
    calls = [
        {"type": "tool_call", "id": item.get("id"), **(item.get("function") or {})}
        for item in message.get("tool_calls") or ()
    ]
    return [*_parts(content), *calls]


def _parts(content: Any) -> list[Part]:  # noqa: ANN401 - JSON
    if isinstance(content, str):
        return [{"type": "text", "content": content}]
    return [_part(item) for item in content or ()]


def _part(block: Part) -> Part:
    kind = block.get("type")
    if kind == "text":
        return {"type": "text", "content": block.get("text", "")}
    if kind == "tool_use":
        about = {"id": block.get("id"), "name": block.get("name"), "arguments": block.get("input")}
        return {"type": "tool_call", **about}
    if kind == "tool_result":
        about = {"id": block.get("tool_use_id"), "response": block.get("content")}
        return {"type": "tool_call_response", **about}
    return block
