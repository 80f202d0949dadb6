"""One run of replay: clients, file, cap and progress bar brought together."""

from contextlib import closing
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_cli.cli.judge_settings import usage_error
from llmops_cli.cli.options import Shared
from llmops_cli.cli.otlp_option import Endpoint, exporting
from llmops_cli.cli.replay_chain import Chain

if TYPE_CHECKING:
    from llmops_cli.live import (
        Cassette,
        Prompted,
        RecordMode,
        ReplayOutcome,
        ReplaySettings,
        Target,
    )
    from llmops_cli.live.otlp_export import OtlpExport

__all__ = ["Plan", "run", "would_ask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One invocation, read and checked.

    Attributes:
        prompts: to replay.
        chain: who is asked, at what price, and what is done about failures.
        settings: how.
        system: prompt sent instead of the logged ones; None to keep them.
        cap_usd: never exceeded.
        output: spans; None in a dry run without it.
        resume: whether it may be there.
        cassette: recorded answers; None for none.
        record_mode: when they are recorded.
        endpoint: where spans go beside the file; None for nowhere.
    """

    prompts: "list[Prompted]"
    chain: Chain
    settings: "ReplaySettings"
    system: str | None
    cap_usd: float
    output: Path | None
    resume: bool
    cassette: Path | None
    record_mode: "RecordMode"
    endpoint: Endpoint | None

    @property
    def shortened(self) -> int:
        """Prompts that only a part of the chain can take."""
        return sum(len(item.places) < len(self.chain.deployments) for item in self.prompts)

    @property
    def digest(self) -> str:
        """Tells runs apart whose answers must not be mixed."""
        about = (self.chain.targets, self.settings.max_output_tokens, self.system)
        return blake2b(repr(about).encode(), digest_size=8).hexdigest()


def run(plan: Plan, shared: Shared) -> "ReplayOutcome":
    """Ask, or play what was answered before.

    Raises:
        LlmopsError: ``replay-no-output``, and what the clients, the cassette and the file refuse.
    """
    from llmops_cli.live import Cassette

    if plan.output is None:
        raise usage_error("replay-no-output", "--output is missing", "-o shadow.jsonl")
    if plan.cassette is None:
        return _exported(plan, plan.output, None, shared)
    with closing(Cassette(plan.cassette, plan.record_mode)) as cassette:
        return _exported(plan, plan.output, cassette, shared)


def would_ask(plan: Plan) -> "list[Prompted]":
    """The prompts that a run would send: those without a recorded answer.

    Raises:
        LlmopsError: what the cassette refuses.
    """
    from llmops_cli.live import Cassette, RecordMode, unplayed

    sends = plan.record_mode is not RecordMode.NONE
    if plan.cassette is None or (sends and not plan.cassette.exists()):
        return plan.prompts
    with closing(Cassette(plan.cassette, plan.record_mode)) as cassette:
        return unplayed(plan.prompts, _targets(plan, sends=False), plan.settings, cassette)


def _exported(
    plan: Plan, output: Path, cassette: "Cassette | None", shared: Shared
) -> "ReplayOutcome":
    with exporting(plan.endpoint) as export:
        outcome = _replayed(plan, (output, export), cassette, shared)
        outcome.exported = None if export is None else export.close()
        return outcome


def _replayed(
    plan: Plan,
    into: "tuple[Path, OtlpExport | None]",
    cassette: "Cassette | None",
    shared: Shared,
) -> "ReplayOutcome":
    import asyncio  # every command loads this module, and only this one talks to a server

    from llmops_cli.cli.progress import counting
    from llmops_cli.live import Budget, Ledger, ShadowFile, replay_prompts, unplayed

    targets = _targets(plan, sends=cassette is None or cassette.records)
    recorded = frozenset[str]()
    if cassette is not None:
        recorded = cassette.span_ids
        if not plan.resume:  # refused before a file is there
            unplayed(plan.prompts, targets, plan.settings, cassette)
    output, export = into
    file = ShadowFile(
        output,
        settings=plan.digest,
        resume=plan.resume,
        recorded=recorded,
        also=export.offer if export is not None else lambda _: None,
    )

    async def replayed() -> "ReplayOutcome":
        budget = Budget(plan.cap_usd, lambda _: 0.0, spent_usd=file.spent_usd)
        ledger = Ledger(budget, file, cassette)
        try:
            return await replay_prompts(
                plan.prompts, targets, plan.settings, ledger, lambda now: draw(*_drawn(now))
            )
        finally:
            for target in targets:
                await target.client.close()

    try:
        with counting(shared, len(plan.prompts)) as draw:
            return asyncio.run(replayed())
    finally:
        file.close()


def _targets(plan: Plan, *, sends: bool) -> "list[Target]":
    from llmops_cli.live import Target, closed_client, open_client

    timeout, chain = plan.settings.policy.timeout_s, plan.chain
    return [
        Target(
            deployment,
            deployment.provider,
            open_client(deployment.provider, base_url=url, timeout_s=timeout)
            if sends
            else closed_client(deployment.provider),
            price,
        )
        for deployment, url, price in zip(chain.deployments, chain.urls, chain.prices, strict=True)
    ]


def _drawn(now: "ReplayOutcome") -> tuple[int, str]:
    return now.before + now.answered + now.failed, f"${now.spent_usd:.4f}"
