"""Which format a log line is of: told from what only that format writes."""

from types import ModuleType

import msgspec

from llmops_cli.traffic import (
    anthropic_batch,
    anthropic_messages,
    bedrock,
    claude_code,
    langfuse,
    litellm,
    openai_batch,
    openai_chat,
    openai_responses,
)
from llmops_cli.traffic.otlp import json_format as otlp_json
from llmops_cli.traffic.streamed import events

__all__ = ["FORMATS", "sniff"]

FORMATS: dict[str, ModuleType] = {
    module.NAME: module
    for module in (
        anthropic_messages,
        openai_chat,
        openai_responses,
        otlp_json,
        langfuse,
        litellm,
        anthropic_batch,
        openai_batch,
        claude_code,
        bedrock,
    )
}
"""Every line format. A module has ``NAME``; ``Line``, the typed line, whose ``fits()`` says
whether this line is of the format; ``rows(line)``, what is in it; ``STAGED``, whether its
rows still have to be joined."""


class _Request(msgspec.Struct):
    model: str = ""
    messages: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()


class _Response(msgspec.Struct):
    type: str = ""
    object: str = ""


class _Probe(msgspec.Struct):
    request: _Request | None = None
    response: _Response | list[_Response] | str | None = None
    provider: str | None = None


def sniff(raw: bytes) -> str | None:
    """The name of the format of one line, or None where nothing says so.

    Raises:
        msgspec.DecodeError: the line is not JSON, or its request is none.
        RowError: ``calls-bad-value`` for a response of plain text.
    """
    keys = frozenset(msgspec.json.decode(raw, type=dict[str, msgspec.Raw]))
    for name, module in FORMATS.items():
        if any(signature <= keys for signature in getattr(module, "SIGNATURES", ())):
            return name
    return _api(msgspec.json.decode(raw, type=_Probe))


_OBJECTS = {
    "chat.completion": openai_chat.NAME,
    "chat.completion.chunk": openai_chat.NAME,
    "response": openai_responses.NAME,
}


def _api(probe: _Probe) -> str | None:
    response = _first(probe.response)
    if response.object in _OBJECTS:
        return _OBJECTS[response.object]
    if response.type.startswith("response."):
        return openai_responses.NAME
    request = probe.request or _Request()
    if response.type in {"message", "message_start"} or probe.provider == "anthropic":
        return anthropic_messages.NAME
    if bytes(request.messages):
        is_claude = "claude" in request.model.lower()
        return anthropic_messages.NAME if is_claude else openai_chat.NAME
    return openai_responses.NAME if bytes(request.input) else None


def _first(response: _Response | list[_Response] | str | None) -> _Response:
    """The body, or the first event of the stream that was logged in its place."""
    if isinstance(response, str):
        response = events(response, _Response)
    if isinstance(response, list):
        return response[0] if response else _Response()
    return response or _Response()
