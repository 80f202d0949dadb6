"""OpenAI Responses logs: request and response bodies, inclusive token counters.

Field meanings: OpenAI API reference, Responses. With ``previous_response_id`` the prompt
begins on the provider's side, so such a call has no blocks: half a prompt is not a prefix.
"""

from typing import Any

import msgspec

from llmops_cli.calls import BlockKind, Marker
from llmops_cli.traffic.blocks import Block, Cutter, content_blocks, object_block
from llmops_cli.traffic.envelope import Envelope, RowError, Tokens, microseconds
from llmops_cli.traffic.openai_chat import (
    InputDetails,
    OutputDetails,
    disjoint,
    message_blocks,
    served,
    tool_block,
)

__all__ = ["NAME", "Line", "columns", "parts"]

NAME = "openai-responses"

_ITEMS = {
    "function_call": BlockKind.TOOL_USE,
    "custom_tool_call": BlockKind.TOOL_USE,
    "function_call_output": BlockKind.TOOL_RESULT,
    "custom_tool_call_output": BlockKind.TOOL_RESULT,
    "reasoning": BlockKind.THINKING,
}


class Request(msgspec.Struct):
    """The request body."""

    model: str
    input: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()
    tools: list[msgspec.Raw] | None = None
    previous_response_id: str | None = None
    user: str | None = None


class Usage(msgspec.Struct):
    """``response.usage``: overlapping counters."""

    input_tokens: Tokens
    output_tokens: Tokens = 0
    input_tokens_details: InputDetails | None = None
    output_tokens_details: OutputDetails | None = None


class Response(msgspec.Struct):
    """The response body."""

    object: str | None = None
    id: str | None = None
    model: str | None = None
    created_at: float | None = None
    service_tier: str | None = None
    status: str | None = None
    usage: Usage | None = None


class Line(Envelope):
    """One line of the log."""

    request: Request | None = None
    response: Response | None = None

    def fits(self) -> bool:
        """Whether the response says that it is of this API."""
        return self.response is not None and self.response.object == "response"


def parts(line: Line) -> list[tuple[Cutter, bytes]]:
    """The prompt in prefix order: tools, instructions, input items."""
    request = line.request
    if request is None or request.previous_response_id:
        return []
    found: list[tuple[Cutter, bytes]] = [(tool_block, bytes(raw)) for raw in request.tools or ()]
    if instructions := bytes(request.instructions):
        found.append((_instructions, instructions))
    if raw := bytes(request.input):
        items = msgspec.json.decode(raw, type=list[msgspec.Raw]) if raw[:1] == b"[" else [raw]
        found += [(_item, bytes(item)) for item in items]
    return found


def columns(line: Line) -> dict[str, Any]:
    """The columns of the calls table that request and response fill.

    Raises:
        RowError: ``calls-missing-field``, ``calls-contradiction``.
    """
    response = line.response or Response()
    filled = served(line, response)
    filled["finish_reason"] = response.status
    if response.created_at is not None:
        filled["start_time"] = microseconds(response.created_at, "response.created_at")
    if (usage := response.usage) is not None:
        filled |= disjoint(
            usage.input_tokens,
            usage.input_tokens_details or InputDetails(),
            usage.output_tokens,
            usage.output_tokens_details or OutputDetails(),
        )
    return filled


def _instructions(raw: bytes) -> tuple[Block, ...]:
    return content_blocks(msgspec.json.decode(raw), BlockKind.SYSTEM, {})


def _item(raw: bytes) -> tuple[Block, ...]:
    item = msgspec.json.decode(raw)
    if isinstance(item, str):
        return content_blocks(item, BlockKind.USER, {})
    if not isinstance(item, dict):
        raise RowError("calls-bad-content", "an input item is not an object", "request.input")
    kind = _ITEMS.get(str(item.get("type")))
    if kind is None and "role" in item:
        return message_blocks(raw)
    return (object_block(item, kind or BlockKind.TOOL_RESULT, Marker.NONE),)
