"""Which SDK is asked: by name, with a key from the environment."""

import os
from collections.abc import Callable, Mapping
from typing import Any

from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.live.anthropic_sdk import anthropic_client
from llmops_cli.live.completions import Client, Completion, Patience, Request
from llmops_cli.live.openai_sdk import openai_client

__all__ = ["PROVIDERS", "closed_client", "open_client"]

_Opener = Callable[[str | None, str, float], Client]
PROVIDERS: Mapping[str, tuple[str, _Opener]] = {
    "anthropic": ("ANTHROPIC_API_KEY", anthropic_client),
    "openai": ("OPENAI_API_KEY", openai_client),
}
"""By the name of the SDK: the variable that holds the key, and how a client is opened."""


def open_client(provider: str, *, base_url: str | None = None, timeout_s: float = 60.0) -> Client:
    """A client of one provider; its key comes from the environment and from nowhere else.

    Raises:
        LlmopsError: ``provider-unknown``, ``provider-no-key`` and ``provider-bad-url``.
    """
    if provider not in PROVIDERS:
        raise LlmopsError(
            "provider-unknown",
            f"'{provider}' is no provider that can be called",
            hint=f"one of {', '.join(PROVIDERS)}; --base-url reaches whatever speaks as they do",
            exit_code=ExitCode.USAGE,
        )
    variable, opener = PROVIDERS[provider]
    key = os.environ.get(variable, "").strip()
    if not key:
        raise LlmopsError(
            "provider-no-key",
            f"the environment variable {variable} is not set",
            hint=f"export {variable}; for a server without keys any value will do",
            exit_code=ExitCode.USAGE,
        )
    if base_url is not None and not base_url.startswith(("http://", "https://")):
        raise LlmopsError(
            "provider-bad-url",
            "the base URL does not begin with http:// or https://",
            hint="--base-url http://localhost:8000/v1",
            exit_code=ExitCode.USAGE,
        )
    return opener(base_url, key, timeout_s)


class _Closed:
    """Stands for a provider whose answers are on a cassette."""

    def __init__(self, provider: str, server: tuple[str, int]) -> None:
        self.provider, self.server = provider, server

    async def complete(self, request: Request) -> Completion:
        raise RuntimeError(request.model)

    async def converse(self, body: Mapping[str, Any], patience: Patience) -> Completion:
        raise RuntimeError(body["model"], patience)

    async def close(self) -> None:
        """Nothing is open."""


def closed_client(provider: str, server: tuple[str, int] = ("", 0)) -> Client:
    """A client that needs no key, loads no SDK and sends nothing.

    Args:
        provider: that it stands for.
        server: that was asked, where spans are to say so.
    """
    return _Closed(provider, server)
