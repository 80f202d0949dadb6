"""Prompts and answers of older telemetry in the attributes that hold them now, or left out.

Flattened attributes, ``gen_ai.prompt`` and one event per message become the conventions' whole
attributes where content is kept; where it is not, nothing that may quote it stays.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from llmops_cli.traffic.blocks import Part
from llmops_cli.traffic.kept import sections
from llmops_cli.traffic.otlp import conventional
from llmops_cli.traffic.otlp.content import Pieces
from llmops_cli.traffic.otlp.messages import AnyValue, KeyValue
from llmops_cli.traffic.otlp.names import FLATTENED, KNOWN
from llmops_cli.traffic.otlp.renames import Pair, pairs_of, typed
from llmops_cli.traffic.otlp.shape import holds_content
from llmops_cli.traffic.otlp.values import plain
from llmops_cli.traffic.quarantine import RowError

__all__ = [
    "DETAILS",
    "MESSAGE_EVENTS",
    "MESSAGE_FIELDS",
    "answers",
    "as_attribute",
    "carried",
    "choice",
    "event_names",
    "is_content",
    "prompt",
    "without",
]

DETAILS = "gen_ai.client.inference.operation.details"
"""The event that may hold content since 1.37."""

_CHOICE = "gen_ai.choice"
_ANSWER_EVENTS = frozenset({_CHOICE, "gen_ai.content.completion"})
_PROMPT_EVENTS = frozenset(
    {
        "gen_ai.system.message",
        "gen_ai.user.message",
        "gen_ai.assistant.message",
        "gen_ai.tool.message",
        "gen_ai.content.prompt",
    }
)
MESSAGE_EVENTS = _PROMPT_EVENTS | _ANSWER_EVENTS
"""Events of older conventions that are nothing but content."""

MESSAGE_FIELDS = {"content", "message", "tool_calls", "id", "index", "finish_reason", "role"}
"""What such an event holds of its message, where that is not in the body."""

_ANSWERS = {"llm.output_messages.": "llm.input_messages.", "gen_ai.completion.": "gen_ai.prompt."}
"""Answers are flattened as prompts are."""

_OLD_PREFIXES = (*FLATTENED, *_ANSWERS)
_MAY_QUOTE = {
    gen_ai.GEN_AI_EVALUATION_EXPLANATION,
    "ai.prompt",
    "ai.prompt.messages",
    "ai.response.text",
    "ai.response.toolCalls",
    "langfuse.observation.input",
    "langfuse.observation.output",
    "langfuse.trace.input",
    "langfuse.trace.output",
    "llm.prompt_template.template",
    "llm.prompt_template.variables",
    "gen_ai.event.content",
}
_MAY_QUOTE_PREFIXES = (
    *_OLD_PREFIXES,
    "llm.prompts.",
    "llm.choices.",
    "retrieval.documents.",
    "reranker.",
    "embedding.embeddings.",
)


@lru_cache(maxsize=4096)
def is_content(key: str) -> bool:
    """Whether an attribute of this name is, or may quote, a prompt or an answer."""
    return (
        key in _MAY_QUOTE or _is_piece(key, _MAY_QUOTE_PREFIXES) or holds_content((KeyValue(key),))
    )


def _is_piece(key: str, prefixes: tuple[str, ...]) -> bool:
    # A few names begin as pieces of content do, and are none: gen_ai.prompt.name.
    return key.startswith(prefixes) and key not in KNOWN


def without(pairs: list[Pair]) -> list[Pair]:
    """The attributes that are no content."""
    return [pair for pair in pairs if not is_content(pair["key"])]


def carried(pairs: list[Pair], found: dict[str, str]) -> list[Pair]:
    """The attributes with content in the current ones, in place of the older ones that held it."""
    if not found:
        return pairs
    rest = [pair for pair in pairs if pair["key"] not in found and not _is_old(pair["key"], found)]
    return rest + [{"key": key, "value": {"stringValue": json}} for key, json in found.items()]


def _is_old(key: str, found: dict[str, str]) -> bool:
    """Whether what this attribute holds has been carried over."""
    if key == gen_ai.GEN_AI_COMPLETION or _is_piece(key, tuple(_ANSWERS)):
        return gen_ai.GEN_AI_OUTPUT_MESSAGES in found
    return key == gen_ai.GEN_AI_PROMPT or _is_piece(key, FLATTENED)


def prompt(
    pairs: list[Pair], events: list[dict[str, Any]], parts: Sequence[Part]
) -> dict[str, str]:
    """The prompt in the current attributes; empty where it stands there already.

    Args:
        pairs: the attributes of the span.
        events: its events.
        parts: the prompt, as it is read from these.
    """
    is_old = any(
        pair["key"] == gen_ai.GEN_AI_PROMPT or _is_piece(pair["key"], FLATTENED) for pair in pairs
    ) or any(event.get("name") in _PROMPT_EVENTS for event in events)
    if not is_old or not parts:
        return {}
    try:
        return conventional.attributes(sections(parts))
    except (RowError, msgspec.DecodeError):
        return {}  # it cannot be read before, nor after


def answers(
    pairs: list[Pair], events: list[dict[str, Any]], finish_reason: str | None
) -> dict[str, str]:
    """The answers in the current attribute; empty where there are none in older ones."""
    if any(pair["key"] == gen_ai.GEN_AI_OUTPUT_MESSAGES for pair in pairs):
        return {}
    found = _flattened_answers(pairs, finish_reason)
    if not found:
        found = [said for event in events for said in choice(event, None)]
    return as_attribute(found)


def as_attribute(answers: list[dict[str, Any]]) -> dict[str, str]:
    """The attribute that holds answers; none for none."""
    if not answers:
        return {}
    return {gen_ai.GEN_AI_OUTPUT_MESSAGES: msgspec.json.encode(answers).decode()}


def event_names(found: dict[str, str]) -> set[str]:
    """The events whose content stands in these attributes now."""
    answered = {_CHOICE} if gen_ai.GEN_AI_OUTPUT_MESSAGES in found else set[str]()
    asked = found.keys() - {gen_ai.GEN_AI_OUTPUT_MESSAGES}
    return answered | (_PROMPT_EVENTS if asked else set[str]())


def _flattened_answers(pairs: list[Pair], finish_reason: str | None) -> list[dict[str, Any]]:
    as_prompt = list[tuple[str, AnyValue]]()
    for pair in pairs:
        prefix = next((known for known in _ANSWERS if pair["key"].startswith(known)), None)
        value = typed(pair.get("value"))
        if prefix is not None and value is not None:
            as_prompt.append((_ANSWERS[prefix] + pair["key"].removeprefix(prefix), value))
    pieces = Pieces()
    pieces.add_flattened(as_prompt)
    said = [msgspec.json.decode(raw, type=dict[str, Any]) for _, raw in pieces.messages]
    return [conventional.output_message(_known(item), finish_reason) for item in said]


def _known(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if value is not None}


def choice(event: dict[str, Any], body: object) -> list[dict[str, Any]]:
    """The answer that a ``gen_ai.choice`` event carries; none for any other event."""
    if event.get("name") != _CHOICE:
        return []
    fields = _plain(body) or {
        pair["key"]: _decoded(plain(typed(pair.get("value")))) for pair in pairs_of(event)
    }
    said = fields.get("message")
    said = said if isinstance(said, dict) else {"content": fields.get("content", said)}
    if "tool_calls" in fields:
        said = {"tool_calls": fields["tool_calls"], **said}
    reason = fields.get("finish_reason")
    return [conventional.output_message(said, str(reason) if reason else None)]


def _plain(body: object) -> dict[str, Any]:
    found = plain(typed(body)) if body is not None else None
    return found if isinstance(found, dict) else {}


def _decoded(value: object) -> object:
    if isinstance(value, str) and value[:1] in {"{", "["}:
        try:
            return msgspec.json.decode(value)
        except msgspec.DecodeError:
            return value
    return value
