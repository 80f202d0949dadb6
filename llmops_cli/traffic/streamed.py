"""A response that was logged as its stream: the text of the events becomes a list of them.

How events add up to a body is each format's own matter.
"""

import re
from collections.abc import Iterator
from typing import TypeVar

import msgspec

from llmops_cli.traffic.quarantine import RowError

__all__ = ["events"]

_Event = TypeVar("_Event")

_END = "[DONE]"
# Not splitlines: JSON may hold the rarer line separators as they are.
_LINE_END = re.compile(r"\r\n|\n|\r")


def events(text: str, kind: type[_Event]) -> list[_Event]:
    """The events in the text of a stream (WHATWG HTML, server-sent events).

    Args:
        text: lines of ``event:`` and ``data:`` with a blank line behind each event.
        kind: type of one event.

    Raises:
        RowError: ``calls-bad-value`` where nothing in the text is an event, or one is no JSON.
        msgspec.ValidationError: an event is not of this type.
    """
    found = [data for data in _payloads(text) if data.strip() != _END]
    if not found:
        raise RowError("calls-bad-value", "text is neither a body nor a stream", "response")
    try:
        return [msgspec.json.decode(data, type=kind) for data in found]
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        raise RowError(
            "calls-bad-value", "an event of the stream is not JSON", "response"
        ) from None


def _payloads(text: str) -> Iterator[str]:
    data = list[str]()
    for line in _LINE_END.split(text):
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
    if data:
        yield "\n".join(data)
