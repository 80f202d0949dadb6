"""The tables of the portability audit: how many requests can move, and what keeps the others."""

from collections.abc import Iterator, Sequence

from llmops_cli.failover.portability import WORDS, Portability
from llmops_cli.failover.translation import REFUSED
from llmops_cli.report import Column, Table

__all__ = ["portability_tables"]


def portability_tables(moving: Sequence[Portability]) -> Iterator[Table]:
    """None where nothing was asked."""
    if not moving:
        return
    yield Table(
        name="portability",
        title="Which prompts can move to the other API",
        columns=(
            Column(name="api", label="sent to"),
            Column(name="target", label="to"),
            Column(name="requests", label="prompts"),
            Column(name="unchanged", label="as they are", unit="share"),
            Column(name="flagged", label="changed", unit="share"),
            Column(name="refused", label="not at all", unit="share"),
        ),
        rows=tuple(
            (
                item.api,
                item.target,
                item.requests,
                item.unchanged / item.requests,
                item.flagged / item.requests,
                item.refused / item.requests,
            )
            for item in moving
        ),
        note="only tools, system prompt and messages are held against it: a log does not say "
        "whether n, logprobs or a response format were asked for",
    )
    yield Table(
        name="portability_reasons",
        title="What does not move",
        columns=(
            Column(name="api", label="sent to"),
            Column(name="reason", label="reason"),
            Column(name="moves", label="the prompt"),
            Column(name="requests", label="prompts"),
        ),
        rows=tuple(
            (
                item.api,
                WORDS[problem.slug],
                "stays" if problem.weight == REFUSED else "moves, changed",
                count,
            )
            for item in moving
            for problem, count in item.reasons
        ),
    )
