"""OpenAI Chat Completions logs: request and response bodies, inclusive token counters.

Field meanings: OpenAI API reference, Chat Completions; usage.prompt_tokens includes
cached_tokens and, since GPT-5.6, cache_write_tokens.
"""

from typing import Any

import msgspec

from llmops_cli.calls import BlockKind, Marker
from llmops_cli.traffic.blocks import Block, Cutter, content_blocks, object_block
from llmops_cli.traffic.envelope import Envelope, RowError, Tokens, microseconds

__all__ = ["NAME", "Line", "columns", "disjoint", "message_blocks", "parts", "served", "tool_block"]

NAME = "openai-chat"

_ROLES = {
    "system": BlockKind.SYSTEM,
    "developer": BlockKind.SYSTEM,
    "user": BlockKind.USER,
    "assistant": BlockKind.ASSISTANT,
    "tool": BlockKind.TOOL_RESULT,
    "function": BlockKind.TOOL_RESULT,
}
_KINDS: dict[str, BlockKind] = dict.fromkeys(
    ("image_url", "input_audio", "file", "input_image", "input_file"), BlockKind.MEDIA
)


class Request(msgspec.Struct):
    """The request body; messages stay raw until they are known to be new."""

    model: str
    messages: list[msgspec.Raw]
    tools: list[msgspec.Raw] | None = None
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


class Line(Envelope):
    """One line of the log."""

    request: Request | None = None
    response: Response | None = None

    def fits(self) -> bool:
        """Whether the response says that it is of this API."""
        return self.response is not None and self.response.object == "chat.completion"


def parts(line: Line) -> list[tuple[Cutter, bytes]]:
    """The prompt in prefix order: tools, then messages, system ones among them."""
    request = line.request
    if request is None:
        return []
    found: list[tuple[Cutter, bytes]] = [(tool_block, bytes(raw)) for raw in request.tools or ()]
    return found + [(message_blocks, bytes(raw)) for raw in request.messages]


def columns(line: Line) -> dict[str, Any]:
    """The columns of the calls table that request and response fill.

    Raises:
        RowError: ``calls-missing-field``, ``calls-contradiction``.
    """
    response = line.response or Response()
    filled = served(line, response)
    filled["finish_reason"] = response.choices[0].finish_reason if response.choices else None
    if response.created is not None:
        filled["start_time"] = microseconds(response.created, "response.created")
    if (usage := response.usage) is not None:
        filled |= disjoint(
            usage.prompt_tokens,
            usage.prompt_tokens_details or InputDetails(),
            usage.completion_tokens,
            usage.completion_tokens_details or OutputDetails(),
        )
    return filled


def served(line: Any, response: Any) -> dict[str, Any]:  # noqa: ANN401 - both OpenAI APIs
    """Who asked whom for what: the columns both OpenAI APIs fill alike.

    Raises:
        RowError: ``calls-missing-field`` without a request.
    """
    if line.request is None:
        raise RowError("calls-missing-field", "there is no request", "request")
    user = {"user_id": line.request.user} if line.request.user else {}
    return user | {
        "call_id": response.id,
        "provider_name": line.provider or "openai",
        "request_model": line.request.model,
        "response_model": response.model,
        "service_tier": response.service_tier,
    }


def disjoint(
    given: int, inside: InputDetails, output: int, output_inside: OutputDetails
) -> dict[str, Any]:
    """Overlapping counters as disjoint classes: fresh input is what is left.

    Raises:
        RowError: ``calls-contradiction`` when the parts exceed the whole.
    """
    read, written = inside.cached_tokens or 0, inside.cache_write_tokens or 0
    reasoning = output_inside.reasoning_tokens
    if read + written > given:
        raise RowError(
            "calls-contradiction",
            f"{read} tokens read from and {written} written to the cache are more than the "
            f"{given} input tokens that include them",
            "response.usage",
        )
    if reasoning is not None and reasoning > output:
        raise RowError(
            "calls-contradiction",
            f"{reasoning} reasoning tokens are more than the {output} output tokens that "
            "include them",
            "response.usage",
        )
    return {
        "input_tokens": given - read - written,
        "cache_read_tokens": read,
        # OpenAI has one lifetime; the calls table keeps writes of the default lifetime here.
        "cache_write_5m_tokens": written,
        "cache_write_1h_tokens": 0,
        "output_tokens": output,
        "reasoning_tokens": reasoning,
    }


def tool_block(raw: bytes) -> tuple[Block, ...]:
    """One tool definition."""
    tool = msgspec.json.decode(raw, type=dict[str, Any])
    return (object_block(tool, BlockKind.TOOL, Marker.NONE),)


def message_blocks(raw: bytes) -> tuple[Block, ...]:
    """One message: its content, then each tool call.

    Raises:
        RowError: ``calls-bad-content``.
    """
    message = msgspec.json.decode(raw, type=dict[str, Any])
    role = _ROLES.get(str(message.get("role")))
    if role is None:
        raise RowError("calls-bad-content", "a message has no known role", "request.messages.role")
    blocks = content_blocks(message.get("content"), role, _KINDS)
    calls = message.get("tool_calls") or ()
    return blocks + tuple(object_block(call, BlockKind.TOOL_USE, Marker.NONE) for call in calls)
