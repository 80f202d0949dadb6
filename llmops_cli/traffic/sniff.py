"""Which API a log line is of: told from the response where there is one, else the request."""

from typing import Any, Protocol

import msgspec

from llmops_cli.traffic import anthropic_messages, openai_chat, openai_responses
from llmops_cli.traffic.blocks import Cutter
from llmops_cli.traffic.envelope import Envelope

__all__ = ["FORMATS", "Format", "Line", "sniff"]


class Line(Protocol):
    """What every format's line type offers."""

    def fits(self) -> bool:
        """Whether the response says that it is of this format."""
        ...


class Format(Protocol):
    """One module per format."""

    NAME: str
    Line: type[Envelope]

    def parts(self, line: Envelope) -> list[tuple[Cutter, bytes]]:
        """The raw prompt in prefix order."""
        ...

    def columns(self, line: Envelope) -> dict[str, Any]:
        """The columns that request and response fill."""
        ...


FORMATS: dict[str, Format] = {
    module.NAME: module  # type: ignore[misc]  # modules are checked against the protocol by tests
    for module in (anthropic_messages, openai_chat, openai_responses)
}


class _Request(msgspec.Struct):
    model: str = ""
    messages: msgspec.Raw = msgspec.Raw()
    input: msgspec.Raw = msgspec.Raw()


class _Response(msgspec.Struct):
    type: str = ""
    object: str = ""


class _Probe(msgspec.Struct):
    request: _Request | None = None
    response: _Response | None = None
    provider: str | None = None


def sniff(raw: bytes) -> str | None:
    """The name of the format of one line, or None where nothing says so.

    Raises:
        msgspec.DecodeError: the line is not JSON.
    """
    probe = msgspec.json.decode(raw, type=_Probe)
    response = probe.response or _Response()
    if response.object in {"chat.completion", "response"}:
        return {"chat.completion": openai_chat.NAME, "response": openai_responses.NAME}[
            response.object
        ]
    request = probe.request or _Request()
    if response.type == "message" or probe.provider == "anthropic":
        return anthropic_messages.NAME
    if bytes(request.messages):
        is_claude = "claude" in request.model.lower()
        return anthropic_messages.NAME if is_claude else openai_chat.NAME
    return openai_responses.NAME if bytes(request.input) else None
