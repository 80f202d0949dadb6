"""OpenAI Responses logs: request and response bodies, inclusive token counters.

Field meanings: OpenAI API reference, Responses. With ``previous_response_id`` the prompt
begins on the provider's side, so such a call has no blocks: half a prompt is not a prefix.
A streamed response may have been logged as its events; the last one holds the whole body.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llmops_cli.calls import BlockKind, Marker
from llmops_cli.traffic import resent
from llmops_cli.traffic.blocks import (
    Block,
    Part,
    content_blocks,
    object_block,
    tool_result_block,
    tool_use_block,
)
from llmops_cli.traffic.envelope import Envelope, Failure, Tokens, enveloped, microseconds
from llmops_cli.traffic.openai_chat import (
    InputDetails,
    OutputDetails,
    counted,
    message_blocks,
    served,
    tool_definition,
)
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
    "columns",
    "item_blocks",
    "parts",
    "rows",
]

NAME = "openai-responses"
STAGED = False

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
    tools: msgspec.Raw = msgspec.Raw()
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
    error: Failure | None = None


class Event(msgspec.Struct):
    """One event of a stream; the first and the last ones hold the body."""

    type: str | None = None
    response: Response | None = None


class Line(Envelope):
    """One line of the log; a streamed response may be its events, or their text."""

    request: Request | None = None
    response: Response | list[Event] | str | None = None

    def fits(self) -> bool:
        """Whether it is a request and the response says that it is of this API."""
        if self.request is None:
            return False  # a gateway's own record may hold a response of this API
        if isinstance(self.response, list):
            return any((event.type or "").startswith("response.") for event in self.response)
        return isinstance(self.response, Response) and self.response.object == "response"


def rows(line: Line) -> tuple[Found]:
    """The one call of a line.

    Raises:
        RowError: as :func:`columns`.
    """
    return ((enveloped(columns(line), line), parts(line.request)),)


def parts(request: Request | None, field: str = "request") -> Sequence[Part]:
    """The prompt in prefix order: tools, instructions, input items.

    Args:
        request: the body.
        field: where it is in the line.

    Raises:
        msgspec.ValidationError: tools are no list.
    """
    if request is None:
        return ()
    tools = resent.items(request.tools, tool_definition, f"{field}.tools")
    if request.previous_response_id:
        return ()
    given = bytes(request.input)[:1]
    return Runs(
        tools,
        resent.value(request.instructions, _instructions),
        resent.messages(request.input, item_blocks, f"{field}.input")
        if given == b"["
        else resent.value(request.input, item_blocks),
    )


def columns(line: Line) -> dict[str, Any]:
    """The columns of the calls table that request and response fill.

    Raises:
        RowError: ``calls-missing-field``, ``calls-contradiction``.
    """
    response = _whole(line.response)
    filled = served(line, response)
    filled["finish_reason"] = response.status
    if response.created_at is not None:
        filled["start_time"] = microseconds(response.created_at, "response.created_at")
    if (usage := response.usage) is not None:
        filled |= counted(
            usage.input_tokens,
            usage.input_tokens_details or InputDetails(),
            usage.output_tokens,
            usage.output_tokens_details or OutputDetails(),
        )
    return filled


def _whole(response: Response | list[Event] | str | None) -> Response:
    if isinstance(response, str):
        response = events(response, Event)
    if not isinstance(response, list):
        return response or Response()
    told = [event.response for event in response if event.response is not None]
    return told[-1] if told else Response()


def _instructions(raw: bytes) -> tuple[Block, ...]:
    return content_blocks(msgspec.json.decode(raw), BlockKind.SYSTEM, {})


def item_blocks(raw: bytes) -> tuple[Block, ...]:
    """One input item, or all of the input where that is text.

    Raises:
        RowError: ``calls-bad-content``.
    """
    item = msgspec.json.decode(raw)
    if isinstance(item, str):
        return content_blocks(item, BlockKind.USER, {})
    if not isinstance(item, dict):
        raise RowError("calls-bad-content", "an input item is not an object", "request.input")
    kind = _ITEMS.get(str(item.get("type")))
    if kind is None and "role" in item:
        return message_blocks(raw)
    if kind is BlockKind.TOOL_USE:
        return (tool_use_block(item, Marker.NONE),)
    if kind is BlockKind.TOOL_RESULT:
        return (tool_result_block(item, Marker.NONE),)
    return (object_block(item, kind or BlockKind.TOOL_RESULT, Marker.NONE),)
