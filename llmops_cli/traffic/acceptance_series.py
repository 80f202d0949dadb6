"""Series of speculative decoding, one after the other, out of Prometheus text or JSON."""

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from llmops_cli.errors import LlmopsError

__all__ = [
    "LENGTHS",
    "POSITIONS",
    "RUNNING",
    "Series",
    "is_metric",
    "is_scrape",
    "series_of_json",
    "series_of_text",
]

_LINE = re.compile(r'^([A-Za-z_:][\w:]*)(?:\{((?:[^"}]|"(?:\\.|[^"\\])*")*)\})?\s+(\S+)')
_LABEL = re.compile(r'(\w+)="((?:\\.|[^"\\])*)"')
POSITIONS = "num_accepted_tokens_per_pos"
_COUNTERS = ("num_drafts", "num_draft_tokens", "num_accepted_tokens", POSITIONS)
LENGTHS = ("spec_accept_length", "avg_spec_accept_length")
RUNNING = ("num_requests_running", "num_running_reqs")
_KNOWN = frozenset((*_COUNTERS, *LENGTHS, *RUNNING))
_IN_TEXT = ("spec_decode_num_", *LENGTHS, *RUNNING)

_MOST_COUNTED = 1e15
"""Beyond this a float no longer counts by ones."""

Series = tuple[str, Mapping[str, str], float]
"""Short name, labels and value of one series."""


def is_scrape(text: str) -> bool:
    """Whether this is Prometheus text with counters of speculative decoding."""
    return any(name in text for name in _IN_TEXT) and not text.lstrip().startswith(("{", "["))


def series_of_text(text: str, source: str) -> Iterator[Series]:
    """What we know of in Prometheus text.

    Raises:
        LlmopsError: ``acceptance-bad-counter`` with its line.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        match = _LINE.match(line.removeprefix("\ufeff"))
        if match is not None and _short(match[1]) in _KNOWN:
            labels = dict(_LABEL.findall(match[2] or ""))
            yield _short(match[1]), labels, _value(match[3], source, number)


def series_of_json(document: object, source: str) -> Iterator[Series]:
    """What we know of in an object of counters, vLLM's metrics or SGLang's server information.

    Raises:
        LlmopsError: ``acceptance-bad-counter``.
    """
    items: list[Any] = document if isinstance(document, list) else [document]
    for item in items:
        if is_metric(item):
            labels = _labels(item)
            value = item.get("values", item.get("value"))
            yield from _of_value(str(item.get("name")), labels, value, source)
        elif isinstance(item, dict):
            states = item.get("internal_states")
            ranks: list[Any] = states if isinstance(states, list) else [item]
            for rank, state in enumerate(ranks):
                named = state.items() if isinstance(state, dict) else ()
                for name, value in named:
                    yield from _of_value(str(name), {"rank": str(rank)}, value, source)


def _labels(item: Mapping[str, Any]) -> dict[str, str]:
    found = item.get("labels")
    named = found.items() if isinstance(found, dict) else ()
    return {str(name): str(value) for name, value in named}


def _of_value(name: str, labels: Mapping[str, str], value: Any, source: str) -> Iterator[Series]:  # noqa: ANN401 - JSON
    short = _short(name)
    if short == POSITIONS and isinstance(value, list | dict):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for at, each in pairs:
            yield short, {**labels, "position": str(at)}, _value(each, source, None)
    elif short in _KNOWN:
        yield short, labels, _value(value, source, None)


def is_metric(item: object) -> bool:
    """Whether this is one of vLLM's metrics."""
    return isinstance(item, dict) and "name" in item and ("value" in item or "values" in item)


def _short(name: str) -> str:
    bare = name.rsplit(":", 1)[-1].removeprefix("vllm_").removeprefix("sglang_")
    return bare.removeprefix("spec_decode_").removesuffix("_total")


def _value(text: object, source: str, line: int | None) -> float:
    try:
        plain = isinstance(text, str | int | float) and not isinstance(text, bool)
        number = float(text) if plain else math.nan  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        number = math.nan
    if not 0 <= number < _MOST_COUNTED:
        raise LlmopsError(
            "acceptance-bad-counter", "a counter is no number from 0 up", file=source, line=line
        )
    return number
