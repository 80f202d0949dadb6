"""Why a line or a row cannot be read, in a sentence that quotes nothing of it."""

import re

import msgspec

from llmops_cli.traffic.quarantine import BadRow, RowError

__all__ = ["REFUSALS", "bad_row", "unreadable"]

REFUSALS = (msgspec.DecodeError, UnicodeError, RecursionError, RowError)
"""Everything that a reader may raise over what a log holds; anything else is a bug of ours."""

_PATH = re.compile(r" - at `\$\.?(.*)`$")
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_ARRAY = (
    "traffic-json-array",
    "a JSON array, not one object per line; jq -c '.[]' takes it apart",
)
_DEEP = ("traffic-too-deep", "objects are nested too deeply")


def bad_row(
    error: Exception, raw: bytes, file: str, number: int, *, inside: bool = False
) -> BadRow:
    """The entry of a row that cannot be read.

    Args:
        error: one of ``REFUSALS``.
        raw: the line.
        file: where the line is.
        number: of the line.
        inside: whether the line as a whole could be read, and only a part of it could not.
    """
    if isinstance(error, RowError):
        return BadRow(file, number, error.field, error.slug, error.message)
    if isinstance(error, msgspec.ValidationError):
        slug, message, field = _invalid(str(error))
        return BadRow(file, number, field, slug, message)
    slug, message = _inside(error) if inside else unreadable(error, raw)
    return BadRow(file, number, "", slug, message)


def _inside(error: Exception) -> tuple[str, str]:
    if isinstance(error, RecursionError):
        return _DEEP
    return "calls-bad-content", "content is not the JSON that it should be"


def unreadable(error: Exception, raw: bytes) -> tuple[str, str]:
    """Slug and message for a line that is not even JSON."""
    if isinstance(error, UnicodeError):
        return "traffic-not-utf8", "the line is not UTF-8"
    if isinstance(error, RecursionError):
        return _DEEP
    if raw.lstrip()[:1] == b"[":
        return _ARRAY
    if "truncated" in str(error) and not raw.endswith(b"\n"):
        return "traffic-truncated-line", "the last line is cut off"
    if b"NaN" in raw or b"Infinity" in raw:
        return "traffic-not-json", "the line is not JSON, which has no NaN and no Infinity"
    return "traffic-not-json", "the line is not JSON"


def _invalid(text: str) -> tuple[str, str, str]:
    """Slug, message and field of what the decoder says about types; it never quotes values."""
    if text == "Expected `object`, got `array`":
        return (*_ARRAY, "")
    found = _PATH.search(text)
    field = found[1] if found else ""
    missing = _MISSING.match(text)
    if missing:
        name = f"{field}.{missing[1]}" if field else missing[1]
        return "calls-missing-field", f"'{missing[1]}' is missing", name
    what = text[: found.start()] if found else text
    return "calls-bad-value", what[:1].lower() + what[1:].replace("`", ""), field
