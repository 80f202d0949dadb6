"""The tables of the portability audit: how many requests can move, and what keeps the others."""

from collections.abc import Iterator, Sequence

from llmops_cli.failover.portability import WORDS, Portability
from llmops_cli.failover.translation import REFUSED
from llmops_cli.report import Column, Finding, Table

__all__ = ["portability_findings", "portability_tables"]


def portability_findings(moving: Sequence[Portability]) -> Iterator[Finding]:
    """What the log does not say, so that nobody takes it for portable."""
    missing, guessed = (sum(getattr(item, n) for item in moving) for n in ("missing", "guessed"))
    if missing:
        yield Finding(
            slug="failover-prompts-missing",
            severity="warning",
            message="requests whose prompt is not in the log are in no share of those that move",
            hint="keep prompts in the telemetry; previous_response_id keeps them at the provider",
            field="content",
            count=missing,
        )
    if guessed:
        yield Finding(
            slug="failover-provider-unknown",
            severity="warning",
            message="prompts that name no provider are held to be of OpenAI's API",
            hint="--map provider_name=FIELD, where the log has it",
            field="provider_name",
            count=guessed,
        )


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
            Column(name="missing", label="prompts not logged"),
        ),
        rows=tuple(
            (
                item.api,
                item.target,
                item.requests,
                *(_share(n, item) for n in (item.unchanged, item.flagged, item.refused)),
                item.missing,
            )
            for item in moving
        ),
        note="only tools, system prompt and messages are held against it: a log does not say "
        "whether n, logprobs or a response format were asked for; of prompts that are not logged "
        "nothing is known",
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


def _share(count: int, item: Portability) -> float | None:
    return count / item.requests if item.requests else None
