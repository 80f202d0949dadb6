"""Anthropic's token counters: disjoint classes, split by lifetime, cumulative while streaming.

Field meanings: Anthropic API reference, Messages: input_tokens excludes cache reads and writes,
cache_creation splits the writes by lifetime, tokens of compactions stand only in iterations.
"""

from typing import Any

import msgspec

from llmops_cli.traffic.envelope import MOST_TOKENS, Tokens
from llmops_cli.traffic.quarantine import RowError

__all__ = [
    "CacheCreation",
    "DeltaUsage",
    "Iteration",
    "OutputDetails",
    "Usage",
    "counted_on",
    "settled",
    "usage_columns",
]


class CacheCreation(msgspec.Struct):
    """Cache writes by lifetime."""

    ephemeral_5m_input_tokens: Tokens = 0
    ephemeral_1h_input_tokens: Tokens = 0


class OutputDetails(msgspec.Struct):
    """What the output counter includes."""

    thinking_tokens: Tokens | None = None


class Iteration(msgspec.Struct):
    """One of the inferences behind a response."""

    type: str | None = None
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None


class Usage(msgspec.Struct):
    """``response.usage``: disjoint counters."""

    input_tokens: Tokens
    output_tokens: Tokens = 0
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    iterations: list[Iteration] | None = None
    service_tier: str | None = None


class DeltaUsage(msgspec.Struct):
    """``message_delta.usage``: what has been counted by now."""

    input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    iterations: list[Iteration] | None = None


def counted_on(usage: Usage | None, last: DeltaUsage) -> Usage | None:
    """The counters of a stream after one more event: its counts are cumulative, never added."""
    told = {name: getattr(last, name) for name in DeltaUsage.__struct_fields__}
    told = {name: value for name, value in told.items() if value is not None}
    if usage is None:
        return Usage(**told) if "input_tokens" in told else None
    return settled(msgspec.structs.replace(usage, **told))


def settled(usage: Usage) -> Usage:
    """The split by lifetime of a stream's start, brought up to its last count of writes.

    What a server's tool adds during the stream is written at the default lifetime.
    """
    written, split = usage.cache_creation_input_tokens, usage.cache_creation
    if written is None or split is None or written < split.ephemeral_1h_input_tokens:
        return usage
    rest = written - split.ephemeral_1h_input_tokens
    return msgspec.structs.replace(
        usage, cache_creation=CacheCreation(rest, split.ephemeral_1h_input_tokens)
    )


def usage_columns(usage: Usage, field: str = "response.usage") -> dict[str, Any]:
    """The vendor's counters as our classes: they are disjoint already.

    Compactions are billed too, at the same price, but left out of the response's own counters.
    An advisor's tokens are another model's and stay out.

    Args:
        usage: as logged.
        field: where it stands in the log, for messages.

    Raises:
        RowError: ``calls-contradiction`` when the split by lifetime does not add up, or
            thinking is more than the output; ``calls-bad-value`` when the sum is absurd.
    """
    leaves = _leaves(usage, field)
    for iteration in usage.iterations or ():
        if iteration.type == "compaction":
            more = _leaves(iteration, f"{field}.iterations")
            leaves = {name: leaves[name] + count for name, count in more.items()}
    if max(leaves.values()) > MOST_TOKENS:
        raise RowError("calls-bad-value", "the iterations count too many tokens", field)
    details = usage.output_tokens_details
    thought = details.thinking_tokens if details else None
    if thought is not None and thought > usage.output_tokens:
        raise RowError(
            "calls-contradiction",
            f"{thought} thinking tokens are more than the {usage.output_tokens} output tokens "
            "that include them",
            f"{field}.output_tokens_details.thinking_tokens",
        )
    return {**leaves, "reasoning_tokens": thought, "service_tier": usage.service_tier}


def _leaves(usage: Usage | Iteration, field: str) -> dict[str, int]:
    written = usage.cache_creation_input_tokens
    split = usage.cache_creation
    if split is None:
        # Before the one-hour lifetime existed every write was for five minutes.
        five_minutes, one_hour = written or 0, 0
    else:
        five_minutes = split.ephemeral_5m_input_tokens
        one_hour = split.ephemeral_1h_input_tokens
        if written is not None and written != five_minutes + one_hour:
            raise RowError(
                "calls-contradiction",
                f"{written} tokens written to the cache, but {five_minutes} for five minutes "
                f"and {one_hour} for one hour",
                f"{field}.cache_creation_input_tokens",
            )
    return {
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": usage.cache_read_input_tokens or 0,
        "cache_write_5m_tokens": five_minutes,
        "cache_write_1h_tokens": one_hour,
        "output_tokens": usage.output_tokens,
    }
