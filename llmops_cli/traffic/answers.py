"""Answers that are kept beside their prompts: the words of a response and its calls of tools.

Read from the raw line a second time, and only where content is kept: a reading that keeps
nothing does not decode them. Reasoning is no part of an answer.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.streamed import events

__all__ = ["answered"]

_HOLDERS = ("output", "message", "content", "text", "refusal", "tool_calls")
_THOUGHTS = ("thinking", "redacted_thinking", "reasoning")


class _Line(msgspec.Struct):
    response: Any = None


def answered(name: str, raw: bytes) -> str:
    """The answer in a line of the format ``name``.

    Args:
        name: the format that the line was read as.
        raw: the line.

    Returns:
        The text, then a line ``tool(arguments)`` for each call of a tool; empty where answers
        of this format are not kept, or where the response is not of its form.
    """
    whole = _STREAMS.get(name)
    if whole is None:
        return ""
    try:
        response = msgspec.json.decode(raw, type=_Line).response
        if isinstance(response, str):
            response = events(response, dict[str, Any])
        return _told(whole(response) if isinstance(response, list) else response)
    except (RowError, msgspec.DecodeError, AttributeError, TypeError, LookupError, RecursionError):
        return ""


def _told(said: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(said, str):
        return said
    if isinstance(said, list):
        return "\n".join(part for part in map(_told, said) if part)
    if said is None or said.get("type") in _THOUGHTS:
        return ""
    if "choices" in said:
        return _told(said["choices"][0])
    call = said.get("function") or said
    if call.get("name"):
        return f"{call['name']}({_arguments(call.get('arguments') or call.get('input'))})"
    return _told([said[holder] for holder in _HOLDERS if said.get(holder)])


def _arguments(given: Any) -> str:  # noqa: ANN401 - JSON, or JSON inside a string
    try:
        known = msgspec.json.decode(given) if isinstance(given, str) else given
    except msgspec.DecodeError:
        return str(given)
    return msgspec.json.encode(known or {}, order="sorted").decode()


def _message(stream: list[Any]) -> dict[str, Any]:
    blocks = dict[Any, dict[str, Any]]()
    for event in stream:
        if "index" in event:
            block = blocks.setdefault(event["index"], {**(event.get("content_block") or {})})
            delta = event.get("delta") or {}
            _append(block, "text", delta.get("text"))
            _append(block, "arguments", delta.get("partial_json"))
    return {"content": list(blocks.values())}


def _chat(stream: list[Any]) -> dict[str, Any]:
    said, calls = dict[str, Any](), dict[Any, dict[str, Any]]()
    choices = [choice for chunk in stream for choice in chunk.get("choices") or ()]
    for delta in (choice.get("delta") or {} for choice in choices if not choice.get("index")):
        _append(said, "content", delta.get("content"))
        _append(said, "refusal", delta.get("refusal"))
        for part in delta.get("tool_calls") or ():
            call = calls.setdefault(part.get("index"), {})
            for name in ("name", "arguments"):
                _append(call, name, part["function"].get(name))
    return said | {"tool_calls": list(calls.values())}


def _output(stream: list[Any]) -> object:
    return next((event["response"] for event in reversed(stream) if event.get("response")), None)


def _append(whole: dict[str, Any], name: str, piece: str | None) -> None:
    if piece:
        whole[name] = whole.get(name, "") + piece


_STREAMS: dict[str, Callable[[list[Any]], object]] = {
    "anthropic-messages": _message,
    "openai-chat": _chat,
    "openai-responses": _output,
}
"""How the events of a stream add up to a body, by format."""
