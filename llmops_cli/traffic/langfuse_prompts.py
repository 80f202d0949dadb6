"""The prompt of a Langfuse observation: its ``input`` is whatever the integration saw.

Messages of OpenAI, Anthropic, Gemini, LangChain and OpenTelemetry become the blocks that a log
of the API itself would give; anything else is one block, so that equal inputs stay equal.
"""

from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from llmops_cli.calls import BlockKind, Marker
from llmops_cli.traffic import anthropic_messages, openai_chat, openai_responses
from llmops_cli.traffic.blocks import Block, Part, object_block, text_block
from llmops_cli.traffic.otlp.content import whole_parts
from llmops_cli.traffic.otlp.messages import AnyValue
from llmops_cli.traffic.quarantine import RowError

__all__ = ["prompt_parts"]

# LangChain's and Gemini's names.
_ROLES = {"human": "user", "ai": "assistant", "model": "assistant"}
_ITEMS = {
    "function_call",
    "function_call_output",
    "custom_tool_call",
    "custom_tool_call_output",
    "reasoning",
}
_ANTHROPIC = {
    "tool_use",
    "tool_result",
    "image",
    "document",
    "thinking",
    "redacted_thinking",
    "server_tool_use",
    "web_search_tool_result",
    "mcp_tool_use",
    "mcp_tool_result",
}
_RAWS = list[msgspec.Raw]


class ChatBody(msgspec.Struct):
    """An ``input`` that is a request body of a chat, OpenAI's or Anthropic's."""

    messages: list[msgspec.Raw]
    system: msgspec.Raw = msgspec.Raw()
    tools: list[msgspec.Raw] | None = None
    functions: list[msgspec.Raw] | None = None


class ResponsesBody(msgspec.Struct, forbid_unknown_fields=True):
    """An ``input`` that is a request body of OpenAI's Responses."""

    input: msgspec.Raw
    instructions: msgspec.Raw = msgspec.Raw()
    tools: list[msgspec.Raw] | None = None
    tool_choice: msgspec.Raw = msgspec.Raw()
    model: str = ""


def prompt_parts(raw: bytes) -> list[Part]:
    """The parts of an observation's ``input``, which may be JSON written as text.

    Args:
        raw: the JSON value.
    """
    # The blob export writes JSON as text.
    told = msgspec.json.decode(raw, type=str).encode() if raw[:1] == b'"' else raw
    found = _structured(told) if told.lstrip()[:1] in {b"[", b"{"} else None
    if found is not None:
        return found
    return [(_whole, raw)] if raw[:1] in {b'"', b"[", b"{"} and raw != b'""' else []


def _structured(raw: bytes) -> list[Part] | None:
    """The parts of a list of messages or of a request body; None where it is neither."""
    try:
        if raw.lstrip()[:1] == b"[":
            return _messages(msgspec.json.decode(raw, type=_RAWS))
        body = msgspec.json.decode(raw, type=ChatBody)
    except msgspec.DecodeError:
        return _responses(raw)
    tools = [*(body.tools or ()), *(body.functions or ())]
    found = [(anthropic_messages.tool_blocks, bytes(tool)) for tool in tools]
    if system := bytes(body.system):
        found.append((anthropic_messages.system_blocks, system))
    return found + _messages(body.messages)


def _responses(raw: bytes) -> list[Part] | None:
    try:
        body = msgspec.json.decode(raw, type=ResponsesBody)
    except msgspec.DecodeError:
        return None
    tools = msgspec.Raw(msgspec.json.encode(body.tools))
    request = openai_responses.Request(model="", instructions=body.instructions, tools=tools)
    items = bytes(body.input)
    several = items[:1] == b"["
    messages = msgspec.json.decode(items, type=_RAWS) if several else [body.input]
    return [*openai_responses.parts(request), *_messages(messages)]


def _messages(messages: list[msgspec.Raw]) -> list[Part]:
    tools, others = list[Part](), list[Part]()
    for message in messages:
        raw = bytes(message)
        if (tool := _definition(raw)) is not None:
            tools.append((openai_chat.tool_definition, tool))
        else:
            others.append((_message, raw))
    return tools + others


class _Definition(msgspec.Struct):
    role: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    tool_call_id: str | None = None


def _definition(raw: bytes) -> bytes | None:
    """The tool that LangChain's handler appends as if it were a message."""
    if b'"tool"' not in raw:
        return None
    try:
        found = msgspec.json.decode(raw, type=_Definition)
        content = bytes(found.content)
        tool = msgspec.json.decode(content, type=dict[str, msgspec.Raw]) if content else {}
    except msgspec.DecodeError:
        return None
    known = "input_schema" in tool or "function" in tool or {"name", "parameters"} <= tool.keys()
    return content if found.role == "tool" and found.tool_call_id is None and known else None


def _message(raw: bytes) -> tuple[Block, ...]:
    try:
        return _known_message(raw)
    except RowError:
        # Not what its shape promised: a team may log anything here.
        return _whole(raw)


def _known_message(raw: bytes) -> tuple[Block, ...]:
    message = msgspec.json.decode(raw)
    if not isinstance(message, dict):
        return _whole(raw)
    fields: dict[str, Any] = message
    if "role" not in fields and str(fields.get("type")) in _ITEMS:
        return openai_responses.item_blocks(raw)
    if isinstance(fields.get("parts"), list):
        return _of_parts(fields)
    role = _ROLES.get(str(fields.get("role")), fields.get("role"))
    if str(role) not in openai_chat.ROLES or not {"content", "tool_calls"} & fields.keys():
        return _whole(raw)
    if _is_anthropic(fields.get("content")):
        return anthropic_messages.message_blocks(raw)
    return openai_chat.message_blocks(msgspec.json.encode(_chat(fields | {"role": role})))


def _is_anthropic(content: object) -> bool:
    parts = content if isinstance(content, list) else ()
    return any(isinstance(part, dict) and str(part.get("type")) in _ANTHROPIC for part in parts)


def _of_parts(fields: dict[str, Any]) -> tuple[Block, ...]:
    """A message of OpenTelemetry's, whose parts have types, or of Gemini's, whose have none."""
    role = _ROLES.get(str(fields.get("role")), fields.get("role"))
    parts: list[Any] = fields["parts"]
    typed = [
        {"type": "text", "content": part["text"]}
        if isinstance(part, dict) and part.keys() == {"text"}
        else part
        for part in parts
    ]
    whole = msgspec.json.encode([{"role": role, "parts": typed}]).decode()
    parts = whole_parts({gen_ai.GEN_AI_INPUT_MESSAGES: AnyValue(string_value=whole)})
    return tuple(block for cutter, raw in parts for block in cutter(raw))


def _chat(fields: dict[str, Any]) -> dict[str, Any]:
    """A message in the shape of the chat API: LangChain has its own for tool calls."""
    extra = fields.get("additional_kwargs")
    calls = fields.get("tool_calls") or (isinstance(extra, dict) and extra.get("tool_calls")) or ()
    if not isinstance(calls, list):
        return fields
    return fields | {"tool_calls": [_call(call) for call in calls]}


def _call(call: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(call, dict) or "args" not in call:
        return call
    return {"id": call.get("id"), "name": call.get("name"), "arguments": call["args"]}


def _whole(raw: bytes) -> tuple[Block, ...]:
    """Text, or an object of the team's own."""
    found = msgspec.json.decode(raw)
    if isinstance(found, str):
        return (text_block(found, BlockKind.USER, Marker.NONE),)
    return (object_block({"input": found}, BlockKind.USER, Marker.NONE),)
