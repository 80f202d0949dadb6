"""Anthropic Message Batches: result lines, and the request lines they answer.

Field meanings: Anthropic API reference, Message Batches. Both kinds of line carry the
``custom_id`` that joins them; a result alone is a call without blocks.
"""

from typing import Any

import msgspec

from llmops_cli.traffic import anthropic_messages
from llmops_cli.traffic.anthropic_usage import usage_columns
from llmops_cli.traffic.blocks import marker_of
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Found
from llmops_cli.traffic.table import Role

__all__ = ["NAME", "SIGNATURES", "STAGED", "Line", "rows"]

NAME = "anthropic-batch"
STAGED = True
SIGNATURES: tuple[frozenset[str], ...] = (
    frozenset({"custom_id", "result"}),
    frozenset({"custom_id", "params"}),
)

_USAGE = "result.message.usage"


class ErrorBody(msgspec.Struct):
    """``result.error``: the API's error body, or the error itself."""

    type: str | None = None
    error: anthropic_messages.Failure | None = None


class Result(msgspec.Struct):
    """``result``: what became of the request."""

    type: str | None = None
    message: anthropic_messages.Response | None = None
    error: ErrorBody | None = None


class Line(msgspec.Struct):
    """One request or one result."""

    custom_id: str | None = None
    result: Result | None = None
    params: anthropic_messages.Request | None = None

    def fits(self) -> bool:
        """Whether the line is a request or a result of a batch."""
        return self.custom_id is not None and (self.result is not None or self.params is not None)


def rows(line: Line) -> tuple[Found]:
    """The call of a result, or the request to be joined to its result.

    Raises:
        RowError: ``calls-missing-field``, ``calls-bad-value``, ``calls-contradiction``,
            ``calls-bad-content``.
    """
    if line.custom_id is None:
        raise RowError("calls-missing-field", "'custom_id' is missing", "custom_id")
    shared = {"join_key": f"batch:{line.custom_id}", "provider_name": "anthropic"}
    if line.result is not None:
        return ((shared | {"service_tier": "batch"} | _answer(line.result), []),)
    if line.params is None:
        raise RowError("calls-missing-field", "there is neither a request nor a result", "params")
    return ((shared | _request(line.params), anthropic_messages.parts(line.params, "params")),)


def _request(params: anthropic_messages.Request) -> dict[str, Any]:
    return {
        "role": Role.REQUEST,
        "request_model": params.model,
        "user_id": params.metadata.user_id if params.metadata else None,
        "automatic_cache": int(marker_of(params.cache_control)),
    }


def _answer(result: Result) -> dict[str, Any]:
    if result.type == "succeeded":
        return _succeeded(result.message)
    if result.type == "errored":
        return {"error_type": _error(result.error)}
    if result.type in {"canceled", "expired"}:
        return {"error_type": result.type}
    raise RowError(
        "calls-bad-value", "a result is succeeded, errored, canceled or expired", "result.type"
    )


def _error(body: ErrorBody | None) -> str:
    if body is None:
        return "error"
    return body.error.type if body.error else body.type or "error"


def _succeeded(message: anthropic_messages.Response | None) -> dict[str, Any]:
    if message is None:
        raise RowError("calls-missing-field", "'message' is missing", "result.message")
    counted = usage_columns(message.usage, _USAGE) if message.usage else {}
    return counted | {
        "call_id": message.id,
        # Until the request is joined, the answer says best what was asked for.
        "request_model": message.model,
        "response_model": message.model,
        "finish_reason": message.stop_reason,
        "service_tier": "batch",
    }
