"""Vendors' overlapping counters become disjoint token classes, or a contradiction by name.

Some count cached tokens inside their input counter, others beside it; some count reasoning
beside their output; some integrations translate and some do not. Which reading holds is told
from the numbers where they can tell.
"""

from typing import Any

import msgspec

from llmops_cli.traffic.quarantine import RowError

__all__ = ["Counters", "disjoint"]


class Counters(msgspec.Struct, frozen=True, gc=False):
    """One call's counters as they were logged.

    Attributes:
        given: the input counter.
        read: tokens read from the prompt cache.
        written: tokens written to it, every lifetime together.
        written_1h: the part of ``written`` kept for one hour.
        output: the output counter.
        reasoning: what of ``output`` was spent on reasoning; None where it is not logged.
        total: the total counter; None where it is not logged.
        field: where the counters stand in the log, for messages.
    """

    given: int
    read: int = 0
    written: int = 0
    written_1h: int = 0
    output: int = 0
    reasoning: int | None = None
    total: int | None = None
    field: str = "usage"

    @property
    def cached(self) -> int:
        """Tokens read from the cache or written to it."""
        return self.read + self.written


def disjoint(
    counters: Counters, *, cached_inside: bool | None, counted_by: str | None = None
) -> dict[str, Any]:
    """The token columns of the calls table.

    Args:
        counters: as logged. Reasoning beside the output counter is added to it where the total
            proves it (xAI: 32 in, 9 out, 94 of reasoning, 135 in total).
        cached_inside: whether ``given`` includes what was read and written, where the format
            says so; None where it depends on the integration. Then cached tokens are outside
            if they exceed the counter, or if the total adds them to it (langfuse #12306:
            5 + 128,955 + 1,253 = 130,213); else inside, as OpenTelemetry's conventions ask.
        counted_by: the integration that counted; where it is given, columns say how it was
            understood, so that one proof among its rows decides the doubtful ones.

    Raises:
        RowError: ``calls-contradiction`` when parts exceed their whole.
    """
    c = counters
    inside, output = _reading(c, cached_inside=cached_inside)
    _refuse_contradictions(c, output, cached_inside=inside)
    columns: dict[str, Any] = {
        "input_tokens": c.given - c.cached if inside else c.given,
        "cache_read_tokens": c.read,
        # A vendor with a single lifetime has the default one.
        "cache_write_5m_tokens": c.written - c.written_1h,
        "cache_write_1h_tokens": c.written_1h,
        "output_tokens": output,
        "reasoning_tokens": c.reasoning,
    }
    if cached_inside is None and c.cached and counted_by is not None:
        columns["counted_by"], columns["cached_outside"] = counted_by, not inside
    return columns


def _reading(c: Counters, *, cached_inside: bool | None) -> tuple[bool, int]:
    """Whether cached tokens are inside ``given``, and the output with its reasoning."""
    likely = c.cached <= c.given if cached_inside is None else cached_inside
    if c.total is None:
        return likely, c.output
    allowed = (True, False) if cached_inside is None else (cached_inside,)
    for output in (c.output, c.output + (c.reasoning or 0)):
        for inside in allowed:
            fresh = c.given - c.cached if inside else c.given
            adds_up = c.total == fresh + c.cached + output
            if adds_up and fresh >= 0 and (c.reasoning or 0) <= output:
                return inside, output
    return likely, c.output


def _refuse_contradictions(c: Counters, output: int, *, cached_inside: bool) -> None:
    if cached_inside and c.cached > c.given:
        raise RowError(
            "calls-contradiction",
            f"{c.read} tokens read from and {c.written} written to the cache are more than the "
            f"{c.given} input tokens that include them",
            c.field,
        )
    if c.written_1h > c.written:
        raise RowError(
            "calls-contradiction",
            f"{c.written_1h} tokens written for one hour are more than the {c.written} written "
            "at all",
            c.field,
        )
    if c.reasoning is not None and c.reasoning > output:
        raise RowError(
            "calls-contradiction",
            f"{c.reasoning} reasoning tokens are more than the {output} output tokens that "
            "include them",
            c.field,
        )
