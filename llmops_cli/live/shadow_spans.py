"""The spans of replayed prompts, and what a resumed replay reads back from them.

One line of OTLP JSON per prompt, by the conventions 1.41: a workflow span, and under it one client
span per attempt, each linked to the one before. The line is the only record of the prompt.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.semconv.attributes import error_attributes as error
from opentelemetry.semconv.attributes import http_attributes as http
from opentelemetry.semconv.attributes import server_attributes as server
from opentelemetry.semconv.attributes import service_attributes as service
from opentelemetry.semconv.schemas import Schemas

from llmops_cli import __version__
from llmops_cli.errors import ExitCode, LlmopsError
from llmops_cli.live.completions import Completion, Failure
from llmops_cli.live.journal import spans_of
from llmops_cli.live.lines import append, appending, damaged, mend, objects
from llmops_cli.live.recording import answered, pairs_of, random_id
from llmops_cli.live.shadow_content import asked_for

__all__ = ["ShadowFile", "Shadowed", "Tried", "line_of"]

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
    """

    provider: str
    model: str
    server: tuple[str, int]
    started_ns: int
    ended_ns: int
    outcome: Completion | Failure | None
    charged_usd: float | None


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
    """

    call_id: str
    conversation: str
    task: str
    max_output_tokens: int
    attempts: Sequence[Tried]
    asked: Mapping[str, Any] | None = None


def line_of(shadow: Shadowed, settings: str) -> bytes:
    """One export, as the collector's file exporter writes it."""
    trace, parent = random_id(16), random_id(8)
    spans: list[dict[str, Any]] = []
    for number, attempt in enumerate(shadow.attempts):
        spans.append(_span(shadow, attempt, number, (trace, parent, spans)))
    spans.append(_workflow(shadow, trace, parent))
    about = {service.SERVICE_NAME: "llmops", SETTINGS: settings}
    scope = {"name": "llmops.live", "version": __version__}
    scoped = [{"scope": scope, "spans": spans, "schemaUrl": Schemas.V1_41_1.value}]
    resource = {"resource": {"attributes": pairs_of(about)}, "scopeSpans": scoped}
    return msgspec.json.encode({"resourceSpans": [resource]}) + b"\n"


def _span(
    shadow: Shadowed,
    attempt: Tried,
    number: int,
    around: tuple[str, str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
    trace, parent, before = around
    outcome = attempt.outcome
    failed = isinstance(outcome, Failure)
    found = dict(answered(outcome, attempt.provider)) if outcome is not None else {}
    cut = {error.ERROR_TYPE: "cancelled"} if outcome is None else {}
    return {
        "traceId": trace,
        "spanId": random_id(8),
        "parentSpanId": parent,
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
        "links": [{"traceId": trace, "spanId": before[-1]["spanId"]}] if before else [],
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


def _workflow(shadow: Shadowed, trace: str, span: str) -> dict[str, Any]:
    last = shadow.attempts[-1].outcome if shadow.attempts else None
    won = any(isinstance(item.outcome, Completion) for item in shadow.attempts)
    kind = last.kind if isinstance(last, Failure) and not won else None
    return {
        "traceId": trace,
        "spanId": span,
        "parentSpanId": "",
        "name": f"{_INVOKE} {_WORKFLOW}",
        "kind": _INTERNAL,
        "startTimeUnixNano": str(min((a.started_ns for a in shadow.attempts), default=0)),
        "endTimeUnixNano": str(max((a.ended_ns for a in shadow.attempts), default=0)),
        "attributes": pairs_of(
            {
                gen_ai.GEN_AI_OPERATION_NAME: _INVOKE,
                gen_ai.GEN_AI_WORKFLOW_NAME: _WORKFLOW,
                gen_ai.GEN_AI_CONVERSATION_ID: shadow.conversation,
                error.ERROR_TYPE: kind,
                CALL_ID: shadow.call_id,
            }
        ),
        "status": {} if won else {"code": _ERROR},
    }


class ShadowFile:
    """The file of a replay: what it holds already, and where the rest is written.

    Args:
        path: of the file.
        settings: digest of what makes answers comparable.
        resume: go on in a file that is there.

    Raises:
        LlmopsError: ``collect-output-exists`` without ``resume``, ``replay-other-settings`` for
            another target, ``collect-running`` while another run writes to it,
            ``collect-damaged`` for what no run of ours wrote, ``output-unwritable``.
    """

    def __init__(self, path: Path, *, settings: str, resume: bool) -> None:
        if not resume and path.exists() and path.stat().st_size:
            raise LlmopsError(
                "collect-output-exists",
                "the file is there already",
                hint="--resume goes on where it stopped; another --output begins anew",
                file=str(path),
                exit_code=ExitCode.USAGE,
            )
        self.done: set[str] = set()
        self.spent_usd = 0.0
        self._settings = settings
        self._file = appending(path)
        try:
            mend(self._file, path)
            self._remember(path)
        except BaseException:
            self.close()
            raise

    def add(self, shadow: Shadowed) -> None:
        """Write one prompt; it is on the disk when this returns."""
        append(self._file, line_of(shadow, self._settings))

    def close(self) -> None:
        """Let go of the file, and of its lock."""
        self._file.close()

    def _remember(self, path: Path) -> None:
        for number, export in objects(path):
            try:
                for about, succeeded, own in _told(export):
                    if own != self._settings:
                        raise _other(path, number)
                    self.spent_usd += about.get(CHARGED) or 0.0
                    if succeeded:
                        self.done.add(about[CALL_ID])
            except (KeyError, TypeError, ValueError, AttributeError, StopIteration):
                raise damaged(path, number) from None


def _told(export: dict[str, Any]) -> Iterator[tuple[dict[str, Any], bool, str]]:
    for span, about in spans_of(export):
        if span["parentSpanId"]:
            yield about, gen_ai.GEN_AI_RESPONSE_ID in about, about[SETTINGS]


def _other(path: Path, number: int) -> LlmopsError:
    return LlmopsError(
        "replay-other-settings",
        "it was begun with another model, provider, length of answers or system prompt",
        hint="resume with the same ones, or give another --output",
        file=str(path),
        line=number,
        exit_code=ExitCode.USAGE,
    )
