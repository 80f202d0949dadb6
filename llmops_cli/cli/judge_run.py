"""One run of judge-collect: the client, the journal and the progress bar brought together."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from llmops_cli.cli.judge_settings import usage_error
from llmops_cli.cli.options import Shared
from llmops_cli.cli.otlp_option import Endpoint, exporting, not_exported
from llmops_cli.cli.show import STDOUT, finish, say

if TYPE_CHECKING:
    from llmops_cli.live import Cassette, Client, Outcome, RecordMode, Row, Settings
    from llmops_cli.live.estimates import Price
    from llmops_cli.live.otlp_export import OtlpExport

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
        cassette: recorded verdicts; None for none.
        record_mode: when they are recorded.
        endpoint: where spans go beside their file; None for nowhere.
        common: inputs, parameters and findings of the report.
    """

    rows: "list[Row]"
    settings: "Settings"
    price: "Price | None"
    cap_usd: float
    files: tuple[Path, Path] | None
    resume: bool
    cassette: Path | None
    record_mode: "RecordMode"
    endpoint: Endpoint | None
    common: Mapping[str, Any]


def show_estimate(plan: Plan, provider: str, shared: Shared) -> NoReturn:
    """Say what asking the rows that are left would cost, and end."""
    from llmops_cli.cli.judge_reports import estimate
    from llmops_cli.live import Cassette, JudgeTape, closed_client
    from llmops_cli.live.journal import decided

    done = decided(plan.files[0]) if plan.files and plan.resume else set[str]()
    left = [row for row in plan.rows if row.id not in done]
    if plan.cassette is not None and plan.cassette.exists():
        with closing(Cassette(plan.cassette)) as cassette:
            tape = JudgeTape(cassette, plan.settings, closed_client(provider))
            left = [row for row in left if not tape.holds(row)]
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
    from llmops_cli.live import Cassette, Stop

    if plan.files is None:
        raise usage_error("collect-no-output", "--output is missing", "-o decisions.jsonl")
    if plan.cassette is None:
        outcome = _exported(plan, None, (provider, base_url, timeout_s), shared)
    else:
        with closing(Cassette(plan.cassette, plan.record_mode)) as cassette:
            outcome = _exported(plan, cassette, (provider, base_url, timeout_s), shared)
    for finding in not_exported(outcome.exported):
        say(shared, f"llmops: warning: {finding.message}")
    if outcome.failed or outcome.stop is Stop.PROVIDER:
        raise provider_failed(outcome)
    say(shared, f"llmops: decisions in {plan.files[0]}, spans in {plan.files[1]}")
    finish(summary(outcome, plan.cap_usd, priced=plan.price is not None, **plan.common), shared)


def _exported(
    plan: Plan, cassette: "Cassette | None", whom: tuple[str, str | None, float], shared: Shared
) -> "Outcome":
    with exporting(plan.endpoint) as export:
        outcome = _run(plan, _client(cassette, *whom), (cassette, export), shared)
        outcome.exported = None if export is None else export.close()
        return outcome


def _client(
    cassette: "Cassette | None", provider: str, base_url: str | None, timeout_s: float
) -> "Client":
    from llmops_cli.live import closed_client, open_client

    if cassette is None or cassette.records:
        return open_client(provider, base_url=base_url, timeout_s=timeout_s)
    # The server is a part of what the spans say.
    first = next(cassette.episodes()).attempts[0]
    return closed_client(provider, first.server)


def _run(
    plan: Plan,
    client: "Client",
    beside: "tuple[Cassette | None, OtlpExport | None]",
    shared: Shared,
) -> "Outcome":
    import asyncio  # every command loads this module, and only this one talks to a server

    from llmops_cli.cli.progress import counting
    from llmops_cli.live import Budget, Journal, JudgeTape, collect_verdicts

    cassette, export = beside
    if not plan.resume:
        JudgeTape(cassette, plan.settings, client).require(plan.rows)  # before a file is there
    decisions, spans = plan.files or (STDOUT, STDOUT)
    journal = Journal(
        decisions,
        spans,
        settings=plan.settings.digest(client),
        resume=plan.resume,
        cassette=cassette,
        also=export.offer if export is not None else lambda _: None,
    )

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
