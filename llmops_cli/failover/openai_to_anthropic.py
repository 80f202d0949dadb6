"""A prompt of OpenAI's Chat Completions for Anthropic's Messages API."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llmops_cli.failover.translation import Logged, Moved, Problems, image_source, plain_text

__all__ = ["joined", "message_for_anthropic", "openai_to_anthropic"]

_SYSTEM = {"system", "developer"}


def openai_to_anthropic(logged: Logged) -> Moved:
    """Translate.

    Source:
        OpenAI Chat Completions and Anthropic Messages references: the system prompt stands apart
        and comes first; the user speaks first; tool results are blocks of the user; ``strict``
        schemas are not enforced; newer Claude models refuse an answer begun for them.
    """
    problems = Problems()
    spoken = [item for item in logged.messages if item.get("role") not in _SYSTEM]
    apart = [item.get("content") for item in logged.messages if item.get("role") in _SYSTEM]
    first = next((i for i, m in enumerate(logged.messages) if m.get("role") not in _SYSTEM), 0)
    if any(item.get("role") in _SYSTEM for item in logged.messages[first:]):
        problems.flag("system-hoisted")
    system = "\n".join(_text(item, problems) for item in (*logged.system, *apart))
    messages = joined([message_for_anthropic(item, problems) for item in spoken])
    if not messages or messages[0]["role"] != "user":
        problems.refuse("user-not-first")
    elif messages[-1]["role"] == "assistant":
        problems.refuse("prefill")
    _orphans(messages, problems)
    body: dict[str, Any] = {"messages": messages}
    if system:
        body["system"] = system
    if logged.tools:
        body["tools"] = [_tool(item, problems) for item in logged.tools]
    return Moved(body, problems.all())


def _text(value: Any, problems: Problems) -> str:  # noqa: ANN401 - JSON
    found = plain_text(value)
    if found is None:
        problems.refuse("text-expected")
    return found or ""


def message_for_anthropic(message: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    """One message; a tool's result is one of the user.

    Args:
        message: in the words of OpenAI's API, not of its system or developer.
        problems: of what does not move.
    """
    role = message.get("role")
    if message.get("name"):
        problems.flag("name-dropped")
    if role == "assistant":
        return {"role": "assistant", "content": _assistant(message, problems)}
    if role == "tool":
        result = {
            "type": "tool_result",
            "tool_use_id": message.get("tool_call_id", ""),
            "content": _text(message.get("content") or "", problems),
        }
        return {"role": "user", "content": [result]}
    if role != "user":
        problems.refuse("role-unknown")
    return {"role": "user", "content": _parts(message.get("content"), problems)}


def _assistant(message: Mapping[str, Any], problems: Problems) -> list[dict[str, Any]]:
    if message.get("audio") or message.get("function_call"):
        problems.refuse("content-unknown")
    said = plain_text(message.get("content") or "")
    if said is None:
        problems.refuse("content-unknown")
    text = said or message.get("refusal") or ""
    blocks: list[dict[str, Any]] = [{"type": "text", "text": text}] if text else []
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        if call.get("type", "function") != "function":
            problems.refuse("server-tool")
        blocks.append(
            {
                "type": "tool_use",
                "id": call.get("id", ""),
                "name": function.get("name", ""),
                "input": _arguments(function.get("arguments") or "{}", problems),
            }
        )
    return blocks


def _arguments(text: Any, problems: Problems) -> dict[str, Any]:  # noqa: ANN401 - JSON
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, TypeError, RecursionError):
        problems.refuse("arguments-not-json")
        return {}


def _parts(content: Any, problems: Problems) -> list[dict[str, Any]]:  # noqa: ANN401 - JSON
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        problems.refuse("content-unreadable")
        return []
    return [found for item in content if (found := _part(item, problems)) is not None]


def _part(part: Any, problems: Problems) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    if not isinstance(part, dict):
        problems.refuse("content-unreadable")
        return None
    if part.get("type") == "text":
        return {"type": "text", "text": str(part.get("text", ""))}
    if part.get("type") == "image_url":
        return _image(part.get("image_url"), problems)
    problems.refuse("document" if part.get("type") == "file" else "content-unknown")
    return None


def _image(image: Any, problems: Problems) -> dict[str, Any] | None:  # noqa: ANN401 - JSON
    source = image_source(image)
    if source is None:
        problems.refuse("content-unreadable")
        return None
    return {"type": "image", "source": source}


def joined(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages of one role in a row, whose contents are lists, as one."""
    # Results of one round of calls are one message there.
    found: list[dict[str, Any]] = []
    for message in messages:
        if found and found[-1]["role"] == message["role"]:
            found[-1]["content"] = [*found[-1]["content"], *message["content"]]
        else:
            found.append(dict(message))
    return found


def _tool(tool: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    function = tool.get("function")
    if tool.get("type") != "function" or not isinstance(function, dict):
        problems.refuse("server-tool")
        function = {}
    if function.get("strict"):
        problems.flag("strict-not-enforced")
    return {
        "name": function.get("name", ""),
        "description": function.get("description", ""),
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
    }


def _orphans(messages: Sequence[Mapping[str, Any]], problems: Problems) -> None:
    blocks = [block for item in messages for block in item["content"]]
    called = {block["id"] for block in blocks if block["type"] == "tool_use"}
    answered = {block["tool_use_id"] for block in blocks if block["type"] == "tool_result"}
    if called != answered:
        problems.refuse("tool-call-without-result")
