"""What the attributes of one span or event say, and what the span is."""

from typing import Any

from llmops_cli.traffic.otlp import exact
from llmops_cli.traffic.otlp.messages import AnyValue, KeyValue
from llmops_cli.traffic.otlp.names import CONTENT, FLATTENED, KNOWN, ROLES
from llmops_cli.traffic.otlp.values import text
from llmops_cli.traffic.quarantine import RowError

__all__ = ["Facts", "facts", "role_of"]


class Facts:
    """What the attributes of one span or event say, sorted by use."""

    __slots__ = ("content", "exact", "flattened", "known")

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}
        self.content: dict[str, AnyValue] = {}
        self.flattened: list[tuple[str, AnyValue]] = []
        self.exact: dict[str, AnyValue] = {}

    def put(self, key: str, value: AnyValue) -> None:
        """Keep an attribute that is neither a known column nor whole content, if it is of use."""
        if key.startswith(FLATTENED):
            self.flattened.append((key, value))
        elif key.startswith(exact.PREFIX):
            self.exact[key] = value


def facts(attributes: list[KeyValue]) -> Facts:
    """Sort attributes into known columns, content, and our own exact columns.

    Raises:
        RowError: ``calls-bad-value`` for a counter that is none.
    """
    found = Facts()
    known, places, known_as, content = found.known, dict[str, int](), KNOWN.get, found.content
    for pair in attributes:
        key, value = pair.key, pair.value
        if value is None:
            continue
        entry = known_as(key)
        if entry is None:
            if key in CONTENT:
                content[key] = value
            else:
                found.put(key, value)
            continue
        column, converter, place = entry
        if column in known and place >= places.get(column, 0):
            continue
        made = value.string_value if converter is text else None
        if made is None:
            try:
                made = converter(value)
            except RowError as error:
                raise RowError(error.slug, error.message, key) from None
            if made is None:
                continue
        known[column] = made
        if place or places:  # a current name after an old one is current from then on
            places[column] = place
    return found


def role_of(known: dict[str, Any]) -> str:
    """inference, embeddings, agent, tool, retrieval, or other."""
    for name in ("operation_name", "span_kind"):
        word = known.get(name)
        if word is not None:
            role = ROLES.get(word.lower())
            if role is not None:
                return role
    if "span_kind" in known or "request_model" not in known:
        return "other"
    # The oldest conventions have no operation: a counted call to a model is inference, and so
    # is one to a provider, which failed calls are too.
    named = "provider_name" in known and "operation_name" not in known
    return "inference" if named or "given" in known else "other"
