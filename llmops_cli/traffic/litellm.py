"""LiteLLM logs: one ``StandardLoggingPayload`` per line.

Field meanings: LiteLLM documentation, StandardLoggingPayload specification. A proxy's own
cache hit made no call, so it is none here; messages that were redacted are no prompt.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llmops_cli.traffic import anthropic_messages, openai_chat, openai_responses
from llmops_cli.traffic.blocks import Part
from llmops_cli.traffic.bodies import decoded
from llmops_cli.traffic.envelope import Moment, Tokens, later, microseconds
from llmops_cli.traffic.litellm_usage import UsageObject, token_columns
from llmops_cli.traffic.otlp.names import PROVIDERS
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Found, Skipped

__all__ = [
    "NAME",
    "NOBODY",
    "NOTHING",
    "SIGNATURES",
    "STAGED",
    "Line",
    "Response",
    "domain",
    "error",
    "named",
    "prompted",
    "rows",
    "session",
    "tokens",
    "user",
]

NAME = "litellm"
STAGED = True
SIGNATURES = (
    frozenset({"call_type", "custom_llm_provider"}),
    frozenset({"call_type", "response_cost", "model"}),
)

_OPERATIONS = {
    "completion": "chat",
    "acompletion": "chat",
    "responses": "chat",
    "aresponses": "chat",
    "anthropic_messages": "chat",
    "embedding": "embeddings",
    "aembedding": "embeddings",
    "text_completion": "text_completion",
    "atext_completion": "text_completion",
}
_REDACTED = b"redacted-by-litellm"
_GIVEN = "model_parameters"


class Requester(msgspec.Struct, gc=False):
    """``metadata.requester_metadata``: whatever the client sent along."""

    session_id: msgspec.Raw = msgspec.Raw()


class Metadata(msgspec.Struct, gc=False):
    """``metadata``: who asked, and the counters."""

    user_api_key_org_id: str | None = None
    user_api_key_team_id: str | None = None
    user_api_key_user_id: str | None = None
    user_api_key_end_user_id: str | None = None
    requester_metadata: Requester | None = None
    usage_object: UsageObject | None = None


class Failure(msgspec.Struct, gc=False):
    """``error_information``."""

    error_class: str | None = None
    error_code: str | int | None = None


class ModelParameters(msgspec.Struct, gc=False):
    """``model_parameters``: of them what comes before the messages."""

    tools: msgspec.Raw = msgspec.Raw()
    system: msgspec.Raw = msgspec.Raw()
    instructions: msgspec.Raw = msgspec.Raw()


class Choice(msgspec.Struct, gc=False):
    """``response.choices[]``: only why it ended."""

    finish_reason: str | None = None


class Response(msgspec.Struct, gc=False):
    """``response``, without its content."""

    model: str | None = None
    service_tier: str | None = None
    choices: list[Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()


class Line(msgspec.Struct, gc=False):
    """One line of the log."""

    call_type: str | None = None
    id: str | None = None
    trace_id: str | None = None
    session_id: str | None = None
    status: str | None = None
    model: str | None = None
    model_group: str | None = None
    custom_llm_provider: str | None = None
    cache_hit: bool | str | None = None
    startTime: Moment = None  # noqa: N815 - LiteLLM's own spelling
    endTime: Moment = None  # noqa: N815
    completionStartTime: Moment = None  # noqa: N815
    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    end_user: str | None = None
    metadata: Metadata | None = None
    model_parameters: ModelParameters | None = None
    messages: msgspec.Raw = msgspec.Raw()
    response: Response | list[msgspec.Raw] | str | None = None
    error_information: Failure | None = None

    def fits(self) -> bool:
        """Whether this is such a payload."""
        return self.call_type is not None


NOBODY = Metadata()
NOTHING = Response()


def rows(line: Line) -> tuple[Found]:
    """The one call of a line.

    Raises:
        RowError: ``calls-missing-field``, ``calls-bad-time``, ``calls-negative-duration``,
            ``calls-contradiction``.
    """
    if line.call_type is None:
        raise RowError("calls-missing-field", "'call_type' is missing", "call_type")
    if line.cache_hit is True or str(line.cache_hit).lower() == "true":
        return (Skipped("answers from the proxy's cache"),)
    response = line.response if isinstance(line.response, Response) else NOTHING
    filled = _asked(line, line.metadata or NOBODY)
    filled["response_model"] = response.model or None
    filled["service_tier"] = response.service_tier
    filled["finish_reason"] = response.choices[0].finish_reason if response.choices else None
    _times(line, filled)
    if line.status == "failure":
        filled["error_type"] = error(line)
    else:
        filled |= tokens(line, response)
    return ((filled, _parts(line) if prompted(line) else []),)


def _asked(line: Line, metadata: Metadata) -> dict[str, Any]:
    operation, provider, model = named(
        line.call_type, line.custom_llm_provider, line.model, line.model_group
    )
    return {
        "call_id": line.id,
        "trace_id": line.trace_id or None,
        "conversation_id": line.session_id or session(metadata),
        "user_id": user(line, metadata),
        "isolation_domain": domain(metadata),
        "provider_name": provider,
        "operation_name": operation,
        "request_model": model,
    }


def named(
    call_type: str | None, provider: str | None, model: str | None, group: str | None
) -> tuple[str | None, str | None, str | None]:
    """Operation, provider and model in the words of the calls table."""
    # An empty text stands for what is not known.
    asked = model or group or None
    return (
        _OPERATIONS.get(call_type or "", call_type),
        PROVIDERS.get(provider, provider) if provider else None,
        asked.removeprefix(f"{provider}/") if asked else None,
    )


def user(line: Line, metadata: Metadata) -> str | None:
    """Who asked, the nearest to the person first."""
    return (
        line.end_user or metadata.user_api_key_end_user_id or metadata.user_api_key_user_id or None
    )


def domain(metadata: Metadata) -> str | None:
    """Whose organisation or team it was."""
    return metadata.user_api_key_org_id or metadata.user_api_key_team_id or None


def session(metadata: Metadata) -> str | None:
    """The conversation that a client named by itself."""
    requester = metadata.requester_metadata
    raw = bytes(requester.session_id) if requester else b""
    return (msgspec.json.decode(raw) or None) if raw[:1] == b'"' else None


def error(line: Line) -> str:
    """Why a call failed, in the word of its class or its code."""
    failure = line.error_information or Failure()
    return failure.error_class or str(failure.error_code or "failure")


def _times(line: Line, filled: dict[str, Any]) -> None:
    if line.startTime is None:
        return
    start = filled["start_time"] = microseconds(line.startTime, "startTime")
    if line.endTime is None:
        return
    end = microseconds(line.endTime, "endTime")
    filled["duration_s"] = later(start, end, "endTime")
    if line.completionStartTime is not None:
        first = microseconds(line.completionStartTime, "completionStartTime")
        # Without streaming LiteLLM repeats the end here: no time to first token was seen.
        if first < end:
            filled["ttft_s"] = later(start, first, "completionStartTime")


def tokens(line: Line, response: Response) -> dict[str, Any]:
    """The token columns of a line, and the tier that its counters name.

    Raises:
        RowError: ``calls-contradiction``.
    """
    usage, field = (line.metadata or NOBODY).usage_object, "metadata.usage_object"
    if usage is None:
        # Payloads of before 2025 have the details only where the provider put them.
        raw, field = bytes(response.usage), "response.usage"
        usage = decoded(raw, UsageObject, field) if raw[:1] == b"{" else UsageObject()
    for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
        if (own := getattr(line, name)) is not None:
            setattr(usage, name, own)
    whose = (line.call_type or "", line.custom_llm_provider or "", line.model or "")
    columns = token_columns(usage, field, whose)
    return columns if usage.service_tier is None else columns | {"service_tier": usage.service_tier}


def prompted(line: Line) -> bool:
    """Whether a prompt was logged, and not redacted."""
    if _OPERATIONS.get(line.call_type or "", line.call_type) not in _PROMPTED:
        return False
    raw = bytes(line.messages)
    return raw[:1] in {b"[", b'"'} and not (_REDACTED in raw and len(raw) < _SHORT)


_PROMPTED = {"chat", "text_completion"}
_SHORT = 200
"""No redacted prompt is longer; a longer one may speak of LiteLLM."""


def _parts(line: Line) -> Sequence[Part]:
    given = line.model_parameters or ModelParameters()
    if line.call_type in {"responses", "aresponses"}:
        return openai_responses.parts(
            openai_responses.Request(
                model="",
                input=line.messages,
                instructions=given.instructions,
                tools=given.tools,
            ),
            _GIVEN,
        )
    if bytes(line.messages)[:1] == b'"':
        return ()
    if line.call_type == "anthropic_messages":
        return anthropic_messages.parts(
            anthropic_messages.Request(
                model="", messages=line.messages, system=given.system, tools=given.tools
            ),
            _GIVEN,
        )
    return openai_chat.parts(
        openai_chat.Request(model="", messages=line.messages, tools=given.tools), _GIVEN
    )
