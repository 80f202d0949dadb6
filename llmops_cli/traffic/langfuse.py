"""Langfuse exports: one observation per line, as the API (camel case) or the blob export (snake).

Field meanings: Langfuse API reference, observations; its reference of blob storage exports. The
lines of an export's other files are told from these: scores join their observations, traces
say nothing that a call needs.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from llmops_cli.traffic.envelope import Moment, Tokens, later, started
from llmops_cli.traffic.langfuse_prompts import prompt_parts
from llmops_cli.traffic.langfuse_usage import Usage, counts, token_columns
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Found, Skipped
from llmops_cli.traffic.table import Role

__all__ = ["NAME", "SIGNATURES", "STAGED", "Line", "rows"]

NAME = "langfuse"
STAGED = True
SIGNATURES: tuple[frozenset[str], ...] = (
    frozenset({"id", "traceId", "type", "startTime"}),
    frozenset({"id", "trace_id", "type", "parent_observation_id"}),
    frozenset({"id", "trace_id", "type", "start_time"}),
    frozenset({"id", "trace_id", "type", "usage_details"}),
    frozenset({"id", "trace_id", "type", "provided_model_name"}),
    frozenset({"id", "traceId", "observationId", "name", "value"}),
    frozenset({"id", "trace_id", "observation_id", "name", "value"}),
    frozenset({"id", "timestamp", "sessionId", "userId", "tags"}),
    frozenset({"id", "timestamp", "session_id", "user_id", "tags"}),
)

_CALLS = {"GENERATION": "chat", "EMBEDDING": "embeddings"}
_OLD_COUNTERS = ("input", "output", "total", "promptTokens", "completionTokens", "totalTokens")


Value = float | bool | str | None


class Score(msgspec.Struct):
    """One score beside its observation."""

    name: str | None = None
    value: Value = None


Scores = list[Score | str | None] | dict[str, Value | list[Value]] | None
"""The API's list, or what the table of the user interface exports: names and their values."""


def _spelled(name: str) -> str:
    """The API's camel case of a field whose name ends in an underscore."""
    first, *others = name.removesuffix("_").split("_")
    return first + "".join(map(str.title, others)) if name.endswith("_") else name


class Line(msgspec.Struct, rename=_spelled):
    """One observation, score or trace under both spellings."""

    id: str | None = None
    type: str | None = None
    name: str | None = None
    level: str | None = None
    model: str | None = None
    input: msgspec.Raw = msgspec.Raw()
    usage: Usage | None = None
    scores: Scores = None
    value: Value = None
    timestamp: Moment = None
    tags: msgspec.Raw = msgspec.Raw()
    observation_id: str | None = None
    observation_id_: str | None = None
    data_type: str | None = None
    data_type_: str | None = None
    trace_id: str | None = None
    trace_id_: str | None = None
    parent_observation_id: str | None = None
    parent_observation_id_: str | None = None
    start_time: Moment = None
    start_time_: Moment = None
    end_time: Moment = None
    end_time_: Moment = None
    completion_start_time: Moment = None
    completion_start_time_: Moment = None
    provided_model_name: str | None = None
    provided_model_name_: str | None = None
    usage_details: Usage | None = None
    usage_details_: Usage | None = None
    session_id: str | None = None
    session_id_: str | None = None
    user_id: str | None = None
    user_id_: str | None = None
    prompt_name: str | None = None
    prompt_name_: str | None = None
    prompt_tokens_: Tokens | None = None
    completion_tokens_: Tokens | None = None
    total_tokens_: Tokens | None = None

    def fits(self) -> bool:
        """Whether the line is of an export: an observation, a score, or a trace."""
        if self.either("trace_id") is not None:
            return self.type is not None or (self.name is not None and self.value is not None)
        return self.timestamp is not None and bytes(self.tags) != b""

    def either(self, name: str) -> Any:  # noqa: ANN401 - the type of the field
        """A field under whichever spelling it has."""
        value = getattr(self, name)
        return getattr(self, f"{name}_") if value is None else value

    def spelled(self, name: str) -> str:
        """The name that the log gives a field; the API's where it has none."""
        return name if getattr(self, name) is not None else _spelled(f"{name}_")


