"""One span of OTLP JSON, upgraded in place: names, operation, provider, counters, content."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from llmops_cli.traffic.blocks import Part
from llmops_cli.traffic.otlp import carried
from llmops_cli.traffic.otlp.exact import is_exact
from llmops_cli.traffic.otlp.messages import Span
from llmops_cli.traffic.otlp.names import KNOWN, OPERATIONS, PROVIDERS, ROLES
from llmops_cli.traffic.otlp.renames import Pair, pairs_of, renamed
from llmops_cli.traffic.otlp.spans import facts, role_of, span_rows
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.rows import Skipped
from llmops_cli.traffic.table import Role

__all__ = ["as_span", "call_of", "provided", "speaks", "upgrade_span"]

_SPEAKS = ("gen_ai.", "llm.", "openinference.", "traceloop.span.")
_INPUT = ("input_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")
_CACHED = _INPUT[1:]

_MODELS = {
    "request_model": gen_ai.GEN_AI_REQUEST_MODEL,
    "response_model": gen_ai.GEN_AI_RESPONSE_MODEL,
}
_OPERATION_OF_KIND = {
    "agent": "invoke_agent",
    "workflow": "invoke_workflow",
    "tool": "execute_tool",
    "retriever": "retrieval",
}
"""Kinds of spans in other dialects, as the conventions name the operation."""

_KIND_NAMES = tuple(name for name, (column, _, _) in KNOWN.items() if column == "span_kind")

_Object = dict[str, Any]


def upgrade_span(
    span: _Object,
    scope: str,
    outside: frozenset[str],
    counts: Counter[tuple[str, str]],
    *,
    keep: bool,
) -> bool:
    """Upgrade one span in place.

    Args:
        span: the span as decoded.
        scope: name and version of the library that wrote it.
        outside: who is proven to count cached tokens beside the input counter.
        counts: receives how often each old name gave way to which.
        keep: whether content is carried over.

    Returns:
        Whether the span speaks any dialect of generative AI.
    """
    before = as_span(span)
    if before is None or is_exact(before.attributes):
        # What cannot be read cannot be upgraded, and what we wrote ourselves need not be; what
        # they may quote goes all the same.
        if not keep:
            _leave_out(span)
        return before is not None
    pairs: list[Pair] = span.get("attributes") or []
    given, spoke = pairs, speaks(pairs)
    columns, parts = call_of(before, scope)
    if spoke:
        known = _known(before)
        pairs = provided(renamed(pairs, counts, refused=known is None))
        pairs = _named(pairs, known, columns) if known is not None else pairs
        pairs = _counted(pairs, columns, outside)
    said = dict[str, str]()
    if keep and columns and parts is not None:
        events: list[_Object] = span.get("events") or []
        said = carried.prompt(given, events, parts)
        said |= carried.answers(given, events, columns.get("finish_reason"))
        pairs = carried.carried(pairs, said)
    if "attributes" in span or pairs:
        span["attributes"] = pairs
    _upgrade_events(span, said, counts)
    if not keep:
        _leave_out(span)
    return spoke


def speaks(pairs: list[Pair]) -> bool:
    """Whether any of these attributes is of a dialect of generative AI."""
    return any(pair["key"].startswith(_SPEAKS) for pair in pairs)


def as_span(span: _Object) -> Span | None:
    """The span as the readers take it; None where it is none."""
    try:
        return msgspec.convert(span, Span)
    except msgspec.ValidationError:
        return None


def call_of(span: Span | None, scope: str) -> tuple[_Object, Sequence[Part] | None]:
    """The columns of the span's call as they are read, and its prompt.

    No columns where it is no call, or cannot be read; no prompt where it is cut off.
    """
    try:
        rows = span_rows(span, scope) if span is not None else []
    except (RowError, msgspec.DecodeError, UnicodeError, RecursionError):
        return {}, None
    first = rows[0] if rows else None
    if not isinstance(first, tuple) or first[0].get("role", Role.CALL) != Role.CALL:
        return {}, None
    if any(isinstance(row, Skipped) for row in rows):
        return first[0], None
    # Messages may come apart from what stands before them; scores come with nothing.
    return first[0], [part for row in rows if isinstance(row, tuple) for part in row[1]]


def provided(pairs: list[Pair]) -> list[Pair]:
    """The attributes with the provider by its current name."""
    found = list[Pair]()
    for pair in pairs:
        value = pair.get("value") or {}
        name = value.get("stringValue") if pair["key"] == gen_ai.GEN_AI_PROVIDER_NAME else None
        if isinstance(name, str):
            lower = name.lower()
            found.append({**pair, "value": {"stringValue": PROVIDERS.get(lower, lower)}})
        else:
            found.append(pair)
    return found


def _known(span: Span) -> _Object | None:
    """What the span's attributes say to a reading; None where it refuses them."""
    try:
        return facts(span.attributes).known
    except RowError:
        return None


