"""A prompt of Anthropic's Messages API for OpenAI's Chat Completions."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llmops_cli.failover.translation import Logged, Moved, Problems, plain_text

__all__ = ["anthropic_to_openai", "message_for_openai"]

Block = Mapping[str, Any]


def anthropic_to_openai(logged: Logged) -> Moved:
    """Translate.

    Source:
        Anthropic Messages and OpenAI Chat Completions references: system is a message; tool
        results are messages of role ``tool`` with text only; a call's input is a JSON string;
        thinking is signed for its own provider; an answer cannot be begun for the model.
    """
    problems = Problems()
    messages: list[dict[str, Any]] = []
    system = [_text(item, problems) for item in logged.system]
    if system:
        messages.append({"role": "system", "content": "\n".join(system)})
    for message in logged.messages:
        messages += message_for_openai(message, problems)
    if logged.messages and logged.messages[-1].get("role") == "assistant":
        problems.refuse("prefill")
    if not messages and not problems.found:
        problems.refuse("content-unreadable")
    _orphans(messages, problems)
    body: dict[str, Any] = {"messages": messages}
    if logged.tools:
        body["tools"] = [_tool(item, problems) for item in logged.tools]
    return Moved(body, problems.all())


def _text(value: Any, problems: Problems) -> str:  # noqa: ANN401 - JSON
    found = plain_text(value)
    if found is None:
        problems.refuse("text-expected")
    return found or ""


def message_for_openai(message: Mapping[str, Any], problems: Problems) -> list[dict[str, Any]]:
    """One message; its tool results become messages of their own.

    Args:
        message: in the words of Anthropic's API.
        problems: of what does not move.
    """
    content = message.get("content")
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(blocks, list) or not all(isinstance(item, dict) for item in blocks):
        problems.refuse("content-unreadable")
        return []
    if message.get("role") == "assistant":
        return [_assistant(blocks, problems)]
    if message.get("role") != "user":
        problems.refuse("role-unknown")
    return _user(blocks, problems)


def _assistant(blocks: Sequence[Block], problems: Problems) -> dict[str, Any]:
    texts: list[str] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        kind = block.get("type")
        if kind == "text":
            texts.append(str(block.get("text", "")))
        elif kind == "tool_use":
            arguments = msgspec.json.encode(block.get("input") or {}).decode()
            function = {"name": block.get("name", ""), "arguments": arguments}
            calls.append({"id": block.get("id", ""), "type": "function", "function": function})
        elif kind in {"thinking", "redacted_thinking"}:
            problems.flag("thinking-dropped")
        else:
            problems.refuse("server-tool" if "tool" in str(kind) else "content-unknown")
    found: dict[str, Any] = {"role": "assistant", "content": "".join(texts) or None}
    return found | ({"tool_calls": calls} if calls else {})


def _user(blocks: Sequence[Block], problems: Problems) -> list[dict[str, Any]]:
    # Results come first: OpenAI wants them right after the calls they answer.
    results = [_result(item, problems) for item in blocks if item.get("type") == "tool_result"]
    rest = [_part(item, problems) for item in blocks if item.get("type") != "tool_result"]
    parts = [item for item in rest if item is not None]
    if not parts:
        return results
    text = plain_text(parts)
    said = parts if text is None or len(parts) > 1 else text
    return [*results, {"role": "user", "content": said}]


def _result(block: Block, problems: Problems) -> dict[str, Any]:
    content = block.get("content", "")
    if block.get("is_error"):
        problems.flag("tool-error-flag")
    return {
        "role": "tool",
        "tool_call_id": block.get("tool_use_id", ""),
        "content": _text(content or "", problems),
    }


def _part(block: Block, problems: Problems) -> dict[str, Any] | None:
    kind = block.get("type")
    if kind == "text":
        return {"type": "text", "text": str(block.get("text", ""))}
    if kind == "image":
        return _image(block.get("source") or {}, problems)
    problems.refuse("document" if kind == "document" else "content-unknown")
    return None


def _image(source: Block, problems: Problems) -> dict[str, Any] | None:
    if source.get("type") == "base64":
        url = f"data:{source.get('media_type', '')};base64,{source.get('data', '')}"
    elif source.get("type") == "url":
        url = str(source.get("url", ""))
    else:
        problems.refuse("file-of-provider")
        return None
    return {"type": "image_url", "image_url": {"url": url}}


def _tool(tool: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    if tool.get("type", "custom") != "custom":
        problems.refuse("server-tool")
    function = {
        "name": tool.get("name", ""),
        "description": tool.get("description", ""),
        "parameters": tool.get("input_schema") or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": function}


def _orphans(messages: list[dict[str, Any]], problems: Problems) -> None:
    called = {call["id"] for item in messages for call in item.get("tool_calls") or ()}
    answered = {item["tool_call_id"] for item in messages if item["role"] == "tool"}
    if called != answered:
        problems.refuse("tool-call-without-result")
