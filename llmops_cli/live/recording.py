"""Attempts become OpenTelemetry GenAI spans, as lines of OTLP JSON by the conventions 1.41.

One trace per judged row: a workflow span with the verdicts as evaluation events, and under it
one client span per attempt, retries linked to what they repeat. Prompts and answers stay out
unless they are asked for.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv._incubating.attributes import openai_attributes as openai
from opentelemetry.semconv.attributes import error_attributes as error
from opentelemetry.semconv.attributes import http_attributes as http
from opentelemetry.semconv.attributes import server_attributes as server
from opentelemetry.semconv.attributes import service_attributes as service
from opentelemetry.semconv.schemas import Schemas

from llmops_cli import __version__
from llmops_cli.live.completions import Completion, Failure

__all__ = ["CHARGED", "CONFIDENCE", "ORDER", "ROW", "SETTINGS", "VERDICT", "Attempt", "Recorder",
           "RowTrace", "answered", "attribute", "pairs_of", "random_id"]  # fmt: skip

ROW = "llmops.judge.row"
ORDER = "llmops.judge.order"
VERDICT = "llmops.judge.verdict"
CONFIDENCE = "llmops.judge.confidence"
CHARGED = "llmops.judge.charged_usd"
SETTINGS = "llmops.judge.settings"
"""Attributes of our own; what a resumed run reads back."""

_SCHEMA_URL = Schemas.V1_41_1.value
_EVALUATION = "gen_ai.evaluation.result"
_WORKFLOW = "judge-collect"
_CHAT, _INVOKE = "chat", "invoke_workflow"
_INTERNAL, _CLIENT = 1, 3
_ERROR = 2

Value = str | int | float | bool | Sequence[str] | None
_Span = dict[str, Any]


def random_id(size: int) -> str:
    """Of a trace (16 bytes) or a span (8), in hexadecimal."""
    return os.urandom(size).hex()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request and what came of it.

    Attributes:
        started_ns: since 1970.
        ended_ns: since 1970.
        outcome: the answer, or why there is none.
        charged_usd: held against the budget; None where no price is known.
        span_id: in hexadecimal.
    """

    started_ns: int
    ended_ns: int
    outcome: Completion | Failure
    charged_usd: float | None
    span_id: str = field(default_factory=lambda: random_id(8))


