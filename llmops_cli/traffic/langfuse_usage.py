"""Langfuse's usage keys: which integration counted, and what its ``input`` left in.

Langfuse means its keys to be disjoint and, where nobody sent a total, writes their sum. But
integrations differ: OpenAI's wrapper for TypeScript leaves cached tokens inside ``input``
(langfuse #10592), LiteLLM takes out what was read and leaves in what was written (litellm
#26919), others take out everything; some leave reasoning inside ``output``. The total tells:
the reading that adds up to it holds. Keys that still have OpenTelemetry's names were not
translated at all and mean what the conventions say, whatever the sum (langfuse #12306).
"""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

from msgspec.structs import replace

from llmops_cli.traffic.envelope import MOST_TOKENS, Tokens
from llmops_cli.traffic.quarantine import RowError
from llmops_cli.traffic.usage import Counters, disjoint

__all__ = ["Usage", "counts", "token_columns"]

Usage = dict[str, Tokens | str | float | None]
"""Counters as logged; ClickHouse may write 64-bit integers as text."""

_UNTRANSLATED_READ = (
    "cache_read_tokens",
    "cache_read.input_tokens",
    "details.cache_read_tokens",
    "details.cache_read_input_tokens",
    "prompt_details.cache_read",
)
_UNTRANSLATED_WRITTEN = (
    "cache_write_tokens",
    "cache_creation.input_tokens",
    "details.cache_write_tokens",
    "details.cache_creation_input_tokens",
    "prompt_details.cache_write",
)
_READ = (
    "cache_read_input_tokens",
    "input_cached_tokens",
    "input_cache_read",
    "input_cache_read_input_tokens",
    "cached_content_token_count",
    *_UNTRANSLATED_READ,
)
_WRITTEN = (
    "cache_creation_input_tokens",
    "input_cache_creation",
    "input_cache_creation_input_tokens",
    "input_cache_creation_tokens",
    "input_cache_write",
    "input_cache_write_tokens",
    *_UNTRANSLATED_WRITTEN,
)
_WRITTEN_5M = (
    "input_cache_creation_5m",
    "cache_creation_5m_input_tokens",
    "ephemeral_5m_input_tokens",
    "input_ephemeral_5m_input_tokens",
)
_WRITTEN_1H = (
    "input_cache_creation_1h",
    "cache_creation_1h_input_tokens",
    "ephemeral_1h_input_tokens",
    "input_ephemeral_1h_input_tokens",
)
_REASONING = (
    "output_reasoning_tokens",
    "output_reasoning",
    "reasoning_tokens",
    "reasoning",
    "reasoning.output_tokens",
    "details.reasoning_tokens",
    "completion_details.reasoning",
    "thoughts_token_count",
)
_GIVEN = ("input", "input_tokens", "prompt_tokens", "promptTokens", "prompt_token_count")
_OUTPUT = (
    "output",
    "output_tokens",
    "completion_tokens",
    "completionTokens",
    "candidates_token_count",
)
# A vendor's own total comes before the one that may be Langfuse's sum.
_TOTAL = ("total_tokens", "totalTokens", "total_token_count", "total")
_INPUTS = {*_GIVEN, *_READ, *_WRITTEN, *_WRITTEN_5M, *_WRITTEN_1H}
_OUTPUTS = {*_OUTPUT, *_REASONING}


def counts(usage: Mapping[str, str | float | None], field: str) -> dict[str, int]:
    """The counters as integers; what is null is left out.

    Raises:
        RowError: ``calls-bad-value`` for what is no count.
    """
    return {name: _count(value, field) for name, value in usage.items() if value is not None}


def _count(value: str | float, field: str) -> int:
    try:
        found = int(value)
        exact = isinstance(value, str) or found == value
    except (ValueError, OverflowError):
        found, exact = -1, False
    if not exact or not 0 <= found <= MOST_TOKENS:
        raise RowError("calls-bad-value", "a counter of tokens is expected", field)
    return found


def token_columns(usage: dict[str, int], field: str) -> dict[str, Any]:
    """The token columns of the calls table; none for what was not counted.

    Raises:
        RowError: ``calls-contradiction``.
    """
    given, output = _first(usage, _GIVEN), _first(usage, _OUTPUT)
    five_minutes, one_hour = _most(usage, _WRITTEN_5M), _most(usage, _WRITTEN_1H)
    split, flat = five_minutes + one_hour, _most(usage, _WRITTEN)
    c = Counters(
        given=given or 0,
        read=_most(usage, _READ),
        # Some log the split beside its sum, some instead of it, some beside what is left.
        written=flat if flat >= split else flat + split,
        written_1h=one_hour,
        output=output or 0,
        reasoning=_first(usage, _REASONING),
        total=_first(usage, _TOTAL),
        field=field,
    )
    if given is None and not c.cached:
        return {} if output is None else {"output_tokens": output}
    if not usage.keys().isdisjoint({*_UNTRANSLATED_READ, *_UNTRANSLATED_WRITTEN}):
        return disjoint(replace(c, total=None), cached_inside=None)
    told = _told_by_total(usage, c, flat + split)
    if told is not None:
        return disjoint(replace(told, total=None), cached_inside=False)
    if c.reasoning is not None and c.reasoning > c.output:
        c = replace(c, output=c.output + c.reasoning)
    return disjoint(c, cached_inside=None)


def _told_by_total(usage: dict[str, int], c: Counters, all_written: int) -> Counters | None:
    """The counters with ``given`` and ``output`` as the total tells them, disjoint then."""
    if c.total is None:
        return None
    more_input = _sum(usage, "input_", _INPUTS)
    whole = c.output + (c.reasoning or 0) + _sum(usage, "output_", _OUTPUTS)
    inputs = (c.given + more_input, c.given - c.cached, c.given - c.written)
    for fresh, output in product(inputs, (c.output, whole)):
        adds_up = c.total == fresh + c.cached + output
        if adds_up and fresh >= 0 and (c.reasoning or 0) <= output:
            return replace(c, given=fresh, output=output)
    if c.total == sum(usage.values()) - sum(usage.get(name, 0) for name in _TOTAL):
        # Langfuse's own sum, over counts of other things as well: the keys are all there is.
        return replace(c, given=c.given + more_input, output=whole, written=all_written)
    left = c.total - c.cached - whole
    if c.given == 0 and c.cached + more_input and left >= 0:
        # Langfuse stopped at zero where the parts of an input overlap.
        return replace(c, given=left, output=whole)
    return None


def _first(usage: dict[str, int], names: Iterable[str]) -> int | None:
    return next((usage[name] for name in names if name in usage), None)


def _most(usage: dict[str, int], names: Iterable[str]) -> int:
    """The count under several names for one thing: some write two of them, one of them zero."""
    return max((usage[name] for name in names if name in usage), default=0)


def _sum(usage: dict[str, int], prefix: str, known: set[str]) -> int:
    return sum(
        count for name, count in usage.items() if name.startswith(prefix) and name not in known
    )
