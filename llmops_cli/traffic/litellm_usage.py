"""LiteLLM's token counters, which have meant three things in its history.

``prompt_tokens`` includes what was read from and written to a prompt cache: 98,805 = 10 +
66,360 + 32,435 (litellm #11364, 1.80) and 12,307 = 3 + 12,304 (#9812, 1.65). In between what
was written stood beside it: 120,357 = 88 + 120,269, with 21,002 written (#13207, 1.74).
Anthropic's own counter, raw in some logs, includes neither.
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from llmops_cli.traffic.envelope import Tokens
from llmops_cli.traffic.usage import Counters, disjoint

__all__ = ["NO_INPUT", "NO_OUTPUT", "UsageObject", "may_exclude", "token_columns"]


class WriteDetails(msgspec.Struct, gc=False):
    """Writes by lifetime."""

    ephemeral_5m_input_tokens: Tokens | None = None
    ephemeral_1h_input_tokens: Tokens | None = None


class InputDetails(msgspec.Struct, gc=False):
    """``prompt_tokens_details``."""

    cached_tokens: Tokens | None = None
    cache_creation_tokens: Tokens | None = None
    cache_write_tokens: Tokens | None = None
    cache_creation_token_details: WriteDetails | None = None


class OutputDetails(msgspec.Struct, gc=False):
    """``completion_tokens_details``."""

    reasoning_tokens: Tokens | None = None


class UsageObject(msgspec.Struct, gc=False):
    """The response's own counters, in LiteLLM's words, and Anthropic's beside them."""

    prompt_tokens: Tokens | None = None
    completion_tokens: Tokens | None = None
    total_tokens: Tokens | None = None
    prompt_tokens_details: InputDetails | None = None
    input_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    output_tokens_details: OutputDetails | None = None
    cache_creation_token_details: WriteDetails | None = None
    cache_creation: WriteDetails | None = None
    cache_read_input_tokens: Tokens | None = None
    cache_creation_input_tokens: Tokens | None = None
    service_tier: str | None = None


NO_INPUT = InputDetails()
NO_OUTPUT = OutputDetails()
_NO_WRITES = WriteDetails()


def token_columns(usage: UsageObject, field: str, whose: tuple[str, str, str]) -> dict[str, Any]:
    """The token columns of the calls table; none for what was not counted.

    Args:
        usage: as logged.
        field: where it stands in the log, for messages.
        whose: type of call, provider and model: who counts one of these one way counts them all
            so.

    Raises:
        RowError: ``calls-contradiction`` when parts exceed their whole.
    """
    if usage.prompt_tokens is None:
        return {} if usage.completion_tokens is None else {"output_tokens": usage.completion_tokens}
    c = _counters(usage, usage.prompt_tokens, field)
    call_type, provider, model = whose
    if not c.cached or not may_exclude(provider, model):
        return disjoint(c, cached_inside=True)
    if c.read and c.read <= c.given < c.cached and call_type != "anthropic_messages":
        # Read inside, written beside: neither of the two usual readings.
        return disjoint(replace(c, given=c.given + c.written), cached_inside=True)
    return disjoint(c, cached_inside=None, counted_by=":".join(("litellm", *whose)))


def may_exclude(provider: str, model: str) -> bool:
    """Whether the vendor's own input counter leaves out cached tokens, as Anthropic's does."""
    named = provider.startswith(("anthropic", "bedrock"))
    return named or not provider or "claude" in model.lower()


def _counters(usage: UsageObject, given: int, field: str) -> Counters:
    inside = usage.prompt_tokens_details or usage.input_tokens_details or NO_INPUT
    outside = usage.completion_tokens_details or usage.output_tokens_details or NO_OUTPUT
    lifetimes = (
        inside.cache_creation_token_details
        or usage.cache_creation_token_details
        or usage.cache_creation
        or _NO_WRITES
    )
    one_hour = lifetimes.ephemeral_1h_input_tokens or 0
    written = usage.cache_creation_input_tokens or inside.cache_creation_tokens
    return Counters(
        given=given,
        read=usage.cache_read_input_tokens or inside.cached_tokens or 0,
        written=written
        or inside.cache_write_tokens
        or one_hour + (lifetimes.ephemeral_5m_input_tokens or 0),
        written_1h=one_hour,
        output=usage.completion_tokens or 0,
        reasoning=outside.reasoning_tokens,
        total=usage.total_tokens,
        field=field,
    )