@dataclass(frozen=True, slots=True)
class RowTrace:
    """Where the spans of one row hang.

    Attributes:
        started_ns: of the first attempt; 0 before there is one.
        trace_id: in hexadecimal.
        span_id: of the workflow span.
    """

    started_ns: int = 0
    trace_id: str = field(default_factory=lambda: random_id(16))
    span_id: str = field(default_factory=lambda: random_id(8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """Writes the spans of one run.

    Attributes:
        provider: as OpenTelemetry names it.
        server: host and port that are called.
        model: asked for.
        max_output_tokens: asked for.
        output_type: json where the answer is asked for by schema.
        settings: digest of what makes verdicts comparable.
        keep_content: whether prompts and answers are written.
    """

    provider: str
    server: tuple[str, int]
    model: str
    max_output_tokens: int
    output_type: str
    settings: str
    keep_content: bool = False

    def attempts(
        self,
        attempts: Sequence[Attempt],
        row: RowTrace,
        *,
        conversation: str,
        said: Mapping[str, Value],
        prompt: str,
    ) -> list[_Span]:
        """The spans of one call, one per attempt.

        Args:
            attempts: in order.
            row: the trace they belong to.
            conversation: what the row belongs to.
            said: our own attributes, of all attempts; the verdict only of the last.
            prompt: written where content is kept.
        """
        spans: list[_Span] = []
        for number, attempt in enumerate(attempts):
            last = number == len(attempts) - 1
            ours = {k: v for k, v in said.items() if last or k not in {VERDICT, CONFIDENCE}}
            pairs = {
                **self._asked(conversation, number),
                **dict(answered(attempt.outcome, self.provider)),
                **(self._content(prompt, attempt.outcome) if self.keep_content else {}),
                **ours,
                CHARGED: attempt.charged_usd,
            }
            links = [{"traceId": row.trace_id, "spanId": spans[-1]["spanId"]}] if spans else []
            spans.append(
                {
                    "traceId": row.trace_id,
                    "spanId": attempt.span_id,
                    "parentSpanId": row.span_id,
                    "name": f"{_CHAT} {self.model}",
                    "kind": _CLIENT,
                    "startTimeUnixNano": str(attempt.started_ns),
                    "endTimeUnixNano": str(attempt.ended_ns),
                    "attributes": pairs_of(pairs),
                    "links": links,
                    "status": {"code": _ERROR} if isinstance(attempt.outcome, Failure) else {},
                }
            )
        return spans

    def _asked(self, conversation: str, number: int) -> dict[str, Value]:
        return {
            gen_ai.GEN_AI_OPERATION_NAME: _CHAT,
            gen_ai.GEN_AI_PROVIDER_NAME: self.provider,
            gen_ai.GEN_AI_REQUEST_MODEL: self.model,
            gen_ai.GEN_AI_REQUEST_MAX_TOKENS: self.max_output_tokens,
            gen_ai.GEN_AI_OUTPUT_TYPE: self.output_type,
            gen_ai.GEN_AI_CONVERSATION_ID: conversation,
            server.SERVER_ADDRESS: self.server[0],
            server.SERVER_PORT: self.server[1],
            http.HTTP_REQUEST_RESEND_COUNT: number or None,
        }

    def _content(self, prompt: str, outcome: Completion | Failure) -> dict[str, Value]:
        asked = [{"role": "user", "parts": [{"type": "text", "content": prompt}]}]
        found: dict[str, Value] = {gen_ai.GEN_AI_INPUT_MESSAGES: _json(asked)}
        if isinstance(outcome, Completion):
            parts = [{"type": "text", "content": outcome.text}]
            answer = {"role": "assistant", "parts": parts, "finish_reason": outcome.finish_reason}
            found[gen_ai.GEN_AI_OUTPUT_MESSAGES] = _json([answer])
        return found

    def row(
        self,
        row: RowTrace,
        ended_ns: int,
        *,
        attributes: Mapping[str, Value],
        evaluations: Iterable[Mapping[str, Value]],
        failed: str = "",
    ) -> _Span:
        """The workflow span of one row.

        Args:
            row: its trace.
            ended_ns: of the last attempt.
            attributes: what the row is, by attribute.
            evaluations: attributes of each evaluation event.
            failed: what went wrong, where no verdict came.
        """
        pairs: dict[str, Value] = {
            gen_ai.GEN_AI_OPERATION_NAME: _INVOKE,
            gen_ai.GEN_AI_WORKFLOW_NAME: _WORKFLOW,
            error.ERROR_TYPE: failed or None,
            **attributes,
        }
        at = str(ended_ns)
        return {
            "traceId": row.trace_id,
            "spanId": row.span_id,
            "parentSpanId": "",
            "name": f"{_INVOKE} {_WORKFLOW}",
            "kind": _INTERNAL,
            "startTimeUnixNano": str(row.started_ns),
            "endTimeUnixNano": at,
            "attributes": pairs_of(pairs),
            "events": [
                {"timeUnixNano": at, "name": _EVALUATION, "attributes": pairs_of(event)}
                for event in evaluations
            ],
            "status": {"code": _ERROR} if failed else {},
        }

    def line(self, spans: Sequence[_Span]) -> bytes:
        """One export, as the collector's file exporter writes it."""
        about = {service.SERVICE_NAME: "llmops", SETTINGS: self.settings}
        scope = {"name": "llmops.live", "version": __version__}
        scoped = [{"scope": scope, "spans": spans, "schemaUrl": _SCHEMA_URL}]
        resource = {"resource": {"attributes": pairs_of(about)}, "scopeSpans": scoped}
        return msgspec.json.encode({"resourceSpans": [resource]}) + b"\n"


def answered(outcome: Completion | Failure, provider: str) -> Iterator[tuple[str, Value]]:
    """What the conventions say of an outcome, by attribute."""
    if isinstance(outcome, Failure):
        yield http.HTTP_RESPONSE_STATUS_CODE, outcome.status
        yield error.ERROR_TYPE, outcome.kind
        return
    usage = outcome.usage
    yield http.HTTP_RESPONSE_STATUS_CODE, 200
    yield gen_ai.GEN_AI_RESPONSE_ID, outcome.response_id
    yield gen_ai.GEN_AI_RESPONSE_MODEL, outcome.model
    yield gen_ai.GEN_AI_RESPONSE_FINISH_REASONS, [outcome.finish_reason]
    yield gen_ai.GEN_AI_USAGE_INPUT_TOKENS, usage.prompt_tokens
    yield gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS, usage.output_tokens
    yield gen_ai.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, usage.cache_read_tokens
    yield gen_ai.GEN_AI_USAGE_CACHE_CREATION_INPUT_TOKENS, usage.cache_creation_tokens
    yield gen_ai.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, usage.reasoning_tokens
    if provider == "openai":
        yield openai.OPENAI_RESPONSE_SERVICE_TIER, outcome.service_tier


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def pairs_of(values: Mapping[str, Value]) -> list[dict[str, Any]]:
    """Attributes as OTLP JSON writes them; those without a value are left out."""
    return [attribute(name, value) for name, value in values.items() if value is not None]


def attribute(name: str, value: Value) -> dict[str, Any]:
    """A name and a value as OTLP JSON writes them; 64-bit integers are text there."""
    if isinstance(value, bool):
        return {"key": name, "value": {"boolValue": value}}
    if isinstance(value, int):
        return {"key": name, "value": {"intValue": str(value)}}
    if isinstance(value, float):
        return {"key": name, "value": {"doubleValue": value}}
    if isinstance(value, str):
        return {"key": name, "value": {"stringValue": value}}
    values = [{"stringValue": item} for item in value or ()]
    return {"key": name, "value": {"arrayValue": {"values": values}}}