def rows(line: Line) -> Iterator[Found]:
    """A call, or the context of calls below it, and its scores; or one score.

    Raises:
        RowError: ``calls-missing-field``, ``calls-bad-time``, ``calls-negative-duration``,
            ``calls-bad-value``, ``calls-contradiction``.
    """
    if line.type is None:
        yield _other_line(line)
        return
    shared = _shared(line)
    operation = _CALLS.get(line.type)
    if operation is None:
        yield shared | _context(line), []
    else:
        parts = prompt_parts(bytes(line.input)) if operation == "chat" else []
        yield shared | _call(line, operation), parts
    for name, value in _rated(line.scores):
        yield _evaluation(line, line.id, name, value)


def _call(line: Line, operation: str) -> dict[str, Any]:
    return {
        "call_id": line.id,
        "operation_name": operation,
        "request_model": line.model or line.either("provided_model_name") or None,
        "task": line.either("prompt_name") or None,
        "error_type": "error" if line.level == "ERROR" else None,
    } | _counted(line)


def _counted(line: Line) -> dict[str, Any]:
    """The counters of whichever generation of Langfuse; characters and seconds are no tokens."""
    details = line.either("usage_details")
    if details:
        field = line.spelled("usage_details")
        return token_columns(counts(details, field), field)
    usage = line.usage
    if usage and usage.get("unit") in {None, "TOKENS"}:
        known = {name: usage[name] for name in _OLD_COUNTERS if name in usage}
        return token_columns(counts(known, "usage"), "usage")
    old = {
        "input": line.prompt_tokens_,
        "output": line.completion_tokens_,
        "total": line.total_tokens_,
    }
    return token_columns(counts(old, "promptTokens"), "promptTokens")


def _shared(line: Line) -> dict[str, Any]:
    columns = {
        "trace_id": line.either("trace_id"),
        "span_id": line.id,
        # An empty text stands for none.
        "parent_span_id": line.either("parent_observation_id") or None,
        "conversation_id": line.either("session_id") or None,
        "user_id": line.either("user_id") or None,
    }
    start, end, first = (
        started(line.either(name), line.spelled(name))
        for name in ("start_time", "end_time", "completion_start_time")
    )
    columns["start_time"] = start
    if start is not None and end is not None:
        columns["duration_s"] = later(start, end, line.spelled("end_time"))
    if start is not None and first is not None:
        columns["ttft_s"] = later(start, first, line.spelled("completion_start_time"))
    return columns


def _context(line: Line) -> dict[str, Any]:
    return {
        "role": Role.CONTEXT,
        "agent_name": line.name if line.type == "AGENT" else None,
        "tool_name": line.name if line.type == "TOOL" else None,
        "ttft_s": None,
    }


def _other_line(line: Line) -> Found:
    if line.either("trace_id") is None or line.name is None:
        if line.timestamp is not None and bytes(line.tags):
            return Skipped("traces")
        raise RowError("calls-missing-field", "'type' is missing", "type")
    if type(line.value) is not float or line.either("data_type") == "CATEGORICAL":
        return Skipped("scores that are no numbers")
    return _evaluation(line, line.either("observation_id") or None, line.name, line.value)


def _evaluation(line: Line, whose: str | None, name: str | None, value: float) -> Found:
    row = {
        "role": Role.EVALUATION,
        "start_time": started(line.timestamp, "timestamp"),
        "trace_id": line.either("trace_id"),
        "parent_span_id": whose,
        "call_id": whose,
        "evaluation_name": name,
        "evaluation_score": value,
    }
    return row, []


def _rated(scores: Scores) -> Iterator[tuple[str | None, float]]:
    """Names and values of the scores that are numbers; an id alone says nothing."""
    if isinstance(scores, dict):
        told = [
            (name, value)
            for name, values in scores.items()
            for value in (values if isinstance(values, list) else [values])
        ]
    else:
        told = [(score.name, score.value) for score in scores or () if isinstance(score, Score)]
    yield from ((name, value) for name, value in told if isinstance(value, float))
