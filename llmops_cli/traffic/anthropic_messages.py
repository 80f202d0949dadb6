"""Anthropic Messages API logs: request and response bodies, exclusive token counters.

Field meanings: Anthropic API reference, Messages and streaming. A streamed response may have
been logged as its events, or as their text.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llmops_cli.calls import BlockKind, Marker
from llmops_cli.traffic import resent
from llmops_cli.traffic.anthropic_seeds import messages_seed, seeded, system_seed
from llmops_cli.traffic.anthropic_usage import DeltaUsage, Usage, counted_on, usage_columns
from llmops_cli.traffic.blocks import Block, Part, content_blocks, marker_of, tool_block
from llmops_cli.traffic.envelope import Envelope, enveloped
from llmops_cli.traffic.prompts import Runs
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Found
from llmops_cli.traffic.streamed import events

__all__ = [
    "NAME",
    "STAGED",
    "Line",
    "Request",
    "Response",
    "Usage",
    "columns",
    "message_blocks",
    "parts",
    "rows",
    "system_blocks",
    "tool_blocks",
    "usage_columns",
]

NAME = "anthropic-messages"
STAGED = False

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
_object = msgspec.json.Decoder(dict[str, Any]).decode


class Metadata(msgspec.Struct):
    """``request.metadata``."""

    user_id: str | None = None


class Request(msgspec.Struct):
    """The request body; content stays raw until it is known to be new."""

    model: str
    messages: msgspec.Raw
    system: msgspec.Raw = msgspec.Raw()
    tools: msgspec.Raw = msgspec.Raw()
    cache_control: Any = None
    metadata: Metadata | None = None
    tool_choice: Any = None
    thinking: Any = None
    output_config: Any = None
    speed: Any = None


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


class Delta(msgspec.Struct):
    """``message_delta.delta``."""

    stop_reason: str | None = None


class Event(msgspec.Struct):
    """One event of a stream."""

    type: str | None = None
    message: Response | None = None
    delta: Delta | None = None
    usage: DeltaUsage | None = None
    error: Failure | None = None


class Line(Envelope):
    """One line of the log; a streamed response may be its events, or their text."""

    request: Request | None = None
    response: Response | list[Event] | str | None = None

    def fits(self) -> bool:
        """Whether it is a request and the response says that it is of this API."""
        if self.request is None:
            return False  # a gateway's own record may hold a response of this API
        if isinstance(self.response, list):
            return any(event.type == "message_start" for event in self.response)
        return isinstance(self.response, Response) and self.response.type in {"message", "error"}


def rows(line: Line) -> tuple[Found]:
    """The one call of a line.

    Raises:
        RowError: as :func:`columns`.
    """
    return ((enveloped(columns(line), line), parts(line.request)),)


def parts(request: Request | None, field: str = "request") -> Sequence[Part]:
    """The prompt in prefix order: tools, system, messages; seeded where parameters decide too.

    Args:
        request: the body.
        field: where it is in the line.

    Raises:
        msgspec.ValidationError: tools or messages are no list.
    """
    if request is None:
        return ()
    above = system_seed(request.speed)
    seed = messages_seed(request.tool_choice, request.thinking, request.output_config)
    system = resent.value(request.system, seeded(system_blocks, above))
    first = seeded(message_blocks, seed if system.size else above + seed)
    return Runs(
        resent.items(request.tools, tool_blocks, f"{field}.tools"),
        system,
        resent.messages(request.messages, message_blocks, f"{field}.messages", first),
    )


def columns(line: Line) -> dict[str, Any]:
    """The columns of the calls table that request and response fill.

    Raises:
        RowError: ``calls-missing-field``, ``calls-contradiction``, ``calls-bad-content``.
    """
    if line.request is None:
        raise RowError("calls-missing-field", "there is no request", "request")
    response = _whole(line.response)
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
    return filled | (usage_columns(response.usage) if response.usage else {})


def _whole(response: Response | list[Event] | str | None) -> Response:
    """The body that a stream built; of its cumulative counters the last word counts."""
    if isinstance(response, str):
        response = events(response, Event)
    if not isinstance(response, list):
        return response or Response()
    whole = next((event.message for event in response if event.message), Response())
    usage = whole.usage
    for event in response:
        whole.stop_reason = (event.delta and event.delta.stop_reason) or whole.stop_reason
        whole.error = event.error or whole.error
        if event.usage is not None:
            usage = counted_on(usage, event.usage)
    whole.usage = usage
    return whole


def tool_blocks(raw: bytes) -> tuple[Block, ...]:
    """One tool definition, the last of a cached prefix where it says so."""
    tool = _object(raw)
    marker = marker_of(tool.pop("cache_control", None))
    return (tool_block(tool, marker),)


def system_blocks(raw: bytes) -> tuple[Block, ...]:
    """The system prompt: text, or a list of text blocks."""
    return content_blocks(msgspec.json.decode(raw), BlockKind.SYSTEM, _KINDS)


def message_blocks(raw: bytes) -> tuple[Block, ...]:
    """One message, each part of its content a block.

    Raises:
        RowError: ``calls-bad-content``.
    """
    message = _object(raw)
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
