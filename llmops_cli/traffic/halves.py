"""Halves of characters: loggers that cut text by UTF-16 units leave them, JSON cannot have them."""

import re

__all__ = ["without_halves"]

_ESCAPES = re.compile(
    rb"\\\\"  # an escaped backslash: what follows it is no escape
    rb"|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # both halves: a character
    rb"|\\u[dD][89a-fA-F][0-9a-fA-F]{2}"
)
_HALF = 6


def without_halves(line: bytes) -> bytes:
    """The line with the replacement character for every escaped half of a character."""
    return _ESCAPES.sub(lambda found: rb"\ufffd" if len(found[0]) == _HALF else found[0], line)
