"""One run of judge-collect: the client, the journal and the progress bar brought together."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from llmops_cli.cli.judge_settings import usage_error
from llmops_cli.cli.options import Shared
from llmops_cli.cli.show import STDOUT, finish, say

if TYPE_CHECKING:
    from llmops_cli.live import Client, Outcome, Row, Settings
    from llmops_cli.live.estimates import Price

__all__ = ["Plan", "collect", "show_estimate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One invocation, read and checked.

    Attributes:
        rows: to judge.
        settings: how.
        price: of tokens; None where nobody knows it.
        cap_usd: never exceeded.
        files: decisions and spans; None in a dry run without them.
        resume: whether these may be there.
        common: inputs, parameters and findings of the report.
    """

    rows: "list[Row]"
    settings: "Settings"
    price: "Price | None"
    cap_usd: float
    files: tuple[Path, Path] | None
    resume: bool
    common: Mapping[str, Any]


def show_estimate(plan: Plan, shared: Shared) -> NoReturn:
    """Say what asking the rows that are left would cost, and end."""
    from llmops_cli.cli.judge_reports import estimate
    from llmops_cli.live.journal import decided

    done = decided(plan.files[0]) if plan.files and plan.resume else set[str]()
    left = [row for row in plan.rows if row.id not in done]
    finish(estimate(left, plan.settings, plan.price, **plan.common), shared)


def collect(
    plan: Plan, provider: str, base_url: str | None, timeout_s: float, shared: Shared
) -> NoReturn:
    """Ask, say what came of it, and end.

    Raises:
        LlmopsError: ``collect-no-output``, ``provider-failed``, and what the client and the
            journal refuse.
    """
    from llmops_cli.cli.judge_reports import provider_failed, summary
    from llmops_cli.live import Stop, open_client

    if plan.files is None:
        raise usage_error("collect-no-output", "--output is missing", "-o decisions.jsonl")
    client = open_client(provider, base_url=base_url, timeout_s=timeout_s)
    outcome = _run(plan, client, shared)
    if outcome.failed or outcome.stop is Stop.PROVIDER:
        raise provider_failed(outcome)
    say(shared, f"llmops: decisions in {plan.files[0]}, spans in {plan.files[1]}")
    finish(summary(outcome, plan.cap_usd, priced=plan.price is not None, **plan.common), shared)


def _run(plan: Plan, client: "Client", shared: Shared) -> "Outcome":
    import asyncio  # every command loads this module, and only this one talks to a server

    from llmops_cli.cli.progress import counting
    from llmops_cli.live import Budget, Journal, collect_verdicts

    decisions, spans = plan.files or (STDOUT, STDOUT)
    settings = plan.settings.digest(client)
    journal = Journal(decisions, spans, settings=settings, resume=plan.resume)

    async def collected() -> "Outcome":
        budget = Budget(plan.cap_usd, plan.price, spent_usd=journal.spent_usd)
        try:
            return await collect_verdicts(
                plan.rows, client, plan.settings, journal, budget, lambda now: draw(*_drawn(now))
            )
        finally:
            await client.close()

    try:
        with counting(shared, len(plan.rows)) as draw:
            return asyncio.run(collected())
    finally:
        journal.close()


def _drawn(now: "Outcome") -> tuple[int, str]:
    return now.rows - now.left, f"${now.spent_usd:,.2f}"
