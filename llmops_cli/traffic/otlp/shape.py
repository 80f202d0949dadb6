"""What attributes look like, without what they say: names, types, dialect, content or not.

Nothing that leaves this file holds a value, except the names of patterns found in values.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import msgspec
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai

from llmops_cli.traffic.otlp.messages import AnyValue, Event, KeyValue
from llmops_cli.traffic.otlp.names import CONTENT, FLATTENED
from llmops_cli.traffic.otlp.sensitive import NUMBERS, found_in
from llmops_cli.traffic.otlp.values import plain

__all__ = ["Shape", "event_holds_content", "holds_content", "sensitive", "shape"]

_INDEX = re.compile(r"\.\d+(?=\.|$)")
_TYPES = {
    "string_value": "string",
    "int_value": "int",
    "double_value": "double",
    "bool_value": "boolean",
    "kvlist_value": "map",
    "bytes_value": "bytes",
}
_OWN = "llmops.call."
_CONTENT = CONTENT | {
    gen_ai.GEN_AI_TOOL_CALL_ARGUMENTS,
    gen_ai.GEN_AI_TOOL_CALL_RESULT,
    gen_ai.GEN_AI_RETRIEVAL_DOCUMENTS,
    gen_ai.GEN_AI_RETRIEVAL_QUERY_TEXT,
    "traceloop.entity.input",
    "traceloop.entity.output",
}
_PIECES = (
    *FLATTENED,
    "gen_ai.completion.",
    "llm.output_messages.",
    "embedding.embeddings.",
)
_ENDS = (".content", ".text", ".arguments")
_MESSAGES = (".message", "gen_ai.choice")
_MESSAGE_FIELDS = {"content", "message", "tool_calls", "gen_ai.event.content"}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the names and types of a span's attributes tell.

    Attributes:
        text: every attribute as ``name:type``, sorted, separated by blanks, indexes written N.
        dialect: gen_ai, openinference, openllmetry, or None where none speaks.
        content: whether one of them is a prompt, an answer, or a part of one.
    """

    text: str
    dialect: str | None
    content: bool


def shape(attributes: Iterable[KeyValue]) -> Shape:
    """The shape of attributes; the same few are met again and again."""
    return _shape(tuple([(pair.key, _type(pair.value)) for pair in attributes]))


@lru_cache(maxsize=8192)
def _shape(named: tuple[tuple[str, str], ...]) -> Shape:
    words = {f"{_unnumbered(key)}:{kind}" for key, kind in named}
    names = {key for key, _ in named}
    return Shape(" ".join(sorted(words)), _dialect(names), any(map(_is_content, names)))


def _unnumbered(key: str) -> str:
    return _INDEX.sub(".N", key).replace(" ", "_")


def _type(value: AnyValue | None) -> str:
    if value is None:
        return "null"
    for field, name in _TYPES.items():
        if getattr(value, field) is not None:
            return name
    if value.array_value is None:
        return "null"
    inner = {_type(item) for item in value.array_value.values}
    return f"{inner.pop()}[]" if len(inner) == 1 else "any[]"


def _dialect(known: set[str]) -> str | None:
    if "openinference.span.kind" in known:
        return "openinference"
    flattened = any(name.startswith(("gen_ai.prompt.", "gen_ai.completion.")) for name in known)
    if flattened or "llm.request.type" in known or "traceloop.span.kind" in known:
        return "openllmetry"
    return "gen_ai" if any(name.startswith("gen_ai.") for name in known) else None


def holds_content(attributes: Iterable[KeyValue]) -> bool:
    """Whether one of the attributes is a prompt, an answer, or a part of one."""
    return any(_is_content(pair.key) for pair in attributes)


def _is_content(key: str) -> bool:
    return key in _CONTENT or (key.startswith(_PIECES) and key.endswith(_ENDS))


def event_holds_content(event: Event, body: AnyValue | None = None) -> bool:
    """The same of an event; one of a message may be there without its text."""
    if holds_content(event.attributes):
        return True
    fields = body.kvlist_value.values if body is not None and body.kvlist_value else []
    named = {pair.key for pair in (*event.attributes, *fields)}
    if event.name.endswith(_MESSAGES):
        return bool(named & _MESSAGE_FIELDS) or (body is not None and body.string_value is not None)
    return holds_content(fields)


def sensitive(attributes: Iterable[KeyValue]) -> set[str]:
    """The names of the patterns that occur in any value."""
    found = set[str]()
    for pair in attributes:
        if pair.value is None or pair.key.startswith(_OWN):
            continue
        seen = _sensitive(pair.value)
        # A long identifier may pass for a number of some kind; a key or an address is one.
        found |= seen - NUMBERS if seen and pair.key.endswith("id") else seen
    return found


def _sensitive(value: AnyValue) -> frozenset[str]:
    if value.string_value is not None:
        return found_in(value.string_value)
    if value.array_value is None and value.kvlist_value is None:
        return frozenset()
    return found_in(msgspec.json.encode(plain(value)).decode())
