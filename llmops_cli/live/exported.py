"""Lines that were written by a run are read back: spans, and their attributes by name."""

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["LINE_BEGINS", "plain", "spans_of"]

LINE_BEGINS = b'{"resourceSpans":['
"""Each line that a run writes."""


def spans_of(export: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each span of one line with its attributes and those of its resource.

    Raises:
        KeyError, TypeError, AttributeError, StopIteration: it is no line of ours.
    """
    for resource in export["resourceSpans"]:
        around = plain(resource["resource"])
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                yield span, around | plain(span)


def plain(holder: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a span or a resource, by name."""
    return {pair["key"]: next(iter(pair["value"].values())) for pair in holder["attributes"]}