def _named(pairs: list[Pair], known: _Object, columns: _Object) -> list[Pair]:
    if "asked_model" in known:
        pairs = _with_models(pairs, columns)
    role = role_of(known)
    return _with_operation(_with_entity(pairs, known, role), known, role)


def _with_models(pairs: list[Pair], columns: _Object) -> list[Pair]:
    """The model asked for and the one that answered, where the log has them crosswise."""
    if all(columns.get(column) is not None for column in _MODELS):
        for column, name in _MODELS.items():
            pairs = _with(pairs, name, {"stringValue": columns[column]})
    return pairs


def _with_entity(pairs: list[Pair], known: _Object, role: str) -> list[Pair]:
    """OpenLLMetry's name of whatever the span is, under the name of what it is."""
    entity = known.get("entity_name")
    if entity is None:
        return pairs
    if role == "tool" and "tool_name" not in known:
        return _with(pairs, gen_ai.GEN_AI_TOOL_NAME, {"stringValue": entity})
    if role == "agent" and not (known.get("agent_name") or known.get("workflow_name")):
        is_workflow = (known.get("span_kind") or "").lower() == "workflow"
        name = gen_ai.GEN_AI_WORKFLOW_NAME if is_workflow else gen_ai.GEN_AI_AGENT_NAME
        return _with(pairs, name, {"stringValue": entity})
    return pairs


def _with_operation(pairs: list[Pair], known: _Object, role: str) -> list[Pair]:
    """The operation by its name, in place of what other dialects call the kind of a span."""
    operation, kind = known.get("operation_name"), known.get("span_kind") or ""
    if role in {"inference", "embeddings"}:
        word = (operation or kind or "chat").lower()
        operation = OPERATIONS.get(word, word)
    elif role != "other" and ROLES.get((operation or "").lower()) != role:
        operation = _OPERATION_OF_KIND.get(kind.lower(), operation)
    if operation is None:
        return pairs
    pairs = _with(pairs, gen_ai.GEN_AI_OPERATION_NAME, {"stringValue": operation})
    if role == "other" or ROLES.get(operation.lower()) != role:
        return pairs  # the kind still says what the operation does not
    return [pair for pair in pairs if pair["key"] not in _KIND_NAMES]


def _counted(pairs: list[Pair], columns: _Object, outside: frozenset[str]) -> list[Pair]:
    """The input counter with what was cached inside it, where it is proven to stand beside."""
    total = sum(columns.get(name) or 0 for name in _INPUT)
    is_outside = columns.get("cached_outside")
    if is_outside is False and columns.get("counted_by") in outside:
        total += sum(columns.get(name) or 0 for name in _CACHED)
    elif not is_outside:
        return pairs
    return _with(pairs, gen_ai.GEN_AI_USAGE_INPUT_TOKENS, {"intValue": str(total)})


def _with(pairs: list[Pair], key: str, value: _Object) -> list[Pair]:
    if not any(pair["key"] == key for pair in pairs):
        return [*pairs, {"key": key, "value": value}]
    return [{**pair, "value": value} if pair["key"] == key else pair for pair in pairs]


def _upgrade_events(span: _Object, said: dict[str, str], counts: Counter[tuple[str, str]]) -> None:
    """Rename in events, and take away those whose content the span carries now."""
    events: list[_Object] = span.get("events") or []
    gone = carried.event_names(said)
    if events:
        span["events"] = [
            {**event, "attributes": provided(renamed(pairs_of(event), counts))}
            if "attributes" in event
            else event
            for event in events
            if event.get("name") not in gone
        ]


def _leave_out(span: _Object) -> None:
    """Take away everything that is content, or cannot be told from it."""
    if "attributes" in span:
        span["attributes"] = carried.without(pairs_of(span))
    events = span.get("events")
    if isinstance(events, list):
        kept = [event for event in events if isinstance(event, dict)]
        span["events"] = [
            {**event, "attributes": carried.without(pairs_of(event))}
            if "attributes" in event
            else event
            for event in kept
            if event.get("name") not in carried.MESSAGE_EVENTS
        ]
