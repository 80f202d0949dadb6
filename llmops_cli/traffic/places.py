"""Where the values of a JSON line stand, and the names that lead to each.

A reader of many lines looks at one of them in this way and finds the same places in the others.
"""

import re
from dataclasses import dataclass, field

import msgspec

__all__ = ["EACH", "Path", "Place", "places"]

Path = tuple[str | int, ...]
"""The keys that lead to a value."""

EACH = -1
"""Stands in a path for any element of a list."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]:,]|[^\s{}\[\]:,"]+')
_DIGITS = b"-0123456789"


@dataclass(frozen=True, slots=True)
class Place:
    """A text or a number: what leads to it, and its first byte and the one behind its last.

    The quotes of a text are outside.
    """

    path: Path
    begin: int
    end: int
    is_text: bool


@dataclass(slots=True)
class _Walk:
    path: list[str | int] = field(default_factory=list[str | int])
    keys: list[set[str] | None] = field(default_factory=list[set[str] | None])
    """The keys so far of every object that is open; None for a list."""
    expects_key: bool = False
    repeats: bool = False

    def step(self, token: bytes) -> bool:
        """Whether this is a value; else it only moves the path."""
        if token in b"{[":
            self._open(token)
        elif token in b"}]":
            self.path.pop()
            self.keys.pop()
            self.expects_key = False
        elif token == b":":
            self.expects_key = False
        elif token == b",":
            self.expects_key = self.keys[-1] is not None
        elif self.expects_key:
            self._name(msgspec.json.decode(token, type=str))
        else:
            return True
        return False

    def _open(self, token: bytes) -> None:
        is_object = token == b"{"
        self.path.append("" if is_object else EACH)
        self.keys.append(set[str]() if is_object else None)
        self.expects_key = is_object

    def _name(self, key: str) -> None:
        known = self.keys[-1]
        if known is not None:
            self.repeats |= key in known
            known.add(key)
        self.path[-1] = key


def places(raw: bytes) -> list[Place] | None:
    """The texts and numbers of a valid JSON value in their order.

    Returns:
        None where an object names a key twice: which of the two counts is not for here.
    """
    found, walk = list[Place](), _Walk()
    for match in _TOKEN.finditer(raw):
        token = match[0]
        if not walk.step(token):
            continue
        path = tuple(walk.path)
        if token[:1] == b'"':
            found.append(Place(path, match.start() + 1, match.end() - 1, is_text=True))
        elif token[:1] in _DIGITS:
            found.append(Place(path, match.start(), match.end(), is_text=False))
    return None if walk.repeats else found
