"""Anthropic's Messages API through its SDK; a structured answer is a forced tool call."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from llmops_cli.live.anthropic_stream import AnthropicAssembly
from llmops_cli.live.completions import Client, Completion, Patience, Request, Usage
from llmops_cli.live.sending import (
    TOOL,
    converted,
    counted,
    decoded,
    malformed,
    sent,
    server_of,
)
from llmops_cli.live.streaming import assembled

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

__all__ = ["anthropic_client"]


class _CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int = 0
    ephemeral_1h_input_tokens: int = 0


class _AnthropicUsage(msgspec.Struct):
    input_tokens: int
    output_tokens: int
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None
    service_tier: str | None = None


class _Block(msgspec.Struct):
    type: str
    text: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")


class _Message(msgspec.Struct):
    id: str
    model: str
    content: list[_Block]
    usage: _AnthropicUsage
    stop_reason: str | None = None


class _Anthropic:
    provider = "anthropic"

    def __init__(self, sdk: "AsyncAnthropic") -> None:
        import anthropic  # noqa: PLC0415 - a second of import

        self._sdk, self._errors = sdk, anthropic
        self.server = server_of(sdk.base_url)

    async def complete(self, request: Request) -> Completion:
        messages = self._sdk.messages.with_raw_response
        body = await sent(messages.create, _anthropic_body(request), self._errors)
        found = decoded(body, _Message)
        tools = [bytes(block.input).decode() for block in found.content if block.type == "tool_use"]
        texts = [block.text for block in found.content if block.type == "text"]
        return Completion(
            text=tools[0] if tools else "".join(texts),
            model=found.model,
            response_id=found.id,
            finish_reason=found.stop_reason or "",
            usage=_anthropic_usage(found.usage),
            service_tier=found.usage.service_tier,
        )

    async def converse(self, body: Mapping[str, Any], patience: Patience) -> Completion:
        assembly = AnthropicAssembly()
        opening = self._sdk.messages.create(**body, stream=True)
        first = await assembled(opening, assembly, patience, self._errors)
        if not assembly.usage:
            raise malformed()
        return Completion(
            text=assembly.text,
            model=assembly.model,
            response_id=assembly.id,
            finish_reason=assembly.stop_reason or "",
            usage=_anthropic_usage(converted(assembly.usage, _AnthropicUsage)),
            service_tier=assembly.usage.get("service_tier"),
            first_s=first,
            body=assembly.body,
        )

    async def close(self) -> None:
        await self._sdk.close()


def _anthropic_body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.model,
        "max_tokens": request.max_output_tokens,
        "messages": [{"role": "user", "content": request.prompt}],
    }
    if request.schema is not None:
        about = "Give the verdict."
        schema = dict(request.schema)
        body["tools"] = [{"name": TOOL, "description": about, "input_schema": schema}]
        body["tool_choice"] = {"type": "tool", "name": TOOL}
    return body


def _anthropic_usage(usage: _AnthropicUsage) -> Usage:
    written = usage.cache_creation_input_tokens or 0
    hour = usage.cache_creation.ephemeral_1h_input_tokens if usage.cache_creation else 0
    return counted(
        Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_input_tokens or 0,
            cache_write_5m_tokens=written - hour,
            cache_write_1h_tokens=hour,
        )
    )


def anthropic_client(base_url: str | None, key: str, timeout_s: float) -> Client:
    """A client of Anthropic, or of what speaks as it does; retries are off: they are ours."""
    from anthropic import AsyncAnthropic  # noqa: PLC0415 - a second of import

    sdk = AsyncAnthropic(api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0)
    return _Anthropic(sdk)
