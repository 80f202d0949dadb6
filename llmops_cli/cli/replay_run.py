"""One run of replay: clients, file, cap and progress bar brought together."""

from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from llmops_cli.cli.judge_settings import usage_error
from llmops_cli.cli.options import Shared

if TYPE_CHECKING:
    from llmops_cli.live import Prompted, ReplayOutcome, ReplaySettings
    from llmops_cli.live.estimates import Price

__all__ = ["Plan", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One invocation, read and checked.

    Attributes:
        prompts: to replay.
        targets: provider, model and base URL of each of the chain.
        prices: of tokens there.
        settings: how.
        system: prompt sent instead of the logged ones; None to keep them.
        cap_usd: never exceeded.
        output: spans; None in a dry run without it.
        resume: whether it may be there.
    """

    prompts: "list[Prompted]"
    targets: tuple[tuple[str, str, str | None], ...]
    prices: "tuple[Price | None, ...]"
    settings: "ReplaySettings"
    system: str | None
    cap_usd: float
    output: Path | None
    resume: bool

    @property
    def digest(self) -> str:
        """Tells runs apart whose answers must not be mixed."""
        about = (self.targets, self.settings.max_output_tokens, self.system)
        return blake2b(repr(about).encode(), digest_size=8).hexdigest()


def run(plan: Plan, shared: Shared) -> "ReplayOutcome":
    """Ask.

    Raises:
        LlmopsError: ``replay-no-output``, and what the clients and the file refuse.
    """
    import asyncio  # every command loads this module, and only this one talks to a server

    from llmops_cli.cli.progress import counting
    from llmops_cli.failover.policy import Deployment
    from llmops_cli.live import Budget, ShadowFile, Target, open_client, replay_prompts

    if plan.output is None:
        raise usage_error("replay-no-output", "--output is missing", "-o shadow.jsonl")
    timeout = plan.settings.policy.timeout_s
    targets = [
        Target(
            Deployment(name=f"{at}", provider=provider, model=model),
            provider,
            open_client(provider, base_url=url, timeout_s=timeout),
            price,
        )
        for at, ((provider, model, url), price) in enumerate(
            zip(plan.targets, plan.prices, strict=True)
        )
    ]
    file = ShadowFile(plan.output, settings=plan.digest, resume=plan.resume)

    async def replayed() -> "ReplayOutcome":
        budget = Budget(plan.cap_usd, lambda _: 0.0, spent_usd=file.spent_usd)
        try:
            return await replay_prompts(
                plan.prompts, targets, plan.settings, budget, file, lambda now: draw(*_drawn(now))
            )
        finally:
            for target in targets:
                await target.client.close()

    try:
        with counting(shared, len(plan.prompts)) as draw:
            return asyncio.run(replayed())
    finally:
        file.close()


def _drawn(now: "ReplayOutcome") -> tuple[int, str]:
    return now.before + now.answered + now.failed, f"${now.spent_usd:.4f}"
