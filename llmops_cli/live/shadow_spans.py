"""The spans of replayed prompts: a line of OTLP JSON each, by the conventions 1.41.

A workflow span, and under it one client span per attempt, each linked to the one before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes import error_attributes as error
from opentelemetry.semconv.attributes import http_attributes as http
from opentelemetry.semconv.attributes import server_attributes as server
from opentelemetry.semconv.attributes import service_attributes as service
from opentelemetry.semconv.schemas import Schemas

from llmops_cli import __version__
from llmops_cli.live.completions import Completion, Failure
from llmops_cli.live.exported import plain
from llmops_cli.live.recording import answered, pairs_of, random_id
from llmops_cli.live.shadow_content import asked_for

__all__ = [
    "CALL_ID",
    "CHARGED",
    "SETTINGS",
    "Shadowed",
    "Tried",
    "last_line_of",
    "line_of",
    "root_of",
]

CALL_ID = "llmops.replay.call_id"
CHARGED = "llmops.replay.charged_usd"
SETTINGS = "llmops.replay.settings"
TASK = "llmops.task"
"""Attributes of our own; what a resumed run reads back."""

_CHAT, _INVOKE, _WORKFLOW = "chat", "invoke_workflow", "replay"
_INTERNAL, _CLIENT, _ERROR = 1, 3, 2


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt, ready to be written.

    Attributes:
        provider: as OpenTelemetry names it.
        model: asked for.
        server: host and port.
        started_ns: since 1970.
        ended_ns: since 1970.
        outcome: the answer, or why there is none; None where a hedge won.
        charged_usd: held against the cap; None where no price is known.
        span_id: in hexadecimal.
    """

    provider: str
    model: str
    server: tuple[str, int]
    started_ns: int
    ended_ns: int
    outcome: Completion | Failure | None
    charged_usd: float | None
    span_id: str = field(default_factory=lambda: random_id(8))


@dataclass(frozen=True, slots=True)
class Shadowed:
    """One prompt as it was replayed.

    Attributes:
        call_id: of the logged call.
        conversation: of the logged call.
        task: of the logged call.
        max_output_tokens: asked for.
        attempts: in the order they were sent.
        asked: body of the request in the words of its API; None to leave content out.
        trace_id: in hexadecimal.
        span_id: of the workflow span.
    """

    call_id: str
    conversation: str
    task: str
    max_output_tokens: int
    attempts: Sequence[Tried]
    asked: Mapping[str, Any] | None = None
    trace_id: str = field(default_factory=lambda: random_id(16))
    span_id: str = field(default_factory=lambda: random_id(8))


def line_of(shadow: Shadowed, settings: str) -> bytes:
    """One export, as the collector's file exporter writes it."""
    attempts = [_span(shadow, number) for number in range(len(shadow.attempts))]
    return _export([*attempts, root_of(attempts)], settings)


def last_line_of(shadow: Shadowed, settings: str) -> bytes:
    """An export of the last attempt alone, while its prompt goes on."""
    known = isinstance(shadow.attempts[-1].outcome, Completion)
    # What was asked says nothing where nothing was answered yet.
    told = shadow if known else replace(shadow, asked=None)
    return _export([_span(told, len(shadow.attempts) - 1)], settings)


def _export(spans: Sequence[Mapping[str, Any]], settings: str) -> bytes:
    about = {service.SERVICE_NAME: "llmops", SETTINGS: settings}
    scope = {"name": "llmops.live", "version": __version__}
    scoped = [{"scope": scope, "spans": spans, "schemaUrl": Schemas.V1_41_1.value}]
    resource = {"resource": {"attributes": pairs_of(about)}, "scopeSpans": scoped}
    return msgspec.json.encode({"resourceSpans": [resource]}) + b"\n"


def _span(shadow: Shadowed, number: int) -> dict[str, Any]:
    attempt = shadow.attempts[number]
    before = shadow.attempts[number - 1].span_id if number else None
    outcome = attempt.outcome
    failed = isinstance(outcome, Failure)
    found = dict(answered(outcome, attempt.provider)) if outcome is not None else {}
    cut = {error.ERROR_TYPE: "cancelled"} if outcome is None else {}
    return {
        "traceId": shadow.trace_id,
        "spanId": attempt.span_id,
        "parentSpanId": shadow.span_id,
        "name": f"{_CHAT} {attempt.model}",
        "kind": _CLIENT,
        "startTimeUnixNano": str(attempt.started_ns),
        "endTimeUnixNano": str(attempt.ended_ns),
        "attributes": pairs_of(
            {
                gen_ai.GEN_AI_OPERATION_NAME: _CHAT,
                gen_ai.GEN_AI_PROVIDER_NAME: attempt.provider,
                gen_ai.GEN_AI_REQUEST_MODEL: attempt.model,
                gen_ai.GEN_AI_REQUEST_MAX_TOKENS: shadow.max_output_tokens,
                gen_ai.GEN_AI_REQUEST_STREAM: True,
                gen_ai.GEN_AI_OUTPUT_TYPE: "text",
                gen_ai.GEN_AI_CONVERSATION_ID: shadow.conversation,
                server.SERVER_ADDRESS: attempt.server[0],
                server.SERVER_PORT: attempt.server[1],
                http.HTTP_REQUEST_RESEND_COUNT: number or None,
                **found,
                **cut,
                **_first(outcome),
                **_content(shadow, outcome),
                CALL_ID: shadow.call_id,
                TASK: shadow.task or None,
                CHARGED: attempt.charged_usd,
            }
        ),
        "links": [{"traceId": shadow.trace_id, "spanId": before}] if before else [],
        "status": {"code": _ERROR} if failed or outcome is None else {},
    }


def _first(outcome: Completion | Failure | None) -> dict[str, Any]:
    if not isinstance(outcome, Completion) or outcome.first_s is None:
        return {}
    return {gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: outcome.first_s}


def _content(shadow: Shadowed, outcome: Completion | Failure | None) -> dict[str, Any]:
    if shadow.asked is None:
        return {}
    found: dict[str, Any] = {**asked_for(shadow.asked)}
    if isinstance(outcome, Completion):
        parts = [{"type": "text", "content": outcome.text}]
        said = {"role": "assistant", "parts": parts, "finish_reason": outcome.finish_reason}
        found[gen_ai.GEN_AI_OUTPUT_MESSAGES] = msgspec.json.encode([said]).decode()
    return found


def root_of(attempts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The workflow span over the spans of all attempts at a prompt."""
    abouts = [plain(item) for item in attempts]
    won = any(gen_ai.GEN_AI_RESPONSE_ID in about for about in abouts)
    last = abouts[-1]
    return {
        "traceId": attempts[-1]["traceId"],
        "spanId": attempts[-1]["parentSpanId"],
        "parentSpanId": "",
        "name": f"{_INVOKE} {_WORKFLOW}",
        "kind": _INTERNAL,
        "startTimeUnixNano": str(min(int(item["startTimeUnixNano"]) for item in attempts)),
        "endTimeUnixNano": str(max(int(item["endTimeUnixNano"]) for item in attempts)),
        "attributes": pairs_of(
            {
                gen_ai.GEN_AI_OPERATION_NAME: _INVOKE,
                gen_ai.GEN_AI_WORKFLOW_NAME: _WORKFLOW,
                gen_ai.GEN_AI_CONVERSATION_ID: last[gen_ai.GEN_AI_CONVERSATION_ID],
                error.ERROR_TYPE: None if won else last.get(error.ERROR_TYPE),
                CALL_ID: last[CALL_ID],
            }
        ),
        "status": {} if won else {"code": _ERROR},
    }
