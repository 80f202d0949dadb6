"""OpenAI Batch: request lines, and the result lines that answer them.

Field meanings: OpenAI API reference, Batch. Bodies are those of chat completions, responses,
completions or embeddings; ``custom_id`` joins a request to its result.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from llmops_cli.calls import BlockKind
from llmops_cli.traffic import openai_chat, openai_responses
from llmops_cli.traffic.blocks import Block, Part, content_blocks
from llmops_cli.traffic.bodies import decoded
from llmops_cli.traffic.envelope import Failure
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Found, Skipped
from llmops_cli.traffic.table import Role

__all__ = ["NAME", "SIGNATURES", "STAGED", "Line", "rows"]

NAME = "openai-batch"
STAGED = True
SIGNATURES: tuple[frozenset[str], ...] = (
    frozenset({"custom_id", "method", "url", "body"}),
    frozenset({"custom_id", "response", "error"}),
    frozenset({"id", "custom_id", "response"}),
)

_BAD_STATUS = 400
_ASKED, _ANSWERED = "body", "response.body"
_OPERATIONS = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
"""Endpoints whose results are calls, the longer before the shorter of one ending."""


class Answer(msgspec.Struct):
    """``response``: the answer to one request."""

    status_code: int | None = None
    body: msgspec.Raw = msgspec.Raw()


class Line(msgspec.Struct):
    """One request or one result."""

    custom_id: str | None = None
    id: str | None = None
    method: str | None = None
    url: str | None = None
    body: msgspec.Raw = msgspec.Raw()
    response: Answer | None = None
    error: Failure | None = None

    def fits(self) -> bool:
        """Whether the line is a request or a result of a batch."""
        return self.custom_id is not None and (
            self.url is not None or self.response is not None or self.error is not None
        )


class Body(msgspec.Struct):
    """What every body may say of itself."""

    object: str | None = None
    model: str | None = None
    error: Failure | None = None


class Completion(msgspec.Struct):
    """The request of the completions endpoint."""

    model: str
    prompt: msgspec.Raw = msgspec.Raw()
    user: str | None = None


class Embeddings(msgspec.Struct):
    """The answer of the embeddings endpoint; its usage has only the input."""

    model: str | None = None
    usage: openai_chat.Usage | None = None


def rows(line: Line) -> tuple[Found]:
    """The call of a result, or the request to be joined to its result.

    Raises:
        RowError: ``calls-missing-field``, ``calls-contradiction``, ``calls-bad-time``.
        msgspec.ValidationError: a body is not what its endpoint says.
    """
    if line.custom_id is None:
        raise RowError("calls-missing-field", "'custom_id' is missing", "custom_id")
    shared = {"join_key": f"batch:{line.custom_id}", "provider_name": "openai"}
    if line.url is not None:
        operation = next((op for end, op in _OPERATIONS.items() if line.url.endswith(end)), None)
        if operation is None:
            return (Skipped("requests of other endpoints"),)
        columns, parts = _request(line.url, bytes(line.body))
        return ((shared | {"role": Role.REQUEST, "operation_name": operation} | columns, parts),)
    columns = _result(line)
    if columns is None:
        return (Skipped("results of other endpoints"),)
    columns["call_id"] = columns.get("call_id") or line.id
    return ((shared | columns | {"service_tier": "batch"}, []),)


def _request(url: str, raw: bytes) -> tuple[dict[str, Any], Sequence[Part]]:
    if not raw:
        raise RowError("calls-missing-field", "'body' is missing", _ASKED)
    if url.endswith("/chat/completions"):
        asked = decoded(raw, openai_chat.Request, _ASKED)
        parts = openai_chat.parts(asked, _ASKED)
    elif url.endswith("/responses"):
        asked = decoded(raw, openai_responses.Request, _ASKED)
        parts = openai_responses.parts(asked, _ASKED)
    else:
        asked = decoded(raw, Completion, _ASKED)
        prompt = bytes(asked.prompt)
        # A list would be several prompts in one request.
        parts = [(_text, prompt)] if prompt[:1] == b'"' else []
    return {"request_model": asked.model, "user_id": asked.user}, parts


def _text(raw: bytes) -> tuple[Block, ...]:
    return content_blocks(msgspec.json.decode(raw), BlockKind.USER, {})


def _result(line: Line) -> dict[str, Any] | None:
    answer = line.response or Answer()
    raw = bytes(answer.body)
    if line.error is not None:
        return {"error_type": line.error.name}
    if answer.status_code is not None and answer.status_code >= _BAD_STATUS:
        return {"error_type": _refusal(raw) or str(answer.status_code)}
    if line.response is None:
        raise RowError(
            "calls-missing-field", "there is neither a response nor an error", "response"
        )
    if raw in {b"", b"null"}:
        raise RowError("calls-missing-field", "'body' is missing", _ANSWERED)
    return _answered(raw)


def _refusal(raw: bytes) -> str | None:
    # A gateway's error page is no JSON object; the status says enough.
    failure = decoded(raw, Body, _ANSWERED).error if raw[:1] == b"{" else None
    return failure.name if failure else None


def _answered(raw: bytes) -> dict[str, Any] | None:
    body = decoded(raw, Body, _ANSWERED)
    model = body.model or ""
    if body.object == "response":
        request = openai_responses.Request(model)
        response = decoded(raw, openai_responses.Response, _ANSWERED)
        return openai_responses.columns(openai_responses.Line(request=request, response=response))
    if body.object in {"chat.completion", "text_completion"}:
        asked = openai_chat.Request(model, msgspec.Raw())
        reply = decoded(raw, openai_chat.Response, _ANSWERED)
        found = openai_chat.columns(openai_chat.Line(request=asked, response=reply))
        plain = body.object == "text_completion"
        return found | ({"operation_name": "text_completion"} if plain else {})
    return _embedded(raw) if body.object == "list" else None


def _embedded(raw: bytes) -> dict[str, Any]:
    reply = decoded(raw, Embeddings, _ANSWERED)
    usage = reply.usage
    inside, outside = openai_chat.InputDetails(), openai_chat.OutputDetails()
    counted = openai_chat.counted(usage.prompt_tokens, inside, 0, outside) if usage else {}
    return counted | {
        "operation_name": "embeddings",
        "request_model": reply.model,
        "response_model": reply.model,
    }
