"""Prompts that are kept: the raw parts as they were logged, tools, system and messages apart.

The answer is kept beside them as plain text, where its format says what it is.
"""

from collections.abc import Iterable, Sequence

import msgspec

from llmops_cli.calls import BlockKind
from llmops_cli.traffic.blocks import Part

__all__ = ["Kept", "kept", "sections", "together"]


class Kept(msgspec.Struct, omit_defaults=True):
    """The ``content`` of one call, each part in the words of the API it was sent to."""

    tools: list[msgspec.Raw] = []
    system: list[msgspec.Raw] = []
    messages: list[msgspec.Raw] = []
    answer: str = ""


def kept(parts: Sequence[Part], answer: str = "") -> str:
    """The parts of a prompt, and what was answered, as the JSON of :class:`Kept`.

    Raises:
        RowError, msgspec.DecodeError: a part that cannot be cut into blocks.
    """
    found = sections(parts)
    found.answer = answer
    return msgspec.json.encode(found).decode()


def together(contents: Iterable[str]) -> str:
    """The content of one call that was logged in several places, in their order."""
    whole = Kept()
    for content in contents:
        part = msgspec.json.decode(content, type=Kept)
        whole.tools += part.tools
        whole.system += part.system
        whole.messages += part.messages
        whole.answer = whole.answer or part.answer
    return msgspec.json.encode(whole).decode()


def sections(parts: Sequence[Part]) -> Kept:
    """Sort the parts of a prompt; a list of tools or of system texts is taken apart.

    Raises:
        RowError, msgspec.DecodeError: a part that cannot be cut into blocks.
    """
    found = Kept()
    for part in parts:
        _, raw = part
        section = _section(part)
        if section == "messages":
            found.messages.append(msgspec.Raw(raw))
            continue
        several = raw.lstrip()[:1] == b"["
        items = msgspec.json.decode(raw, type=list[msgspec.Raw]) if several else [msgspec.Raw(raw)]
        getattr(found, section).extend(items)
    return found


class _Message(msgspec.Struct):
    role: msgspec.Raw = msgspec.Raw()


def _section(part: Part) -> str:
    cutter, raw = part
    if raw.lstrip()[:1] == b"{" and bytes(msgspec.json.decode(raw, type=_Message).role):
        return "messages"
    kinds = {block[2] for block in cutter(raw)}
    if kinds == {BlockKind.TOOL}:
        return "tools"
    # A system prompt that stands alone, not as one of the messages.
    return "system" if BlockKind.SYSTEM in kinds else "messages"
