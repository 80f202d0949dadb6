"""Messages as the readers keep them, spelled as one of the two APIs spells them.

A log may hold OpenTelemetry's parts, items of OpenAI's Responses, blocks of Bedrock's Converse or
tool calls that an instrumentation has flattened. Each becomes a message of Anthropic's Messages or
of OpenAI's Chat Completions, whichever has a form for it; nothing is dropped without a problem.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from llmops_cli.failover.translation import Problems, image_source, text_block

__all__ = ["function_of", "spelled"]

_ROLES = {"human": "user", "ai": "assistant", "model": "assistant"}
"""LangChain's and Gemini's names."""

_CALLS = {"function_call": "function", "custom_tool_call": "custom"}
_RESULTS = {"function_call_output", "custom_tool_call_output"}
_MADE_HERE = ("tool_calls", "tool_call_id", "function_call", "name", "refusal", "audio")
_STATE = ("type", "id", "status", "phase")
"""What an item of Responses says beside a message's role and content."""

_ANTHROPIC = {"tool_use", "tool_result", "thinking", "redacted_thinking"}


def spelled(item: Any, problems: Problems) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    """One kept message as a message with a role, of one of the two APIs.

    Args:
        item: as the reader kept it.
        problems: of what has no form there.

    Returns:
        The message; None where nothing of it is left.
    """
    if isinstance(item, str):
        return {"role": "user", "content": item}
    if not isinstance(item, dict):
        problems.refuse("content-unreadable")
        return None
    if "role" not in item:
        return _item(item, problems)
    role = _ROLES.get(str(item["role"]), item["role"])
    if isinstance(item.get("parts"), list):
        blocks = [_part(part, problems) for part in item["parts"]]
        # A tool's result is a block, and the user's.
        return {"role": "user" if role == "tool" else role, "content": blocks} if blocks else None
    unsaid = _STATE if item.get("type") == "message" else ()
    # What an instrumentation fills with nothing was not there.
    plain = {
        name: value
        for name, value in item.items()
        if name not in unsaid and (name not in _MADE_HERE or value not in (None, [], ""))
    }
    return _message({**plain, "role": role})


def function_of(tool: Mapping[str, Any]) -> dict[str, Any] | None:
    """A tool's name, description, parameters and strictness; None where it is no function."""
    spec = tool.get("toolSpec", tool.get("function", tool))
    if not isinstance(spec, dict) or not isinstance(spec.get("name"), str):
        return None
    if spec is tool and tool.get("type", "function") not in {"function", "custom"}:
        return None
    schema = spec.get("parameters", spec.get("input_schema", spec.get("inputSchema")))
    schema = schema.get("json", schema) if isinstance(schema, dict) else _decoded(schema)
    if spec is tool and schema is None and tool.get("type") == "custom":
        return None
    named = {"name": spec["name"], "description": spec.get("description") or ""}
    strict = {"strict": True} if spec.get("strict") else {}
    return named | strict | ({"parameters": schema} if isinstance(schema, dict) else {})


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content")
    if isinstance(content, list):
        blocks = [_block(part) for part in content if not _marks_only(part)]
        message = {**message, "content": blocks}
    calls = message.get("tool_calls")
    if not isinstance(calls, list):
        return message
    if any(isinstance(b, dict) and b.get("type") in _ANTHROPIC for b in message["content"] or ()):
        # Both APIs' words in one message, as instrumentations of Anthropic's write it.
        uses = [_use(call) for call in calls]
        rest = {name: value for name, value in message.items() if name != "tool_calls"}
        return {**rest, "content": [*message["content"], *uses]}
    return {**message, "tool_calls": [_call(call) for call in calls]}


