"""OpenAI's chat completions through its SDK; a structured answer is a JSON schema."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from llmops_cli.live.completions import Client, Completion, Patience, Request, Usage
from llmops_cli.live.openai_stream import OpenAIAssembly
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
    from openai import AsyncOpenAI

__all__ = ["openai_client"]


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _OpenAIUsage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class _Said(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    message: _Said
    finish_reason: str | None = None


class _ChatCompletion(msgspec.Struct):
    id: str
    model: str
    choices: list[_Choice]
    usage: _OpenAIUsage
    service_tier: str | None = None


class _OpenAI:
    provider = "openai"

    def __init__(self, sdk: "AsyncOpenAI") -> None:
        import openai  # noqa: PLC0415 - a second of import

        self._sdk, self._errors = sdk, openai
        self.server = server_of(sdk.base_url)

    async def complete(self, request: Request) -> Completion:
        completions = self._sdk.chat.completions.with_raw_response
        body = await sent(completions.create, _openai_body(request), self._errors)
        found = decoded(body, _ChatCompletion)
        if not found.choices:
            raise malformed()
        choice = found.choices[0]
        return Completion(
            text=choice.message.content or choice.message.refusal or "",
            model=found.model,
            response_id=found.id,
            finish_reason=choice.finish_reason or "",
            usage=_openai_usage(found.usage),
            service_tier=found.service_tier,
        )

    async def converse(self, body: Mapping[str, Any], patience: Patience) -> Completion:
        assembly = OpenAIAssembly()
        opening = self._sdk.chat.completions.create(
            **body, stream=True, stream_options={"include_usage": True}
        )
        first = await assembled(opening, assembly, patience, self._errors)
        if assembly.usage is None:
            raise malformed()
        return Completion(
            text=assembly.text or assembly.refusal,
            model=assembly.model,
            response_id=assembly.id,
            finish_reason=assembly.finish_reason or "",
            usage=_openai_usage(converted(assembly.usage, _OpenAIUsage)),
            service_tier=assembly.service_tier,
            first_s=first,
            body=assembly.body,
        )

    async def close(self) -> None:
        await self._sdk.close()


def _openai_body(request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "model": request.model,
        "max_completion_tokens": request.max_output_tokens,
        "messages": [{"role": "user", "content": request.prompt}],
    }
    if request.schema is not None:
        named = {"name": TOOL, "strict": True, "schema": dict(request.schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body


def _openai_usage(usage: _OpenAIUsage) -> Usage:
    prompt, output = usage.prompt_tokens_details, usage.completion_tokens_details
    read = (prompt.cached_tokens or 0) if prompt else 0
    written = (prompt.cache_write_tokens or 0) if prompt else 0
    return counted(
        Usage(
            input_tokens=usage.prompt_tokens - read - written,
            output_tokens=usage.completion_tokens,
            cache_read_tokens=read,
            cache_write_5m_tokens=written,
            reasoning_tokens=output.reasoning_tokens if output else None,
        )
    )


def openai_client(base_url: str | None, key: str, timeout_s: float) -> Client:
    """A client of OpenAI, or of what speaks as it does; retries are off: they are ours."""
    from openai import AsyncOpenAI  # noqa: PLC0415 - a second of import

    sdk = AsyncOpenAI(api_key=key, base_url=base_url, timeout=timeout_s, max_retries=0)
    return _OpenAI(sdk)
