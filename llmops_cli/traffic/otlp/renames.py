"""What older conventions and other dialects call the current conventions' attributes.

Which name means what is not said here: it is taken from the one table of names. Attributes
are those of OTLP JSON, as decoded: ``{"key": …, "value": {…}}``.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from opentelemetry.semconv._incubating.attributes import (
    error_attributes,
    gen_ai_attributes,
    openai_attributes,
    user_attributes,
)

from llmops_cli.traffic.otlp.messages import AnyValue
from llmops_cli.traffic.otlp.names import KNOWN
from llmops_cli.traffic.otlp.values import count, flag, number, text, texts
from llmops_cli.traffic.quarantine import RowError

__all__ = ["SUCCESSORS", "Pair", "pairs_of", "renamed", "typed"]

Pair = dict[str, Any]
"""One attribute of OTLP JSON."""

_OLD_OPENAI = "gen_ai.openai."
_NEW_OPENAI = "openai."
_OTHERS_OWN = ("session.", "langfuse.", "agent.", "tool.")
"""Names that mean something outside of these dialects too: the current name stands beside them."""

# OpenAI's own attributes lost their prefix in 1.37; these had been made general before.
_BEFORE = {
    gen_ai_attributes.GEN_AI_OPENAI_REQUEST_SEED: gen_ai_attributes.GEN_AI_REQUEST_SEED,
    gen_ai_attributes.GEN_AI_OPENAI_REQUEST_RESPONSE_FORMAT: gen_ai_attributes.GEN_AI_OUTPUT_TYPE,
    "gen_ai.openai.system_fingerprint": openai_attributes.OPENAI_RESPONSE_SYSTEM_FINGERPRINT,
}


def _conventional() -> frozenset[str]:
    """Every name that the conventions have or had, as far as calls are concerned."""
    modules = (gen_ai_attributes, openai_attributes, user_attributes, error_attributes)
    found = (value for module in modules for value in vars(module).values())
    return frozenset(value for value in found if isinstance(value, str) and "." in value)


def _successors() -> dict[str, tuple[str, int]]:
    """Old name to current name, and its place among the old names of the same thing.

    A current name is the first of its column, where that is one of the conventions' names;
    other names of the column that are current themselves mean something of their own.
    """
    conventional = _conventional()
    current = {column: name for name, (column, _, place) in KNOWN.items() if not place}
    found = {name: (to, 1) for name, to in _BEFORE.items()}
    for name in conventional:
        if name.startswith(_OLD_OPENAI):
            moved = _NEW_OPENAI + name.removeprefix(_OLD_OPENAI)
            found.setdefault(name, (moved, 1))
    for name, (column, _, place) in KNOWN.items():
        to = current[column]
        if place and to in conventional and not name.startswith(_NEW_OPENAI):
            found.setdefault(name, (to, place))
    return found


SUCCESSORS = _successors()
"""Old name to current name, and its place among the old names of the same thing."""

_TYPES: dict[Callable[[AnyValue], Any], Callable[[Any], dict[str, Any]]] = {
    text: lambda value: {"stringValue": value},
    count: lambda value: {"intValue": str(value)},
    number: lambda value: {"doubleValue": value},
    texts: lambda value: {"arrayValue": {"values": [{"stringValue": value}]}},
    flag: lambda value: {"boolValue": value},
}


def typed(value: object) -> AnyValue | None:
    """An attribute's value as the readers take it; None for what is no value."""
    try:
        return msgspec.convert(value, AnyValue)
    except msgspec.ValidationError:
        return None


def pairs_of(parent: dict[str, Any]) -> list[Pair]:
    """The attributes of a span, event or record that are as OTLP says."""
    found = parent.get("attributes")
    return [pair for pair in found if _is_pair(pair)] if isinstance(found, list) else []


def _is_pair(pair: object) -> bool:
    if not isinstance(pair, dict) or not isinstance(pair.get("key"), str):
        return False
    return pair.get("value") is None or isinstance(pair["value"], dict)


def renamed(
    pairs: list[Pair], counts: Counter[tuple[str, str]], *, refused: bool = False
) -> list[Pair]:
    """The attributes under their current names, in the type that the conventions want.

    Where an old and the current name stand side by side, the current one counts; of several
    old ones, the one that a reading prefers. What cannot be read as its type stays as it is.

    Args:
        pairs: the attributes of one span, event or log record.
        counts: receives how often each old name gave way to which.
        refused: whether a reading refuses the span for a counter that is none; such a
            counter is not for us to hide then.
    """
    if not any(pair["key"] in SUCCESSORS for pair in pairs):
        return pairs
    best = _best(pairs)
    found = list[Pair]()
    for at, pair in enumerate(pairs):
        key = pair["key"]
        to, _ = SUCCESSORS.get(key, (key, 0))
        winner = best.get(to)
        if winner is None or (to != key and _renewed(pair, key) is None):
            found.append(pair)
            continue
        if to != key:
            counts[key, to] += 1
            stays = refused and at != winner[1] and _is_refused(pair)
            if stays or key.startswith(_OTHERS_OWN):
                found.append(pair)
        if at == winner[1]:
            found.append(winner[2])
    return found


def _best(given: list[Pair]) -> dict[str, tuple[int, int, Pair]]:
    """Of each current name for which something can be read: place, index, attribute."""
    best = dict[str, tuple[int, int, Pair]]()
    for at, pair in enumerate(given):
        key = pair["key"]
        to, place = SUCCESSORS.get(key, (key, 0))
        if to == key and key not in _CURRENT:
            continue
        value = pair.get("value") if to == key else _renewed(pair, key)
        if to == key and not _readable(pair, key):
            continue
        if value is not None and (to not in best or place < best[to][0]):
            best[to] = (place, at, {"key": to, "value": value})
    return best


_CURRENT = {to for to, _ in SUCCESSORS.values()}


def _readable(pair: Pair, key: str) -> bool:
    return key not in KNOWN or _renewed(pair, key) is not None


def _renewed(pair: Pair, key: str) -> dict[str, Any] | None:
    """The value in the type that the conventions want; as it is where no column is known."""
    entry, value = KNOWN.get(key), typed(pair.get("value"))
    if entry is None or value is None or _is_refused(pair):
        return pair.get("value")
    made = entry[1](value)
    return None if made is None else _TYPES[entry[1]](made)


def _is_refused(pair: Pair) -> bool:
    entry, value = KNOWN.get(pair["key"]), typed(pair.get("value"))
    try:
        if entry is not None and value is not None:
            entry[1](value)
    except RowError:
        return True
    return False
