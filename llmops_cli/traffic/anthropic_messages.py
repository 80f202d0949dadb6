"""Anthropic Messages API logs: request and response bodies, exclusive token counters.

Field meanings: Anthropic API reference, Messages; usage: input_tokens excludes cache reads
and writes, cache_creation splits the writes by lifetime.
"""

from typing import Any

import msgspec

from llmops_cli.calls import BlockKind, Marker
from llmops_cli.traffic.blocks import Block, Cutter, content_blocks, marker_of, object_block
from llmops_cli.traffic.envelope import Envelope, RowError, Tokens

__all__ = ["NAME", "Line", "columns", "parts"]

NAME = "anthropic-messages"

_KINDS = {
    "tool_use": BlockKind.TOOL_USE,
    "server_tool_use": BlockKind.TOOL_USE,
    "mcp_tool_use": BlockKind.TOOL_USE,
    "tool_result": BlockKind.TOOL_RESULT,
    "web_search_tool_result": BlockKind.TOOL_RESULT,
    "mcp_tool_result": BlockKind.TOOL_RESULT,
    "image": BlockKind.MEDIA,
    "document": BlockKind.MEDIA,
    "thinking": BlockKind.THINKING,
    "redacted_thinking": BlockKind.THINKING,
}
_ROLES = {"user": BlockKind.USER, "assistant": BlockKind.ASSISTANT, "system": BlockKind.SYSTEM}


class Metadata(msgspec.Struct):
    """``request.metadata``."""

    user_id: str | None = None


class Request(msgspec.Struct):
    """The request body; content stays raw until it is known to be new."""

    model: str
    messages: list[msgspec.Raw]
    system: msgspec.Raw = msgspec.Raw()
    tools: list[msgspec.Raw] | None = None
    cache_control: Any = None
    metadata: Metadata | None = None


class CacheCreation(msgspec.Struct):
    """Cache writes by lifetime."""

    ephemeral_5m_input_tokens: Tokens = 0
    ephemeral_1h_input_tokens: Tokens = 0


class Usage(msgspec.Struct):
    """``response.usage``: disjoint counters."""

    input_tokens: Tokens
    output_tokens: Tokens = 0
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None
    service_tier: str | None = None


class Failure(msgspec.Struct):
    """``response.error`` of an error body."""

    type: str = "error"


class Response(msgspec.Struct):
    """The response body, or the error body in its place."""

    type: str | None = None
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: Usage | None = None
    error: Failure | None = None


class Line(Envelope):
    """One line of the log."""

    request: Request | None = None
    response: Response | None = None

    def fits(self) -> bool:
        """Whether the response says that it is of this API."""
        return self.response is not None and self.response.type in {"message", "error"}


def parts(line: Line) -> list[tuple[Cutter, bytes]]:
    """The prompt in prefix order: tools, system, messages."""
    request = line.request
    if request is None:
        return []
    found: list[tuple[Cutter, bytes]] = [(_tool, bytes(raw)) for raw in request.tools or ()]
    if system := bytes(request.system):
        found.append((_system, system))
    found += [(_message, bytes(raw)) for raw in request.messages]
    return found


def columns(line: Line) -> dict[str, Any]:
    """The columns of the calls table that request and response fill.

    Raises:
        RowError: ``calls-missing-field``, ``calls-contradiction``, ``calls-bad-content``.
    """
    if line.request is None:
        raise RowError("calls-missing-field", "there is no request", "request")
    response = line.response or Response()
    filled: dict[str, Any] = {
        "call_id": response.id,
        "provider_name": line.provider or "anthropic",
        "request_model": line.request.model,
        "response_model": response.model,
        "finish_reason": response.stop_reason,
        "automatic_cache": int(marker_of(line.request.cache_control)),
    }
    if line.request.metadata and line.request.metadata.user_id:
        filled["user_id"] = line.request.metadata.user_id
    if response.error is not None:
        filled["error_type"] = response.error.type
    return filled | (_usage(response.usage) if response.usage else {})


def _usage(usage: Usage) -> dict[str, Any]:
    written = usage.cache_creation_input_tokens
    split = usage.cache_creation
    if split is None:
        # Before the one-hour lifetime existed every write was for five minutes.
        five_minutes, one_hour = written or 0, 0
    else:
        five_minutes = split.ephemeral_5m_input_tokens
        one_hour = split.ephemeral_1h_input_tokens
        if written is not None and written != five_minutes + one_hour:
            raise RowError(
                "calls-contradiction",
                f"{written} tokens written to the cache, but {five_minutes} for five minutes "
                f"and {one_hour} for one hour",
                "response.usage.cache_creation_input_tokens",
            )
    return {
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": usage.cache_read_input_tokens or 0,
        "cache_write_5m_tokens": five_minutes,
        "cache_write_1h_tokens": one_hour,
        "output_tokens": usage.output_tokens,
        "service_tier": usage.service_tier,
    }


def _tool(raw: bytes) -> tuple[Block, ...]:
    tool = msgspec.json.decode(raw, type=dict[str, Any])
    marker = marker_of(tool.pop("cache_control", None))
    return (object_block(tool, BlockKind.TOOL, marker),)


def _system(raw: bytes) -> tuple[Block, ...]:
    return content_blocks(msgspec.json.decode(raw), BlockKind.SYSTEM, _KINDS)


def _message(raw: bytes) -> tuple[Block, ...]:
    message = msgspec.json.decode(raw, type=dict[str, Any])
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        raise RowError(
            "calls-bad-content", "a message's role is user or assistant", "request.messages.role"
        )
    blocks = content_blocks(message.get("content"), role, _KINDS)
    control = message.get("cache_control")
    if control is None or not blocks:
        return blocks
    digest, size, kind, _ = blocks[-1]
    return (*blocks[:-1], (digest, size, kind, marker_of(control) or Marker.NONE))
