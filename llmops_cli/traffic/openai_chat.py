"""OpenAI Chat Completions logs: request and response bodies, inclusive token counters.

Field meanings: OpenAI API reference, Chat Completions; usage.prompt_tokens includes
cached_tokens and, since GPT-5.6, cache_write_tokens. A streamed response may have been logged
as its chunks, or as their text; the last chunk that counts counts everything.
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
    tool_block,
    tool_result_block,
    tool_use_block,
)
from llmops_cli.traffic.envelope import Envelope, Failure, Tokens, enveloped, microseconds
from llmops_cli.traffic.prompts import Runs
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Found
from llmops_cli.traffic.streamed import events
from llmops_cli.traffic.usage import Counters, disjoint

__all__ = [
    "NAME",
    "ROLES",
    "STAGED",
    "InputDetails",
    "Line",
    "OutputDetails",
    "Request",
    "Response",
    "columns",
    "counted",
    "message_blocks",
    "parts",
    "rows",
    "served",
    "tool_definition",
]

NAME = "openai-chat"
STAGED = False

ROLES: dict[str, BlockKind] = {
    "system": BlockKind.SYSTEM,
    "developer": BlockKind.SYSTEM,
    "user": BlockKind.USER,
    "assistant": BlockKind.ASSISTANT,
    "tool": BlockKind.TOOL_RESULT,
    "function": BlockKind.TOOL_RESULT,
}
_object = msgspec.json.Decoder(dict[str, Any]).decode
_KINDS: dict[str, BlockKind] = {
    "image_url": BlockKind.MEDIA,
    "input_audio": BlockKind.MEDIA,
    "file": BlockKind.MEDIA,
    "input_image": BlockKind.MEDIA,
    "input_file": BlockKind.MEDIA,
    # Other vendors' parts, where a gateway or an instrumentation speaks this dialect for them.
    "thinking": BlockKind.THINKING,
    "redacted_thinking": BlockKind.THINKING,
    "tool_use": BlockKind.TOOL_USE,
    "tool_result": BlockKind.TOOL_RESULT,
}


class Request(msgspec.Struct):
    """The request body; messages stay raw until they are known to be new."""

    model: str
    messages: msgspec.Raw
    tools: msgspec.Raw = msgspec.Raw()
    user: str | None = None


class InputDetails(msgspec.Struct):
    """What the input counter includes."""

    cached_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None


class OutputDetails(msgspec.Struct):
    """What the output counter includes."""

    reasoning_tokens: Tokens | None = None


class Usage(msgspec.Struct):
    """``response.usage``: overlapping counters."""

    prompt_tokens: Tokens
    completion_tokens: Tokens = 0
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None


class Choice(msgspec.Struct):
    """``response.choices[]``: only why it ended."""

    finish_reason: str | None = None


class Response(msgspec.Struct):
    """The response body."""

    object: str | None = None
    id: str | None = None
    model: str | None = None
    created: float | None = None
    service_tier: str | None = None
    choices: list[Choice] | None = None
    usage: Usage | None = None
    error: Failure | None = None


class Line(Envelope):
    """One line of the log; a streamed response may be its chunks, or their text."""

    request: Request | None = None
    response: Response | list[Response] | str | None = None

    def fits(self) -> bool:
        """Whether it is a request and the response says that it is of this API."""
        if self.request is None:
            return False  # a gateway's own record may hold a response of this API
        if isinstance(self.response, list):
            return any(chunk.object == "chat.completion.chunk" for chunk in self.response)
        return isinstance(self.response, Response) and self.response.object == "chat.completion"


def rows(line: Line) -> tuple[Found]:
    """The one call of a line.

    Raises:
        RowError: as :func:`columns`.
    """
    return ((enveloped(columns(line), line), parts(line.request)),)


def parts(request: Request | None, field: str = "request") -> Sequence[Part]:
    """The prompt in prefix order: tools, then messages, system ones among them.

    Args:
        request: the body.
        field: where it is in the line.

    Raises:
        msgspec.ValidationError: tools or messages are no list.
    """
    if request is None:
        return ()
    return Runs(
        resent.items(request.tools, tool_definition, f"{field}.tools"),
        resent.messages(request.messages, message_blocks, f"{field}.messages"),
    )


def columns(line: Line) -> dict[str, Any]:
    """The columns of the calls table that request and response fill.

    Raises:
        RowError: ``calls-missing-field``, ``calls-contradiction``.
    """
    response = _whole(line.response)
    filled = served(line, response)
    filled["finish_reason"] = response.choices[0].finish_reason if response.choices else None
    if response.created is not None:
        filled["start_time"] = microseconds(response.created, "response.created")
    if (usage := response.usage) is not None:
        filled |= counted(
            usage.prompt_tokens,
            usage.prompt_tokens_details or InputDetails(),
            usage.completion_tokens,
            usage.completion_tokens_details or OutputDetails(),
        )
    return filled


def _whole(response: Response | list[Response] | str | None) -> Response:
    if isinstance(response, str):
        response = events(response, Response)
    if not isinstance(response, list):
        return response or Response()
    whole = Response()
    for name in Response.__struct_fields__:
        told = [getattr(chunk, name) for chunk in response]
        setattr(whole, name, next((value for value in reversed(told) if value is not None), None))
    ends = [choice for chunk in response for choice in chunk.choices or ()]
    whole.choices = [choice for choice in ends if choice.finish_reason][:1]
    return whole


def served(line: Any, response: Any) -> dict[str, Any]:  # noqa: ANN401 - both OpenAI APIs
    """Who asked whom for what: the columns both OpenAI APIs fill alike.

    Raises:
        RowError: ``calls-missing-field`` without a request.
    """
    if line.request is None:
        raise RowError("calls-missing-field", "there is no request", "request")
    known = {"user_id": line.request.user} if line.request.user else {}
    if response.error is not None:
        known["error_type"] = response.error.name
    return known | {
        "call_id": response.id,
        "provider_name": line.provider or "openai",
        "request_model": line.request.model,
        "response_model": response.model,
        "service_tier": response.service_tier,
    }


def counted(
    given: int, inside: InputDetails, output: int, output_inside: OutputDetails
) -> dict[str, Any]:
    """OpenAI's counters as disjoint classes: the input counter includes what was cached.

    Raises:
        RowError: ``calls-contradiction``.
    """
    counters = Counters(
        given=given,
        read=inside.cached_tokens or 0,
        written=inside.cache_write_tokens or 0,
        output=output,
        reasoning=output_inside.reasoning_tokens,
        field="response.usage",
    )
    return disjoint(counters, cached_inside=True)


def tool_definition(raw: bytes) -> tuple[Block, ...]:
    """One tool definition."""
    return (tool_block(_object(raw), Marker.NONE),)


def message_blocks(raw: bytes) -> tuple[Block, ...]:
    """One message: its content, then each tool call.

    Raises:
        RowError: ``calls-bad-content``.
    """
    message = _object(raw)
    role = ROLES.get(str(message.get("role")))
    if role is None:
        raise RowError("calls-bad-content", "a message has no known role", "request.messages.role")
    if role is BlockKind.TOOL_RESULT:
        return (tool_result_block(message, Marker.NONE),)
    blocks = content_blocks(message.get("content"), role, _KINDS)
    calls = message.get("tool_calls") or ()
    if not isinstance(calls, list | tuple) or not all(isinstance(call, dict) for call in calls):
        raise RowError("calls-bad-content", "a tool call is not an object", "tool_calls")
    return blocks + tuple(tool_use_block(call, Marker.NONE) for call in calls)
