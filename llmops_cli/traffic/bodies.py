"""Bodies inside a line that are decoded once it is known whose they are."""

from typing import TypeVar

import msgspec

__all__ = ["decoded"]

_Body = TypeVar("_Body")


def decoded(raw: bytes, kind: type[_Body], field: str) -> _Body:
    """A part of a line as its type; what is wrong in it is named by its place in the line.

    Args:
        raw: the JSON of the part.
        kind: what it is.
        field: dotted path of the part.

    Raises:
        msgspec.ValidationError: as decoding the whole line would.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        what, _, inner = str(error).partition(" - at `$")
        raise msgspec.ValidationError(f"{what} - at `$.{field}{inner or '`'}") from None
