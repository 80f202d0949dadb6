"""What call after call sends again, tools, instructions and messages: only what is new is split.

Of a request body these come as the bytes they are in the log, and leave as runs of parts.
"""

from typing import Any

import msgspec

from llmops_cli.traffic.bodies import decoded
from llmops_cli.traffic.growing import GrowingLists
from llmops_cli.traffic.prompts import NO_RUN, Cutter, Part, Run

__all__ = ["items", "messages", "value"]

_MARKS = b"[,]"
_OPEN = _MARKS[:1]
_MOST_BYTES = 8_000_000
"""Of lists: some hundred conversations at a time; a longer list than a quarter is split anew."""

_Raws = list[msgspec.Raw]
_Perhaps: Any = _Raws | None
_as_list = msgspec.json.Decoder(_Raws).decode


def items(raw: msgspec.Raw, cutter: Cutter, field: str) -> Run:
    """The items of a list that mostly comes again as it is; none where there is no list.

    Args:
        raw: the list, null, or nothing.
        cutter: cuts each item.
        field: where it is in the line.

    Raises:
        msgspec.ValidationError: it is something else.
    """
    text = bytes(raw)
    if text[:1] == _OPEN:
        return _lists.same(text, cutter)
    if text:
        decoded(text, _Perhaps, field)
    return NO_RUN


def messages(raw: msgspec.Raw, cutter: Cutter, field: str, first: Cutter | None = None) -> Run:
    """The items of a list that mostly continues an earlier one.

    Args:
        raw: the list.
        cutter: cuts each item.
        field: where it is in the line.
        first: cuts the first item, where that is another.

    Raises:
        msgspec.ValidationError: it is no list.
    """
    text = bytes(raw)
    if text[:1] != _OPEN:
        decoded(text, _Raws, field)
    return _lists.continued(text, cutter, first)


def value(raw: msgspec.Raw, cutter: Cutter) -> Run:
    """A value that is one part, and mostly comes again as it is; none where there is nothing."""
    text = bytes(raw)
    return _values.same(text, cutter) if text else NO_RUN


def _split(text: bytes, cutter: Cutter) -> tuple[Part, ...]:
    return tuple([(cutter, bytes(item)) for item in _as_list(text)])


def _whole(text: bytes, cutter: Cutter) -> tuple[Part, ...]:
    return ((cutter, text),)


_lists = GrowingLists(_MARKS, _split, _MOST_BYTES)
_values = GrowingLists(_MARKS, _whole, _MOST_BYTES)
