"""A kept prompt in the words of the API it was sent to, whatever the log keeps it in.

A gateway or an instrumentation logs prompts for one API in the words of the other, or in its own.
What the API was sent is told again here; then it can be sent there again, or moved.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from llmops_cli.failover.anthropic_to_openai import message_for_openai
from llmops_cli.failover.dialects import function_of, spelled
from llmops_cli.failover.openai_to_anthropic import joined, message_for_anthropic
from llmops_cli.failover.translation import (
    ANTHROPIC,
    OPENAI,
    Logged,
    Problems,
    text_block,
)

__all__ = ["logged_of"]

Message = dict[str, Any]

_APART = {"system", "developer"}
_CHAT_BLOCKS = {"image_url", "input_audio", "file"}
_ANTHROPIC_BLOCKS = {
    "tool_use", "tool_result", "thinking", "redacted_thinking", "image", "document",
    "server_tool_use", "web_search_tool_result", "mcp_tool_use", "mcp_tool_result",
}  # fmt: skip


class _Content(msgspec.Struct):
    # As `llmops ingest --keep-content` writes it.
    tools: list[Any] = []
    system: list[Any] = []
    messages: list[Any] = []


def logged_of(content: str, api: str) -> Logged | None:
    """One value of the column ``content``.

    Args:
        content: as the log's reader kept it.
        api: it was sent to.

    Returns:
        The prompt in the words of that API, with what could not be told again as its problems;
        None where it is no prompt at all.
    """
    try:
        kept = msgspec.json.decode(content, type=_Content)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not all(isinstance(tool, dict) for tool in kept.tools):
        return None
    problems = Problems()
    try:
        said = [(spelled(item, problems), _is_message(item)) for item in kept.messages]
        system = [text_block(item) for item in kept.system]
        messages = _worded([(m, own) for m, own in said if m is not None], api, system, problems)
    except (AttributeError, TypeError, KeyError, ValueError):
        return None  # whoever logged it wrote what no reader takes for a message
    readable = all(isinstance(item.get("role"), str) for item in messages)
    if not readable or not (messages or problems.found):
        return None
    tools = [_tool(tool, api, problems) for tool in kept.tools]
    if not tools and _calls_tools(messages):
        problems.flag("tools-not-logged")
    return Logged(tools, system, messages, problems.all())


def _worded(
    messages: Sequence[tuple[Message, bool]], api: str, system: list[Any], problems: Problems
) -> list[Message]:
    """Messages in the words of an API; those that are in them already are left alone.

    Args:
        messages: each with whether it was one in the log.
        api: whose words.
        system: gets what stands apart there.
        problems: gets what has no form there.
    """
    found: list[Message] = []
    made = False
    for message, whole in messages:
        if api == ANTHROPIC and message.get("role") in _APART:
            content = message.get("content")
            system += content if isinstance(content, list) else [content]
            continue
        native = _words_of(message) in {api, ""}
        again = [message] if native else _told_again(message, api, problems)
        own = native and whole
        if found and (made or not own):
            # Results of one round, and calls of one turn, are one message.
            again = _merged(found.pop(), again, api)
        found += again
        made = not own
    return found


def _is_message(item: Any) -> bool:  # noqa: ANN401 - JSON
    """Not an item of Responses, nor plain text, which are less than one."""
    return isinstance(item, dict) and "role" in item


def _merged(last: Message, more: list[Message], api: str) -> list[Message]:
    if api == ANTHROPIC:
        several = [last, *more]
        whole = all(isinstance(item.get("content"), list) for item in several)
        return joined(several) if whole else several
    both = last.get("role") == "assistant" == (more[0].get("role") if more else "")
    if not both or (last.get("content") and more[0].get("content")):
        return [last, *more]
    calls = [*(last.get("tool_calls") or ()), *(more[0].get("tool_calls") or ())]
    text = last.get("content") or more[0].get("content")
    return [{"role": "assistant", "content": text, "tool_calls": calls}, *more[1:]]


def _told_again(message: Message, api: str, problems: Problems) -> list[Message]:
    lost = Problems()
    if api == ANTHROPIC:
        again = [message_for_anthropic(message, lost)]
    else:
        again = message_for_openai(message, lost)
    # What the other API does without is no loss: the request was never sent to it.
    for item in lost.all():
        if item.slug == "thinking-dropped":
            problems.flag(item.slug)
        elif item.weight == "refused":
            problems.refuse(item.slug)
    return again


def _words_of(message: Message) -> str:
    """Whose words a message is in; empty where both APIs would take it."""
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    kinds = {item.get("type") for item in blocks if isinstance(item, dict)}
    if kinds & _ANTHROPIC_BLOCKS:
        return ANTHROPIC
    spoken = message.get("role") in {"user", "assistant"}
    chat = not spoken or message.get("tool_calls") or kinds & _CHAT_BLOCKS
    return OPENAI if chat else ""


def _tool(tool: Mapping[str, Any], api: str, problems: Problems) -> Mapping[str, Any]:
    native = "input_schema" in tool if api == ANTHROPIC else isinstance(tool.get("function"), dict)
    function = None if native else function_of(tool)
    if function is None:
        return tool
    schema = function.pop("parameters", None)
    if schema is None:
        problems.flag("tools-not-logged")
    if api == ANTHROPIC:
        function.pop("strict", None)
        return {**function, "input_schema": schema or {"type": "object", "properties": {}}}
    given = {} if schema is None else {"parameters": schema}
    return {"type": "function", "function": {**function, **given}}


def _calls_tools(messages: Sequence[Message]) -> bool:
    return any(
        item.get("tool_calls")
        or any(
            isinstance(block, dict) and block.get("type") == "tool_use"
            for block in (item["content"] if isinstance(item.get("content"), list) else ())
        )
        for item in messages
    )
