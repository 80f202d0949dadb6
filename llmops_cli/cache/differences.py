"""The first character in which a changed block differs, where the log keeps its content.

Only the place is reported; a few characters around it are cut out when content is asked for.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec

from llmops_cli.cache.trace import CacheTrace

__all__ = ["Difference", "block_texts", "first_difference"]

_AROUND = 20


class _Content(msgspec.Struct):
    tools: list[Any] = []
    system: list[Any] = []
    messages: list[Any] = []


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two calls part: the block, the characters they still share, and what comes then.

    ``before`` and ``after`` are empty unless content was asked for.
    """

    block: int
    character: int
    before: str = ""
    after: str = ""


def first_difference(
    trace: CacheTrace, pair: tuple[int, int], contents: tuple[str, str], *, show: bool = False
) -> Difference | None:
    """Compare a call with the one it should have repeated, block by block.

    Args:
        trace: the compiled calls.
        pair: the earlier and the later call, in the order of the trace.
        contents: the ``content`` of both, as the calls table keeps it.
        show: cut out a few characters of both.

    Returns:
        The difference; None where content is absent, of another form, or equal.
    """
    texts = [block_texts(content) for content in contents]
    sizes = [int(trace.offsets[call + 1] - trace.offsets[call]) for call in pair]
    if [len(text) for text in texts] != sizes:
        # A format that cuts its prompts in another way: the place would be a guess.
        return None
    for block, (before, after) in enumerate(zip(*texts, strict=False)):
        if before != after:
            at = _shared(before, after)
            cut = slice(max(0, at - _AROUND), at + _AROUND)
            shown = (before[cut], after[cut]) if show else ("", "")
            return Difference(block, at, *shown)
    return None


def _shared(before: str, after: str) -> int:
    pairs = enumerate(zip(before, after, strict=False))
    ends = min(len(before), len(after))
    return next((at for at, (one, other) in pairs if one != other), ends)


def block_texts(content: str) -> list[str]:
    """The text of each block of a prompt, in prefix order; nothing where it cannot be told."""
    try:
        kept = msgspec.json.decode(content, type=_Content)
    except msgspec.MsgspecError:
        return []
    parts = [_text(tool) for tool in kept.tools]
    parts += [_text(part) for part in kept.system]
    for message in kept.messages:
        inner = message.get("content") if isinstance(message, dict) else message
        parts += [_text(part) for part in (inner if isinstance(inner, list) else [inner])]
    return [part for part in parts if part]


def _text(part: object) -> str:
    # The marker moves with the tail and is no part of what is compared (R1).
    if part is None or isinstance(part, str):
        return part or ""
    if isinstance(part, dict):
        fields = {str(name): value for name, value in _items(part) if name != "cache_control"}
        text = fields.get("text")
        return text if isinstance(text, str) else json.dumps(fields, ensure_ascii=False)
    return json.dumps(part, ensure_ascii=False)


def _items(part: dict[Any, Any]) -> Iterable[tuple[Any, Any]]:
    return part.items()