def _call(call: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(call, dict) or "function" in call or call.get("type", "") == "custom":
        return call
    arguments = call.get("arguments", "{}")
    text = arguments if isinstance(arguments, str) else _encoded(arguments)
    function = {"name": call.get("name", ""), "arguments": text}
    return {"id": call.get("id", ""), "type": "function", "function": function}


def _use(call: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(call, dict):
        return call
    function = call.get("function", call)
    arguments = function.get("arguments")
    given = _decoded(arguments) if isinstance(arguments, str) else arguments
    return {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": given}


def _item(item: dict[str, Any], problems: Problems) -> dict[str, Any] | None:
    """An input item of OpenAI's Responses that is no message."""
    kind = item.get("type")
    if kind in _CALLS:
        called = {"name": item.get("name", ""), "arguments": item.get("arguments", "{}")}
        call = {"id": item.get("call_id", ""), "type": _CALLS[kind], "function": called}
        return {"role": "assistant", "content": None, "tool_calls": [call]}
    if kind in _RESULTS:
        return {"role": "tool", "tool_call_id": item.get("call_id", ""),
                "content": _output(item.get("output"))}  # fmt: skip
    if kind == "reasoning":
        problems.flag("thinking-dropped")
    elif kind == "item_reference":
        problems.refuse("state-of-provider")
    elif str(kind).endswith(("_call", "_call_output", "_list_tools", "_approval_request")):
        problems.refuse("server-tool")
    else:
        problems.refuse("content-unreadable")
    return None


def _output(output: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(output, list):
        return [_block(part) for part in output]
    return output if isinstance(output, str) else _encoded(output)


def _part(part: Any, problems: Problems) -> Any:  # noqa: ANN401 - JSON
    """A part of OpenTelemetry's messages as a block of Anthropic's.

    Source:
        OpenTelemetry semantic conventions 1.37, gen-ai-input-messages.json.
    """
    if not isinstance(part, dict):
        problems.refuse("content-unreadable")
        return {}
    kind = part.get("type")
    if kind == "tool_call":
        return _use(part)
    if kind == "tool_call_response":
        result = part.get("response", part.get("result"))
        return {"type": "tool_result", "tool_use_id": part.get("id"), "content": _output(result)}
    if kind == "reasoning":
        signed = {"signature": part["signature"]} if part.get("signature") else {}
        return {"type": "thinking", "thinking": part.get("content", ""), **signed}
    if kind in {"blob", "uri", "file"}:
        return _media(part)
    return _block(part)


def _media(part: dict[str, Any]) -> dict[str, Any]:
    modality, mime = part.get("modality"), part.get("mime_type") or ""
    named = modality if modality == "image" else "document"
    if part["type"] == "blob":
        source = {"type": "base64", "media_type": mime, "data": part.get("content", "")}
    elif part["type"] == "uri":
        source = {"type": "url", "url": part.get("uri", "")}
    else:
        source = {"type": "file", "file_id": part.get("file_id", "")}
    return {"type": named, "source": source}


def _marks_only(part: Any) -> bool:  # noqa: ANN401 - JSON
    # Where Converse's cache ends: nothing that a model reads.
    return isinstance(part, dict) and set(part) == {"cachePoint"}


def _block(part: Any) -> Any:  # noqa: ANN401 - JSON
    """A part of Responses' messages or a block of Converse's; the rest as it is."""
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if kind == "input_image":
        source = image_source(part.get("image_url"))
        return {"type": "image", "source": source or {"type": "file"}}
    if kind == "input_file":
        return {"type": "file", "file": part}
    if kind == "refusal":
        return {"type": "text", "text": part.get("refusal", "")}
    if kind is None and len(part) == 1:
        return _converse(part)
    return text_block(part)


def _converse(block: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Bedrock's blocks have no type but the name of their one field.

    Source:
        Amazon Bedrock API reference, ContentBlock.
    """
    name, inner = next(iter(block.items()))
    if not isinstance(inner, dict):
        return text_block(block)
    if name == "toolUse":
        return {"type": "tool_use", "id": inner.get("toolUseId"), "name": inner.get("name"),
                "input": inner.get("input")}  # fmt: skip
    if name == "toolResult":
        failed = {"is_error": True} if inner.get("status") == "error" else {}
        content = [_in_result(each) for each in inner.get("content") or ()]
        return {"type": "tool_result", "tool_use_id": inner.get("toolUseId"), **failed,
                "content": content}  # fmt: skip
    if name == "reasoningContent":
        return {"type": "thinking", **inner}
    if name in {"image", "document"}:
        data = (inner.get("source") or {}).get("bytes")
        media = f"{'image' if name == 'image' else 'application'}/{inner.get('format', '')}"
        source = {"type": "base64", "media_type": media, "data": data} if data else {"type": "file"}
        return {"type": name, "source": source}
    return block


def _in_result(block: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(block, dict) and set(block) == {"json"}:
        return {"type": "text", "text": _encoded(block["json"])}
    return _block(block)


def _encoded(value: Any) -> str:  # noqa: ANN401 - JSON
    return "" if value is None else msgspec.json.encode(value).decode()


def _decoded(text: Any) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(text, str):
        return text
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text
